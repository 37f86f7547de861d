// Sums bins into the cells of a picture and colours them. Imports nothing: a page without a server
// starts it from a Blob, and without workers it runs where it is imported.

/** @typedef {{firstBin: Int32Array, offset: Uint32Array, usd: Float32Array, startUp: Float32Array | null}} Bins */
/** @typedef {{long: Bins, short: Bins, flags: Uint8Array, log_step: number, log_origin: number}} Source */
/**
 * @typedef {object} Request cells of hoursPerCell hours x binsPerCell bins, and where they are painted
 * @property {number} id
 * @property {number} width @property {number} height of the picture, device pixels
 * @property {number} hour first hour; may be below 0
 * @property {number} hoursPerCell
 * @property {number} bin first bin
 * @property {number} binsPerCell
 * @property {Int32Array} xs edges of the columns, rising
 * @property {Int32Array} ys edges of the rows, from the lowest bin up: falling
 * @property {[number, number, number, number]} seen columns and rows in view: from, until, from, until
 * @property {string} side both, long or short
 * @property {boolean} isCoins
 * @property {boolean} isStartUpShown start-up mass is veiled; otherwise left out
 * @property {number} threshold share of the scale below which nothing is drawn
 * @property {{knee: number, top: number} | null} scale fixed scale; null follows what is in view
 * @property {{long: Uint32Array, short: Uint32Array}} palette VEILS x 256 colours of a side, RGBA bytes
 */

const VEILS = 9;
const KNEE_QUANTILE = 0.8, TOP_QUANTILE = 0.999;

/**
 * Sum the bins of both sides into cells, column by column: a column's hours are added up.
 * @param {Source} source @param {Request} request
 */
export function sumCells(source, request) {
  const columns = request.xs.length - 1, rows = request.ys.length - 1;
  const { hour, hoursPerCell, bin, binsPerCell } = request;
  const count = source.flags.length;
  const weights = Float64Array.from({ length: rows * binsPerCell }, (_, place) =>
    request.isCoins ? Math.exp(-source.log_step * (bin + place + 0.5) - source.log_origin) : 1);
  /** @param {'long' | 'short'} side @param {'usd' | 'startUp'} part */
  const summed = (side, part) => {
    const cells = new Float32Array(columns * rows), { firstBin, offset } = source[side];
    const values = source[side][part];
    if (!values || (request.side !== 'both' && request.side !== side)) return cells;
    const end = Math.min(count, hour + columns * hoursPerCell);
    for (let at = Math.max(0, hour); at < end; at++) {
      const base = Math.floor((at - hour) / hoursPerCell) * rows;
      const first = firstBin[at] - bin, begin = offset[at] - first;
      const last = Math.min(rows * binsPerCell, first + offset[at + 1] - offset[at]);
      for (let place = Math.max(0, first); place < last; place++)
        cells[base + (binsPerCell === 1 ? place : (place / binsPerCell) | 0)] +=
          values[begin + place] * weights[place];
    }
    return cells;
  };
  const hours = new Uint16Array(columns);
  for (let at = Math.max(0, hour); at < Math.min(count, hour + columns * hoursPerCell); at++)
    if (!(source.flags[at] & 1)) hours[Math.floor((at - hour) / hoursPerCell)]++;
  return {
    columns, rows, hours,
    held: { long: summed('long', 'usd'), short: summed('short', 'usd') },
    started: { long: summed('long', 'startUp'), short: summed('short', 'startUp') },
  };
}

/**
 * Colour the cells: linear below the knee, which most cells in view are below, logarithmic above. A
 * cell's value is the mean over its hours with a map; where both sides lie in a cell, the larger shows.
 * @param {Source} source @param {Request} request
 */
export function rasterize(source, request) {
  const { columns, rows, hours, held, started } = sumCells(source, request);
  const cells = columns * rows, shown = new Float32Array(cells);
  const isShort = new Uint8Array(cells), veil = new Uint8Array(cells);
  // The upper half of a float's bits orders positive numbers to within 0.8 %.
  const bits = new Uint16Array(shown.buffer), counts = new Uint32Array(32768);
  const [left, right, bottom, top] = request.seen;
  let total = 0;
  for (let column = 0, at = 0; column < columns; column++) {
    const share = hours[column] ? 1 / hours[column] : 0, isIn = column >= left && column < right;
    for (let row = 0; row < rows; row++, at++) {
      const shorts = held.short[at], longs = held.long[at];
      if (shorts + longs === 0) continue;
      const side = shorts > longs ? 'short' : 'long', value = shorts > longs ? shorts : longs;
      const part = Math.min(started[side][at], value);
      const settled = value - part > 1e-6 * value ? value - part : 0;
      shown[at] = (request.isStartUpShown ? value : settled) * share;
      isShort[at] = side === 'short' ? 1 : 0;
      veil[at] = request.isStartUpShown ? Math.round((VEILS - 1) * part / value) : 0;
      if (isIn && row >= bottom && row < top && settled > 0) {
        const own = shown[at];
        shown[at] = settled * share;
        counts[bits[2 * at + 1]]++;
        shown[at] = own;
        total++;
      }
    }
  }
  const scale = request.scale ?? scaleOf(counts, total);
  const levels = levelsOf(scale), least = Math.max(1, Math.ceil(255 * request.threshold));
  const colours = new Uint32Array(cells);
  for (let at = 0; at < cells; at++) {
    const level = levels[bits[2 * at + 1]];
    if (shown[at] > 0 && level >= least)
      colours[at] = (isShort[at] ? request.palette.short : request.palette.long)[veil[at] * 256 + level];
  }
  return { pixels: paint(colours, rows, request), scale };
}

/** @param {Uint32Array} counts of values by the upper half of their bits @param {number} total */
function scaleOf(counts, total) {
  /** @param {number} share */
  const quantile = share => {
    let left = share * (total - 1), key = 0;
    while (key < 32767 && (left -= counts[key]) >= 0) key++;
    return new Float32Array(new Uint32Array([(key << 16) + 0x8000]).buffer)[0];
  };
  if (total === 0) return { knee: 1, top: 1 };
  const knee = quantile(KNEE_QUANTILE);
  return { knee, top: Math.max(quantile(TOP_QUANTILE), knee) };
}

/** Colour of each upper half of a float's bits. @param {{knee: number, top: number}} scale */
function levelsOf(scale) {
  const most = Math.asinh(scale.top / scale.knee), levels = new Uint8Array(32768);
  const values = new Float32Array(Uint32Array.from({ length: 32768 }, (_, key) => key << 16).buffer);
  for (let key = 1; key < 32640; key++)
    levels[key] = Math.max(1, Math.min(255, Math.round(255 * Math.asinh(values[key] / scale.knee) / most)));
  return levels;
}

/** @param {Uint32Array} colours @param {number} rows @param {Request} request */
function paint(colours, rows, { width, height, xs, ys }) {
  const pixels = new Uint32Array(width * height);
  for (let row = 0; row < rows; row++) {
    const top = Math.max(0, ys[row + 1]), bottom = Math.min(height, ys[row]);
    if (top >= bottom) continue;
    const line = top * width;
    for (let column = 0; column < xs.length - 1; column++) {
      const colour = colours[column * rows + row];
      if (colour) pixels.fill(colour, line + Math.max(0, xs[column]), line + Math.max(0, Math.min(width, xs[column + 1])));
    }
    for (let y = top + 1; y < bottom; y++) pixels.copyWithin(y * width, line, line + width);
  }
  return pixels;
}

if (typeof document === 'undefined' && typeof postMessage === 'function' && typeof createImageBitmap === 'function') {
  /** @type {Source} */
  let source;
  addEventListener('message', async ({ data }) => {
    if (data.source) source = data.source;
    if (!data.request) return;
    const { id, width, height } = data.request;
    const { pixels, scale } = rasterize(source, data.request);
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    const picture = await createImageBitmap(image);
    /** @type {any} */ (globalThis).postMessage({ id, picture, scale }, [picture]);
  });
}
