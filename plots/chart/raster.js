// The map under the candles: asks the worker for a picture of what is in view and draws the newest.

import { cellOf, rangesOf } from './view.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {{side: string, isCoins: boolean, isStartUpShown: boolean, threshold: number, palette: {long: Uint32Array, short: Uint32Array}, scale: {knee: number, top: number} | null}} Look */
/** @typedef {{key: string, x: number, y: number, width: number, height: number, old: View, top: number, bottom: number}} Place where a picture lies, and on which view */
/** @typedef {Place & {image: ImageBitmap, scale: {knee: number, top: number}}} Picture */

// Drawn beyond the pane each way, so that a drag shows no empty edge before the next picture.
const MARGIN = 0.12;

export class Raster {
  /** @type {MapData | null} */
  map = null;
  /** @type {Picture | null} */
  picture = null;
  /** @type {Place | null} one picture is under way at a time */
  awaited = null;
  generation = 0;

  /** @param {string | URL | undefined} workerUrl @param {() => void} onPicture */
  constructor(workerUrl, onPicture) {
    this.worker = new Worker(workerUrl ?? new URL('./raster.worker.js', import.meta.url), { type: 'module' });
    this.worker.addEventListener('message', ({ data }) => {
      this.picture?.image.close();
      this.picture = { .../** @type {Place} */ (this.awaited), image: data.image, scale: data.scale };
      this.awaited = null;
      onPicture();
    });
  }

  /** @param {MapData} map @param {boolean} isSameAsset the old picture stays until the new one is there */
  setMap(map, isSameAsset) {
    this.map = map;
    this.generation++;
    if (!isSameAsset) this.picture = null;
    const { meta: { log_step, log_origin }, flags, sides } = map;
    this.worker.postMessage({ source: { log_step, log_origin, flags, ...sides } });
  }

  /** What a picture depends on. @param {View} view @param {Look} look */
  keyOf(view, look) {
    const { width, height, ratioX, ratio, x0, spacing, low, high } = view;
    return [this.generation, width, height, ratioX, ratio, x0, spacing, low, high, look.side, look.isCoins, look.isStartUpShown,
      look.threshold, look.palette.long[255], look.scale?.knee, look.scale?.top].join();
  }

  /** Request the picture of a view unless it is there or another is under way. @param {View} view @param {Look} look */
  request(view, look) {
    const key = this.keyOf(view, look);
    if (!this.map || this.awaited || this.picture?.key === key) return;
    const { x, y, ...request } = requestOf(view, this.map, look), { width, height } = request;
    const top = view.priceAt(y / view.ratio - 0.5), bottom = view.priceAt((y + height) / view.ratio - 0.5);
    this.awaited = { key, x, y, width, height, old: view, top, bottom };
    this.worker.postMessage({ request });
  }

  /** Draw the newest picture where its hours and prices lie now. @param {CanvasRenderingContext2D} context @param {View} view */
  draw(context, view) {
    if (!this.picture) return;
    const { image, old, x, width, top, bottom } = this.picture, { ratioX, ratio } = view;
    /** @param {number} place on the old view, device pixels */
    const moved = place => ((place / old.ratioX - 0.5 - old.x0) / old.spacing * view.spacing + view.x0 + 0.5) * ratioX;
    const [left, right, upper, lower] = [moved(x), moved(x + width), (view.yOf(top) + 0.5) * ratio, (view.yOf(bottom) + 0.5) * ratio].map(Math.round);
    context.imageSmoothingEnabled = false;
    context.drawImage(image, left, upper, right - left, lower - upper);
  }
}

/**
 * What the worker needs to draw a view, and where the picture begins, in device pixels.
 * @param {View} view @param {MapData} map @param {Look} look
 */
export function requestOf(view, map, look) {
  const { hoursPerCell, binsPerCell, ratioX, ratio } = view, wide = rangesOf(view, map, MARGIN), seen = rangesOf(view, map);
  const hour = cellOf(wide.hours[0], hoursPerCell), bin = cellOf(wide.bins[0], binsPerCell);
  const columns = Math.ceil((wide.hours[1] - hour) / hoursPerCell), rows = Math.ceil((wide.bins[1] - bin) / binsPerCell);
  const xs = Int32Array.from({ length: columns + 1 }, (_, at) => view.left(hour + at * hoursPerCell));
  const ys = Int32Array.from({ length: rows + 1 }, (_, at) => view.bottom(bin + at * binsPerCell));
  const full = [view.width * ratioX, view.height * ratio].map(Math.round), [dx, dy] = full.map(length => Math.ceil(MARGIN * length));
  const x = Math.max(xs[0], -dx), y = Math.max(ys[rows], -dy);
  return {
    ...look, x, y, hour, hoursPerCell, bin, binsPerCell,
    width: Math.max(1, Math.min(xs[columns], full[0] + dx) - x), height: Math.max(1, Math.min(ys[0], full[1] + dy) - y),
    xs: xs.map(edge => edge - x), ys: ys.map(edge => edge - y),
    seen: [...seen.hours.map(at => (at - hour) / hoursPerCell), ...seen.bins.map(at => (at - bin) / binsPerCell)],
  };
}
