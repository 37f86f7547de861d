// What is known of a cell, in words, and the box beside the cursor that shows it.

import { MISSING, SIDES, STALE, WARM_UP } from "./grid.js";
import { eachBin, edgeOf, extentOf, oddsAt, sidesOf, sumOf } from "./grid.js";
import { intervalOf } from "./profile.js";
import { amountText, hourText, inWords, oddsText, percent, priceText } from "./words.js";

/** @typedef {import("./grid.js").MapData} MapData */
/** @typedef {import("./grid.js").Side} Side */
/** @typedef {{hour: number, bin: number}} Cell its hour and first bin */
/** @typedef {[label: string, value: string | false | null]} Part not shown without a value */

/** Parts that hold for all prices of an hour. */
const OF_THE_HOUR = ["hour", "liquidated in the hour"];
const MOST_TIERS = 3;
const GAP = 14;

/**
 * What is known of a cell. Some of it is known of the newest hour alone.
 * @param {Pick<import("./view.js").Scene, "map" | "view" | "options">} scene
 * @param {Cell} cell
 * @param {boolean} [isWholeHour] only what holds for all prices
 */
export function partsOf({ map, view, options }, { hour, bin }, isWholeHour = false) {
  if (hour < 0 || hour >= map.hours.length) return [];
  const { meta } = map;
  const until = bin + view.binsPerCell;
  const isNewest = hour === meta.newest;
  const price = map.price[hour] || map.candles.close[hour];
  const [low, high] = [edgeOf(meta, bin), edgeOf(meta, until)];
  const distance = Math.log((low * high) / price ** 2) / 2;
  const held = sidesOf(options.side)
    .map((side) => ({ side, ...sumOf(map, side, hour, bin, until, options.unit) }))
    .filter((one) => one.held > 0);
  /** @type {Part[]} */
  const parts = [
    ["hour", hourText(map.hours[hour])],
    ["price", `${priceText(low, price || low)} to ${priceText(high, price || low)}`],
    ["distance", price > 0 && distanceText(distance, price)],
    ["map", !held.length && emptyText(map, hour, low, high)],
  ];
  for (const { side, held: amount, started } of held) {
    parts.push([`${side}s`, amountText(amount, meta, options.unit)]);
    parts.push(["of it start-up mass", started > 0.005 * amount && percent(started / amount)]);
    if (isNewest) parts.push(...partsOfNewest(map, side, bin, until, options.unit));
  }
  parts.push(
    ["odds of touch in 24 h", isNewest && oddsRange(oddsAt(meta, distance))],
    ["liquidated in the hour", realisedText(map, hour)],
    ["stale", map.flags[hour] & STALE ? "the map rests on old data" : null],
    [
      "warm-up",
      map.flags[hour] & WARM_UP ? "most of the open interest is in series that warm up" : null,
    ],
  );
  return parts.filter(([label, value]) => value && (!isWholeHour || OF_THE_HOUR.includes(label)));
}

/** @param {number} distance log @param {number} price */
function distanceText(distance, price) {
  const share = percent(Math.abs(Math.expm1(distance)));
  return `${share} ${distance < 0 ? "below" : "above"} ${priceText(price)}`;
}

/**
 * Why a cell shows nothing.
 * @param {MapData} map
 * @param {number} hour
 * @param {number} low
 * @param {number} high
 */
function emptyText({ flags, covered }, hour, low, high) {
  if (flags[hour] & MISSING) return "missing in this hour";
  if (covered && (high <= covered.low[hour] || low >= covered.high[hour]))
    return "not covered by the provider";
  return "nothing here";
}

/** @param {[number, number] | null} odds */
function oddsRange(odds) {
  if (!odds) return null;
  const [least, most] = odds;
  return most - least < 0.01 ? oddsText(most) : `${oddsText(least)} to ${oddsText(most)}`;
}

/** @param {MapData} map @param {number} hour */
function realisedText({ realised, isLowerBound }, hour) {
  const bound = isLowerBound[hour] ? "at least " : "";
  return SIDES.filter((side) => realised[side][hour] >= 0)
    .map((side) => `${side}s ${bound}${inWords(realised[side][hour])} USD`)
    .join(", ");
}

/**
 * @param {MapData} map
 * @param {Side} side
 * @param {number} bin
 * @param {number} until
 * @param {string} unit
 * @returns {Part[]}
 */
function partsOfNewest(map, side, bin, until, unit) {
  const { meta } = map;
  const { agreeing } = map.sides[side];
  const { q10, q90 } = intervalOf(map, side, meta.newest, bin, until, unit);
  let votes = 0;
  eachBin(map, side, meta.newest, bin, until, (_, __, place) => {
    votes = Math.max(votes, agreeing?.[place] ?? 0);
  });
  const interval = `${amountText(q10, meta, unit)} to ${amountText(q90, meta, unit)}`;
  return [
    ["80 % interval", q90 > 0 && interval],
    ["leverage", largestTiers(map, side, bin, until)],
    [
      "providers that call it dense",
      agreeing && meta.provider_count > 0 && `${votes} of ${meta.provider_count}`,
    ],
  ];
}

/**
 * The leverages that hold most of some bins of the newest hour, with their shares.
 * @param {MapData} map
 * @param {Side} side
 * @param {number} bin
 * @param {number} until
 */
function largestTiers(map, side, bin, until) {
  const { newest, tiers } = map.meta;
  const { tierUsd } = map.sides[side];
  if (!tierUsd) return null;
  const [first, end] = extentOf(map.sides[side], newest);
  const held = tiers.map((leverage, at) => ({ leverage, usd: 0, begin: at * (end - first) }));
  eachBin(map, side, newest, bin, until, (_, __, place) => {
    for (const tier of held) tier.usd += tierUsd[tier.begin + place];
  });
  const all = held.reduce((sum, { usd }) => sum + usd, 0);
  return held
    .filter(({ usd }) => usd > 0.05 * all)
    .sort((one, other) => other.usd - one.usd)
    .slice(0, MOST_TIERS)
    .map(({ leverage, usd }) => `${leverage}x ${percent(usd / all)}`)
    .join(", ");
}

/** A box beside the cursor; names may hold markup, so that all is set as text. */
export class Tooltip {
  #box = document.createElement("div");
  #text = "";
  #size = { wide: 0, tall: 0 };

  /** @param {HTMLElement} parent */
  constructor(parent) {
    // Read out where the keyboard moves the cursor.
    this.#box.setAttribute("role", "status");
    this.#box.className = "heatmap-tooltip";
    this.hide();
    parent.append(this.#box);
  }

  hide() {
    this.#box.hidden = true;
  }

  /**
   * Show parts beside a point of the pane; none hide the box.
   * @param {Part[]} parts
   * @param {{x: number, y: number}} point
   * @param {import("./view.js").Scene} scene
   */
  show(parts, { x, y }, { view, theme }) {
    if (!parts.length) return this.hide();
    Object.assign(this.#box.style, {
      background: theme.page,
      color: theme.ink,
      border: `1px solid ${theme.muted}`,
    });
    this.#box.hidden = false;
    const text = parts.join();
    if (text !== this.#text) this.#fill(parts, theme.muted);
    this.#text = text;
    const { wide, tall } = this.#size;
    const isLeft = x + GAP + wide > view.width;
    const left = isLeft ? Math.max(0, x - GAP - wide) : x + GAP;
    const top = Math.max(0, Math.min(y + GAP, view.height - tall - 4));
    this.#box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  /** @param {Part[]} parts @param {string} muted */
  #fill(parts, muted) {
    const rows = parts.map(([label, value]) => {
      const name = document.createElement("span");
      name.textContent = `${label} `;
      name.style.color = muted;
      const row = document.createElement("div");
      row.append(name, String(value));
      return row;
    });
    this.#box.replaceChildren(...rows);
    this.#size = { wide: this.#box.offsetWidth, tall: this.#box.offsetHeight };
  }
}
