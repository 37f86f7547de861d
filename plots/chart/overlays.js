// What is drawn over the map: hours that rest on little, bands of the newest hour, the key of colours.

import { MISSING, STALE, WARM_UP } from './grid.js';
import { inWords, percent, unitText } from './scale.js';
import { rangesOf } from './view.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {import('./scale.js').Theme} Theme */
/** @typedef {CanvasRenderingContext2D} Context */

const FONT = 'system-ui, sans-serif';

/** @param {Context} context @param {View} view @param {number} [size] CSS pixels */
export const setFont = (context, view, size = 11) => { context.font = `${Math.round(size * view.ratio)}px ${FONT}`; };

/** Runs of hours in view with a flag, as left and right edge in device pixels. @param {View} view @param {MapData} map @param {number} flag */
function runsOf(view, map, flag) {
  const { hours: [from, until] } = rangesOf(view, map);
  /** @type {[number, number][]} */
  const runs = [];
  for (let hour = from; hour < until; hour++) {
    if (!(map.flags[hour] & flag)) continue;
    if (hour > from && map.flags[hour - 1] & flag) runs[runs.length - 1][1] = view.left(hour + 1);
    else runs.push([view.left(hour), view.left(hour + 1)]);
  }
  return runs;
}

/** @param {string} colour @param {number} ratio @param {boolean} isDense @returns {HTMLCanvasElement} */
function hatch(colour, ratio, isDense) {
  const canvas = document.createElement('canvas'), size = Math.round((isDense ? 7 : 12) * ratio);
  canvas.width = canvas.height = size;
  const context = /** @type {Context} */ (canvas.getContext('2d'));
  Object.assign(context, { strokeStyle: colour, lineWidth: ratio, globalAlpha: isDense ? 0.55 : 0.5 });
  context.beginPath();
  for (const shift of [-size, 0, size]) {
    context.moveTo(isDense ? shift : shift + size, 0);
    context.lineTo(isDense ? shift + size : shift, size);
  }
  context.stroke();
  return canvas;
}

/** Hatch hours without a map and, wider and the other way, hours whose map rests on old data; draw a strip under warm-up. @param {Context} context @param {View} view @param {MapData} map @param {Theme} theme */
export function drawFlags(context, view, map, theme) {
  const height = Math.round(view.height * view.ratio);
  for (const flag of [MISSING, STALE]) {
    const runs = runsOf(view, map, flag);
    const pattern = runs.length ? context.createPattern(hatch(theme.muted, view.ratio, flag === MISSING), 'repeat') : null;
    if (pattern) context.fillStyle = pattern;
    for (const [left, right] of runs) context.fillRect(left, 0, Math.max(1, right - left), height);
  }
  context.fillStyle = theme.strip;
  const strip = Math.round(4 * view.ratio);
  for (const [left, right] of runsOf(view, map, WARM_UP)) context.fillRect(left, height - strip, Math.max(1, right - left), strip);
}

/** Outline the bands of the newest hour from there to the right, and say of the largest what is expected. @param {Context} context @param {View} view @param {MapData} map @param {Theme} theme */
export function drawBands(context, view, map, theme) {
  const { meta } = map, { ratio } = view;
  if (meta.newest < 0) return;
  const right = Math.round(view.width * ratio), begin = view.left(meta.newest - Math.ceil(14 / view.spacing));
  const left = Math.min(Math.max(begin, 0), right);
  if (right - left < 8 * ratio) return;
  setFont(context, view, 10.5);
  Object.assign(context, { textAlign: 'right', textBaseline: 'middle', lineWidth: Math.max(1, Math.round(ratio)) });
  const room = right - view.left(meta.newest + 1) - 6 * ratio;
  /** @type {number[]} */
  const taken = [];
  for (const band of meta.bands) {
    const top = Math.round((view.yOf(band.high) + 0.5) * ratio), bottom = Math.round((view.yOf(band.low) + 0.5) * ratio);
    if (bottom < 0 || top > view.height * ratio) continue;
    context.strokeStyle = theme.side[band.side];
    context.strokeRect(left + 0.5, top + 0.5, right - left, Math.max(bottom - top - 1, 1));
    const label = [band.usd === null ? '' : inWords(band.usd), band.odds === null ? '' : oddsText(band.odds)].filter(Boolean).join(' · ');
    const y = (top + bottom) / 2;
    if (context.measureText(label).width > room || taken.some(other => Math.abs(other - y) < 12 * ratio)) continue;
    taken.push(y);
    context.fillStyle = theme.ink;
    context.fillText(label, right - 4 * ratio, y);
  }
}

/** Published odds are never below one in a thousand. @param {number} odds */
export const oddsText = odds => odds <= 0.001 ? '≤ 0.1 %' : percent(odds);

/** Key of the colours: both ramps over the amounts of a cell they show. @param {Context} context @param {View} view @param {MapData} map @param {Theme} theme @param {{knee: number, top: number}} scale @param {{side: string, unit: string, threshold: number}} options */
export function drawKey(context, view, map, theme, scale, { side, unit, threshold }) {
  const { ratio } = view, wide = Math.round((view.width < 420 ? 96 : 150) * ratio), tall = Math.round(6 * ratio);
  const most = Math.asinh(scale.top / scale.knee), x = Math.round(10 * ratio);
  const sides = /** @type {import('./grid.js').Side[]} */ (['short', 'long']).filter(one => side === 'both' || side === one);
  setFont(context, view, 10);
  const gap = 13 * ratio, title = cellText(view, map, unit);
  const label = Math.max(...sides.map(one => context.measureText(`${one}s`).width)) + 6 * ratio;
  const box = Math.max(label + wide, context.measureText(title).width) + 16 * ratio;
  context.globalAlpha = 0.82;
  context.fillStyle = theme.page;
  context.fillRect(x - 6 * ratio, 6 * ratio, box, (sides.length + 2) * gap + 5 * ratio);
  context.globalAlpha = 1;
  Object.assign(context, { textBaseline: 'middle', textAlign: 'left', fillStyle: theme.muted });
  context.fillText(title, x, 15 * ratio);
  for (const [at, one] of sides.entries()) {
    const y = Math.round(15 * ratio + (at + 1) * gap), ramp = context.createLinearGradient(x + label, 0, x + label + wide, 0);
    theme.ramp[one].forEach((colour, place, all) => ramp.addColorStop(place / (all.length - 1), colour));
    context.fillStyle = theme.ink;
    context.fillText(`${one}s`, x, y);
    context.fillStyle = ramp;
    context.fillRect(x + label, y - tall / 2, wide, tall);
    context.fillStyle = theme.page;
    context.fillRect(x + label, y - tall / 2, Math.round(wide * threshold), tall);
    context.strokeStyle = theme.line;
    context.strokeRect(x + label + 0.5, y - tall / 2 + 0.5, wide - 1, tall - 1);
  }
  context.fillStyle = theme.muted;
  context.textAlign = 'center';
  for (const place of [0.3, 0.65, 1])
    context.fillText(`${inWords(Math.sinh(place * most) * scale.knee)}${place === 1 ? '+' : ''}`,
      Math.min(x + label + wide * place, x + box - 26 * ratio), 15 * ratio + (sides.length + 1) * gap);
}

/** What a cell of the picture counts. @param {View} view @param {MapData} map @param {string} unit */
export const cellText = (view, map, unit) =>
  `${unitText(map.meta, unit)} in ${percent(view.binsPerCell * map.meta.log_step)} of price` +
  (view.hoursPerCell > 1 ? `, mean of ${view.hoursPerCell} h` : '');

/** Notes on what is in view, one a sentence. @param {View} view @param {MapData} map @param {{side: string, unit: string, showStartUp: boolean, showRealised: boolean}} options @param {{long: number, short: number}} startUp share of each side */
export function notesOf(view, map, { unit, showStartUp, showRealised }, startUp) {
  const { meta } = map, notes = [];
  const started = Object.entries(startUp).filter(([, share]) => share >= 0.005).map(([side, share]) => `${percent(share)} of ${side}s`).join(' and ');
  if (started && showStartUp) notes.push(`grey: start-up mass, placed when the series began; ${started} in view`);
  if (started && !showStartUp) notes.push(`start-up mass is left out: ${started} in view`);
  if (runsOf(view, map, WARM_UP).length) notes.push('strip: warm-up, most of the open interest is in series that began with it');
  const { hours: [from, until] } = rangesOf(view, map);
  const flags = Array.from(map.flags.subarray(from, until));
  const missing = flags.filter(flag => flag & MISSING).length, stale = flags.filter(flag => flag & STALE).length;
  if (missing) notes.push(`hatched: no map (${missing} h in view)`);
  if (stale) notes.push(`hatched wide: the map rests on old data (${stale} h in view)`);
  if (Object.values(map.sides).some(own => own.q90)) notes.push('pale bars at the right: 80 % interval of each bin, from the fit alone');
  if (showRealised && map.isLowerBound.subarray(from, until).some((bound, at) => bound && !Number.isNaN(map.realised.long[from + at])))
    notes.push('pale liquidations: at least so much; venues publish only some of them');
  if (unit === 'coins' && meta.unit === 'usd') notes.push('coins: USD at the price of the bin, where the position is liquidated');
  if (meta.selected_tiers) notes.push(`only leverage ${meta.selected_tiers.map(tier => `${tier}x`).join(', ')}; without start-up mass, which is not known by leverage`);
  return notes;
}

/** @param {MapData} map @param {number} hour @returns {string | null} liquidations of an hour */
export function realisedText(map, hour) {
  const parts = /** @type {import('./grid.js').Side[]} */ (['long', 'short'])
    .filter(side => !Number.isNaN(map.realised[side][hour]))
    .map(side => `${side}s ${map.isLowerBound[hour] ? 'at least ' : ''}${inWords(map.realised[side][hour])} USD`);
  return parts.length ? parts.join(', ') : null;
}
