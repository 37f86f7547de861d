// What is known of the bins under the cursor, in words; shown beside it and handed to `onHover`.

import { MISSING, SIDES, STALE, WARM_UP, edgeOf, eachBin, oddsAt, sidesOf, sumOf } from './grid.js';
import { amountText, hourText, inWords, percent, priceText } from './scale.js';
import { oddsText } from './overlays.js';

/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {[label: string, value: string | false | null | undefined]} Part one without a value is not shown */

/**
 * The bins from bin to bin + binsPerCell in one hour; what is known of the newest hour alone is named
 * there alone.
 * @param {MapData} map @param {number} hour @param {number} bin @param {number} binsPerCell
 * @param {{side: string, unit: string}} options
 * @returns {Part[]}
 */
export function partsOf(map, hour, bin, binsPerCell, { side: chosen, unit }) {
  const { meta, realised } = map, until = bin + binsPerCell, flags = map.flags[hour];
  if (hour < 0 || hour >= map.hours.length) return [];
  const price = map.price[hour] || map.candles.close[hour], low = edgeOf(meta, bin), high = edgeOf(meta, until);
  const distance = Math.log(low * high / price ** 2) / 2, odds = hour === meta.newest ? oddsAt(meta, distance) : null;
  const held = sidesOf(chosen).map(side => ({ side, ...sumOf(map, side, hour, bin, until, unit) })).filter(one => one.held > 0);
  const atLeast = map.isLowerBound[hour] ? 'at least ' : '', known = SIDES.filter(side => realised[side][hour] >= 0);
  /** @type {Part[]} */
  const parts = [
    ['hour', hourText(map.hours[hour])],
    ['price', `${priceText(low, price || low)} to ${priceText(high, price || low)}`],
    ['distance', price > 0 && `${percent(Math.abs(Math.expm1(distance)))} ${distance < 0 ? 'below' : 'above'} ${priceText(price)}`],
    ['map', flags & MISSING ? 'missing in this hour' : !held.length && 'nothing here'],
    ...held.flatMap(({ side, held: amount, started }) => [
      /** @type {Part} */ ([`${side}s`, amountText(amount, meta, unit)]),
      /** @type {Part} */ (['of it start-up mass', started > 0.005 * amount && percent(started / amount)]),
      ...hour === meta.newest ? partsOfNewest(map, side, bin, until, unit) : [],
    ]),
    ['odds of touch in 24 h', odds && (odds[1] - odds[0] < 0.01 ? oddsText(odds[1]) : `${oddsText(odds[0])} to ${oddsText(odds[1])}`)],
    ['liquidated in the hour', known.map(side => `${side}s ${atLeast}${inWords(realised[side][hour])} USD`).join(', ')],
    ['stale', flags & STALE ? 'the map rests on old data' : null],
    ['warm-up', flags & WARM_UP ? 'most of the open interest is in series that warm up' : null],
  ];
  return parts.filter(([, value]) => value);
}

/** @param {MapData} map @param {import('./grid.js').Side} side @param {number} bin @param {number} until @param {string} unit @returns {Part[]} */
function partsOfNewest(map, side, bin, until, unit) {
  const { meta } = map, { agreeing, tierUsd, q10, q90, offset } = map.sides[side], count = offset[meta.newest + 1] - offset[meta.newest];
  const tiers = meta.tiers.map(leverage => ({ leverage, usd: 0 }));
  let votes = 0, low = 0, high = 0;
  eachBin(map, side, meta.newest, bin, until, (_, __, place) => {
    votes = Math.max(votes, agreeing?.[place] ?? 0);
    low += q10?.[place] || 0;
    high += q90?.[place] || 0;
    tiers.forEach((tier, at) => { tier.usd += tierUsd?.[at * count + place] ?? 0; });
  });
  const all = tiers.reduce((sum, { usd }) => sum + usd, 0);
  const largest = tiers.filter(({ usd }) => usd > 0.05 * all).sort((one, other) => other.usd - one.usd).slice(0, 3);
  return [
    ['80 % interval', high > 0 && unit === 'usd' && `${amountText(low, meta, unit)} to ${amountText(high, meta, unit)}`],
    ['leverage', largest.map(({ leverage, usd }) => `${leverage}x ${percent(usd / all)}`).join(', ')],
    ['providers that call it dense', agreeing && meta.provider_count > 0 && `${votes} of ${meta.provider_count}`],
  ];
}

/** A box beside the cursor; names may hold markup, so that all is set as text. */
export class Tooltip {
  box = document.createElement('div');
  text = '';
  size = { wide: 0, tall: 0 };

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.box.setAttribute('aria-hidden', 'true');
    Object.assign(this.box.style, {
      position: 'absolute', left: '0', top: '0', zIndex: '5', pointerEvents: 'none', display: 'none', padding: '6px 8px',
      borderRadius: '4px', font: '12px/1.45 system-ui, sans-serif', maxWidth: '260px', fontVariantNumeric: 'tabular-nums',
    });
    parent.append(this.box);
  }

  /** Show parts beside a point of the pane; none hide the box. @param {Part[]} parts @param {{x: number, y: number}} point @param {{width: number, height: number}} pane @param {import('./scale.js').Theme} theme */
  show(parts, { x, y }, { width, height }, theme) {
    Object.assign(this.box.style, { background: theme.page, color: theme.ink, border: `1px solid ${theme.muted}`, display: parts.length ? 'block' : 'none' });
    const text = parts.join();
    if (text !== this.text) this.box.replaceChildren(...parts.map(([label, value]) => {
      const row = document.createElement('div'), name = document.createElement('span');
      name.textContent = `${label} `;
      name.style.color = theme.muted;
      row.append(name, String(value));
      return row;
    }));
    if (text !== this.text) this.size = { wide: this.box.offsetWidth, tall: this.box.offsetHeight };
    this.text = text;
    const { wide, tall } = this.size, gap = 14;
    const left = x + gap + wide > width ? Math.max(0, x - gap - wide) : x + gap, top = Math.max(0, Math.min(y + gap, height - tall - 4));
    this.box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
