// Two maps held against each other, price by price, in the newest hour of both.

import { contextOf } from "/chart/canvas.js";
import { SIDES, binOf, eachBin, edgeOf } from "/chart/grid.js";

/** @typedef {import("/chart/grid.js").MapData} MapData */

/**
 * Return the share that each bin has of what a side holds between two prices, by bin.
 * @param {MapData} map
 * @param {"long" | "short"} side
 * @param {number} low
 * @param {number} high
 */
export function sharesOf(map, side, low, high) {
  const { usd } = map.sides[side];
  const { meta } = map;
  /** @type {[number, number][]} */
  const held = [];
  if (meta.newest >= 0)
    eachBin(map, side, meta.newest, binOf(meta, low), binOf(meta, high) + 1, (bin, place) => {
      if (usd[place] > 0) held.push([bin, usd[place]]);
    });
  const sum = held.reduce((total, [, amount]) => total + amount, 0);
  return new Map(held.map(([bin, amount]) => [bin, amount / sum]));
}

/**
 * Draw bars from the middle towards the map that puts more of a side at a price.
 * @param {HTMLCanvasElement} canvas between the two
 * @param {import("/chart/chart.js").Heatmap} chart whose prices it shares
 * @param {MapData} left
 * @param {MapData} right
 */
export function drawDifference(canvas, chart, left, right) {
  const context = contextOf(canvas);
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const seen = chart.seen();
  if (!seen) return;
  context.scale(devicePixelRatio, devicePixelRatio);
  const colours = getComputedStyle(canvas);
  const middle = width / 2;
  for (const side of SIDES) {
    const [one, other] = [left, right].map((map) => sharesOf(map, side, seen.low, seen.high));
    const bins = [...new Set([...one.keys(), ...other.keys()])];
    const more = bins.map((bin) => (other.get(bin) ?? 0) - (one.get(bin) ?? 0));
    const largest = Math.max(...more.map(Math.abs));
    context.fillStyle = colours.getPropertyValue(`--${side}`);
    bins.forEach((bin, at) => {
      const top = chart.priceToY(edgeOf(left.meta, bin + 1)) ?? 0;
      const bottom = chart.priceToY(edgeOf(left.meta, bin)) ?? 0;
      const length = (more[at] / largest) * (middle - 2);
      const begin = middle + Math.min(length, 0);
      context.fillRect(begin, top, Math.abs(length), Math.max(bottom - top, 0.5));
    });
  }
  context.fillStyle = colours.getPropertyValue("--strong-line");
  context.fillRect(middle - 0.5, 0, 1, height);
}
