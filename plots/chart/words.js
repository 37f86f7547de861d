// Figures, prices, hours and shares in words.

/** @typedef {import("./grid.js").Meta} Meta */

/** @type {[number, string][]} */
const SIZES = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];

/** Figure with three digits and its size as a letter. @param {number} value */
export function inWords(value) {
  if (value === 0) return "0";
  // What rounds to 1000 of a size is 1 of the next.
  const found = SIZES.find(([size]) => value >= 0.9995 * size);
  if (found) return +(value / found[0]).toPrecision(3) + found[1];
  return value < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3));
}

/** Decimals that show about five digits of a price. @param {number} price */
export const decimalsOf = (price) =>
  Math.min(12, Math.max(0, 4 - Math.floor(Math.log10(price || 1))));

/** @type {Record<number, Intl.NumberFormat>} by decimals: the axis has many labels a frame */
const formats = {};

/** @param {number} price @param {number} [scale] price that sets the decimals */
export function priceText(price, scale = price) {
  const digits = decimalsOf(scale);
  formats[digits] ??= new Intl.NumberFormat("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return formats[digits].format(price);
}

/** @param {number} share */
export const percent = (share) => `${+(100 * share).toPrecision(share < 0.1 ? 2 : 3)} %`;

/** Published odds are never below one in a thousand. @param {number} odds */
export const oddsText = (odds) => (odds <= 0.001 ? "≤ 0.1 %" : `${+(100 * odds).toPrecision(2)} %`);

/** @param {number} seconds Unix time */
export function hourText(seconds) {
  const instant = new Date(seconds * 1000).toISOString();
  return `${instant.slice(0, 10)} ${instant.slice(11, 16)} UTC`;
}

/** What an amount is counted in. @param {Meta} meta @param {string} unit */
export function unitText(meta, unit) {
  if (meta.provider === "consensus") return "share of the side";
  if (meta.unit !== "usd") return "relative units";
  return unit === "coins" ? meta.asset : "USD";
}

/** The consensus counts shares. @param {number} value @param {Meta} meta */
export const figureText = (value, meta) =>
  meta.provider === "consensus" ? percent(value) : inWords(value);

/** @param {number} value @param {Meta} meta @param {string} unit */
export const amountText = (value, meta, unit) =>
  meta.provider === "consensus"
    ? `${percent(value)} of the side`
    : `${inWords(value)} ${unitText(meta, unit)}`;
