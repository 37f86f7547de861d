// What is drawn over the map: hours and prices of which little is known, bands of the newest hour.

import { labelFont } from "./canvas.js";
import { MISSING, STALE, WARM_UP, isInCoins, sidesOf } from "./grid.js";
import { cellOf, rangesOf } from "./view.js";
import { inWords, oddsText } from "./words.js";

/** @typedef {import("./view.js").Scene} Scene */
/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {{left: number, top: number, width: number, height: number}} Box device pixels */

/**
 * Hatch what is not known: hours without a map and prices that the provider does not cover; wider
 * and the other way hours whose map rests on old data. A strip lies under hours of warm-up.
 * @param {Context} context
 * @param {Scene} scene
 */
export function drawFlags(context, scene) {
  hatch(context, scene, [...flaggedBoxes(scene, MISSING), ...uncoveredBoxes(scene)], 7, 1);
  hatch(context, scene, flaggedBoxes(scene, STALE), 13, -1);
  const tall = Math.round(4 * scene.view.ratio);
  context.fillStyle = scene.theme.strip;
  for (const { left, width, height } of flaggedBoxes(scene, WARM_UP))
    context.fillRect(left, height - tall, width, tall);
}

/** Hours in view with a flag, as runs. @param {Scene} scene @param {number} flag */
function runsOf({ view, map }, flag) {
  const [from, until] = rangesOf(view, map).hours;
  /** @type {{first: number, last: number}[]} */
  const runs = [];
  for (let hour = from; hour < until; hour++) {
    if (!(map.flags[hour] & flag)) continue;
    const run = runs.at(-1);
    if (run?.last === hour - 1) run.last = hour;
    else runs.push({ first: hour, last: hour });
  }
  return runs;
}

/** How many hours in view have a flag. @param {Scene} scene @param {number} flag */
export const countFlagged = (scene, flag) =>
  runsOf(scene, flag).reduce((sum, { first, last }) => sum + last - first + 1, 0);

/** @param {Scene} scene @param {number} flag @returns {Box[]} */
function flaggedBoxes(scene, flag) {
  const { view } = scene;
  return runsOf(scene, flag).map(({ first, last }) => {
    const left = view.left(first);
    const width = Math.max(1, view.left(last + 1) - left);
    return { left, top: 0, width, height: Math.round(view.height * view.ratio) };
  });
}

/** Prices in view that are not covered, cell by cell. @param {Scene} scene @returns {Box[]} */
export function uncoveredBoxes({ view, map }) {
  if (!map.covered) return [];
  const { hoursPerCell } = view;
  const [from, until] = rangesOf(view, map).hours;
  const bottom = Math.round(view.height * view.ratio);
  /** @type {Box[]} */
  const boxes = [];
  for (let hour = cellOf(from, hoursPerCell); hour < until; hour += hoursPerCell) {
    const [low, high] = [map.covered.low[hour], map.covered.high[hour]];
    if (!(low > 0) || map.flags[hour] & MISSING) continue;
    const left = view.left(hour);
    const width = Math.max(1, view.left(hour + hoursPerCell) - left);
    const [above, below] = [view.level(high), view.level(low)];
    if (above > 0) boxes.push({ left, top: 0, width, height: Math.min(above, bottom) });
    if (below < bottom)
      boxes.push({ left, top: Math.max(0, below), width, height: bottom - below });
  }
  return boxes;
}

/**
 * @param {Context} context
 * @param {Scene} scene
 * @param {Box[]} boxes
 * @param {number} gap between lines, CSS pixels
 * @param {1 | -1} lean down or up to the right
 */
function hatch(context, { view, theme }, boxes, gap, lean) {
  if (!boxes.length) return;
  const size = Math.round(gap * view.ratio);
  const tile = new OffscreenCanvas(size, size);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (tile.getContext("2d"));
  pen.strokeStyle = theme.muted;
  pen.lineWidth = view.ratio;
  pen.globalAlpha = 0.55;
  // Lines of the neighbours too, whose widths reach into the tile.
  for (const y of [-2 * size, -size, 0, size, 2 * size]) {
    pen.moveTo(-size, y - lean * size);
    pen.lineTo(2 * size, y + lean * 2 * size);
  }
  pen.stroke();
  const pattern = /** @type {CanvasPattern} */ (context.createPattern(tile, "repeat"));
  // Moves with the map.
  pattern.setTransform(new DOMMatrix().translate(view.left(0), 0));
  context.fillStyle = pattern;
  for (const { left, top, width, height } of boxes) context.fillRect(left, top, width, height);
}

/**
 * Outline the bands of the newest hour at its right end, with the amount and odds of touch where
 * there is room, largest expected first.
 * @param {Context} context
 * @param {Scene} scene
 */
export function drawBands(context, { view, map, theme, options }) {
  const { newest, bands } = map.meta;
  const { ratio } = view;
  const right = Math.round(view.width * view.ratioX);
  const begin = view.left(newest + 1);
  const left = Math.max(begin - Math.round(14 * ratio), 0);
  const end = begin + Math.round(6 * ratio);
  if (newest < 0 || left > right) return;
  context.font = labelFont(ratio);
  context.lineWidth = Math.max(1, Math.round(ratio));
  context.fillStyle = theme.ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  /** @type {number[]} */
  const taken = [];
  const shown = bands.filter(({ side }) => sidesOf(options.side).includes(side));
  for (const { side, low, high, usd, odds } of shown.toSorted(byExpected)) {
    const top = view.level(high);
    const bottom = view.level(low);
    const middle = (top + bottom) / 2;
    context.strokeStyle = theme.side[side];
    context.strokeRect(left + 0.5, top + 0.5, end - left, Math.max(bottom - top - 1, 1));
    const amount = usd && (isInCoins(map.meta, options.unit) ? usd / Math.sqrt(low * high) : usd);
    const label = [amount && inWords(amount), odds && oddsText(odds)].filter(Boolean).join(" · ");
    const isWide = context.measureText(label).width > right - end - 6 * ratio;
    if (isWide || taken.some((other) => Math.abs(other - middle) < 13 * ratio)) continue;
    taken.push(middle);
    context.fillText(label, end + 5 * ratio, middle);
  }
}

/** @param {import("./grid.js").Band} one @param {import("./grid.js").Band} other */
const byExpected = (one, other) => (other.expected_forced ?? 0) - (one.expected_forced ?? 0);
