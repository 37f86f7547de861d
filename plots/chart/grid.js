// The map as decoded from its binary form, and sums over its bins. Nothing here draws.

/** @typedef {"long" | "short"} Side */
/**
 * @typedef {object} Band
 * @property {Side} side
 * @property {number} low
 * @property {number} high
 * @property {number | null} usd
 * @property {number | null} odds of touch within 24 hours
 * @property {number | null} expected_forced
 */
/**
 * @typedef {object} Meta
 * @property {string} asset
 * @property {string} provider
 * @property {string} venue
 * @property {string} unit usd or relative
 * @property {string} semantics
 * @property {number} log_step width of a bin in log price
 * @property {number} log_origin log price of the lower edge of bin 0
 * @property {number} newest place of the newest hour with a map, -1 without one
 * @property {number | null} price newest price
 * @property {number} reach_ratio share of price shown first each way
 * @property {number} provider_count providers that could agree
 * @property {number[]} tiers leverages of the newest hour, lowest first
 * @property {number[] | null} selected_tiers
 * @property {Band[]} bands
 * @property {[number, number][]} odds distance (log) and odds of touch, nearest first
 */
/**
 * @typedef {object} SideBins bins of one side, one hour after the other
 * @property {Int32Array} firstBin
 * @property {Uint32Array} offset
 * @property {Float32Array} usd
 * @property {Float32Array | null} startUp
 * @property {Float32Array | null} q10 of the newest hour
 * @property {Float32Array | null} q90
 * @property {Int16Array | null} agreeing
 * @property {Float32Array | null} tierUsd leverages x bins of the newest hour
 */
/**
 * @typedef {object} MapData
 * @property {Meta} meta
 * @property {Float64Array} hours Unix seconds, an hour apart
 * @property {Float64Array} price
 * @property {Record<"open" | "high" | "low" | "close", Float64Array>} candles
 * @property {Record<Side, Float64Array>} realised
 * @property {Uint8Array} isLowerBound
 * @property {Uint8Array} flags
 * @property {{low: Float64Array, high: Float64Array} | null} covered prices, where a provider's end
 * @property {Record<Side, SideBins>} sides
 */

export const MISSING = 1;
export const WARM_UP = 2;
export const STALE = 4;
export const HOUR = 3600;
/** @type {Side[]} */
export const SIDES = ["long", "short"];

/** Sides that are shown. @param {string} chosen both, long or short */
export const sidesOf = (chosen) => SIDES.filter((side) => chosen === "both" || chosen === side);

/** Whether venues published any liquidation of its hours. @param {MapData} map */
export const hasRealised = ({ realised }) =>
  SIDES.some((side) => realised[side].some((value) => value > 0));

/** @type {Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => any>} */
const TYPES = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint8: Uint8Array,
};

/**
 * Read what `plots/map_grid.py` encodes; the arrays are views of the buffer.
 * @param {ArrayBuffer} buffer
 * @returns {MapData}
 */
export function decodeGrid(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const begin = Math.ceil((4 + length) / 8) * 8;
  /** @type {Record<string, any>} */
  const arrays = {};
  for (const { name, dtype, length: count, offset } of header.arrays)
    arrays[name] = new TYPES[dtype](buffer, begin + offset, count);
  /** @param {Side} side @returns {SideBins} */
  const binsOf = (side) => ({
    firstBin: arrays[`${side}_first_bin`],
    offset: arrays[`${side}_offset`],
    usd: arrays[`${side}_usd`],
    startUp: arrays[`${side}_start_up`] ?? null,
    q10: arrays[`${side}_q10`] ?? null,
    q90: arrays[`${side}_q90`] ?? null,
    agreeing: arrays[`${side}_agreeing`] ?? null,
    tierUsd: arrays[`${side}_tier_usd`] ?? null,
  });
  const { hours, price, open, high, low, close, flags } = arrays;
  const { covered_low: coveredLow, covered_high: coveredHigh } = arrays;
  return {
    meta: header.meta,
    hours,
    price,
    candles: { open, high, low, close },
    realised: { long: arrays.realised_long, short: arrays.realised_short },
    isLowerBound: arrays.is_lower_bound,
    flags,
    covered: coveredLow ? { low: coveredLow, high: coveredHigh } : null,
    sides: { long: binsOf("long"), short: binsOf("short") },
  };
}

/** Price of the lower edge of a bin. @param {Meta} meta @param {number} bin */
export const edgeOf = (meta, bin) => Math.exp(meta.log_step * bin + meta.log_origin);

/** Bin that holds a price. @param {Meta} meta @param {number} price */
export const binOf = (meta, price) =>
  Math.floor((Math.log(price) - meta.log_origin) / meta.log_step);

/** Price in the middle of a bin. @param {Meta} meta @param {number} bin */
export const centreOf = (meta, bin) => edgeOf(meta, bin + 0.5);

/** Only amounts in USD have coins. @param {Meta} meta @param {string} unit as chosen */
export const isInCoins = (meta, unit) => unit === "coins" && meta.unit === "usd";

/**
 * One unit of the map in what is shown: 1, or coins a USD at the price of the bin, which is where
 * its positions would be liquidated.
 * @param {Meta} meta
 * @param {string} unit
 * @param {number} bin
 */
export const weightOf = (meta, unit, bin) => (isInCoins(meta, unit) ? 1 / centreOf(meta, bin) : 1);

/**
 * Bins that a side has in an hour: from, until.
 * @param {SideBins} bins
 * @param {number} hour
 */
export function extentOf({ firstBin, offset }, hour) {
  return [firstBin[hour], firstBin[hour] + offset[hour + 1] - offset[hour]];
}

/**
 * Values of a side in one hour, by bins from up to until (exclusive).
 * @param {MapData} map
 * @param {Side} side
 * @param {number} hour
 * @param {number} from
 * @param {number} until
 * @param {(bin: number, place: number, ofHour: number) => void} call place in the arrays, and in
 *   the hour
 */
export function eachBin(map, side, hour, from, until, call) {
  const begin = map.sides[side].offset[hour];
  const [first, end] = extentOf(map.sides[side], hour);
  const last = Math.min(until, end);
  for (let bin = Math.max(from, first); bin < last; bin++)
    call(bin, begin + bin - first, bin - first);
}

/**
 * Sum over bins of one hour, and the start-up mass in it.
 * @param {MapData} map
 * @param {Side} side
 * @param {number} hour
 * @param {number} from
 * @param {number} until
 * @param {string} unit
 */
export function sumOf(map, side, hour, from, until, unit) {
  const { usd, startUp } = map.sides[side];
  let held = 0;
  let started = 0;
  eachBin(map, side, hour, from, until, (bin, place) => {
    const weight = weightOf(map.meta, unit, bin);
    held += usd[place] * weight;
    if (startUp) started += startUp[place] * weight;
  });
  return { held, started };
}

/**
 * Newest hour with a map at or before a place, -1 without one.
 * @param {MapData} map
 * @param {number} place
 */
export const hourWithMap = (map, place) =>
  map.flags.subarray(0, place + 1).findLastIndex((flag) => !(flag & MISSING));

/**
 * Odds of touch of a distance from the newest price, between those published of the next nearer and
 * the next farther level: odds fall with distance. Null where none are published there.
 * @param {Meta} meta
 * @param {number} distance log
 * @returns {[number, number] | null} smaller and larger
 */
export function oddsAt(meta, distance) {
  const farther = meta.odds.find(([known]) => known >= Math.abs(distance));
  const nearer = meta.odds.findLast(([known]) => known <= Math.abs(distance));
  return farther && nearer ? [farther[1], nearer[1]] : null;
}
