// What is seen, to take along: a picture, the bins as CSV, a link.

import { unitText } from "/chart/words.js";
import { hourInAddress } from "./scrubber.js";

/** @typedef {import("./maps.js").Shown} Shown */
/** @typedef {string | number | boolean | null | undefined} Cell */

const MOST_REACH = 0.6;
const LEAST_REACH = 0.01;

/**
 * Save the maps side by side as a picture.
 * @param {Shown[]} shown
 * @param {string[]} notes what the page says of them
 */
export async function savePicture(shown, notes) {
  const drawn = shown.map(({ chart, map: { meta } }, place) =>
    chart.toCanvas({
      title: `${meta.asset}, map by ${meta.provider}`,
      notes: place ? [] : notes,
    }),
  );
  saveFile(await toPicture(drawn), `${nameOf(shown)}.png`);
}

/** Save the bins that are seen. @param {Shown[]} shown @param {string} chosen unit */
export function saveRows(shown, chosen) {
  const rows = shown.flatMap(({ chart, map: { meta } }) => {
    const { asset, provider, venue } = meta;
    const leverage = meta.selected_tiers?.join() ?? "all";
    const unit = unitText(meta, chosen);
    const what = { asset, provider, venue, leverage, unit };
    return Array.from(chart.rows(), (row) => ({ ...what, ...row }));
  });
  saveFile(new Blob([toCsv(rows)], { type: "text/csv" }), `${nameOf(shown)}.csv`);
}

/** Name of a file: whose maps, up to which hour. @param {Shown[]} shown */
function nameOf(shown) {
  const [{ chart, map }] = shown;
  const { asset, venue } = map.meta;
  const providers = shown.map((one) => one.map.meta.provider);
  const until = hourInAddress(1000 * (chart.seen()?.to ?? 0)).slice(0, 13);
  return [asset, ...providers, venue, until].join("-").replace(/[^\w.+$-]+/g, "_");
}

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

/** @param {Blob} blob @param {string} name */
function saveFile(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {HTMLCanvasElement[]} drawn side by side @returns {Promise<Blob>} */
function toPicture(drawn) {
  const canvas = document.createElement("canvas");
  canvas.width = drawn.reduce((sum, { width }) => sum + width, 0);
  canvas.height = Math.max(...drawn.map(({ height }) => height));
  let left = 0;
  for (const one of drawn) {
    canvas.getContext("2d")?.drawImage(one, left, 0);
    left += one.width;
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error("The picture is too large to save"));
    });
  });
}

/**
 * Return the change of a view that pins what is seen: hours, and prices as far as a view can.
 * @param {{from: number, to: number, low: number, high: number}} seen unix time [s], prices
 * @param {number} price the newest
 */
export function pinned({ from, to, low, high }, price) {
  const reach = Math.max(high / price - 1, 1 - low / price, LEAST_REACH);
  return {
    from: hourInAddress(1000 * from),
    to: hourInAddress(1000 * to),
    reach: Math.min(reach, MOST_REACH).toFixed(3),
    as_of: "",
    days: "",
  };
}
