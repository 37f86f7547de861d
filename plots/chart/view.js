// Where hours and prices lie on the pane, as the library places them. A place in CSS pixels names
// the pixel that begins there, so its middle is half a pixel further.

import { binOf, edgeOf } from "./grid.js";

/** @typedef {import("./grid.js").MapData} MapData */
/**
 * @typedef {object} View
 * @property {number} width of the pane, CSS pixels
 * @property {number} height of the pane, CSS pixels
 * @property {number} ratioX device pixels a CSS pixel, across
 * @property {number} ratio device pixels a CSS pixel, down
 * @property {number} x0 middle of hour 0, CSS pixels
 * @property {number} spacing of hours, CSS pixels
 * @property {number} low price at the lower edge
 * @property {number} high price at the upper edge
 * @property {number} hoursPerCell so many that a cell is a device pixel
 * @property {number} binsPerCell so many that a cell is a device pixel
 * @property {(hour: number) => number} left left edge of an hour, device pixels
 * @property {(bin: number) => number} bottom lower edge of a bin, device pixels
 * @property {(price: number) => number} level of a price, device pixels
 * @property {(x: number) => number} hourAt hour of a place in CSS pixels
 * @property {(y: number) => number} binAt bin of a place in CSS pixels
 * @property {(price: number) => number} yOf CSS pixels
 * @property {(y: number) => number} priceAt price of a place in CSS pixels
 */
/**
 * @typedef {object} Options how a map is drawn
 * @property {"both" | "long" | "short"} side
 * @property {"usd" | "coins"} unit coins are USD at the price of the bin, where it is liquidated
 * @property {number} threshold 0-1, share of the colour scale below which nothing is drawn
 * @property {import("./raster.worker.js").Scale | null} scale of another map; its own where null
 * @property {boolean} showBands
 * @property {boolean} showStartUp start-up mass veiled in grey; false leaves it out
 */
/**
 * @typedef {object} Scene what is drawn, where and how
 * @property {MapData} map
 * @property {View} view
 * @property {Options} options
 * @property {import("./theme.js").Theme} theme
 * @property {import("./theme.js").Palette} palette of the theme
 */

// Two hours this far apart give the spacing; between neighbours the library rounds.
const FAR = 1024;
const NARROW = 420;

/**
 * @param {import("./lightweight-charts.js").ChartApi} chart
 * @param {import("./lightweight-charts.js").SeriesApi} series
 * @param {MapData} map
 * @param {{x: number, y: number}} ratios of device pixels to CSS pixels
 * @returns {View | null} null where nothing has a place yet
 */
export function viewOf(chart, series, { meta, hours }, { x: ratioX, y: ratio }) {
  const times = chart.timeScale();
  const width = times.width();
  const height = chart.panes()[0].getHeight();
  const x0 = times.logicalToCoordinate(0);
  const far = times.logicalToCoordinate(FAR);
  const low = series.coordinateToPrice(height - 0.5);
  const high = series.coordinateToPrice(-0.5);
  if (!hours.length || !width || !height || x0 === null || far === null) return null;
  if (low === null || high === null) return null;
  if (!(low > 0) || !(high > low) || !Number.isFinite(high)) return null;
  const spacing = (far - x0) / FAR;
  const binHeight = (height * meta.log_step) / Math.log(high / low);
  /** @param {number} price */
  const yOf = (price) => series.priceToCoordinate(price) ?? 0;
  /** @param {number} price */
  const level = (price) => Math.round((yOf(price) + 0.5) * ratio);
  /** @param {number} y */
  const priceAt = (y) => series.coordinateToPrice(y) ?? low;
  return {
    width,
    height,
    ratioX,
    ratio,
    x0,
    spacing,
    low,
    high,
    hoursPerCell: perPixel(spacing * ratioX),
    binsPerCell: perPixel(binHeight * ratio),
    left: (hour) => Math.round((x0 + 0.5 + (hour - 0.5) * spacing) * ratioX),
    bottom: (bin) => level(edgeOf(meta, bin)),
    level,
    hourAt: (x) => Math.floor((x - x0) / spacing + 0.5),
    binAt: (y) => binOf(meta, priceAt(y)),
    yOf,
    priceAt,
  };
}

/** Whether bands have no room for labels. @param {number} width for hours, CSS pixels */
export const isNarrow = (width) => width < NARROW;

/** How many of a length fill a pixel. @param {number} length device pixels */
const perPixel = (length) => Math.max(1, Math.ceil(1 / length - 1e-9));

/** The first hour or bin of the cell that holds one. @param {number} at @param {number} perCell */
export const cellOf = (at, perCell) => Math.floor(at / perCell) * perCell;

/**
 * Hours and bins in view, as far as the map has them: from, until.
 * @param {View} view
 * @param {MapData} map
 * @param {number} [margin] share of the pane
 */
export function rangesOf(view, map, margin = 0) {
  const dx = margin * view.width;
  const dy = margin * view.height;
  const from = Math.max(0, view.hourAt(-0.5 - dx));
  const until = Math.min(map.hours.length, view.hourAt(view.width - 1.001 + dx) + 1);
  return {
    hours: [from, Math.max(from, until)],
    bins: [view.binAt(view.height - 0.5 + dy), view.binAt(-0.5 - dy) + 1],
  };
}
