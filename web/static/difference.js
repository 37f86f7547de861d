// Two maps held against each other, price by price, in the newest hour of both.

/** @typedef {import("./server.js").MapData} MapData */
/** @typedef {{map: MapData, chart: ReturnType<typeof import("/chart/chart.js").createChart>}} Drawn */

/** Return the price at a place on the grid; bins begin at whole numbers. @param {MapData} map @param {number} bin */
const priceOf = ({ meta }, bin) => Math.exp(meta.log_origin + bin * meta.log_step);

/**
 * Return the share that each bin has of what a side holds between two prices, by bin.
 * @param {MapData} map
 * @param {"long" | "short"} side
 * @param {{low: number, high: number}} seen
 */
export function sharesOf(map, side, { low, high }) {
  const { firstBin, offset, usd } = map.sides[side], { newest } = map.meta;
  /** @type {Map<number, number>} */
  const held = new Map();
  for (let place = offset[newest]; place < offset[newest + 1]; place++) {
    const bin = firstBin[newest] + place - offset[newest], price = priceOf(map, bin + 0.5);
    if (usd[place] > 0 && price >= low && price <= high) held.set(bin, usd[place]);
  }
  const sum = [...held.values()].reduce((total, one) => total + one, 0);
  return new Map([...held].map(([bin, one]) => [bin, one / sum]));
}

/**
 * Return how much more of a side the second map has in each bin than the first.
 * @param {Map<number, number>} one
 * @param {Map<number, number>} other
 */
export const differenceOf = (one, other) => new Map([...new Set([...one.keys(), ...other.keys()])].map(
  (bin) => [bin, (other.get(bin) ?? 0) - (one.get(bin) ?? 0)]));

/**
 * Draw bars from the middle towards the map that has more of a side at a price.
 * @param {HTMLCanvasElement} canvas between the two
 * @param {Drawn} left
 * @param {Drawn} right
 */
export function drawDifference(canvas, left, right) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { clientWidth: width, clientHeight: height } = canvas, ratio = devicePixelRatio;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  context.scale(ratio, ratio);
  const colors = getComputedStyle(canvas), seen = left.chart.seen();
  for (const side of /** @type {const} */ (["long", "short"])) {
    const found = differenceOf(sharesOf(left.map, side, seen), sharesOf(right.map, side, seen));
    const largest = Math.max(...[...found.values()].map(Math.abs));
    context.fillStyle = colors.getPropertyValue(`--${side}`);
    for (const [bin, more] of found) {
      const top = left.chart.priceToY(priceOf(left.map, bin + 1)), bottom = left.chart.priceToY(priceOf(left.map, bin));
      if (top === null || bottom === null) continue;
      const length = (more / largest) * (width / 2 - 2);
      context.fillRect(width / 2 + Math.min(length, 0), top, Math.abs(length), Math.max(bottom - top, 0.5));
    }
  }
  context.fillStyle = colors.getPropertyValue("--strong-line");
  context.fillRect(width / 2 - 0.5, 0, 1, height);
}
