// Requests to the server: superseded ones are given up, the last few maps kept, errors worded.

import { decodeGrid } from "/chart/grid.js";

/** @typedef {import("/chart/grid.js").MapData} MapData */
/** @typedef {import("./view.js").View} View */
/** @typedef {[name: string, grade: string | null]} Asset */
/**
 * @typedef {object} State what the page shows of a view besides the map, as `web/page_state.py` has
 *   it
 * @property {Record<string, string | null>} view
 * @property {string} title
 * @property {string | null} grade
 * @property {string | null} publication
 * @property {string | null} published_at
 * @property {string | null} first
 * @property {string | null} last
 * @property {Asset[]} assets
 * @property {string[]} providers
 * @property {string[]} venues
 * @property {boolean} is_problem
 * @property {string} [head]
 */

/** An answer that is an error, as the server words it (RFC 9457). */
export class Problem extends Error {
  /** @param {{title: string, detail?: string, next_step?: string}} words */
  constructor({ title, detail = "", next_step: nextStep = "" }) {
    super(title);
    this.detail = [detail, nextStep].filter(Boolean).join(": ");
  }
}

/** No server responds. */
export class Unreachable extends Error {}

const KEPT_MAPS = 8;
/** @type {Map<string, {etag: string, map: MapData}>} */
const maps = new Map();
/** @type {Map<string, AbortController>} */
const running = new Map();

/**
 * Send a request; an earlier one for the same part of the page is given up.
 * @param {string} part
 * @param {string} address
 * @param {HeadersInit} [headers]
 */
async function send(part, address, headers) {
  running.get(part)?.abort();
  const controller = new AbortController();
  running.set(part, controller);
  const response = await fetch(address, { headers, signal: controller.signal }).catch((error) => {
    throw isGivenUp(error) ? error : new Unreachable(error.message);
  });
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    controller.abort();
    controller.signal.throwIfAborted();
  }
  return response;
}

/** @param {Response} response */
const problemOf = async (response) =>
  new Problem(
    await response.json().catch(() => ({ title: `The server answered ${response.status}` })),
  );

/** Whether a request was given up for a later one. @param {unknown} error */
export const isGivenUp = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * Return what is known of a view; a problem of the view is part of it.
 * @param {string} query
 * @returns {Promise<State>}
 */
export async function fetchState(query) {
  const response = await send("state", `/state?${query}`);
  const found =
    response.headers.get("content-type") === "application/json" && (await response.json());
  if (!found) throw await problemOf(response);
  return found;
}

/**
 * Return a map; one that has not changed is not sent again.
 * @param {string} part
 * @param {string} query
 */
export async function fetchMap(part, query) {
  const address = `/v1/map?${query}`;
  const kept = maps.get(address);
  const response = await send(part, address, kept && { "If-None-Match": kept.etag });
  const isSame = response.status === 304;
  if (!response.ok && !isSame) throw await problemOf(response);
  const map = kept && isSame ? kept.map : decodeGrid(await response.arrayBuffer());
  maps.delete(address);
  maps.set(address, { etag: response.headers.get("etag") ?? "", map });
  for (const oldest of [...maps.keys()].slice(0, -KEPT_MAPS)) maps.delete(oldest);
  return map;
}

/**
 * Return a panel as HTML, which is also how the server words what is wrong with it.
 * @param {string} name
 * @param {string} query
 */
export async function fetchPanel(name, query) {
  const response = await send("panel", `/panels/${name}?${query}`);
  return response.text();
}
