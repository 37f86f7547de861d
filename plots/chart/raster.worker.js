// Sums bins into the cells of a picture and colours them. Imports nothing, so that a page without a
// server can start it from a Blob.

/**
 * @typedef {object} Bins of a side, one hour after the other
 * @property {Int32Array} firstBin
 * @property {Uint32Array} offset
 * @property {Float32Array} usd
 * @property {Float32Array | null} startUp
 */
/**
 * @typedef {object} Source the map
 * @property {Bins} long
 * @property {Bins} short
 * @property {Uint8Array} flags
 * @property {number} logStep
 * @property {number} logOrigin
 */
/**
 * @typedef {object} Request cells of hoursPerCell x binsPerCell, and where they are painted
 * @property {number} width of the picture, device pixels
 * @property {number} height of the picture, device pixels
 * @property {number} hour first hour
 * @property {number} hoursPerCell
 * @property {number} bin first bin
 * @property {number} binsPerCell
 * @property {Int32Array} xs edges of the columns, rising
 * @property {Int32Array} ys edges of the rows, from the lowest bin up: falling
 * @property {{columns: number[], rows: number[]}} seen in view: from, until
 * @property {string} side both, long or short
 * @property {boolean} isInCoins
 * @property {boolean} showStartUp start-up mass is veiled; otherwise left out
 * @property {number} threshold share of the scale below which nothing is drawn
 * @property {Scale | null} scale of a map beside it; its own, of what is in view, where null
 * @property {{long: Uint32Array, short: Uint32Array}} palette VEILS x LEVELS colours, RGBA bytes
 */
/** @typedef {{knee: number, top: number}} Scale */

const MISSING = 1;
const VEILS = 9;
const LEVELS = 256;
const KNEE_QUANTILE = 0.8;
const TOP_QUANTILE = 0.999;
// A float's upper half orders positive numbers to within 0.8 %; this one is the largest finite.
const HALVES = 32768;
const LARGEST = 32639;

/**
 * Sum the bins of both sides into cells, column by column; a column's hours are added up.
 * @param {Source} source
 * @param {Request} request
 */
export function sumCells(source, request) {
  const { hour, hoursPerCell, bin, binsPerCell, xs, ys, side, isInCoins } = request;
  const { logStep, logOrigin, flags, long, short } = source;
  const columns = xs.length - 1;
  const rows = ys.length - 1;
  const end = Math.min(flags.length, hour + columns * hoursPerCell);
  const weights = new Float64Array(rows * binsPerCell).fill(1);
  if (isInCoins)
    weights.forEach((_, place) => {
      weights[place] = Math.exp(-logStep * (bin + place + 0.5) - logOrigin);
    });
  /** @param {Bins} bins @param {Float32Array | null} values */
  const sum = ({ firstBin, offset }, values) => {
    const cells = new Float32Array(columns * rows);
    if (!values) return cells;
    for (let at = hour; at < end; at++) {
      const base = Math.floor((at - hour) / hoursPerCell) * rows;
      const first = firstBin[at] - bin;
      const begin = offset[at] - first;
      const last = Math.min(weights.length, first + offset[at + 1] - offset[at]);
      for (let place = Math.max(0, first); place < last; place++)
        cells[base + ((place / binsPerCell) | 0)] += values[begin + place] * weights[place];
    }
    return cells;
  };
  const hours = new Uint16Array(columns);
  for (let at = hour; at < end; at++)
    if (!(flags[at] & MISSING)) hours[Math.floor((at - hour) / hoursPerCell)]++;
  const isLongShown = side !== "short";
  const isShortShown = side !== "long";
  return {
    columns,
    rows,
    hours,
    held: {
      long: sum(long, isLongShown ? long.usd : null),
      short: sum(short, isShortShown ? short.usd : null),
    },
    started: {
      long: sum(long, isLongShown ? long.startUp : null),
      short: sum(short, isShortShown ? short.startUp : null),
    },
  };
}

/**
 * Colour the cells: linear below the knee, which most cells in view are below, logarithmic above. A
 * cell's value is the mean over its hours with a map; where both sides lie in a cell, the larger
 * shows.
 * @param {Source} source
 * @param {Request} request
 */
export function rasterize(source, request) {
  const { columns, rows, hours, held, started } = sumCells(source, request);
  const { showStartUp, palette } = request;
  const [left, right] = request.seen.columns;
  const [bottom, top] = request.seen.rows;
  const shown = new Float32Array(columns * rows);
  const tints = new Uint16Array(columns * rows);
  const settled = new Float32Array(1);
  const settledHalves = new Uint16Array(settled.buffer);
  const counts = new Uint32Array(HALVES);
  let at = 0;
  for (let column = 0; column < columns; column++) {
    const share = 1 / (hours[column] || 1);
    const isColumnSeen = column > left - 1 && column < right;
    for (let row = 0; row < rows; row++, at++) {
      const isShort = held.short[at] > held.long[at];
      const value = isShort ? held.short[at] : held.long[at];
      if (value === 0) continue;
      const startUp = isShort ? started.short[at] : started.long[at];
      settled[0] = startUp < value * (1 - 1e-6) ? (value - startUp) * share : 0;
      shown[at] = showStartUp ? value * share : settled[0];
      const veil = showStartUp ? Math.round((VEILS - 1) * Math.min(1, startUp / value)) : 0;
      tints[at] = isShort ? VEILS + veil : veil;
      if (isColumnSeen && settled[0] > 0 && row > bottom - 1 && row < top)
        counts[settledHalves[1]]++;
    }
  }
  const scale = request.scale ?? scaleOf(counts);
  const levels = levelsOf(scale);
  const least = Math.max(1, Math.ceil((LEVELS - 1) * request.threshold));
  const colours = new Uint32Array(columns * rows);
  const halves = new Uint16Array(shown.buffer);
  for (let cell = 0; cell < colours.length; cell++) {
    const level = levels[halves[2 * cell + 1]];
    if (level < least) continue;
    const tint = tints[cell];
    colours[cell] =
      tint < VEILS
        ? palette.long[tint * LEVELS + level]
        : palette.short[(tint - VEILS) * LEVELS + level];
  }
  return { pixels: paint(colours, rows, request), scale };
}

/** Positive numbers in the middle of those with the same upper half. */
const NUMBERS = new Float32Array(
  Uint32Array.from({ length: HALVES }, (_, half) => half * 0x10000 + 0x8000).buffer,
);

/** @param {Uint32Array} counts of values by their upper half @returns {Scale} */
function scaleOf(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!total) return { knee: 1, top: 1 };
  /** @param {number} share */
  const quantile = (share) => {
    let left = share * (total - 1) - counts[0];
    let half = 0;
    while (half < LARGEST && left >= 0) left -= counts[++half];
    return NUMBERS[half];
  };
  return { knee: quantile(KNEE_QUANTILE), top: quantile(TOP_QUANTILE) };
}

/** Place on the ramp, 1 to 255, of each upper half; 0 of nothing. @param {Scale} scale */
function levelsOf({ knee, top }) {
  const most = Math.asinh(top / knee);
  const levels = Uint8Array.from(NUMBERS, (value) => {
    const level = Math.round(((LEVELS - 1) * Math.asinh(value / knee)) / most);
    return Math.max(1, Math.min(LEVELS - 1, level));
  });
  levels[0] = 0;
  return levels;
}

/**
 * @param {Uint32Array} colours
 * @param {number} rows
 * @param {Request} request
 */
function paint(colours, rows, { width, height, xs, ys }) {
  const pixels = new Uint32Array(width * height);
  for (let row = 0; row < rows; row++) {
    const top = Math.max(0, ys[row + 1]);
    const bottom = Math.min(height, ys[row]);
    const line = top * width;
    if (top >= bottom) continue;
    for (let column = 0; column < xs.length - 1; column++) {
      const colour = colours[column * rows + row];
      if (!colour) continue;
      const left = Math.max(0, xs[column]);
      const right = Math.max(0, Math.min(width, xs[column + 1]));
      pixels.fill(colour, line + left, line + right);
    }
    for (let y = top + 1; y < bottom; y++) pixels.copyWithin(y * width, line, line + width);
  }
  return pixels;
}

/** @param {Source} source @param {Request} request */
async function answer(source, request) {
  const { pixels, scale } = rasterize(source, request);
  const bytes = new Uint8ClampedArray(pixels.buffer);
  const image = await createImageBitmap(new ImageData(bytes, request.width, request.height));
  postMessage({ image, scale }, { transfer: [image] });
}

/** @type {Source} */
let kept;
// Only a worker answers; tests import the functions.
if (typeof createImageBitmap === "function")
  addEventListener("message", ({ data: { source, request } }) => {
    kept = source ?? kept;
    if (request) answer(kept, request).catch((error) => postMessage({ failure: String(error) }));
  });
