// The profile at the right: bins of one hour as bars, and what lies between price and each level.

import { contextOf, drawHalo, labelFont } from "./canvas.js";
import { eachBin, edgeOf, extentOf, hourWithMap, sidesOf, sumOf, weightOf } from "./grid.js";
import { cellOf, rangesOf } from "./view.js";
import { figureText, hourText } from "./words.js";

/** @typedef {import("./view.js").Scene} Scene */
/** @typedef {import("./grid.js").Side} Side */
/**
 * @typedef {object} Row a cell of the profile
 * @property {number} bin its first
 * @property {number} held
 * @property {number} started start-up mass in it
 * @property {number} q10 0 where not known
 * @property {number} q90
 * @property {number} summed from price to its far edge
 */
/**
 * @typedef {object} Part a side of the profile
 * @property {Side} side
 * @property {number} before what lies between price and the first row
 * @property {Row[]} rows from price outward
 * @property {number} share of start-up mass in the rows
 */

/**
 * The newest hour with a map in view, side by side.
 * @param {Pick<Scene, "map" | "view" | "options">} scene
 */
export function profileOf(scene) {
  const { map, view, options } = scene;
  const hour = hourWithMap(map, rangesOf(view, map).hours[1] - 1);
  const sides = hour < 0 ? [] : sidesOf(options.side);
  return { hour, parts: sides.map((side) => partOf(scene, side, hour)) };
}

/**
 * @param {Pick<Scene, "map" | "view" | "options">} scene
 * @param {Side} side
 * @param {number} hour
 * @returns {Part}
 */
function partOf({ map, view, options: { unit } }, side, hour) {
  const step = view.binsPerCell;
  const [low, high] = rangesOf(view, map).bins;
  const [first, until] = extentOf(map.sides[side], hour);
  const begin = cellOf(Math.max(first, low), step);
  const cells = [];
  for (let bin = begin; bin < Math.min(until, high); bin += step) cells.push(bin);
  // Longs are summed from price down, shorts from price up.
  if (side === "long") cells.reverse();
  const skipped = side === "long" ? [cells[0] + step, until] : [first, begin];
  const before = cells.length ? sumOf(map, side, hour, skipped[0], skipped[1], unit).held : 0;
  let summed = before;
  let started = 0;
  const rows = cells.map((bin) => {
    const sums = sumOf(map, side, hour, bin, bin + step, unit);
    summed += sums.held;
    started += sums.started;
    return { bin, ...sums, ...intervalOf(map, side, hour, bin, bin + step, unit), summed };
  });
  return { side, before, rows, share: summed > before ? started / (summed - before) : 0 };
}

/**
 * Ends of the 80 % interval of bins, added up; 0 where not known.
 * @param {import("./grid.js").MapData} map
 * @param {Side} side
 * @param {number} hour
 * @param {number} from
 * @param {number} until
 * @param {string} unit
 */
export function intervalOf(map, side, hour, from, until, unit) {
  const sums = { q10: 0, q90: 0 };
  const { q10, q90 } = map.sides[side];
  if (!q10 || !q90 || hour !== map.meta.newest) return sums;
  eachBin(map, side, hour, from, until, (bin, _, place) => {
    const weight = weightOf(map.meta, unit, bin);
    sums.q10 += q10[place] * weight || 0;
    sums.q90 += q90[place] * weight || 0;
  });
  return sums;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Scene} scene
 * @param {{hour: number, parts: Part[]}} profile
 */
export function drawProfile(canvas, scene, { hour, parts }) {
  const { map, view, theme } = scene;
  const context = contextOf(canvas);
  const { ratio } = view;
  const { width } = canvas;
  const right = width - 4 * ratio;
  const height = Math.round(view.height * ratio);
  context.fillStyle = theme.page;
  context.fillRect(0, 0, width, canvas.height);
  if (hour < 0) return;
  const rows = parts.flatMap((part) => part.rows);
  // Start-up mass sets no length: its grey may run out of the picture.
  const longest = Math.max(0, ...rows.map((row) => Math.max(row.held - row.started, row.q90)));
  const most = Math.max(0, ...rows.map((row) => row.summed));
  /** @param {number} full the longest @returns {(value: number) => number} */
  const lengthOf = (full) => (value) =>
    full > 0 ? Math.round(((width - 6 * ratio) * value) / full) : 0;
  context.font = labelFont(ratio);
  for (const part of parts) {
    drawBars(context, scene, part, lengthOf(longest));
    drawSums(context, scene, part, lengthOf(most));
    const sum = part.rows.at(-1)?.summed;
    const y = part.side === "long" ? height - 8 * ratio : 25 * ratio;
    if (sum !== undefined) drawHalo(context, `Σ ${figureText(sum, map.meta)}`, right, y, scene);
  }
  context.fillStyle = theme.muted;
  context.fillRect(0, view.level(map.price[hour]), width, Math.max(1, Math.round(ratio)));
  const isNarrow = width < 110 * ratio;
  const when = hourText(map.hours[hour]).slice(5, isNarrow ? 10 : undefined);
  drawHalo(context, when, right, 9 * ratio, scene);
  context.fillStyle = theme.page;
  context.fillRect(0, height, width, canvas.height);
  if (!longest) return;
  context.fillStyle = theme.muted;
  context.textAlign = "left";
  const length = `${isNarrow ? "" : "longest bar "}${figureText(longest, map.meta)}`;
  context.fillText(length, 4 * ratio, height + 14 * ratio);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Part} part
 * @param {(value: number) => number} lengthOf
 */
function drawBars(context, { view, theme, options }, { side, rows }, lengthOf) {
  for (const { bin, held, started, q10, q90 } of rows) {
    const top = view.bottom(bin + view.binsPerCell);
    const tall = Math.max(1, view.bottom(bin) - top);
    /** @param {string} colour @param {number} from @param {number} until */
    const fill = (colour, from, until) => {
      if (until <= from) return;
      context.fillStyle = colour;
      context.fillRect(from, top, until - from, tall);
    };
    const own = lengthOf(held - started);
    fill(theme.side[side], 0, own);
    if (options.showStartUp) fill(theme.veil, own, lengthOf(held));
    fill(`${theme.ink}47`, lengthOf(q10), lengthOf(q90));
  }
}

/**
 * Draw the line of what lies between price and each level.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Part} part
 * @param {(value: number) => number} lengthOf
 */
function drawSums(context, { view, theme }, { side, before, rows }, lengthOf) {
  if (!rows.length) return;
  const [near, far] = side === "long" ? [view.binsPerCell, 0] : [0, view.binsPerCell];
  context.lineWidth = 1.5 * view.ratio;
  context.strokeStyle = theme.ink;
  context.beginPath();
  context.moveTo(lengthOf(before), view.bottom(rows[0].bin + near));
  for (const { bin, summed } of rows) context.lineTo(lengthOf(summed), view.bottom(bin + far));
  context.stroke();
}

/**
 * Bins in view that are not empty as rows of a table, hour by hour.
 * @param {Pick<Scene, "map" | "view" | "options">} scene
 */
export function* seenRows({ map, view, options: { side: chosen, unit } }) {
  const { hours, bins } = rangesOf(view, map);
  for (let hour = hours[0]; hour < hours[1]; hour++)
    for (const side of sidesOf(chosen)) yield* rowsOfHour(map, side, hour, bins, unit);
}

/**
 * @param {import("./grid.js").MapData} map
 * @param {Side} side
 * @param {number} hour
 * @param {number[]} bins from, until
 * @param {string} unit
 */
function rowsOfHour(map, side, hour, [from, until], unit) {
  const { meta } = map;
  const { usd, startUp } = map.sides[side];
  const instant = new Date(map.hours[hour] * 1000).toISOString();
  /** @type {Record<string, string | number>[]} */
  const rows = [];
  eachBin(map, side, hour, from, until, (bin, place) => {
    const weight = weightOf(meta, unit, bin);
    if (!(usd[place] > 0)) return;
    rows.push({
      as_of: instant,
      side,
      price_low: edgeOf(meta, bin),
      price_high: edgeOf(meta, bin + 1),
      amount: usd[place] * weight,
      start_up: startUp ? startUp[place] * weight : 0,
    });
  });
  return rows;
}
