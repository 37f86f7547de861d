// The profile at the right: bins of one hour as bars, and what lies between price and each level.

import { SIDES, eachBin, edgeOf, hourWithMap, sumOf, weightOf } from './grid.js';
import { hourText, inWords } from './scale.js';
import { setFont } from './overlays.js';
import { cellOf, rangesOf } from './view.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {{side: import('./grid.js').Side, bin: number, held: number, started: number, q10: number, q90: number, summed: number}} Row */

/**
 * Rows of the hour at the right of the view: sums of the cells' bins, and of all from price up to
 * their far edge.
 * @param {View} view @param {MapData} map @param {{side: string, unit: string}} options
 */
export function profileOf(view, map, { side: wanted, unit }) {
  const { hours, bins: [low, high] } = rangesOf(view, map), hour = hourWithMap(map, hours[1] - 1);
  /** @type {Row[]} */
  const rows = [];
  if (hour < 0) return { hour, rows };
  for (const side of SIDES) {
    if (wanted !== 'both' && wanted !== side) continue;
    const { firstBin, offset, q10, q90 } = map.sides[side], first = firstBin[hour];
    const until = first + offset[hour + 1] - offset[hour], step = view.binsPerCell;
    const cells = [];
    for (let bin = cellOf(Math.max(first, low), step); bin < Math.min(until, high); bin += step) cells.push(bin);
    // Longs are summed from price down, shorts from price up, with what lies before the view.
    if (side === 'long') cells.reverse();
    let summed = !cells.length ? 0 : side === 'long'
      ? sumOf(map, side, hour, cells[0] + step, until, unit).held
      : sumOf(map, side, hour, first, cells[0], unit).held;
    for (const bin of cells) {
      const { held, started } = sumOf(map, side, hour, bin, bin + step, unit);
      const row = { side, bin, held, started, q10: 0, q90: 0, summed: summed += held };
      if (q10 && q90 && hour === map.meta.newest)
        eachBin(map, side, hour, bin, bin + step, (at, _, place) => {
          row.q10 += q10[place] * weightOf(map.meta, unit, at) || 0;
          row.q90 += q90[place] * weightOf(map.meta, unit, at) || 0;
        });
      rows.push(row);
    }
  }
  return { hour, rows };
}

/** Share of start-up mass in view in the profile's hour. @param {Row[]} rows @param {import('./grid.js').Side} side */
export function startUpShare(rows, side) {
  let held = 0, started = 0;
  for (const row of rows) if (row.side === side) { held += row.held; started += row.started; }
  return held > 0 ? started / held : 0;
}

/**
 * @param {HTMLCanvasElement} canvas @param {View} view @param {MapData} map
 * @param {import('./scale.js').Theme} theme @param {{side: string, unit: string, showStartUp: boolean}} options
 * @param {{hour: number, rows: Row[]}} profile
 */
export function drawProfile(canvas, view, map, theme, options, { hour, rows }) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d')), { ratio } = view;
  const { width } = canvas, height = Math.round(view.height * ratio);
  context.fillStyle = theme.page;
  context.fillRect(0, 0, width, canvas.height);
  if (hour < 0) return;
  const started = options.showStartUp ? 1 : 0, inner = width - 6 * ratio;
  // Start-up mass sets no length: its grey may run out of the picture.
  const longest = Math.max(0, ...rows.map(row => Math.max(row.held - row.started, row.q90)));
  const most = Math.max(0, ...rows.map(row => row.summed));
  /** @param {number} value @param {number} full */
  const length = (value, full) => full > 0 ? Math.round(inner * value / full) : 0;
  context.save();
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  for (const row of rows) {
    const top = view.bottom(row.bin + view.binsPerCell), tall = Math.max(1, view.bottom(row.bin) - top);
    const own = length(row.held - row.started, longest);
    context.fillStyle = theme.side[row.side];
    context.fillRect(0, top, own, tall);
    context.fillStyle = theme.veil;
    context.fillRect(own, top, length(row.held, longest) * started - own * started, tall);
    context.fillStyle = theme.ink;
    context.globalAlpha = 0.28;
    context.fillRect(length(row.q10, longest), top, length(row.q90, longest) - length(row.q10, longest), tall);
    context.globalAlpha = 1;
  }
  setFont(context, view, 10.5);
  Object.assign(context, { lineWidth: 1.5 * ratio, strokeStyle: theme.ink, textAlign: 'right' });
  for (const side of SIDES) {
    const own = rows.filter(row => row.side === side && row.held > 0);
    if (!own.length) continue;
    const isLong = side === 'long', before = own[0].summed - own[0].held;
    context.beginPath();
    context.moveTo(length(before, most), isLong ? view.bottom(own[0].bin + view.binsPerCell) : view.bottom(own[0].bin));
    for (const { bin, summed } of own) context.lineTo(length(summed, most), view.bottom(isLong ? bin : bin + view.binsPerCell));
    context.stroke();
    const text = `Σ ${inWords(own[own.length - 1].summed)}`, y = isLong ? height - 8 * ratio : 26 * ratio;
    plate(context, text, width - 4 * ratio, y, theme, ratio);
  }
  const price = map.price[hour];
  context.setLineDash([2 * ratio, 2 * ratio]);
  Object.assign(context, { lineWidth: Math.max(1, Math.round(ratio)), strokeStyle: theme.muted });
  context.beginPath();
  context.moveTo(0, Math.round((view.yOf(price) + 0.5) * ratio) + 0.5);
  context.lineTo(width, Math.round((view.yOf(price) + 0.5) * ratio) + 0.5);
  context.stroke();
  context.restore();
  setFont(context, view, 10.5);
  const narrow = width < 110 * ratio, when = hourText(map.hours[hour]);
  plate(context, narrow ? when.slice(5, 16) : when.slice(5), width - 4 * ratio, 10 * ratio, theme, ratio);
  Object.assign(context, { fillStyle: theme.line });
  context.fillRect(0, height, width, Math.max(1, Math.round(ratio)));
  context.fillStyle = theme.muted;
  Object.assign(context, { textBaseline: 'middle', textAlign: 'left' });
  if (longest > 0) context.fillText(narrow ? inWords(longest) : `longest bar ${inWords(longest)}`, 4 * ratio, height + 14 * ratio);
}

/** Text on a plate of the page's colour. @param {CanvasRenderingContext2D} context @param {string} text @param {number} x right end @param {number} y middle @param {import('./scale.js').Theme} theme @param {number} ratio */
function plate(context, text, x, y, theme, ratio) {
  const wide = context.measureText(text).width + 6 * ratio;
  Object.assign(context, { fillStyle: theme.page, globalAlpha: 0.8 });
  context.fillRect(x - wide + 3 * ratio, y - 7 * ratio, wide, 14 * ratio);
  Object.assign(context, { fillStyle: theme.ink, globalAlpha: 1, textAlign: 'right', textBaseline: 'middle' });
  context.fillText(text, x, y);
}

/** Bins in view as rows of a table, hour by hour. @param {View} view @param {MapData} map @param {{side: string, unit: string}} options */
export function* seenRows(view, map, { side: wanted, unit }) {
  const { hours: [from, until], bins: [low, high] } = rangesOf(view, map), { meta } = map;
  for (let hour = from; hour < until; hour++)
    for (const side of SIDES) {
      if (wanted !== 'both' && wanted !== side) continue;
      /** @type {{as_of: string, side: string, price_low: number, price_high: number, amount: number, start_up: number}[]} */
      const rows = [], { usd, startUp } = map.sides[side];
      eachBin(map, side, hour, low, high, (bin, place) => {
        const weight = weightOf(meta, unit, bin);
        if (usd[place] > 0) rows.push({
          as_of: new Date(map.hours[hour] * 1000).toISOString(), side, price_low: edgeOf(meta, bin), price_high: edgeOf(meta, bin + 1),
          amount: usd[place] * weight, start_up: startUp ? startUp[place] * weight : 0,
        });
      });
      yield* rows;
    }
}
