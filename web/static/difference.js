// Two maps held against each other, price by price, in the newest hour of both.

import { binOf, eachBin, edgeOf } from "/chart/grid.js";

/** @typedef {import("/chart/grid.js").MapData} MapData */
/** @typedef {ReturnType<typeof import("/chart/chart.js").createChart>} Chart */

/**
 * Return the share that each bin has of what a side holds between two prices, by bin.
 * @param {MapData} map
 * @param {"long" | "short"} side
 * @param {number} low
 * @param {number} high
 */
export function sharesOf(map, side, low, high) {
  const { usd } = map.sides[side], { meta } = map;
  /** @type {Map<number, number>} */
  const held = new Map();
  if (meta.newest >= 0)
    eachBin(map, side, meta.newest, binOf(meta, low), binOf(meta, high) + 1, (bin, place) => held.set(bin, usd[place]));
  const sum = [...held.values()].reduce((total, one) => total + one, 0);
  return new Map([...held].filter(([, one]) => one > 0).map(([bin, one]) => [bin, one / sum]));
}

/**
 * Draw bars from the middle towards the map that puts more of a side at a price.
 * @param {HTMLCanvasElement} canvas between the two
 * @param {Chart} chart whose prices it shares
 * @param {MapData} left
 * @param {MapData} right
 */
export function drawDifference(canvas, chart, left, right) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), seen = chart.seen();
  const { clientWidth: width, clientHeight: height } = canvas, ratio = devicePixelRatio;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  if (!seen) return;
  context.scale(ratio, ratio);
  const colors = getComputedStyle(canvas);
  for (const side of /** @type {const} */ (["long", "short"])) {
    const [one, other] = [left, right].map((map) => sharesOf(map, side, seen.low, seen.high));
    const more = new Map([...one, ...other].map(([bin]) => [bin, (other.get(bin) ?? 0) - (one.get(bin) ?? 0)]));
    const largest = Math.max(...[...more.values()].map(Math.abs));
    context.fillStyle = colors.getPropertyValue(`--${side}`);
    for (const [bin, share] of more) {
      const [top = 0, bottom = 0] = [bin + 1, bin].map((edge) => chart.priceToY(edgeOf(left.meta, edge)) ?? undefined);
      const length = (share / largest) * (width / 2 - 2);
      context.fillRect(width / 2 + Math.min(length, 0), top, Math.abs(length), Math.max(bottom - top, 0.5));
    }
  }
  context.fillStyle = colors.getPropertyValue("--strong-line");
  context.fillRect(width / 2 - 0.5, 0, 1, height);
}
