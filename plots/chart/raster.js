// The map under the candles: has the worker paint what is in view, and draws the newest picture.

import { isInCoins } from "./grid.js";
import { cellOf, rangesOf } from "./view.js";

/** @typedef {import("./view.js").Scene} Scene */
/** @typedef {import("./view.js").View} View */
/**
 * @typedef {object} Place where a picture lies
 * @property {string} key what the picture depends on
 * @property {View} old the view it was drawn for
 * @property {number} x left edge on that view, device pixels
 * @property {number} width device pixels
 * @property {number} top price at its upper edge
 * @property {number} bottom price at its lower edge
 */
/** @typedef {Place & {image: ImageBitmap, scale: {knee: number, top: number}}} Picture */

// Drawn beyond the pane each way, so that a drag shows no empty edge before the next picture.
const MARGIN = 0.12;

export class Raster {
  /** @type {Picture | null} */
  picture = null;
  /** @type {{key: string, message: string} | null} why the newest request has no picture */
  #failure = null;
  #isBroken = false;
  /** @type {Place | null} one picture is under way at a time */
  #awaited = null;
  #generation = 0;
  #worker;

  /** @param {string | URL | undefined} workerUrl @param {() => void} onAnswer */
  constructor(workerUrl, onAnswer) {
    const address = workerUrl ?? new URL("./raster.worker.js", import.meta.url);
    this.#worker = new Worker(address, { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.failure) this.#fail(data.failure);
      else this.#show(data);
      onAnswer();
    });
    this.#worker.addEventListener("error", ({ message }) => {
      this.#isBroken = true;
      this.#fail(message || "its worker did not start");
      onAnswer();
    });
  }

  /**
   * @param {import("./grid.js").MapData} map
   * @param {boolean} isSameAsset the old picture stays until the new one is there
   */
  setMap({ meta, flags, sides }, isSameAsset) {
    this.#generation++;
    if (!isSameAsset) this.picture = null;
    const { log_step: logStep, log_origin: logOrigin } = meta;
    this.#worker.postMessage({ source: { logStep, logOrigin, flags, ...sides } });
  }

  /** What a picture depends on. @param {Scene} scene */
  keyOf({ view, options, palette }) {
    const { width, height, ratioX, ratio, x0, spacing, low, high } = view;
    const place = [width, height, ratioX, ratio, x0, spacing, low, high];
    const { side, unit, threshold, showStartUp, scale } = options;
    const look = [side, unit, threshold, showStartUp, scale?.knee, scale?.top, palette.long[255]];
    return [this.#generation, ...place, ...look].join();
  }

  /** Why there is no picture, null where there is or may be one. @param {string} key */
  failureOf(key) {
    return this.#isBroken || this.#failure?.key === key ? (this.#failure?.message ?? null) : null;
  }

  /** Request a picture unless it is there or another is under way. @param {Scene} scene */
  request(scene) {
    const key = this.keyOf(scene);
    if (this.#awaited || this.picture?.key === key || this.failureOf(key)) return;
    const { x, y, ...request } = requestOf(scene);
    const { view } = scene;
    this.#awaited = {
      key,
      old: view,
      x,
      width: request.width,
      top: view.priceAt(y / view.ratio - 0.5),
      bottom: view.priceAt((y + request.height) / view.ratio - 0.5),
    };
    this.#worker.postMessage({ request });
  }

  /**
   * Draw the newest picture where its hours and prices lie now.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   */
  draw(context, view) {
    if (!this.picture) return;
    const { image, old, x, width, top, bottom } = this.picture;
    /** @param {number} place on the old view, device pixels */
    const moved = (place) => {
      const hour = (place / old.ratioX - 0.5 - old.x0) / old.spacing;
      return Math.round((hour * view.spacing + view.x0 + 0.5) * view.ratioX);
    };
    const [left, upper] = [moved(x), view.level(top)];
    context.imageSmoothingEnabled = false;
    context.drawImage(image, left, upper, moved(x + width) - left, view.level(bottom) - upper);
  }

  /** @param {{image: ImageBitmap, scale: {knee: number, top: number}}} answer */
  #show(answer) {
    if (!this.#awaited) return;
    this.picture?.image.close();
    this.picture = { ...this.#awaited, ...answer };
    this.#failure = null;
    this.#awaited = null;
  }

  /** @param {string} message */
  #fail(message) {
    this.#failure = { key: this.#awaited?.key ?? "", message };
    this.#awaited = null;
    this.picture?.image.close();
    this.picture = null;
  }
}

/** What the worker needs to draw a scene, and where the picture begins. @param {Scene} scene */
export function requestOf({ map, view, options, palette }) {
  const { hoursPerCell, binsPerCell } = view;
  const wide = rangesOf(view, map, MARGIN);
  const seen = rangesOf(view, map);
  const hour = cellOf(wide.hours[0], hoursPerCell);
  const bin = cellOf(wide.bins[0], binsPerCell);
  const columns = Math.ceil((wide.hours[1] - hour) / hoursPerCell);
  const rows = Math.ceil((wide.bins[1] - bin) / binsPerCell);
  const xs = Int32Array.from({ length: columns + 1 }, (_, at) =>
    view.left(hour + at * hoursPerCell),
  );
  const ys = Int32Array.from({ length: rows + 1 }, (_, at) => view.bottom(bin + at * binsPerCell));
  const across = reachOf(xs[0], xs[columns], view.width * view.ratioX);
  const down = reachOf(ys[rows], ys[0], view.height * view.ratio);
  return {
    x: across.begin,
    y: down.begin,
    width: across.length,
    height: down.length,
    hour,
    hoursPerCell,
    bin,
    binsPerCell,
    xs: xs.map((edge) => edge - across.begin),
    ys: ys.map((edge) => edge - down.begin),
    seen: {
      columns: seen.hours.map((at) => (at - hour) / hoursPerCell),
      rows: seen.bins.map((at) => (at - bin) / binsPerCell),
    },
    side: options.side,
    threshold: options.threshold,
    showStartUp: options.showStartUp,
    isInCoins: isInCoins(map.meta, options.unit),
    scale: options.scale,
    palette,
  };
}

/**
 * The part of the cells that is within the margin of the pane.
 * @param {number} first edge of the cells, device pixels
 * @param {number} last
 * @param {number} pane device pixels
 */
function reachOf(first, last, pane) {
  const full = Math.round(pane);
  const margin = Math.ceil(MARGIN * full);
  const begin = Math.max(first, -margin);
  return { begin, length: Math.max(1, Math.min(last, full + margin) - begin) };
}
