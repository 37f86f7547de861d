// What is drawn over the map: hours that rest on little, bands of the newest hour, the key of colours.

import { MISSING, STALE, WARM_UP, sidesOf } from './grid.js';
import { figureText, inWords, percent, unitText } from './scale.js';
import { rangesOf } from './view.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {import('./scale.js').Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Context */

/** @param {Context} context @param {View} view @param {number} [size] CSS pixels */
export const setFont = (context, view, size = 10.5) => { context.font = `${Math.round(size * view.ratio)}px system-ui, sans-serif`; };

/** Text that ends at a place, with a halo of the page's colour. @param {Context} context @param {string} text @param {number} x @param {number} y middle @param {Theme} theme @param {number} ratio */
export function drawHalo(context, text, x, y, theme, ratio) {
  Object.assign(context, { strokeStyle: theme.page, fillStyle: theme.ink, lineWidth: 4 * ratio, lineJoin: 'round', textAlign: 'right', textBaseline: 'middle' });
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

/** Hours in view with a flag, as runs from first to last. @param {View} view @param {MapData} map @param {number} flag */
function runsOf(view, map, flag) {
  const { hours: [from, until] } = rangesOf(view, map);
  /** @type {[number, number][]} */
  const runs = [];
  for (let hour = from; hour < until; hour++) {
    if (!(map.flags[hour] & flag)) continue;
    if (runs.at(-1)?.[1] === hour - 1) runs[runs.length - 1][1] = hour;
    else runs.push([hour, hour]);
  }
  return runs;
}

/** Hatch hours without a map and, wider and the other way, hours whose map rests on old data; draw a strip under warm-up. @param {Context} context @param {View} view @param {MapData} map @param {Theme} theme */
export function drawFlags(context, view, map, theme) {
  const { ratio } = view, height = Math.round(view.height * ratio), strip = Math.round(4 * ratio);
  for (const [flag, gap, lean] of [[MISSING, 7, 1], [STALE, 13, -1], [WARM_UP, 0, 0]])
    for (const [first, last] of runsOf(view, map, flag)) {
      const left = view.left(first), width = Math.max(1, view.left(last + 1) - left);
      context.save();
      context.beginPath();
      context.rect(left, flag === WARM_UP ? height - strip : 0, width, height);
      Object.assign(context, { strokeStyle: theme.muted, fillStyle: theme.strip, globalAlpha: flag === WARM_UP ? 1 : 0.55, lineWidth: ratio });
      if (flag === WARM_UP) context.fill();
      context.clip();
      context.beginPath();
      for (let y = -width; gap && y < height + width; y += gap * ratio) {
        context.moveTo(left, y);
        context.lineTo(left + width, y + lean * width);
      }
      context.stroke();
      context.restore();
    }
}

/** Outline the bands of the newest hour at its right end, largest expected first, with USD and odds of touch where there is room. @param {Context} context @param {View} view @param {MapData} map @param {Theme} theme @param {string} side */
export function drawBands(context, view, map, theme, side) {
  const { meta } = map, { ratio } = view, right = Math.round(view.width * view.ratioX), begin = view.left(meta.newest + 1);
  const left = Math.max(begin - Math.round(14 * ratio), 0), end = begin + Math.round(6 * ratio), room = right - end - 6 * ratio;
  if (meta.newest < 0 || left > right) return;
  setFont(context, view);
  Object.assign(context, { lineWidth: Math.max(1, Math.round(ratio)), fillStyle: theme.ink, textAlign: 'left', textBaseline: 'middle' });
  /** @type {number[]} */
  const taken = [];
  for (const band of meta.bands.toSorted((one, other) => (other.expected_forced ?? 0) - (one.expected_forced ?? 0))) {
    if (!sidesOf(side).includes(band.side)) continue;
    const [top, bottom] = [band.high, band.low].map(price => Math.round((view.yOf(price) + 0.5) * ratio)), y = (top + bottom) / 2;
    context.strokeStyle = theme.side[band.side];
    context.strokeRect(left + 0.5, top + 0.5, end - left, Math.max(bottom - top - 1, 1));
    const label = [band.usd && inWords(band.usd), band.odds && oddsText(band.odds)].filter(Boolean).join(' · ');
    if (!label || context.measureText(label).width > room || taken.some(other => Math.abs(other - y) < 13 * ratio)) continue;
    taken.push(y);
    context.fillText(label, end + 5 * ratio, y);
  }
}

/** Published odds are never below one in a thousand. @param {number} odds */
export const oddsText = odds => odds <= 0.001 ? '≤ 0.1 %' : `${+(100 * odds).toPrecision(2)} %`;

/** Key of the colours: both ramps over the amounts of a cell that they show. @param {HTMLCanvasElement} canvas @param {View} view @param {MapData} map @param {Theme} theme @param {{knee: number, top: number}} scale @param {{side: string, unit: string, threshold: number}} options */
export function drawKey(canvas, view, map, theme, scale, { side, unit, threshold }) {
  const context = /** @type {Context} */ (canvas.getContext('2d')), most = Math.asinh(scale.top / scale.knee);
  Object.assign(context, { fillStyle: theme.page, textBaseline: 'middle', textAlign: 'left' });
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = '10.5px system-ui, sans-serif';
  context.fillStyle = theme.ink;
  context.fillText(cellText(view, map, unit), 0, 7);
  const wide = 170, left = 42;
  for (const [at, one] of sidesOf(side).reverse().entries()) {
    const y = 20 + 11 * at, ramp = context.createLinearGradient(left, 0, left + wide, 0);
    theme.ramp[one].forEach((colour, place, all) => ramp.addColorStop(place / (all.length - 1), colour));
    context.fillText(`${one}s`, 0, y);
    Object.assign(context, { fillStyle: ramp, strokeStyle: theme.line });
    context.fillRect(left + wide * threshold, y - 3, wide * (1 - threshold), 7);
    context.strokeRect(left - 0.5, y - 3.5, wide + 1, 8);
    context.fillStyle = theme.ink;
  }
  context.textAlign = 'right';
  for (const place of [0.4, 0.7, 1])
    context.fillText(figureText(Math.sinh(place * most) * scale.knee, map.meta) + (place === 1 ? '+' : ''), left + wide * place, 22 + 11 * sidesOf(side).length);
}

/** What a cell of the picture counts. @param {View} view @param {MapData} map @param {string} unit */
const cellText = (view, { meta }, unit) => `${unitText(meta, unit)} in ${percent(view.binsPerCell * meta.log_step)} of price` +
  (view.hoursPerCell > 1 ? `, mean of ${view.hoursPerCell} h` : '');

/** Notes on what is in view. @param {View} view @param {MapData} map @param {{unit: string, showBands: boolean, showStartUp: boolean, showRealised: boolean}} options @param {{side: string, share: number}[]} startUp share of each side */
export function notesOf(view, map, { unit, showBands, showStartUp, showRealised }, startUp) {
  const { meta, realised, isLowerBound } = map, { hours: [from, until] } = rangesOf(view, map);
  const started = startUp.filter(({ share }) => share >= 0.005).map(({ side, share }) => `${percent(share)} of ${side}s`).join(' and ');
  const [missing, stale, warmUp] = [MISSING, STALE, WARM_UP].map(flag => runsOf(view, map, flag).reduce((sum, [first, last]) => sum + last - first + 1, 0));
  const isBound = isLowerBound.subarray(from, until).some((bound, at) => bound && realised.long[from + at] + realised.short[from + at] > 0);
  return [
    showBands && meta.bands.length > 0 && 'outlined: bands of the newest hour, with USD and odds that price touches them within 24 h',
    started && (showStartUp ? `grey: start-up mass, placed when the series began; ${started} in view` : `start-up mass is left out: ${started} in view`),
    warmUp && 'strip: warm-up, most of the open interest is in series that began with it',
    missing && `hatched: no map (${missing} h in view)`,
    stale && `hatched wide: the map rests on old data (${stale} h in view)`,
    Object.values(map.sides).some(own => own.q90) && 'pale bars at the right: 80 % interval of each bin, from the fit alone',
    showRealised && isBound && 'pale liquidations: at least so much; venues publish only some of them',
    unit === 'coins' && meta.unit === 'usd' && 'coins: USD at the price of the bin, where the position is liquidated',
    meta.provider === 'consensus' && 'the consensus covers 20 % of price each way; what lies beyond is not known',
    meta.selected_tiers && `only leverage ${meta.selected_tiers.map(tier => `${tier}x`).join(', ')}, within 20 % of price, start-up mass included`,
  ].filter(note => !!note).map(String);
}
