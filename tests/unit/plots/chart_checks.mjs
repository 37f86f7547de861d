// Invariants of the chart's modules, run by node; `test_chart.py` starts it with a folder of
// modules and a grid as `plots/map_grid.py` encodes it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const [folder, gridFile] = [process.env.CHART_MODULES, process.env.CHART_GRID];
const load = (name) => import(`${folder}/${name}.js`);
const { MISSING, decodeGrid, edgeOf, sumOf, centreOf } = await load("grid");
const { rasterize, sumCells } = await load("raster.worker");
const { requestOf } = await load("raster");
const { uncoveredBoxes } = await load("overlays");
const { profileOf, seenRows } = await load("profile");
const { partsOf } = await load("tooltip");
const { THEMES, paletteOf } = await load("theme");
const { inWords, priceText } = await load("words");
const { cellOf, rangesOf, viewOf } = await load("view");

// The same numbers in every run.
let state = 1;
const random = (low = 0, high = 1) => {
  state = (state * 1103515245 + 12345) % 2147483648;
  return low + ((high - low) * state) / 2147483648;
};
const whole = (low, high) => Math.floor(random(low, high + 1));
const close = (one, other, message) =>
  assert.ok(
    Math.abs(one - other) <= 1e-5 * Math.max(1e-9, Math.abs(other)),
    `${message}: ${one} is not ${other}`,
  );

function madeUp({ hours = 40, bins = 60, price = 60000, unit = "usd" } = {}) {
  const meta = {
    asset: "X",
    provider: "made_up",
    venue: "all",
    unit,
    semantics: "standing",
    log_step: 0.002,
    log_origin: -0.0005,
    newest: hours - 1,
    price,
    reach_ratio: 0.1,
    provider_count: 0,
    tiers: [],
    selected_tiers: null,
    bands: [],
    odds: [],
  };
  const middle = Math.floor((Math.log(price) - meta.log_origin) / meta.log_step),
    flags = new Uint8Array(hours);
  for (let hour = 3; hour < hours - 1; hour += 7) flags[hour] = MISSING;
  const side = (isLong) => {
    const firstBin = new Int32Array(hours),
      offset = new Uint32Array(hours + 1),
      usd = [];
    for (let hour = 0; hour < hours; hour++) {
      const count = flags[hour] ? 0 : whole(1, bins),
        at = middle + whole(-4, 4);
      firstBin[hour] = isLong ? at - count : at;
      offset[hour + 1] = offset[hour] + count;
      for (let bin = 0; bin < count; bin++)
        usd.push(random() < 0.2 ? 0 : random(1, 1e6) ** random(0.5, 1.5));
    }
    const startUp = Float32Array.from(usd, (held) => (random() < 0.5 ? 0 : held * random()));
    return {
      firstBin,
      offset,
      usd: Float32Array.from(usd),
      startUp,
      q10: null,
      q90: null,
      agreeing: null,
      tierUsd: null,
    };
  };
  const prices = Float64Array.from({ length: hours }, (_, hour) => (flags[hour] ? NaN : price));
  const candles = { open: prices, high: prices, low: prices, close: prices },
    nothing = new Float64Array(hours).fill(NaN);
  return {
    meta,
    hours: Float64Array.from({ length: hours }, (_, at) => 3600 * (at + 1)),
    price: prices,
    candles,
    flags,
    covered: null,
    realised: { long: nothing, short: nothing },
    isLowerBound: new Uint8Array(hours),
    sides: { long: side(true), short: side(false) },
  };
}

// Places hours and prices as lightweight-charts does: the last hour's middle is at the right edge,
// and prices are logarithmic between the first and the last pixel of the pane.
function viewOfZoom(
  map,
  { width = 400, height = 300, spacing = 10, right = 39, low, high, ratio = 1 },
) {
  const x = (hour) => width - (right - hour + 0.5) * spacing - 1,
    log = Math.log10;
  const chart = {
    timeScale: () => ({ width: () => width, logicalToCoordinate: x }),
    panes: () => [{ getHeight: () => height }],
  };
  const series = {
    priceToCoordinate: (price) =>
      height - 1 - ((height - 1) * (log(price) - log(low))) / (log(high) - log(low)),
    coordinateToPrice: (y) =>
      10 ** (log(low) + ((height - 1 - y) / (height - 1)) * (log(high) - log(low))),
  };
  return viewOf(chart, series, map, { x: ratio, y: ratio });
}

const zooms = (map) =>
  Array.from({ length: 40 }, () => {
    const middle = map.meta.price * Math.exp(random(-0.05, 0.05)),
      reach = Math.exp(random(-5, -0.5));
    return viewOfZoom(map, {
      width: whole(50, 400),
      height: whole(50, 300),
      spacing: Math.exp(random(-3, 3)),
      right: random(-5, map.hours.length + 5),
      low: middle * (1 - reach),
      high: middle * (1 + reach),
      ratio: [1, 1.25, 1.5, 2, 3][whole(0, 4)],
    });
  }).filter((view) => view);

const sourceOf = (map) => ({
  ...map.sides,
  flags: map.flags,
  logStep: map.meta.log_step,
  logOrigin: map.meta.log_origin,
});
const options = { side: "both", unit: "usd", showStartUp: true, threshold: 0 };
const palette = paletteOf(THEMES.dark);
const requestFor = (view, map, changed = {}) =>
  requestOf({ view, map, options: { ...options, ...changed }, palette });
const total = (cells) => cells.reduce((sum, value) => sum + value, 0);

for (const unit of ["usd", "coins"])
  test(`at any zoom the cells sum up to the bins they cover, in ${unit}`, () => {
    const map = madeUp();
    for (const view of zooms(map)) {
      const request = requestFor(view, map, { unit });
      const { columns, rows, held, started, hours } = sumCells(sourceOf(map), request);
      let known = 0;
      for (const side of ["long", "short"]) {
        const sum = { held: 0, started: 0 };
        for (
          let hour = Math.max(0, request.hour);
          hour < Math.min(map.hours.length, request.hour + columns * request.hoursPerCell);
          hour++
        ) {
          const own = sumOf(
            map,
            side,
            hour,
            request.bin,
            request.bin + rows * request.binsPerCell,
            unit,
          );
          sum.held += own.held;
          sum.started += own.started;
          known += side === "long" && !map.flags[hour];
        }
        close(total(held[side]), sum.held, `${side}s`);
        close(total(started[side]), sum.started, `start-up of ${side}s`);
      }
      assert.equal(total(hours), known);
    }
  });

test("every pixel shows the cell that hit-testing finds there, at any pixel ratio", () => {
  const map = madeUp();
  const colours = new Set([...palette.long, ...palette.short]);
  let painted = 0;
  for (const view of zooms(map)) {
    const request = requestFor(view, map),
      { rows, held } = sumCells(sourceOf(map), request);
    const { pixels } = rasterize(sourceOf(map), request);
    const right = Math.round(view.width * view.ratio),
      bottom = Math.round(view.height * view.ratio);
    for (let n = 0; n < 300; n++) {
      const x = whole(0, right - 1),
        y = whole(0, bottom - 1);
      const hour = view.hourAt((x + 0.5) / view.ratio - 0.5),
        bin = view.binAt((y + 0.5) / view.ratio - 0.5);
      const column = (cellOf(hour, view.hoursPerCell) - request.hour) / view.hoursPerCell;
      const row = (cellOf(bin, view.binsPerCell) - request.bin) / view.binsPerCell;
      const isIn =
        x >= request.x &&
        x < request.x + request.width &&
        y >= request.y &&
        y < request.y + request.height;
      const pixel = isIn ? pixels[(y - request.y) * request.width + x - request.x] : 0;
      const isKnown = column >= 0 && column < request.xs.length - 1 && row >= 0 && row < rows;
      const amount = isKnown ? held.long[column * rows + row] + held.short[column * rows + row] : 0;
      assert.equal(pixel !== 0, amount > 0, `pixel ${x}, ${y} of hour ${hour}, bin ${bin}`);
      if (pixel) assert.ok(colours.has(pixel));
      painted += pixel !== 0;
    }
  }
  assert.ok(painted > 500);
});

test("brighter is more, half of the ramp lies below the knee, which is the .8 quantile", () => {
  const map = madeUp(),
    view = viewOfZoom(map, { low: 52000, high: 69000 });
  const request = requestFor(view, map, { side: "long", showStartUp: false });
  const { held, started, hours } = sumCells(sourceOf(map), request),
    rows = request.ys.length - 1;
  const { scale, pixels } = rasterize(sourceOf(map), request);
  const values = Array.from(held.long, (value, at) => value - started.long[at])
    .filter((value) => value > 0)
    .sort((one, other) => one - other);
  assert.ok(hours.every((count) => count <= 1));
  assert.ok(Math.abs(scale.knee / values[Math.round(0.8 * (values.length - 1))] - 1) < 0.02);
  const ramp = new Map([...palette.long.subarray(0, 256)].map((colour, level) => [colour, level]));
  const seen = [];
  for (let at = 0; at < held.long.length; at++) {
    const x = request.xs[Math.floor(at / rows)],
      y = request.ys[(at % rows) + 1];
    if (
      x >= 0 &&
      x < request.width &&
      y >= 0 &&
      y < request.height &&
      held.long[at] - started.long[at] > 1
    )
      seen.push([held.long[at] - started.long[at], ramp.get(pixels[y * request.width + x])]);
  }
  seen.sort((one, other) => one[0] - other[0]);
  assert.ok(seen.length > 100);
  for (let at = 1; at < seen.length; at++) assert.ok(seen[at][1] >= seen[at - 1][1]);
});

test("a threshold leaves the weak cells out and nothing else", () => {
  const map = madeUp(),
    view = viewOfZoom(map, { low: 54000, high: 66000 });
  const painted = (threshold) =>
    rasterize(sourceOf(map), requestFor(view, map, { threshold })).pixels.filter((pixel) => pixel)
      .length;
  assert.ok(painted(0) > painted(0.3) && painted(0.3) > painted(0.9) && painted(0.9) > 0);
});

test("the profile adds up what lies between price and the edge of the view", () => {
  const map = madeUp();
  for (const view of zooms(map)) {
    const { hour, parts } = profileOf({ view, map, options });
    if (hour < 0) continue;
    assert.ok(!(map.flags[hour] & MISSING));
    const {
      bins: [low, high],
    } = rangesOf(view, map);
    for (const { side, rows, before } of parts) {
      if (!rows.length) continue;
      const last = rows.at(-1),
        first = rows[0],
        step = view.binsPerCell;
      const [from, until] = side === "long" ? [last.bin, 1e9] : [-1e9, last.bin + step];
      close(last.summed, sumOf(map, side, hour, from, until, "usd").held, side);
      close(before + total(rows.map((row) => row.held)), last.summed, side);
      assert.ok(first.bin >= low - step && first.bin < high);
    }
  }
});

test("the tooltip says what the cell under the cursor holds", () => {
  const map = madeUp();
  for (const view of zooms(map).slice(0, 10)) {
    const bin = cellOf(view.binAt(view.height / 2), view.binsPerCell),
      hour = whole(0, map.hours.length - 1);
    const parts = Object.fromEntries(partsOf({ map, view, options }, { hour, bin }));
    for (const side of ["long", "short"]) {
      const { held } = sumOf(map, side, hour, bin, bin + view.binsPerCell, "usd");
      assert.equal(parts[`${side}s`], held > 0 ? `${inWords(held)} USD` : undefined);
    }
    assert.equal(
      parts.map,
      map.flags[hour]
        ? "missing in this hour"
        : parts.longs || parts.shorts
          ? undefined
          : "nothing here",
    );
  }
});

test("prices that the provider does not cover are hatched and said to be so", () => {
  const map = madeUp(),
    view = viewOfZoom(map, { low: 54000, high: 66000, ratio: 2 });
  assert.deepEqual(uncoveredBoxes({ map, view }), []);
  const low = new Float64Array(map.hours.length).fill(NaN),
    high = low.slice(),
    hour = map.meta.newest;
  [low[hour], high[hour]] = [57000, 62000];
  map.covered = { low, high };
  const boxes = uncoveredBoxes({ map, view });
  assert.deepEqual(
    boxes.map(({ left, top }) => [left, top]),
    [
      [view.left(hour), 0],
      [view.left(hour), view.level(57000)],
    ],
  );
  assert.equal(boxes[0].height, view.level(62000));
  const partsAt = (price) =>
    Object.fromEntries(
      partsOf(
        { map, view, options },
        { hour, bin: cellOf(view.binAt(view.yOf(price)), view.binsPerCell) },
      ),
    );
  const own = map.sides.long;
  own.usd.fill(0, own.offset[hour], own.offset[hour + 1]);
  assert.equal(partsAt(55000).map, "not covered by the provider");
  assert.equal(partsAt(59000).map, "nothing here");
});

test("coins are USD at the price of the bin, and relative maps have none", () => {
  const map = madeUp(),
    relative = madeUp({ unit: "relative" });
  const hour = map.meta.newest,
    bin = map.sides.long.firstBin[hour];
  close(
    sumOf(map, "long", hour, bin, bin + 1, "coins").held,
    map.sides.long.usd[map.sides.long.offset[hour]] / centreOf(map.meta, bin),
    "coins",
  );
  const own = relative.sides.long,
    place = own.offset[hour];
  close(
    sumOf(relative, "long", hour, own.firstBin[hour], own.firstBin[hour] + 1, "coins").held,
    own.usd[place],
    "relative",
  );
});

test("rows of what is seen are the bins in view", () => {
  const map = madeUp(),
    view = viewOfZoom(map, { width: 100, right: 30, low: 59000, high: 61000, ratio: 2 });
  const {
      hours: [from, until],
      bins: [low, high],
    } = rangesOf(view, map),
    sums = { long: 0, short: 0 };
  for (const row of seenRows({ view, map, options })) {
    sums[row.side] += row.amount;
    assert.ok(row.price_high > view.low && row.price_low < view.high && row.amount > 0);
  }
  for (const side of ["long", "short"]) {
    let expected = 0;
    for (let hour = from; hour < until; hour++)
      expected += sumOf(map, side, hour, low, high, "usd").held;
    close(sums[side], expected, side);
  }
});

test("a picture of a map without any hour with a map is empty", () => {
  const map = madeUp({ hours: 5 });
  map.flags.fill(MISSING);
  for (const own of Object.values(map.sides)) own.offset.fill(0);
  const view = viewOfZoom(map, { width: 100, height: 100, right: 4, low: 59000, high: 61000 });
  const { pixels, scale } = rasterize(sourceOf(map), requestFor(view, map));
  assert.ok(pixels.every((pixel) => pixel === 0) && scale.top > 0);
  assert.equal(profileOf({ view, map, options }).hour, -1);
});

test("figures are short, and prices of any size have digits", () => {
  assert.deepEqual([0, 999.9, 1e3, 1234567, 9.999e8, 2.5e12].map(inWords), [
    "0",
    "1k",
    "1k",
    "1.23M",
    "1B",
    "2.5T",
  ]);
  assert.deepEqual(
    [86270.2, 1.2345, 1.02e-5].map((price) => priceText(price)),
    ["86,270", "1.2345", "0.000010200"],
  );
});

test("what Python encodes is what is decoded", { skip: !gridFile && "no grid is given" }, () => {
  const bytes = readFileSync(gridFile),
    map = decodeGrid(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const { sums, first_edge: firstEdge } = JSON.parse(process.env.CHART_EXPECTED);
  for (const side of ["long", "short"])
    for (let hour = 0; hour < map.hours.length; hour++)
      close(
        sumOf(map, side, hour, -1e9, 1e9, "usd").held,
        sums[side][hour],
        `${side}s of hour ${hour}`,
      );
  close(edgeOf(map.meta, map.sides.long.firstBin[map.meta.newest]), firstEdge, "edge");
});

// Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
const SEEN_BY = {
  everyone: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  deuteranopes: [
    0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881,
  ],
  protanopes: [
    0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998,
  ],
};
const linear = (hex) =>
  [1, 3, 5]
    .map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
const luminance = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
const contrast = (one, other) => {
  const [dark, light] = [luminance(linear(one)), luminance(linear(other))].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const laboratory = ([red, green, blue]) => {
  const [x, y, z] = [
    0.4124 * red + 0.3576 * green + 0.1805 * blue,
    0.2126 * red + 0.7152 * green + 0.0722 * blue,
    0.0193 * red + 0.1192 * green + 0.9505 * blue,
  ].map((one, at) => Math.cbrt(Math.max(one, 0) / [0.9505, 1, 1.089][at]));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
};

for (const [name, theme] of Object.entries(THEMES))
  test(`colours of the ${name} theme are ordered, apart and readable, colour-blind or not`, () => {
    for (const [who, matrix] of Object.entries(SEEN_BY)) {
      const seen = (hex) => {
        const own = linear(hex);
        return [0, 1, 2].map((row) =>
          Math.min(
            1,
            Math.max(
              0,
              matrix[3 * row] * own[0] +
                matrix[3 * row + 1] * own[1] +
                matrix[3 * row + 2] * own[2],
            ),
          ),
        );
      };
      for (const side of ["long", "short"]) {
        const steps = theme.ramp[side].map((hex) => laboratory(seen(hex))[0]);
        for (let at = 1; at < steps.length; at++)
          assert.ok(
            name === "dark" ? steps[at] > steps[at - 1] + 5 : steps[at] < steps[at - 1] - 5,
            `${side}s, step ${at}, ${who}`,
          );
      }
      for (let at = 2; at < 5; at++) {
        const [long, short] = [theme.ramp.long[at], theme.ramp.short[at]].map((hex) =>
          laboratory(seen(hex)),
        );
        assert.ok(
          Math.hypot(...long.map((one, part) => one - short[part])) > 30,
          `step ${at} of both sides, ${who}`,
        );
      }
    }
    for (const colour of [theme.ink, theme.muted]) assert.ok(contrast(colour, theme.page) >= 4.5);
    for (const colour of Object.values(theme.side)) assert.ok(contrast(colour, theme.page) >= 3);
  });
