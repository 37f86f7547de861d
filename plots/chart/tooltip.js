// What is known of the bins under the cursor, in words; shown beside it and handed to `onHover`.

import { MISSING, SIDES, STALE, WARM_UP, centreOf, edgeOf, eachBin, oddsAt, sumOf } from './grid.js';
import { amountText, hourText, percent, priceText } from './scale.js';
import { oddsText, realisedText } from './overlays.js';

/** @typedef {[label: string, value: string]} Part */

/**
 * The bins from bin to bin + binsPerCell in one hour; what is known of the newest hour alone is named
 * there alone.
 * @param {import('./grid.js').MapData} map @param {number} hour @param {number} bin @param {number} binsPerCell
 * @param {{side: string, unit: string}} options
 * @returns {Part[]}
 */
export function partsOf(map, hour, bin, binsPerCell, { side: wanted, unit }) {
  const { meta } = map, until = bin + binsPerCell;
  if (hour < 0 || hour >= map.hours.length) return [];
  const flags = map.flags[hour], price = map.price[hour], close = map.candles.close[hour];
  const from = Number.isNaN(price) ? close : price, digits = from || edgeOf(meta, bin);
  /** @type {Part[]} */
  const parts = [
    ['hour', hourText(map.hours[hour])],
    ['price', `${priceText(edgeOf(meta, bin), digits)} to ${priceText(edgeOf(meta, until), digits)}`],
  ];
  const distance = Math.log(centreOf(meta, bin + (binsPerCell - 1) / 2) / from);
  if (from > 0) parts.push(['distance', `${percent(Math.abs(Math.expm1(distance)))} ${distance < 0 ? 'below' : 'above'} ${priceText(from)}`]);
  if (flags & MISSING) parts.push(['map', 'missing in this hour']);
  let isEmpty = true;
  for (const side of SIDES) {
    if (flags & MISSING || (wanted !== 'both' && wanted !== side)) continue;
    const { held, started } = sumOf(map, side, hour, bin, until, unit);
    if (!(held > 0)) continue;
    isEmpty = false;
    parts.push([`${side}s`, amountText(held, meta, unit)]);
    if (started > 0.005 * held) parts.push(['of it start-up mass', percent(started / held)]);
    if (hour === meta.newest) parts.push(...partsOfNewest(map, side, bin, until, unit));
  }
  if (isEmpty && !(flags & MISSING)) parts.push(['map', 'nothing here']);
  const odds = hour === meta.newest ? oddsAt(meta, distance) : null;
  if (odds) parts.push(['odds of touch in 24 h', odds[1] - odds[0] < 0.01 ? oddsText(odds[1]) : `${oddsText(odds[0])} to ${oddsText(odds[1])}`]);
  const realised = realisedText(map, hour);
  if (realised) parts.push(['liquidated in the hour', realised]);
  if (flags & STALE) parts.push(['stale', 'the map rests on old data']);
  if (flags & WARM_UP) parts.push(['warm-up', 'most of the open interest is in series that warm up']);
  return parts;
}

/** @param {import('./grid.js').MapData} map @param {import('./grid.js').Side} side @param {number} bin @param {number} until @param {string} unit @returns {Part[]} */
function partsOfNewest(map, side, bin, until, unit) {
  const { meta } = map, { agreeing, tierUsd, q10, q90, offset } = map.sides[side];
  const count = offset[meta.newest + 1] - offset[meta.newest], byTier = meta.tiers.map(() => 0);
  /** @type {Part[]} */
  const parts = [];
  let votes = 0, low = 0, high = 0;
  eachBin(map, side, meta.newest, bin, until, (_, __, place) => {
    votes = Math.max(votes, agreeing?.[place] ?? 0);
    low += q10?.[place] || 0;
    high += q90?.[place] || 0;
    byTier.forEach((_, tier) => { byTier[tier] += tierUsd?.[tier * count + place] ?? 0; });
  });
  const all = byTier.reduce((sum, usd) => sum + usd, 0);
  if (high > 0 && unit === 'usd') parts.push(['80 % interval', `${amountText(low, meta, unit)} to ${amountText(high, meta, unit)}`]);
  const tiers = byTier.map((usd, tier) => ({ usd, tier })).filter(({ usd }) => usd > 0.05 * all).sort((a, b) => b.usd - a.usd).slice(0, 3);
  if (tiers.length) parts.push(['leverage', tiers.map(({ usd, tier }) => `${meta.tiers[tier]}x ${percent(usd / all)}`).join(', ')]);
  if (agreeing && meta.provider_count) parts.push(['providers that call it dense', `${votes} of ${meta.provider_count}`]);
  return parts;
}

/** A box beside the cursor; names may hold markup, so that all is set as text. */
export class Tooltip {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.box = document.createElement('div');
    this.box.setAttribute('aria-hidden', 'true');
    Object.assign(this.box.style, {
      position: 'absolute', left: '0', top: '0', zIndex: '5', pointerEvents: 'none', display: 'none', padding: '6px 8px',
      borderRadius: '4px', font: '12px/1.45 system-ui, sans-serif', maxWidth: '260px', fontVariantNumeric: 'tabular-nums',
    });
    parent.append(this.box);
  }

  /** @param {Part[]} parts @param {{x: number, y: number, width: number, height: number}} at cursor, and the pane @param {import('./scale.js').Theme} theme */
  show(parts, at, theme) {
    Object.assign(this.box.style, { background: theme.page, color: theme.ink, border: `1px solid ${theme.muted}`, display: parts.length ? 'block' : 'none' });
    this.box.replaceChildren(...parts.map(([label, value]) => {
      const row = document.createElement('div'), name = document.createElement('span');
      name.textContent = `${label} `;
      name.style.color = theme.muted;
      row.append(name, value);
      return row;
    }));
    const { offsetWidth: wide, offsetHeight: tall } = this.box, gap = 14;
    const x = at.x + gap + wide > at.width ? Math.max(0, at.x - gap - wide) : at.x + gap;
    const y = Math.max(0, Math.min(at.y + gap, at.height - tall - 4));
    this.box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }

  hide() {
    this.box.style.display = 'none';
  }
}
