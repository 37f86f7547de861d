// What the library draws: candles, axes, published liquidations. The map is a layer under them.

import {
  CandlestickSeries,
  HistogramSeries,
  LineSeries,
  createChart,
} from "./lightweight-charts.js";
import { SIDES, hasRealised } from "./grid.js";
import { isNarrow } from "./view.js";
import { decimalsOf, hourText, inWords, priceText } from "./words.js";

/** @typedef {import("./grid.js").MapData} MapData */
/** @typedef {import("./theme.js").Theme} Theme */
/** @typedef {import("./lightweight-charts.js").BitmapScope} BitmapScope */
/** @typedef {import("./lightweight-charts.js").SeriesApi} SeriesApi */
/** @typedef {{low: number, high: number}} Prices */

const CHART = {
  autoSize: true,
  layout: {
    attributionLogo: false,
    fontSize: 11,
    fontFamily: "system-ui, sans-serif",
    panes: { enableResize: false },
  },
  grid: { vertLines: { visible: false }, horzLines: { visible: false } },
  crosshair: { mode: 0 },
  rightPriceScale: {
    mode: 1,
    borderVisible: false,
    scaleMargins: { top: 0, bottom: 0 },
    minimumWidth: 56,
  },
  timeScale: {
    timeVisible: true,
    secondsVisible: false,
    borderVisible: false,
    minBarSpacing: 0.02,
    fixLeftEdge: true,
    shiftVisibleRangeOnNewBar: false,
  },
  handleScroll: { vertTouchDrag: false },
  localization: { timeFormatter: hourText },
};
const QUIET = { lastValueVisible: false, priceLineVisible: false };
const REALISED_FORMAT = {
  type: "custom",
  minMove: 1,
  formatter: (/** @type {number} */ value) => inWords(Math.abs(value)),
};
/** Prices further apart or closer than these are not shown [log]. */
const LEAST_SPAN = 4e-4;
const MOST_SPAN = 8;
const NO_HOURS = { from: 0, to: 1 };
/** Nearer to the label of the last price than this there is no room for a tick, CSS pixels. */
const LABEL = 16;
/** Width of the price axis, CSS pixels. */
const AXIS = 64;

export class Plot {
  /** @type {Prices} shown next, until the library has fitted them */
  #wanted = { low: 1, high: 2 };
  /** @type {SeriesApi[]} */
  #realised = [];
  #stripHeight = 0;
  #requestUpdate = () => {};
  #candles;
  #pane;

  /**
   * @param {HTMLElement} pane
   * @param {(layer: "bottom" | "top", scope: BitmapScope) => void} drawLayer
   */
  constructor(pane, drawLayer) {
    this.#pane = pane;
    this.chart = createChart(pane, CHART);
    this.times = this.chart.timeScale();
    const fitted = {
      autoscaleInfoProvider: () => ({
        priceRange: { minValue: this.#wanted.low, maxValue: this.#wanted.high },
      }),
    };
    // Gives every hour a place, with or without a candle, and prices their scale.
    this.anchor = this.chart.addSeries(LineSeries, {
      ...QUIET,
      ...fitted,
      lineVisible: false,
      crosshairMarkerVisible: false,
    });
    this.#candles = this.chart.addSeries(CandlestickSeries, { ...fitted, priceLineStyle: 1 });
    const layers = /** @type {const} */ (["bottom", "top"]).map((layer) => ({
      zOrder: () => layer,
      renderer: () => ({
        /** @param {import("./lightweight-charts.js").DrawTarget} target */
        draw: (target) => target.useBitmapCoordinateSpace((scope) => drawLayer(layer, scope)),
      }),
    }));
    this.anchor.attachPrimitive({
      attached: ({ requestUpdate }) => {
        this.#requestUpdate = requestUpdate;
      },
      paneViews: () => layers,
    });
  }

  redraw() {
    this.#requestUpdate();
  }

  /** @param {{from: number, to: number}} range places of the first and the last hour */
  showHours(range) {
    this.times.setVisibleLogicalRange(range);
  }

  /** @param {number} hours */
  shiftHours(hours) {
    const { from, to } = this.times.getVisibleLogicalRange() ?? NO_HOURS;
    this.showHours({ from: from + hours, to: to + hours });
  }

  /** Zoom around an hour, by default the last. @param {number} factor @param {number} [around] */
  zoomHours(factor, around) {
    const { from, to } = this.times.getVisibleLogicalRange() ?? NO_HOURS;
    const fixed = around ?? to;
    this.showHours({ from: fixed + (from - fixed) * factor, to: fixed + (to - fixed) * factor });
  }

  /** Width for hours, also before the library has laid itself out [CSS pixels]. */
  get room() {
    const width = Math.max(this.#pane.clientWidth - AXIS, 100);
    return { width, isNarrow: isNarrow(width) };
  }

  /** Prices that were set and are not drawn yet. @returns {Prices | null} */
  get wantedPrices() {
    return this.anchor.priceScale().options().autoScale ? this.#wanted : null;
  }

  /** @param {Prices} prices */
  showPrices({ low, high }) {
    const span = Math.log(high / low);
    if (!(span > LEAST_SPAN) || span > MOST_SPAN) return;
    this.#wanted = { low, high };
    this.anchor.priceScale().applyOptions({ autoScale: true });
    this.redraw();
  }

  /** Let drags move prices: the library fits them only while it may choose them. */
  releasePrices() {
    if (!this.wantedPrices) return;
    queueMicrotask(() => this.anchor.priceScale().applyOptions({ autoScale: false }));
  }

  /** @param {Theme} theme */
  setTheme(theme) {
    const line = { color: theme.muted, labelBackgroundColor: theme.muted };
    this.chart.applyOptions({
      layout: {
        background: { type: "solid", color: theme.page },
        textColor: theme.ink,
        panes: { separatorColor: theme.line },
      },
      crosshair: { vertLine: line, horzLine: line },
    });
    const { up, down, edge } = theme.candle;
    this.#candles.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: edge,
      wickDownColor: down,
      borderUpColor: edge,
      borderDownColor: down,
      priceLineColor: theme.ink,
    });
  }

  /** @param {MapData} map @param {Theme} theme */
  setMap(map, theme) {
    const { hours, candles, price, meta } = map;
    const { open, high, low, close } = candles;
    const level = meta.price ?? 1;
    const last = close.findLast((one) => one > 0) ?? NaN;
    const priceFormat = {
      type: "custom",
      minMove: 10 ** -decimalsOf(level),
      formatter: (/** @type {number} */ value) => priceText(value, level),
      tickmarksFormatter: (/** @type {number[]} */ values) =>
        values.map((value) => (this.#isCovered(value, last) ? "" : priceText(value, level))),
    };
    this.anchor.applyOptions({ priceFormat });
    this.#candles.applyOptions({ priceFormat });
    // Bars of other hours would be looked up on the anchor's.
    for (const series of [this.#candles, ...this.#realised]) series.setData([]);
    this.anchor.setData(pointsOf(hours, (at) => ({ value: price[at] || close[at] || level })));
    const candleOf = (/** @type {number} */ at) =>
      close[at] > 0 && { open: open[at], high: high[at], low: low[at], close: close[at] };
    this.#candles.setData(pointsOf(hours, candleOf));
    this.setRealised(map, theme);
  }

  /**
   * Whether the label of the last price lies over a tick.
   * @param {number} tick
   * @param {number} last NaN without one
   */
  #isCovered(tick, last) {
    const [own, label] = [tick, last].map((price) => this.anchor.priceToCoordinate(price));
    return Math.abs((own ?? NaN) - (label ?? NaN)) < LABEL;
  }

  /**
   * Show liquidations that venues published, in a strip below: shorts up, longs down; pale is "at
   * least".
   * @param {MapData} map
   * @param {Theme} theme
   */
  setRealised(map, theme) {
    const { hours, realised, isLowerBound } = map;
    if (!hasRealised(map)) {
      for (const series of this.#realised.splice(0)) this.chart.removeSeries(series);
      return;
    }
    if (!this.#realised.length) this.#addRealised();
    this.#realised.forEach((series, place) => {
      const side = SIDES[place];
      const sign = side === "long" ? -1 : 1;
      const barOf = (/** @type {number} */ at) =>
        realised[side][at] >= 0 && {
          value: sign * realised[side][at],
          color: `${theme.side[side]}${isLowerBound[at] ? "80" : "ff"}`,
        };
      series.setData(pointsOf(hours, barOf));
    });
  }

  #addRealised() {
    this.#realised = SIDES.map(() =>
      this.chart.addSeries(HistogramSeries, { ...QUIET, priceFormat: REALISED_FORMAT }, 1),
    );
    const margins = { top: 0.06, bottom: 0.06 };
    this.#realised[0].priceScale().applyOptions({ mode: 0, scaleMargins: margins });
    this.setStripHeight(this.#stripHeight);
  }

  /** The library keeps the strip's share of the height, not its height. @param {number} height */
  setStripHeight(height) {
    this.#stripHeight = height;
    if (this.#realised.length) this.chart.panes()[1].setHeight(height);
  }
}

/**
 * Points of a series; hours without one keep their place.
 * @param {Float64Array} hours
 * @param {(at: number) => object | false} pointOf
 */
const pointsOf = (hours, pointOf) => Array.from(hours, (time, at) => ({ time, ...pointOf(at) }));
