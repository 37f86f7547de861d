// The profile at the right: bins of one hour as bars, and what lies between price and each level.

import { edgeOf, eachBin, hourWithMap, sidesOf, sumOf, weightOf } from './grid.js';
import { figureText, hourText } from './scale.js';
import { drawHalo, setFont } from './overlays.js';
import { cellOf, rangesOf } from './view.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {{bin: number, held: number, started: number, q10: number, q90: number, summed: number}} Row */
/** @typedef {{side: import('./grid.js').Side, share: number, before: number, rows: Row[]}} Part rows from price outward; what lies between price and the first, and the share of start-up mass */

/**
 * The hour at the right of the view: sums of the cells' bins, and of all from price to their far edge.
 * @param {View} view @param {MapData} map @param {{side: string, unit: string}} options
 */
export function profileOf(view, map, { side: chosen, unit }) {
  const { hours, bins: [low, high] } = rangesOf(view, map), hour = hourWithMap(map, hours[1] - 1), step = view.binsPerCell;
  /** @type {Part[]} */
  const parts = hour < 0 ? [] : sidesOf(chosen).map(side => {
    const { firstBin, offset, q10, q90 } = map.sides[side], first = firstBin[hour], until = first + offset[hour + 1] - offset[hour];
    const begin = cellOf(Math.max(first, low), step), count = Math.max(0, Math.ceil((Math.min(until, high) - begin) / step));
    const cells = Array.from({ length: count }, (_, at) => begin + at * step);
    // Longs are summed from price down, shorts from price up.
    if (side === 'long') cells.reverse();
    const before = count === 0 ? 0 : side === 'long' ? sumOf(map, side, hour, cells[0] + step, until, unit).held : sumOf(map, side, hour, first, begin, unit).held;
    let summed = before, started = 0;
    const rows = cells.map(bin => {
      const row = { bin, ...sumOf(map, side, hour, bin, bin + step, unit), q10: 0, q90: 0, summed: 0 };
      row.summed = summed += row.held;
      started += row.started;
      if (q10 && q90 && hour === map.meta.newest)
        eachBin(map, side, hour, bin, bin + step, (at, _, place) => {
          row.q10 += q10[place] * weightOf(map.meta, unit, at) || 0;
          row.q90 += q90[place] * weightOf(map.meta, unit, at) || 0;
        });
      return row;
    });
    return { side, share: summed > before ? started / (summed - before) : 0, before, rows };
  });
  return { hour, parts };
}

/**
 * @param {HTMLCanvasElement} canvas @param {View} view @param {MapData} map @param {import('./scale.js').Theme} theme
 * @param {boolean} isStartUpShown @param {{hour: number, parts: Part[]}} profile
 */
export function drawProfile(canvas, view, map, theme, isStartUpShown, { hour, parts }) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d')), { ratio } = view, { width } = canvas;
  const height = Math.round(view.height * ratio), inner = width - 6 * ratio, all = parts.flatMap(part => part.rows);
  context.fillStyle = theme.page;
  context.fillRect(0, 0, width, canvas.height);
  if (hour < 0) return;
  // Start-up mass sets no length: its grey may run out of the picture.
  const longest = Math.max(0, ...all.map(row => Math.max(row.held - row.started, row.q90))), most = Math.max(0, ...all.map(row => row.summed));
  /** @param {number} value @param {number} full */
  const length = (value, full) => full > 0 ? Math.round(inner * value / full) : 0;
  setFont(context, view);
  for (const { side, before, rows } of parts) {
    for (const row of rows) {
      const top = view.bottom(row.bin + view.binsPerCell), tall = Math.max(1, view.bottom(row.bin) - top);
      const [own, held, low, high] = [row.held - row.started, row.held, row.q10, row.q90].map(value => length(value, longest));
      context.fillStyle = theme.side[side];
      context.fillRect(0, top, own, tall);
      context.fillStyle = theme.veil;
      if (isStartUpShown && held > own) context.fillRect(own, top, held - own, tall);
      context.fillStyle = `${theme.ink}47`;
      if (high > low) context.fillRect(low, top, high - low, tall);
    }
    if (!rows.length) continue;
    const isLong = side === 'long', near = isLong ? view.binsPerCell : 0, far = view.binsPerCell - near;
    Object.assign(context, { lineWidth: 1.5 * ratio, strokeStyle: theme.ink });
    context.beginPath();
    context.moveTo(length(before, most), view.bottom(rows[0].bin + near));
    for (const { bin, summed } of rows) context.lineTo(length(summed, most), view.bottom(bin + far));
    context.stroke();
    drawHalo(context, `Σ ${figureText(rows[rows.length - 1].summed, map.meta)}`, width - 4 * ratio, isLong ? height - 8 * ratio : 25 * ratio, theme, ratio);
  }
  const y = Math.round((view.yOf(map.price[hour]) + 0.5) * ratio), isNarrow = width < 110 * ratio, when = hourText(map.hours[hour]).slice(5);
  context.fillStyle = theme.muted;
  context.fillRect(0, y, width, Math.max(1, Math.round(ratio)));
  drawHalo(context, isNarrow ? when.slice(0, 5) : when, width - 4 * ratio, 9 * ratio, theme, ratio);
  context.fillStyle = theme.page;
  context.fillRect(0, height, width, canvas.height);
  Object.assign(context, { fillStyle: theme.muted, textAlign: 'left' });
  if (longest > 0) context.fillText((isNarrow ? '' : 'longest bar ') + figureText(longest, map.meta), 4 * ratio, height + 14 * ratio);
}

/** Bins in view that are not empty as rows of a table, hour by hour. @param {View} view @param {MapData} map @param {{side: string, unit: string}} options */
export function* seenRows(view, map, { side: chosen, unit }) {
  const { hours: [from, until], bins: [low, high] } = rangesOf(view, map), { meta } = map;
  for (let hour = from; hour < until; hour++)
    for (const side of sidesOf(chosen)) {
      /** @type {{as_of: string, side: string, price_low: number, price_high: number, amount: number, start_up: number}[]} */
      const rows = [], { usd, startUp } = map.sides[side], as_of = new Date(map.hours[hour] * 1000).toISOString();
      eachBin(map, side, hour, low, high, (bin, place) => {
        const weight = weightOf(meta, unit, bin), amount = usd[place] * weight, start_up = startUp ? startUp[place] * weight : 0;
        if (amount > 0) rows.push({ as_of, side, price_low: edgeOf(meta, bin), price_high: edgeOf(meta, bin + 1), amount, start_up });
      });
      yield* rows;
    }
}
