// The page: keeps address, switches, maps and panels in step. How a map is drawn is /chart's, the
// words about it are the server's.

import { createChart } from "/chart/chart.js";
import { priceText, unitText } from "/chart/scale.js";
import { drawDifference } from "./difference.js";
import { followPublications } from "./events.js";
import { pinned, saveFile, toCsv, toPicture } from "./save.js";
import { openScrubber } from "./scrubber.js";
import { openSearch } from "./search.js";
import { fetchMap, fetchPanel, fetchState, isGivenUp, Problem } from "./server.js";
import { onLeave, openSwitches } from "./switches.js";
import { mapQuery, openHistory, viewQuery } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./server.js").MapData} MapData */
/**
 * A chart with the map it shows, and what it was last told.
 * @typedef {{figure: HTMLElement, chart: ReturnType<typeof createChart>, map: MapData | null, span: string, options: string}} Pane
 */

const MINUTE = 60_000;
/** Names of the address that only change how a map is drawn. */
const OPTIONS = ["side", "unit", "threshold", "reach", "theme", "panel", "shock"];

const root = document.documentElement;
const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [head, failure, panel, status, section, difference] =
  ["head", "failure", "panel", "status", "map", "difference"].map(find);
const more = find("more"), form = /** @type {HTMLFormElement} */ (find("switches"));

/** @type {import("./server.js").State} */
let state = JSON.parse(document.body.dataset.state ?? "");
/** @type {Pane[]} */
const panes = [];
const shownPanes = () => panes.filter((pane) => pane.map);

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => (root.dataset.theme === "dark" || (root.dataset.theme === "auto" && dark.matches) ? "dark" : "light");

const views = openHistory(show);
const showScrubber = openScrubber(section, (asOf) => views.change({ as_of: asOf }));
const showSearch = openSearch(/** @type {HTMLInputElement} */ (find("asset")), find("assets"), (asset) => views.change({ asset }));
const showSwitches = openSwitches(form, views.change);

/** @param {string} id @returns {Pane} */
function openPane(id) {
  const element = find(id), figure = /** @type {HTMLElement} */ (element.closest("figure"));
  figure.hidden = false; // a chart lays itself out by its size
  const chart = createChart(element, {
    theme: theme(),
    labels: { name: state.title },
    onViewChange: ({ byUser }) => (byUser ? follow(pane) : drawBetween()),
  });
  /** @type {Pane} */
  const pane = { figure, chart, map: null, span: "", options: "" };
  return pane;
}

/** Show the hours and prices to which one map was moved in the other too. @param {Pane} moved */
function follow(moved) {
  const seen = moved.chart.seen();
  for (const { chart } of shownPanes().filter((pane) => seen && pane !== moved)) {
    chart.setWindow(/** @type {{from: number, to: number}} */ (seen));
    chart.setReach(seen);
  }
  drawBetween();
}

function drawBetween() {
  const [left, right] = shownPanes(), canvas = difference.querySelector("canvas");
  if (left?.map && right?.map && canvas) drawDifference(canvas, left.chart, left.map, right.map);
}

/**
 * Bring the page to a view.
 * @param {View} view
 * @param {View | null} change null after going back
 */
function show(view, change) {
  const names = Object.keys(change ?? {});
  root.dataset.theme = change?.theme ?? view.theme ?? root.dataset.theme;
  // The server draws the next page in it from the start.
  if (change?.theme) document.cookie = `theme=${change.theme}; path=/; max-age=31536000; samesite=strict`;
  if (!change || !names.every((name) => OPTIONS.includes(name))) return load();
  for (const name of names) state.view[name] = change[name];
  if (names.includes("panel") || names.includes("shock")) loadPanel().catch(showFailure);
  return applyOptions(names.includes("reach"));
}

/** Request what the view needs; each part is shown as it arrives. */
function load() {
  const view = views.now();
  failure.replaceChildren();
  root.dataset.drawn = "false";
  section.ariaBusy = "true";
  loadPanel().catch(showFailure);
  Promise.all([loadState(), loadMaps()]).then(() => {
    if (view !== views.now()) return;
    section.ariaBusy = "false";
    applyOptions(false);
  }, showFailure);
}

async function loadState() {
  const view = views.now(), found = await fetchState(viewQuery(view));
  if (view === views.now()) showState(found);
}

async function loadMaps() {
  const view = views.now(), beside = view.compare;
  const other = beside ? fetchMap("other", mapQuery(view, { provider: beside })) : null;
  const maps = await Promise.all([fetchMap("map", mapQuery(view)), other]);
  if (view !== views.now()) return;
  for (const [place, id] of ["chart", ...(beside ? ["other"] : [])].entries()) panes[place] ??= openPane(id);
  panes.forEach((pane, place) => showMap(pane, maps[place], view));
  difference.hidden = !beside;
  applyOptions(false);
  const { asset, price, tiers } = maps[0].meta;
  document.title = `${asset}${price ? ` ${priceText(price)}` : ""}, liqheat`;
  showSwitches(state, tiers);
  if (beside) panes[0].chart.drawn().then(() => follow(panes[0]));
}

/** @param {Pane} pane @param {MapData | null} map @param {View} view */
function showMap(pane, map, view) {
  const caption = /** @type {HTMLElement} */ (pane.figure.querySelector("figcaption"));
  pane.map = map;
  pane.figure.hidden = !map;
  caption.hidden = !view.compare;
  if (!map) return;
  const { meta, hours } = map, span = [meta.asset, view.days, view.from, view.to].join();
  caption.textContent = `${meta.provider}, ${meta.semantics.replace("_", " ")}`;
  pane.chart.setData(map);
  // Another window is shown whole; a newer hour of the same one leaves the view where it is.
  if (span !== pane.span && hours.length) {
    pane.chart.setWindow({ from: hours[0] - 3600, to: hours[hours.length - 1] });
    pane.chart.setReach(Number(view.reach) || null);
  }
  pane.span = span;
}

async function loadPanel() {
  const view = views.now(), name = view.panel ?? "today";
  for (const tab of /** @type {Iterable<HTMLElement>} */ (document.querySelectorAll("[data-panel]"))) {
    tab.ariaSelected = String(tab.dataset.panel === name);
    tab.tabIndex = tab.dataset.panel === name ? 0 : -1;
  }
  panel.setAttribute("aria-labelledby", `tab-${name}`);
  panel.ariaBusy = "true";
  panel.innerHTML = await fetchPanel(name, viewQuery(view));
  panel.ariaBusy = "false";
}

/** @param {import("./server.js").State} found */
function showState(found) {
  state = found;
  state.view.theme = root.dataset.theme ?? "auto";
  section.ariaLabel = state.title;
  section.dataset.grade = state.grade ?? "";
  root.classList.toggle("is-empty", state.is_problem);
  if (state.head !== undefined) head.innerHTML = state.head;
  showSearch(state);
  showSwitches(state, panes[0]?.map?.meta.tiers ?? []);
  showScrubber(state);
  showConnection(true);
  applyOptions(false);
}

/** @param {boolean} isReachNew */
function applyOptions(isReachNew) {
  const { threshold, reach } = state.view, unit = /** @type {"usd"} */ (state.view.unit);
  const side = /** @type {"both"} */ (state.view.side), showBands = state.grade !== "C";
  const options = { side, unit, threshold: Number(threshold), showBands };
  root.dataset.drawn = "false";
  for (const pane of shownPanes()) {
    const told = JSON.stringify([theme(), options]); // telling a chart the same again would draw it again
    if (told !== pane.options) {
      pane.chart.setTheme(theme());
      pane.chart.setOptions(options);
    }
    pane.options = told;
    if (isReachNew) pane.chart.setReach(Number(reach) || null);
  }
  drawBetween();
  Promise.all(shownPanes().map(({ chart }) => chart.drawn())).then(() => {
    if (section.ariaBusy !== "true") root.dataset.drawn = "true";
  });
}

/** Say what went wrong, where the answer about the view does not say it. @param {unknown} error */
function showFailure(error) {
  if (isGivenUp(error)) return;
  section.ariaBusy = panel.ariaBusy = "false";
  if (!(error instanceof Problem)) return showConnection(false);
  root.dataset.drawn = "true";
  failure.replaceChildren(Object.assign(document.createElement("h2"), { textContent: error.message }), error.detail);
}

/** @param {boolean} isOpen */
function showConnection(isOpen) {
  const published = state.published_at?.slice(0, 16).replace("T", " ");
  root.classList.toggle("is-offline", !isOpen);
  status.textContent = !isOpen ? "The server does not respond; connecting again. What is shown may be old."
    : `Live: shows each publication as it comes${published ? `; the last is of ${published} UTC` : ""}`;
}

/** @param {string | undefined} what */
async function save(what) {
  const shown = shownPanes(), map = shown[0]?.map, seen = shown[0]?.chart.seen();
  if (!map || !seen) return;
  const { asset, provider, venue } = map.meta;
  const name = [asset, ...shown.map((pane) => pane.map?.meta.provider ?? ""), venue, new Date(1000 * seen.to).toISOString().slice(0, 13)];
  const notes = [...head.querySelectorAll(".what, summary, li")].map((line) => (line.textContent ?? "").replace(/\s+/g, " ").trim());
  if (what === "png") {
    const drawn = shown.map(({ chart, map: own }, place) => {
      chart.setLabels({ title: `${asset}, map by ${own?.meta.provider}`, notes: place ? [] : notes });
      return chart.toCanvas();
    });
    saveFile(await toPicture(drawn), name, "png");
  } else if (what === "csv") {
    const rows = shown.flatMap(({ chart, map: own }) => [...(chart.seen()?.rows() ?? [])].map(
      (row) => ({ asset, provider: own?.meta.provider, venue, leverage: views.now().tiers || "all", unit: own && unitText(own.meta, state.view.unit ?? ""), ...row })));
    saveFile(new Blob([toCsv(rows)], { type: "text/csv" }), name, "csv");
  } else {
    const link = viewQuery({ ...views.now(), asset, provider, ...pinned(seen, map.meta.price ?? seen.low) });
    await navigator.clipboard.writeText(`${location.origin}/?${link}`);
    status.textContent = "Link copied: it opens these hours and prices";
  }
}

/** Open or close the switches, where they are a sheet. @param {boolean} isOpen */
function openSheet(isOpen) {
  form.classList.toggle("is-open", isOpen);
  more.ariaExpanded = String(isOpen);
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : root;
  const link = target.closest("a[href^='?']"), button = target.closest("[data-save]");
  if (button instanceof HTMLElement) save(button.dataset.save).catch(({ message }) => { status.textContent = message; });
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  views.change(Object.fromEntries(new URLSearchParams(link.search)));
});
find("panels").addEventListener("keydown", (event) => {
  const tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-panel]")]);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], at = tabs.findIndex((tab) => tab === event.target);
  if (!step || at < 0) return;
  const next = tabs[(at + step + tabs.length) % tabs.length];
  next.focus();
  next.click();
});
panel.addEventListener("submit", (event) => {
  // What a form of a panel sets is part of the view.
  event.preventDefault();
  const own = new FormData(/** @type {HTMLFormElement} */ (event.target)), view = views.now();
  views.change(Object.fromEntries([...own].map(([name, value]) => [name, String(value)]).filter(([name, value]) => value !== view[name])));
});
more.addEventListener("click", () => openSheet(more.ariaExpanded !== "true"));
onLeave([form, more], () => {
  if (form.contains(document.activeElement)) more.focus();
  openSheet(false);
});
dark.addEventListener("change", () => applyOptions(false));
// The age of the map is part of the words about it.
setInterval(() => { if (!document.hidden) loadState().catch(() => {}); }, MINUTE);
followPublications({
  publication: (id) => { if (!id || id !== state.publication) load(); },
  connection: showConnection,
});
showState(state);
if (!state.is_problem) load();
