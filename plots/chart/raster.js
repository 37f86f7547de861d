// The map under the candles: asks the worker for a picture of what is in view and draws the newest.

import { cellOf, rangesOf } from './view.js';
import { rasterize } from './raster.worker.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {{key: string, image: CanvasImageSource, width: number, height: number, x: number, y: number, view: View, top: number, bottom: number, scale: {knee: number, top: number}}} Picture */
/** @typedef {{side: string, isCoins: boolean, isStartUpShown: boolean, threshold: number, palette: {long: Uint32Array, short: Uint32Array}}} Look */

// Drawn beyond the pane each way, so that a drag shows no empty edge before the next picture.
const MARGIN = 0.12;

export class Raster {
  /** @param {string | URL | undefined} workerUrl @param {() => void} onPicture */
  constructor(workerUrl, onPicture) {
    this.onPicture = onPicture;
    /** @type {Picture | null} */
    this.picture = null;
    /** @type {{low: number, high: number}} bins of the map */
    this.bounds = { low: 0, high: 0 };
    this.generation = 0;
    /** @type {import('./grid.js').MapData | null} */
    this.map = null;
    /** @type {Omit<Picture, 'image' | 'scale'> & {id: number} | null} */
    this.awaited = null;
    this.wantedKey = '';
    this.worker = startWorker(workerUrl);
    this.worker?.addEventListener('message', ({ data }) => this.receive(data.id, data.picture, data.scale));
    this.worker?.addEventListener('error', () => {
      this.worker = null;
      this.awaited = null;
      this.onPicture();
    });
  }

  /** @param {import('./grid.js').MapData} map @param {boolean} isSameAsset the old picture stays until the new one is there */
  setMap(map, isSameAsset) {
    this.map = map;
    this.generation++;
    if (!isSameAsset) this.picture = null;
    this.bounds = { low: Infinity, high: -Infinity };
    for (const { firstBin, offset } of Object.values(map.sides))
      for (let hour = 0; hour < map.hours.length; hour++) {
        const count = offset[hour + 1] - offset[hour];
        if (!count) continue;
        this.bounds.low = Math.min(this.bounds.low, firstBin[hour]);
        this.bounds.high = Math.max(this.bounds.high, firstBin[hour] + count);
      }
    this.worker?.postMessage({ source: this.source() });
  }

  /** @returns {import('./raster.worker.js').Source} */
  source() {
    const { meta, flags, sides } = /** @type {import('./grid.js').MapData} */ (this.map);
    /** @param {import('./grid.js').SideBins} own */
    const bins = ({ firstBin, offset, usd, startUp }) => ({ firstBin, offset, usd, startUp });
    return { long: bins(sides.long), short: bins(sides.short), flags, log_step: meta.log_step, log_origin: meta.log_origin };
  }

  /** Whether the newest picture shows exactly this view. @param {View} view @param {Look} look */
  isCurrent(view, look) {
    return this.picture?.key === this.keyOf(view, look) || this.bounds.high < this.bounds.low;
  }

  /** @param {View} view @param {Look} look */
  keyOf(view, look) {
    const { width, height, ratio, x0, spacing, low, high } = view;
    return [this.generation, width, height, ratio, x0, spacing, low, high, look.side, look.isCoins,
      look.isStartUpShown, look.threshold, look.palette.long[255]].join();
  }

  /** Request the picture of a view unless it is there or under way. @param {View} view @param {Look} look */
  request(view, look) {
    const key = this.keyOf(view, look);
    if (!this.map || this.awaited || this.picture?.key === key || this.bounds.high < this.bounds.low) return;
    const { request, x, y } = requestOf(view, this.map, this.bounds, look);
    const { width, height } = request;
    if (width < 1 || height < 1) {
      this.picture = null;
      return;
    }
    this.awaited = {
      id: request.id, key, width, height, x, y, view,
      top: view.priceAt(y / view.ratio - 0.5), bottom: view.priceAt((y + height) / view.ratio - 0.5),
    };
    if (this.worker) return this.worker.postMessage({ request });
    const { pixels, scale } = rasterize(this.source(), request);
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
    queueMicrotask(() => this.receive(request.id, canvas, scale));
  }

  /** @param {number} id @param {CanvasImageSource} image @param {{knee: number, top: number}} scale */
  receive(id, image, scale) {
    if (this.awaited?.id !== id) return;
    if (this.picture && 'close' in this.picture.image) this.picture.image.close();
    this.picture = { ...this.awaited, image, scale };
    this.awaited = null;
    this.onPicture();
  }

  /** Draw the newest picture, moved to where its hours and prices lie now. @param {CanvasRenderingContext2D} context @param {View} view */
  draw(context, view) {
    const { picture } = this;
    if (!picture) return;
    const { view: old, x, width, height, top, bottom } = picture;
    const zoom = view.spacing / old.spacing * view.ratio / old.ratio;
    const newX = ((x / old.ratio - 0.5 - old.x0) / old.spacing * view.spacing + view.x0 + 0.5) * view.ratio;
    const newTop = (view.yOf(top) + 0.5) * view.ratio, newBottom = (view.yOf(bottom) + 0.5) * view.ratio;
    context.imageSmoothingEnabled = false;
    context.drawImage(picture.image, Math.round(newX), Math.round(newTop), Math.round(width * zoom), Math.round(newBottom - newTop) || height);
  }

  destroy() {
    this.worker?.terminate();
  }
}

/** @param {string | URL | undefined} url */
function startWorker(url) {
  try {
    return new Worker(url ?? new URL('./raster.worker.js', import.meta.url), { type: 'module' });
  } catch {
    return null;
  }
}

let requests = 0;

/**
 * @param {View} view @param {import('./grid.js').MapData} map @param {{low: number, high: number}} bounds
 * @param {Look} look
 * @returns {{request: import('./raster.worker.js').Request, x: number, y: number}} and where its picture begins, device pixels
 */
export function requestOf(view, map, bounds, look) {
  const { hoursPerCell, binsPerCell, ratio } = view;
  const wide = rangesOf(view, map, MARGIN), seen = rangesOf(view, map);
  const hour = cellOf(wide.hours[0], hoursPerCell), bin = cellOf(Math.max(wide.bins[0], bounds.low), binsPerCell);
  const columns = Math.max(0, Math.ceil((wide.hours[1] - hour) / hoursPerCell));
  const rows = Math.max(0, Math.ceil((Math.min(wide.bins[1], bounds.high) - bin) / binsPerCell));
  const xs = Int32Array.from({ length: columns + 1 }, (_, at) => view.left(hour + at * hoursPerCell));
  const ys = Int32Array.from({ length: rows + 1 }, (_, at) => view.bottom(bin + at * binsPerCell));
  const [dx, dy] = [MARGIN * view.width * ratio, MARGIN * view.height * ratio].map(Math.ceil);
  const x = Math.max(xs[0], -dx), right = Math.min(xs[columns], view.width * ratio + dx);
  const y = Math.max(ys[rows], -dy), bottom = Math.min(ys[0], view.height * ratio + dy);
  return {
    x, y,
    request: {
      id: ++requests, width: Math.round(right - x), height: Math.round(bottom - y),
      hour, hoursPerCell, bin, binsPerCell, xs: xs.map(edge => edge - x), ys: ys.map(edge => edge - y),
      seen: [
        Math.floor((seen.hours[0] - hour) / hoursPerCell), Math.ceil((seen.hours[1] - hour) / hoursPerCell),
        Math.floor((seen.bins[0] - bin) / binsPerCell), Math.ceil((seen.bins[1] - bin) / binsPerCell),
      ],
      scale: null, ...look,
    },
  };
}
