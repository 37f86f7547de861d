// What is seen, to take along: a picture with its caption, the bins as CSV, a link.

import { hourInAddress } from "./scrubber.js";

const MARGIN = 12, LINE = 17, FONT = "12px system-ui, sans-serif";

/** @typedef {string | number | boolean | null | undefined} Cell */

/**
 * Return rows as CSV (RFC 4180); a text that a spreadsheet would run as a formula is kept as text.
 * @param {Record<string, Cell>[]} rows
 */
export function toCsv(rows) {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (/** @type {Cell} */ value) => {
    const text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
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

/**
 * Return canvases side by side under a caption, so that a picture never goes without it.
 * @param {HTMLCanvasElement[]} drawn
 * @param {string[]} caption the title first
 * @returns {Promise<Blob>}
 */
export function toPicture(drawn, caption) {
  const canvas = document.createElement("canvas"), ratio = devicePixelRatio;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const width = drawn.reduce((sum, one) => sum + one.width, 0);
  context.font = FONT;
  const lines = caption.flatMap((text) => wrapped(context, text, width / ratio - 2 * MARGIN));
  const top = (2 * MARGIN + LINE * lines.length) * ratio;
  Object.assign(canvas, { width, height: top + Math.max(...drawn.map((one) => one.height)) });
  context.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  drawn.reduce((left, one) => (context.drawImage(one, left, top), left + one.width), 0);
  context.scale(ratio, ratio);
  context.fillStyle = getComputedStyle(document.body).color;
  lines.forEach((line, place) => {
    context.font = place ? FONT : `600 ${FONT}`;
    context.fillText(line, MARGIN, MARGIN + LINE * (place + 0.75));
  });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large to save"))));
  });
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
function wrapped(context, text, width) {
  const lines = [""];
  for (const word of text.trim().split(/\s+/)) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/**
 * Return the change of a view that pins what is seen: hours, and prices as far as a view can.
 * @param {{from: number, to: number, low: number, high: number}} seen unix time [s], prices
 * @param {number} price the newest
 */
export function pinned({ from, to, low, high }, price) {
  const hour = (/** @type {number} */ at) => hourInAddress(3_600_000 * Math.round(at / 3600));
  const reach = Math.min(Math.max(high / price - 1, 1 - low / price, 0.01), 0.6);
  return { from: hour(from), to: hour(to), reach: reach.toFixed(3), as_of: "", days: "" };
}
