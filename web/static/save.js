// What is seen, to take along: a picture, the bins as CSV, a link.

import { hourInAddress } from "./scrubber.js";

/** @typedef {string | number | boolean | null | undefined} Cell */

/**
 * Return rows as CSV (RFC 4180); a text that a spreadsheet would run as a formula is kept as text.
 * @param {Record<string, Cell>[]} rows
 */
export function toCsv(rows) {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (/** @type {Cell} */ value) => {
    const text = Number.isNaN(value) ? "" : String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))];
  return lines.map((line) => `${line.map(cell).join()}\r\n`).join("");
}

/** @param {Blob} blob @param {string[]} parts of the name @param {string} ending */
export function saveFile(blob, parts, ending) {
  const download = `${parts.join("-").replace(/[^\w.+$-]+/g, "_")}.${ending}`;
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Return canvases side by side as a picture. @param {HTMLCanvasElement[]} drawn @returns {Promise<Blob>} */
export function toPicture(drawn) {
  const width = drawn.reduce((sum, one) => sum + one.width, 0), height = Math.max(...drawn.map((one) => one.height));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  drawn.reduce((left, one) => (canvas.getContext("2d")?.drawImage(one, left, 0), left + one.width), 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large to save"))));
  });
}

/**
 * Return the change of a view that pins what is seen: hours, and prices as far as a view can.
 * @param {{from: number, to: number, low: number, high: number}} seen unix time [s], prices
 * @param {number} price the newest
 */
export function pinned({ from, to, low, high }, price) {
  const reach = Math.min(Math.max(high / price - 1, 1 - low / price, 0.01), 0.6);
  return { from: hourInAddress(1000 * from), to: hourInAddress(1000 * to), reach: reach.toFixed(3), as_of: "", days: "" };
}
