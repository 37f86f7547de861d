// What is under the chart: the key of colours, and notes on what is in view.

import { contextOf, fontOf } from "./canvas.js";
import { MISSING, STALE, WARM_UP, hasRealised, isInCoins, sidesOf } from "./grid.js";
import { countFlagged, uncoveredBoxes } from "./overlays.js";
import { isNarrow, rangesOf } from "./view.js";
import { figureText, percent, unitText } from "./words.js";

/** @typedef {import("./view.js").Scene} Scene */

const RAMP = { left: 42, width: 170 };
const ROW = 11;
/** Places on the ramp, on which half lies below the knee, with an amount beside them. */
const MARKED = [0.4, 0.7, 1];

/**
 * Draw both ramps over the amounts of a cell that they show.
 * @param {HTMLCanvasElement} canvas
 * @param {Scene} scene
 * @param {{knee: number, top: number}} scale
 */
export function drawKey(canvas, { view, map, theme, options }, scale) {
  const context = contextOf(canvas);
  const sides = sidesOf(options.side).reverse();
  const { left, width } = RAMP;
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.font = fontOf(10.5);
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillStyle = theme.page;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = theme.ink;
  context.fillText(cellText(view, map.meta, options.unit), 0, 7);
  context.strokeStyle = theme.line;
  sides.forEach((side, at) => {
    const y = 20 + ROW * at;
    const ramp = context.createLinearGradient(left, 0, left + width, 0);
    const colours = theme.ramp[side];
    colours.forEach((colour, place) => ramp.addColorStop(place / (colours.length - 1), colour));
    context.fillStyle = theme.ink;
    context.fillText(`${side}s`, 0, y);
    context.fillStyle = ramp;
    const hidden = width * options.threshold;
    context.fillRect(left + hidden, y - 3, width - hidden, 7);
    context.strokeRect(left - 0.5, y - 3.5, width + 1, 8);
  });
  context.fillStyle = theme.ink;
  context.textAlign = "right";
  for (const place of MARKED) {
    const amount = scale.knee * Math.sinh(place * Math.asinh(scale.top / scale.knee));
    const text = figureText(amount, map.meta) + (place === 1 ? "+" : "");
    context.fillText(text, left + width * place, 22 + ROW * sides.length);
  }
}

/**
 * What a cell of the picture counts.
 * @param {import("./view.js").View} view
 * @param {import("./grid.js").Meta} meta
 * @param {string} unit
 */
function cellText({ binsPerCell, hoursPerCell }, meta, unit) {
  const bins = `${unitText(meta, unit)} in ${percent(binsPerCell * meta.log_step)} of price`;
  return hoursPerCell > 1 ? `${bins}, mean of ${hoursPerCell} h` : bins;
}

/**
 * Notes on what is in view.
 * @param {Scene} scene
 * @param {{side: string, share: number}[]} startUp share of each side
 */
export function notesOf(scene, startUp) {
  const { map, options } = scene;
  const { meta } = map;
  const started = startUp
    .filter(({ share }) => share >= 0.005)
    .map(({ side, share }) => `${percent(share)} of ${side}s`)
    .join(" and ");
  const [missing, stale, warmUp] = [MISSING, STALE, WARM_UP].map((flag) =>
    countFlagged(scene, flag),
  );
  const hasBands = options.showBands && meta.bands.length > 0;
  const notes = [];
  if (hasBands) {
    const labels = `, with ${unitText(meta, options.unit)} and odds of touch within 24 h`;
    const isLabelled = !isNarrow(scene.view.width);
    notes.push(`outlined: bands of the last hour shown${isLabelled ? labels : ""}`);
  }
  if (started && options.showStartUp)
    notes.push(`grey: start-up mass, placed when the series began; ${started} in view`);
  if (started && !options.showStartUp) notes.push(`start-up mass is left out: ${started} in view`);
  if (warmUp)
    notes.push("strip: warm-up, most of the open interest is in series that began with it");
  if (missing) notes.push(`hatched: no map (${missing} h in view)`);
  if (uncoveredBoxes(scene).length)
    notes.push("hatched: prices that the provider does not cover; what lies there is not known");
  if (stale) notes.push(`hatched wide: the map rests on old data (${stale} h in view)`);
  if (Object.values(map.sides).some(({ q90 }) => q90))
    notes.push("pale bars at the right: 80 % interval of each bin, from the fit alone");
  if (hasLowerBounds(scene))
    notes.push("pale liquidations: at least so much; venues publish only some of them");
  if (isInCoins(meta, options.unit)) {
    notes.push("coins: USD at the price of the bin, where the position is liquidated");
    if (hasRealised(map)) notes.push("published liquidations, in the strip below, are in USD");
  }
  if (meta.provider === "consensus")
    notes.push("the consensus covers 20 % of price each way; what lies beyond is not known");
  if (meta.selected_tiers) {
    const tiers = meta.selected_tiers.map((tier) => `${tier}x`).join(", ");
    notes.push(`only leverage ${tiers}, within 20 % of price, start-up mass included`);
    if (hasBands) notes.push("bands are of all leverage");
  }
  return notes;
}

/** Whether published liquidations in view are lower bounds. @param {Scene} scene */
function hasLowerBounds({ view, map }) {
  const { isLowerBound, realised } = map;
  const [from, until] = rangesOf(view, map).hours;
  for (let hour = from; hour < until; hour++)
    if (isLowerBound[hour] && realised.long[hour] + realised.short[hour] > 0) return true;
  return false;
}
