// Sums bins into the cells of a picture and colours them. Imports nothing, so that a page without a
// server can start it from a Blob.

/** @typedef {{firstBin: Int32Array, offset: Uint32Array, usd: Float32Array, startUp: Float32Array | null}} Bins */
/** @typedef {{long: Bins, short: Bins, flags: Uint8Array, log_step: number, log_origin: number}} Source */
/**
 * @typedef {object} Request cells of hoursPerCell hours x binsPerCell bins, and where they are painted
 * @property {number} width @property {number} height of the picture, device pixels
 * @property {number} hour first hour
 * @property {number} hoursPerCell
 * @property {number} bin first bin
 * @property {number} binsPerCell
 * @property {Int32Array} xs edges of the columns, rising
 * @property {Int32Array} ys edges of the rows, from the lowest bin up: falling
 * @property {number[]} seen columns and rows in view: from, until, from, until
 * @property {string} side both, long or short
 * @property {boolean} isCoins
 * @property {boolean} isStartUpShown start-up mass is veiled; otherwise left out
 * @property {number} threshold share of the scale below which nothing is drawn
 * @property {{knee: number, top: number} | null} scale fixed scale; null follows what is in view
 * @property {{long: Uint32Array, short: Uint32Array}} palette VEILS x 256 colours of a side, RGBA bytes
 */

const VEILS = 9, KNEE_QUANTILE = 0.8, TOP_QUANTILE = 0.999;

/**
 * Sum the bins of both sides into cells, column by column; a column's hours are added up.
 * @param {Source} source @param {Request} request
 */
export function sumCells(source, { hour, hoursPerCell, bin, binsPerCell, xs, ys, side, isCoins }) {
  const columns = xs.length - 1, rows = ys.length - 1, end = Math.min(source.flags.length, hour + columns * hoursPerCell);
  const weights = Float64Array.from({ length: rows * binsPerCell }, (_, place) =>
    isCoins ? Math.exp(-source.log_step * (bin + place + 0.5) - source.log_origin) : 1);
  /** @param {Bins} bins @param {Float32Array | null} values @param {boolean} isWanted */
  const summed = ({ firstBin, offset }, values, isWanted) => {
    const cells = new Float32Array(columns * rows);
    for (let at = hour; values && isWanted && at < end; at++) {
      const base = Math.floor((at - hour) / hoursPerCell) * rows;
      const first = firstBin[at] - bin, begin = offset[at] - first;
      const last = Math.min(rows * binsPerCell, first + offset[at + 1] - offset[at]);
      for (let place = Math.max(0, first); place < last; place++)
        cells[base + ((place / binsPerCell) | 0)] += values[begin + place] * weights[place];
    }
    return cells;
  };
  const hours = new Uint16Array(columns), { long, short } = source;
  for (let at = hour; at < end; at++) if (!(source.flags[at] & 1)) hours[Math.floor((at - hour) / hoursPerCell)]++;
  return {
    columns, rows, hours,
    held: { long: summed(long, long.usd, side !== 'short'), short: summed(short, short.usd, side !== 'long') },
    started: { long: summed(long, long.startUp, side !== 'short'), short: summed(short, short.startUp, side !== 'long') },
  };
}

/**
 * Colour the cells: linear below the knee, which most cells in view are below, logarithmic above. A
 * cell's value is the mean over its hours with a map; where both sides lie in a cell, the larger shows.
 * @param {Source} source @param {Request} request
 */
export function rasterize(source, request) {
  const { columns, rows, hours, held, started } = sumCells(source, request), { palette, isStartUpShown } = request;
  const shown = new Float32Array(columns * rows), tint = new Uint16Array(columns * rows);
  // The upper half of a float's bits orders positive numbers to within 0.8 %.
  const settled = new Float32Array(1), settledBits = new Uint16Array(settled.buffer), counts = new Uint32Array(32768);
  const [left, right, bottom, top] = request.seen;
  let total = 0;
  for (let column = 0, at = 0; column < columns; column++)
    for (let row = 0; row < rows; row++, at++) {
      const isShort = held.short[at] > held.long[at], side = isShort ? 'short' : 'long', value = held[side][at];
      if (value === 0) continue;
      const share = 1 / (hours[column] || 1), part = started[side][at];
      settled[0] = part < value * (1 - 1e-6) ? (value - part) * share : 0;
      shown[at] = isStartUpShown ? value * share : settled[0];
      tint[at] = (isShort ? VEILS : 0) + (isStartUpShown ? Math.round((VEILS - 1) * Math.min(1, part / value)) : 0);
      if (settled[0] > 0 && column > left - 1 && column < right && row > bottom - 1 && row < top) {
        counts[settledBits[1]]++;
        total++;
      }
    }
  const scale = request.scale ?? scaleOf(counts, total), levels = levelsOf(scale), least = Math.ceil(255 * request.threshold);
  const colours = new Uint32Array(columns * rows), bits = new Uint16Array(shown.buffer);
  for (let at = 0; at < colours.length; at++) {
    const level = levels[bits[2 * at + 1]];
    if (level === 0 || level < least) continue;
    colours[at] = tint[at] < VEILS ? palette.long[tint[at] * 256 + level] : palette.short[(tint[at] - VEILS) * 256 + level];
  }
  return { pixels: paint(colours, rows, request), scale };
}

/** Positive numbers in the middle of those with the same upper half of their bits. */
const NUMBERS = new Float32Array(Uint32Array.from({ length: 32768 }, (_, key) => (key << 16) + 0x8000).buffer);

/** @param {Uint32Array} counts of values by the upper half of their bits @param {number} total */
function scaleOf(counts, total) {
  const [knee, top] = [KNEE_QUANTILE, TOP_QUANTILE].map(share => {
    let left = share * (total - 1), key = 0;
    while (key < 32639 && (left -= counts[key]) >= 0) key++;
    return NUMBERS[key];
  });
  return total ? { knee, top } : { knee: 1, top: 1 };
}

/** Place on the ramp, 1 to 255, of each upper half of a number's bits. @param {{knee: number, top: number}} scale */
function levelsOf({ knee, top }) {
  const most = Math.asinh(top / knee);
  return Uint8Array.from(NUMBERS, (value, key) =>
    key && Math.max(1, Math.min(255, Math.round(255 * Math.asinh(value / knee) / most))));
}

/** @param {Uint32Array} colours @param {number} rows @param {Request} request */
function paint(colours, rows, { width, height, xs, ys }) {
  const pixels = new Uint32Array(width * height);
  for (let row = 0; row < rows; row++) {
    const top = Math.max(0, ys[row + 1]), bottom = Math.min(height, ys[row]), line = top * width;
    if (top >= bottom) continue;
    for (let column = 0; column < xs.length - 1; column++) {
      const colour = colours[column * rows + row];
      if (colour) pixels.fill(colour, line + Math.max(0, xs[column]), line + Math.max(0, Math.min(width, xs[column + 1])));
    }
    for (let y = top + 1; y < bottom; y++) pixels.copyWithin(y * width, line, line + width);
  }
  return pixels;
}

/** @type {Source} */
let kept;
if (typeof createImageBitmap === 'function')
  addEventListener('message', async ({ data: { source = kept, request } }) => {
    kept = source;
    if (!request) return;
    const { pixels, scale } = rasterize(source, request);
    const image = await createImageBitmap(new ImageData(new Uint8ClampedArray(pixels.buffer), request.width, request.height));
    postMessage({ image, scale }, { transfer: [image] });
  });
