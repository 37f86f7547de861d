// Where hours and prices lie on the pane, as the library places them. A place in CSS pixels names the
// pixel that begins there, so its middle is half a pixel further.

import { binOf, edgeOf } from './grid.js';

/**
 * @typedef {object} View
 * @property {number} width @property {number} height of the pane, CSS pixels
 * @property {number} ratioX @property {number} ratio device pixels a CSS pixel, across and down
 * @property {number} x0 middle of hour 0, CSS pixels
 * @property {number} spacing of hours, CSS pixels
 * @property {number} low @property {number} high prices at the lower and upper edge
 * @property {number} hoursPerCell @property {number} binsPerCell so many that a cell is a device pixel
 * @property {(hour: number) => number} left left edge of an hour, device pixels
 * @property {(bin: number) => number} bottom lower edge of a bin, device pixels
 * @property {(x: number) => number} hourAt hour of a place in CSS pixels
 * @property {(y: number) => number} binAt
 * @property {(price: number) => number} yOf CSS pixels
 * @property {(y: number) => number} priceAt
 */

/**
 * @param {import('./lightweight-charts.js').ChartApi} chart
 * @param {import('./lightweight-charts.js').SeriesApi} series
 * @param {import('./grid.js').MapData} map @param {{x: number, y: number}} ratios of device pixels to CSS pixels
 * @returns {View | null} null where nothing has a place yet
 */
export function viewOf(chart, series, map, { x: ratioX, y: ratio }) {
  const times = chart.timeScale(), width = times.width(), height = chart.panes()[0].getHeight();
  const x0 = times.logicalToCoordinate(0), far = times.logicalToCoordinate(1024);
  const low = series.coordinateToPrice(height - 0.5), high = series.coordinateToPrice(-0.5);
  if (!map.hours.length || x0 === null || far === null || !width || !height) return null;
  if (low === null || high === null || !(low > 0) || !(high > low) || !Number.isFinite(high)) return null;
  const { meta } = map, spacing = (far - x0) / 1024;
  const binHeight = height * meta.log_step / Math.log(high / low);
  /** @param {number} price */
  const yOf = price => series.priceToCoordinate(price) ?? 0;
  /** @param {number} y */
  const priceAt = y => series.coordinateToPrice(y) ?? low;
  return {
    width, height, ratioX, ratio, x0, spacing, low, high, yOf, priceAt,
    hoursPerCell: Math.max(1, Math.ceil(1 / (spacing * ratioX) - 1e-9)),
    binsPerCell: Math.max(1, Math.ceil(1 / (binHeight * ratio) - 1e-9)),
    left: hour => Math.round((x0 + 0.5 + (hour - 0.5) * spacing) * ratioX),
    bottom: bin => Math.round((yOf(edgeOf(meta, bin)) + 0.5) * ratio),
    hourAt: x => Math.floor((x - x0) / spacing + 0.5),
    binAt: y => binOf(meta, priceAt(y)),
  };
}

/** The first hour or bin of the cell that holds one. @param {number} at @param {number} perCell */
export const cellOf = (at, perCell) => Math.floor(at / perCell) * perCell;

/** Hours and bins in view, as far as the map has them: from, until. @param {View} view @param {import('./grid.js').MapData} map @param {number} [margin] share of the pane */
export function rangesOf(view, map, margin = 0) {
  const dx = margin * view.width, dy = margin * view.height;
  const hours = [Math.max(0, view.hourAt(-0.5 - dx)), Math.min(map.hours.length, view.hourAt(view.width - 1.001 + dx) + 1)];
  const bins = [view.binAt(view.height - 0.5 + dy), view.binAt(-0.5 - dy) + 1];
  return { hours: [hours[0], Math.max(...hours)], bins };
}
