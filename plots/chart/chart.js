// The chart: keeps map, view and options, and has everything redrawn that depends on them.

import { Cursor } from "./cursor.js";
import { Frame } from "./frame.js";
import { HOUR } from "./grid.js";
import { listenToKeys, listenToPinch, listenToWheel } from "./input.js";
import { drawKey, notesOf } from "./key.js";
import { drawBands, drawFlags } from "./overlays.js";
import { Plot } from "./plot.js";
import { drawProfile, profileOf, seenRows } from "./profile.js";
import { Raster } from "./raster.js";
import { THEMES, paletteOf } from "./theme.js";
import { rangesOf, viewOf } from "./view.js";

/** @typedef {import("./grid.js").MapData} MapData */
/** @typedef {import("./view.js").Scene} Scene */
/** @typedef {import("./view.js").Options} Options */
/** @typedef {import("./plot.js").Prices} Prices */
/** @typedef {{from: number, to: number}} Hours after from up to to, Unix seconds */
/**
 * @typedef {object} Settings
 * @property {"dark" | "light"} [theme]
 * @property {string} [name] for screen readers
 * @property {(isByUser: boolean) => void} [onViewChange]
 * @property {string | URL} [workerUrl] of raster.worker.js, where it has another address
 */

/** @type {Options} */
const DEFAULTS = {
  side: "both",
  unit: "usd",
  threshold: 0,
  scale: null,
  showBands: true,
  showStartUp: true,
};
/** Heights of the strip of published liquidations, CSS pixels. */
const STRIP = 72;
const NARROW_STRIP = 44;
/** Room beside the newest hour: for the labels of bands, or half of a label of the time axis. */
const LABELS = 104;
const EDGE = 16;

export class Heatmap {
  /** @type {MapData | null} */
  #map = null;
  /** @type {Hours | null} the whole map where null */
  #window = null;
  /** @type {number | Prices | null} the map's own where null */
  #reach = null;
  #options = DEFAULTS;
  #ratios = { x: 1, y: 1 };
  /** Whether a reader has moved the view: it then stays where it is. */
  #isByUser = false;
  #isDragging = false;
  /** What is drawn beside the pane. */
  #drawnKey = "";
  /** @type {string[]} */
  #notes = [];
  /** @type {string[]} that a chart beside it has already */
  #otherNotes = [];
  /** @type {{resolve: () => void, reject: (error: Error) => void}[]} */
  #waiting = [];
  #theme;
  #palette;
  #onViewChange;
  #frame;
  #plot;
  #cursor;
  #raster;

  /**
   * @param {HTMLElement} element filled by the chart; its size is the chart's
   * @param {Settings} [settings]
   */
  constructor(element, { theme = "dark", name, onViewChange, workerUrl } = {}) {
    this.#theme = THEMES[theme];
    this.#palette = paletteOf(this.#theme);
    this.#onViewChange = onViewChange;
    this.#frame = new Frame(element, name);
    this.#plot = new Plot(this.#frame.pane, (layer, scope) => this.#drawLayer(layer, scope));
    this.#cursor = new Cursor(this.#frame.pane);
    this.#raster = new Raster(workerUrl, () => this.#plot.redraw());
    this.#listen();
    this.#applyTheme();
    this.#layOut();
    new ResizeObserver(() => this.#layOut()).observe(this.#frame.body);
  }

  /** Replace what is shown; the same asset keeps its view. @param {MapData} map */
  setData(map) {
    const old = this.#map;
    const seen = this.#plot.times.getVisibleLogicalRange();
    const isKept = !!old?.hours.length && !!map.hours.length && old.meta.asset === map.meta.asset;
    this.#map = map;
    this.#raster.setMap(map, isKept);
    if (!isKept || this.#cursor.isOfKeyboard) this.#leave();
    this.#plot.setMap(map, this.#theme);
    if (isKept && seen && this.#isByUser) {
      // A view that ends with the newest hour follows it.
      const moved = (old.hours[0] - map.hours[0]) / HOUR;
      const grown = map.hours.length - old.hours.length - moved;
      const shift = seen.to >= old.hours.length - 1.5 ? moved + grown : moved;
      this.#plot.showHours({ from: seen.from + shift, to: seen.to + shift });
    } else this.#reset();
    if (!map.hours.length) {
      this.#notes = ["no map in this window"];
      this.#frame.setNote(this.#notes[0]);
      this.#frame.clearCanvases(this.#ratios.y);
    }
    this.#redraw();
  }

  /** @param {Partial<Options>} changed */
  setOptions(changed) {
    this.#options = { ...this.#options, ...changed };
    this.#applyWindow();
    this.#redraw();
  }

  /** @param {Hours} hours */
  setWindow(hours) {
    this.#window = hours;
    this.#isByUser = false;
    this.#applyWindow();
  }

  /**
   * Show prices: a share of price each way, or from low to high; null is the map's own.
   * @param {number | Prices | null} reach
   */
  setReach(reach) {
    this.#reach = reach;
    this.#applyReach();
  }

  /** @param {"dark" | "light"} name */
  setTheme(name) {
    this.#theme = THEMES[name];
    this.#palette = paletteOf(this.#theme);
    this.#applyTheme();
    if (this.#map) this.#plot.setRealised(this.#map, this.#theme);
    this.#redraw();
  }

  /** Hours and prices in view, null before anything is. @returns {Hours & Prices | null} */
  seen() {
    const scene = this.#scene();
    if (!scene) return null;
    const { map, view } = scene;
    const [from, until] = rangesOf(view, map).hours;
    const before = map.hours[0] - HOUR;
    return {
      from: before + from * HOUR,
      to: before + until * HOUR,
      low: view.low,
      high: view.high,
    };
  }

  /**
   * Colour by the scale of another chart that is drawn, or by its own.
   * @param {Heatmap | null} other
   */
  shareScale(other) {
    const scale = (other && other.#raster.picture?.scale) ?? null;
    const { knee, top } = this.#options.scale ?? {};
    if (scale?.knee !== knee || scale?.top !== top) this.setOptions({ scale });
  }

  /** Leave out notes that a chart beside it shows. @param {Heatmap} other */
  leaveOutNotesOf(other) {
    this.#otherNotes = other.#notes;
    this.#plot.redraw();
  }

  /** Bins in view that are not empty, as rows of a table. */
  rows() {
    const scene = this.#scene();
    return scene ? seenRows(scene) : [];
  }

  /**
   * Resolves once what was set last is painted; rejects where it cannot be.
   * @returns {Promise<void>}
   */
  drawn() {
    return new Promise((resolve, reject) => {
      if (!this.#map?.hours.length || !this.#frame.pane.clientWidth)
        requestAnimationFrame(() => resolve());
      else this.#waiting.push({ resolve, reject });
      this.#plot.redraw();
    });
  }

  /** CSS pixels from the chart's top, null where a price has no place. @param {number} price */
  priceToY(price) {
    return this.#plot.anchor.priceToCoordinate(price);
  }

  /**
   * The chart as a picture, with key, axes, notes and attribution.
   * @param {{title?: string, notes?: string[]}} [words]
   */
  toCanvas({ title = "", notes = [] } = {}) {
    const words = { title, notes: [this.#notes.join("; "), ...notes] };
    const plot = this.#plot.chart.takeScreenshot(true, false);
    return this.#frame.toCanvas(plot, this.#theme, this.#ratios.y, words);
  }

  /** @returns {Scene | null} null where nothing has a place yet */
  #scene() {
    const { chart, anchor } = this.#plot;
    const view = this.#map && viewOf(chart, anchor, this.#map, this.#ratios);
    if (!this.#map || !view) return null;
    return {
      map: this.#map,
      view,
      options: this.#options,
      theme: this.#theme,
      palette: this.#palette,
    };
  }

  /**
   * @param {"bottom" | "top"} layer
   * @param {import("./lightweight-charts.js").BitmapScope} scope
   */
  #drawLayer(layer, { context, horizontalPixelRatio, verticalPixelRatio }) {
    this.#ratios = { x: horizontalPixelRatio, y: verticalPixelRatio };
    const scene = this.#scene();
    if (!scene) return;
    if (layer === "top") {
      if (this.#options.showBands) drawBands(context, scene);
      return;
    }
    this.#raster.request(scene);
    this.#raster.draw(context, scene.view);
    drawFlags(context, scene);
    this.#plot.releasePrices();
    this.#follow(scene);
  }

  /** Draw what belongs to the view outside the pane. @param {Scene} scene */
  #follow(scene) {
    const key = this.#raster.keyOf(scene);
    if (key !== this.#drawnKey) {
      this.#drawnKey = key;
      const profile = profileOf(scene);
      this.#frame.clearCanvases(scene.view.ratio);
      drawProfile(this.#frame.profile, scene, profile);
      this.#notes = notesOf(scene, profile.parts);
      this.#cursor.refresh(scene);
      this.#onViewChange?.(this.#isByUser);
    }
    const { picture } = this.#raster;
    const failure = this.#raster.failureOf(key);
    if (picture) drawKey(this.#frame.key, scene, picture.scale);
    const own = this.#notes.filter((note) => !this.#otherNotes.includes(note)).join("; ");
    this.#frame.setNote(failure ? `The map is not drawn: ${failure}` : own);
    if (failure || picture?.key === key) this.#settle(failure);
  }

  /** Answer those who wait for the picture. @param {string | null} failure */
  #settle(failure) {
    const waiting = this.#waiting.splice(0);
    requestAnimationFrame(() => {
      for (const { resolve, reject } of waiting)
        failure ? reject(new Error(`The map is not drawn: ${failure}`)) : resolve();
    });
  }

  #redraw() {
    this.#drawnKey = "";
    this.#plot.redraw();
  }

  #layOut() {
    const isNarrow = this.#frame.layOut();
    this.#plot.setStripHeight(isNarrow ? NARROW_STRIP : STRIP);
    this.#redraw();
  }

  #applyTheme() {
    this.#frame.setTheme(this.#theme);
    this.#plot.setTheme(this.#theme);
  }

  #reset() {
    this.#isByUser = false;
    this.#applyWindow();
    this.#applyReach();
  }

  /** Fit the window into the room there is, unless a reader has moved the view. */
  #applyWindow() {
    if (this.#isByUser || !this.#map?.hours.length) return;
    const { hours } = this.#map;
    const last = hours.length - 1;
    const from = this.#window ? (this.#window.from - hours[0]) / HOUR : -1;
    const to = this.#window ? (this.#window.to - hours[0]) / HOUR : last;
    const { width, isNarrow } = this.#plot.room;
    const labels = isNarrow || !this.#options.showBands ? EDGE : LABELS;
    const room = to >= last ? ((to - from) * labels) / Math.max(width - labels, 1) : 0;
    this.#plot.showHours({ from: from + 1, to: to + room });
  }

  #applyReach() {
    if (!this.#map) return;
    const { meta, price, hours, candles } = this.#map;
    const reach = this.#reach ?? meta.reach_ratio;
    if (typeof reach !== "number") return this.#plot.showPrices(reach);
    const level = meta.price ?? price.findLast((one) => one > 0) ?? 1;
    // Candles of the window are in view, whatever the reach.
    const { from, to } = this.#window ?? { from: -Infinity, to: Infinity };
    const isSeen = (/** @type {number} */ value, /** @type {number} */ at) =>
      value > 0 && hours[at] > from && hours[at] <= to;
    this.#plot.showPrices({
      low: Math.min(level * (1 - reach), ...candles.low.filter(isSeen)),
      high: Math.max(level * (1 + reach), ...candles.high.filter(isSeen)),
    });
  }

  #listen() {
    const { pane } = this.#frame;
    const view = () => this.#scene()?.view ?? null;
    /** @type {import("./input.js").Moves} */
    const moves = {
      begin: () => {
        this.#isByUser = true;
      },
      reset: () => this.#reset(),
      leave: () => this.#leave(),
      moveCursor: (columns, rows) => this.#moveCursor(columns, rows),
      zoomHours: (factor) => this.#plot.zoomHours(factor, this.#cursor.hour),
      zoomPrices: (factor, around) => {
        // Prices that are set hold before they are drawn: keys may come faster than frames.
        const prices = this.#plot.wantedPrices ?? view();
        if (prices) this.#plot.showPrices(zoomed(prices, factor, around));
      },
    };
    listenToKeys(pane, moves);
    listenToWheel(this.#frame, view, moves);
    listenToPinch(pane, view, moves);
    for (const kind of ["pointerdown", "wheel", "touchstart"])
      pane.addEventListener(kind, () => this.#takeOver(), { capture: true, passive: true });
    pane.addEventListener("dblclick", moves.reset);
    pane.addEventListener("blur", () => this.#cursor.isOfKeyboard && this.#leave());
    const onMove = (/** @type {PointerEvent} */ event) => {
      this.#isDragging = event.buttons > 0 && event.pointerType === "mouse";
    };
    pane.addEventListener("pointermove", onMove, { capture: true });
    // Where labels of prices get wider or narrower, the library keeps the width of an hour.
    this.#plot.times.subscribeSizeChange(() => this.#applyWindow());
    this.#plot.chart.subscribeCrosshairMove(({ point, paneIndex }) => {
      if (this.#cursor.isOfKeyboard) return;
      const scene = this.#scene();
      if (!scene || !point || this.#isDragging) this.#cursor.leave();
      else this.#cursor.pointAt({ ...point, isInStrip: paneIndex === 1 }, scene);
    });
  }

  /** The mouse or a finger takes the view from the keyboard. */
  #takeOver() {
    this.#isByUser = true;
    if (this.#cursor.isOfKeyboard) this.#cursor.leave();
  }

  #leave() {
    if (this.#cursor.isOfKeyboard) this.#plot.chart.clearCrosshairPosition();
    this.#cursor.leave();
  }

  /**
   * Move the keyboard's cursor by cells, and the view where it would leave it.
   * @param {number} columns
   * @param {number} rows
   */
  #moveCursor(columns, rows) {
    const scene = this.#scene();
    if (!scene) return;
    const { map, view } = scene;
    const { hour, price } = this.#cursor.moveBy(scene, columns, rows);
    const [from, until] = rangesOf(view, map).hours;
    if (hour < from) this.#plot.shiftHours(hour - from);
    if (hour >= until) this.#plot.shiftHours(hour - until + 1);
    const away = Math.max(price / view.high, 1) * Math.min(price / view.low, 1);
    const shift = away ** 1.05;
    if (away !== 1) this.#plot.showPrices({ low: view.low * shift, high: view.high * shift });
    requestAnimationFrame(() => {
      const moved = this.#scene();
      if (!moved || !this.#cursor.isOfKeyboard) return;
      this.#plot.chart.setCrosshairPosition(price, map.hours[hour], this.#plot.anchor);
      this.#cursor.refresh(moved);
    });
  }
}

/**
 * Prices closer to one of them, by default the middle.
 * @param {Prices} prices
 * @param {number} factor of their logarithms
 * @param {number} [around]
 * @returns {Prices}
 */
function zoomed({ low, high }, factor, around = Math.sqrt(low * high)) {
  return { low: around * (low / around) ** factor, high: around * (high / around) ** factor };
}
