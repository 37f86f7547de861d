// What is drawn over the map: hours and prices of which little is known, bands of the newest hour.

import { labelFont } from "./canvas.js";
import { MISSING, STALE, WARM_UP, sidesOf } from "./grid.js";
import { rangesOf } from "./view.js";
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

/** Prices in view that the provider does not cover. @param {Scene} scene @returns {Box[]} */
export function uncoveredBoxes({ view, map }) {
  if (!map.covered) return [];
  const [from, until] = rangesOf(view, map).hours;
  const bottom = Math.round(view.height * view.ratio);
  /** @type {Box[]} */
  const boxes = [];
  for (let hour = from; hour < until; hour++) {
    const [low, high] = [map.covered.low[hour], map.covered.high[hour]];
    if (!(low > 0) || map.flags[hour] & MISSING) continue;
    const left = view.left(hour);
    const width = Math.max(1, view.left(hour + 1) - left);
    const [above, below] = [view.level(high), view.level(low)];
    if (above > 0) boxes.push({ left, top: 0, width, height: Math.min(above, bottom) });
    if (below < bottom) boxes.push({ left, top: Math.max(0, below), width, height: bottom });
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
  const begin = Math.min(...boxes.map(({ left }) => left));
  const end = Math.max(...boxes.map(({ left, width }) => left + width));
  const reach = end - begin;
  const step = gap * view.ratio;
  context.save();
  context.beginPath();
  for (const { left, top, width, height } of boxes) context.rect(left, top, width, height);
  context.clip();
  context.beginPath();
  // Lines go through one point of the map, so that they move with it.
  const phase = (lean * (begin - view.left(0))) % step;
  for (let y = phase - reach - step; y < view.height * view.ratio + reach + step; y += step) {
    context.moveTo(begin, y);
    context.lineTo(end, y + lean * reach);
  }
  context.strokeStyle = theme.muted;
  context.lineWidth = view.ratio;
  context.globalAlpha = 0.55;
  context.stroke();
  context.restore();
}

/**
 * Outline the bands of the newest hour at its right end, with USD and odds of touch where there is
 * room, largest expected first.
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
    const label = [usd && inWords(usd), odds && oddsText(odds)].filter(Boolean).join(" · ");
    const isWide = context.measureText(label).width > right - end - 6 * ratio;
    if (isWide || taken.some((other) => Math.abs(other - middle) < 13 * ratio)) continue;
    taken.push(middle);
    context.fillText(label, end + 5 * ratio, middle);
  }
}

/** @param {import("./grid.js").Band} one @param {import("./grid.js").Band} other */
const byExpected = (one, other) => (other.expected_forced ?? 0) - (one.expected_forced ?? 0);
