// The page: keeps address, switches, maps and panels in step. How a map is drawn is /chart's, the
// words about it are the server's.

import { priceText } from "/chart/words.js";
import { followPublications } from "./events.js";
import { Maps } from "./maps.js";
import { openPanel } from "./panel.js";
import { pinned, savePicture, saveRows } from "./save.js";
import { openScrubber } from "./scrubber.js";
import { openSearch } from "./search.js";
import { Problem, Unreachable, fetchMap, fetchState, isGivenUp } from "./server.js";
import { onLeave, openSwitches } from "./switches.js";
import { changesPanel, keepsMaps, mapQuery, openHistory, viewQuery } from "./view.js";

/** @typedef {import("./view.js").View} View */

const MINUTE = 60_000;

const root = document.documentElement;
/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const head = find("head");
const failure = find("failure");
const status = find("status");
const section = find("map");
const more = find("more");
/** @type {NodeListOf<HTMLButtonElement>} */
const saves = document.querySelectorAll("[data-save]");
const form = /** @type {HTMLFormElement} */ (find("switches"));
const search = /** @type {HTMLInputElement} */ (find("asset"));

/** @type {import("./server.js").State} */
let state = JSON.parse(document.body.dataset.state ?? "");
/** Earlier ones may end after the page has changed again. */
let newestDrawing = Promise.resolve();

const dark = matchMedia("(prefers-color-scheme: dark)");
const themeNow = () => {
  const { theme } = root.dataset;
  return theme === "dark" || (theme === "auto" && dark.matches) ? "dark" : "light";
};

const views = openHistory(show);
const maps = new Maps([find("chart"), find("other")], find("difference"));
const showScrubber = openScrubber(section, (asOf) => views.change({ as_of: asOf }));
const showSearch = openSearch(search, find("assets"), (asset) => views.change({ asset }));
const showSwitches = openSwitches(form, views.change);
const showPanel = openPanel(find("panels"), views.now, views.change);

/**
 * Bring the page to a view.
 * @param {View} view
 * @param {View | null} change null after going back
 */
function show(view, change) {
  root.dataset.theme = change?.theme ?? view.theme ?? root.dataset.theme;
  if (!change || !keepsMaps(change)) {
    load();
    return;
  }
  if (change.theme) {
    // The server draws the next page in it from the start.
    document.cookie = `theme=${change.theme}; path=/; max-age=31536000; samesite=strict`;
  }
  Object.assign(state.view, change);
  if (changesPanel(change)) showPanel().catch(showFailure);
  if ("reach" in change) maps.setReach(change.reach);
  applyLooks();
}

/** Request what the view needs; each part is shown as it arrives. */
async function load() {
  const view = views.now();
  failure.replaceChildren();
  root.dataset.drawn = "false";
  section.ariaBusy = "true";
  const arriving = Promise.all([loadMaps(), loadState()]);
  // Sent last: the map is waited for.
  showPanel().catch(showFailure);
  try {
    await arriving;
  } catch (error) {
    return showFailure(error);
  }
  if (view !== views.now()) return;
  section.ariaBusy = "false";
  applyLooks();
}

async function loadState() {
  const view = views.now();
  const found = await fetchState(viewQuery(view));
  if (view === views.now()) showState(found);
}

async function loadMaps() {
  const view = views.now();
  const beside = view.compare && fetchMap("other", mapQuery(view, { provider: view.compare }));
  const [map, other] = await Promise.all([fetchMap("map", mapQuery(view)), beside || null]);
  if (view !== views.now()) return;
  maps.show([map, other], view, { theme: themeNow(), name: state.title });
  applyLooks();
  const { asset, price } = map.meta;
  document.title = price ? `${asset} ${priceText(price)}, liqheat` : `${asset}, liqheat`;
  showSwitches(state, map.meta.tiers);
  if (!other) return;
  await maps.drawn();
  maps.align();
}

/** @param {import("./server.js").State} found */
function showState(found) {
  state = found;
  state.view.theme = root.dataset.theme ?? "auto";
  section.ariaLabel = state.title;
  section.dataset.grade = state.grade ?? "";
  root.classList.toggle("is-empty", state.is_problem);
  for (const button of saves) button.disabled = state.is_problem;
  if (state.head !== undefined) head.innerHTML = state.head;
  showSearch(state);
  showSwitches(state, maps.shown[0]?.map.meta.tiers ?? []);
  showScrubber(state);
  showConnection(true);
  applyLooks();
}

/** Draw the maps as the view has it, and mark the page as drawn once they are. */
function applyLooks() {
  const { threshold, unit, side } = state.view;
  root.dataset.drawn = "false";
  maps.setLooks(themeNow(), {
    side: /** @type {"both"} */ (side),
    unit: /** @type {"usd"} */ (unit),
    threshold: Number(threshold),
    showBands: state.grade !== "C",
  });
  const drawing = maps.drawn();
  newestDrawing = drawing;
  drawing.then(() => {
    if (drawing === newestDrawing && section.ariaBusy !== "true") root.dataset.drawn = "true";
  });
}

/** Say what went wrong, where the answer about the view does not say it. @param {unknown} error */
function showFailure(error) {
  if (isGivenUp(error)) return;
  section.ariaBusy = "false";
  if (error instanceof Unreachable) return showConnection(false);
  root.dataset.drawn = "true";
  const title = document.createElement("h2");
  title.textContent = error instanceof Error ? error.message : String(error);
  failure.replaceChildren(title, error instanceof Problem ? error.detail : "");
}

/** @param {boolean} isOpen */
function showConnection(isOpen) {
  const published = state.published_at?.slice(0, 16).replace("T", " ");
  const last = published ? `; the last is of ${published} UTC` : "";
  root.classList.toggle("is-offline", !isOpen);
  status.textContent = isOpen
    ? `Live: shows each publication as it comes${last}`
    : "The server does not respond; connecting again. What is shown may be old.";
}

/** @param {string | undefined} what */
async function save(what) {
  const { shown } = maps;
  const seen = shown[0]?.chart.seen();
  if (!seen) return;
  if (what === "png") {
    const lines = [...head.querySelectorAll(".what, summary, li")];
    const notes = lines.map((line) => (line.textContent ?? "").replace(/\s+/g, " ").trim());
    await savePicture(shown, notes);
  } else if (what === "csv") saveRows(shown, state.view.unit ?? "");
  else {
    const { asset, provider, price } = shown[0].map.meta;
    const pins = pinned(seen, price ?? seen.low);
    const link = viewQuery({ ...views.now(), asset, provider, ...pins });
    await navigator.clipboard.writeText(`${location.origin}/?${link}`);
    status.textContent = "Link copied: it opens these hours and prices";
  }
}

/** @param {Error} error */
function showSaveFailure({ message }) {
  status.textContent = message;
}

/** Open or close the switches, where they are a sheet. @param {boolean} isOpen */
function openSheet(isOpen) {
  form.classList.toggle("is-open", isOpen);
  more.ariaExpanded = String(isOpen);
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : root;
  const button = target.closest("[data-save]");
  if (button instanceof HTMLElement) save(button.dataset.save).catch(showSaveFailure);
  const link = target.closest("a[href^='?']");
  const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  if (!(link instanceof HTMLAnchorElement) || isElsewhere) return;
  event.preventDefault();
  views.change(Object.fromEntries(new URLSearchParams(link.search)));
});
more.addEventListener("click", () => openSheet(more.ariaExpanded !== "true"));
onLeave([form, more], () => {
  if (form.contains(document.activeElement)) more.focus();
  openSheet(false);
});
dark.addEventListener("change", applyLooks);
// The age of the map is part of the words about it.
setInterval(() => {
  if (!document.hidden) loadState().catch(() => {});
}, MINUTE);
followPublications({
  publication: (id) => {
    if (!id || id !== state.publication) load();
  },
  connection: showConnection,
});
showState(state);
if (!state.is_problem) load();
