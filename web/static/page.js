// The page: keeps address, switches, maps and panels in step. How a map is drawn is /chart's, the
// words about it are the server's.

import { createChart } from "/chart/chart.js";
import { drawDifference } from "./difference.js";
import { followPublications } from "./events.js";
import { pinned, saveFile, toCsv, toPicture } from "./save.js";
import { openScrubber } from "./scrubber.js";
import { openSearch } from "./search.js";
import { fetchMap, fetchPanel, fetchState, isGivenUp, Problem } from "./server.js";
import { openSwitches } from "./switches.js";
import { mapQuery, openHistory, viewQuery } from "./view.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./server.js").MapData} MapData */
/** @typedef {{figure: HTMLElement, chart: ReturnType<typeof createChart>, map: MapData | null}} Pane */

const MINUTE = 60_000;
/** Names of the address that only change how a map is drawn. */
const OPTIONS = ["side", "unit", "threshold", "reach", "theme", "panel"];

const root = document.documentElement;
const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [head, panel, status, section, difference] = ["head", "panel", "status", "map", "difference"].map(find);
const more = find("more"), form = /** @type {HTMLFormElement} */ (find("switches"));

/** @type {import("./server.js").State} */
let state = JSON.parse(document.body.dataset.state ?? "");
/** @type {Pane[]} */
const panes = [];
const shownPanes = () => panes.filter((pane) => pane.map && !pane.figure.hidden);

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme === "auto" ? dark.matches : root.dataset.theme === "dark");
const theme = () => (isDark() ? "dark" : "light");

const views = openHistory(show);
const showScrubber = openScrubber(section, (asOf) => views.change({ as_of: asOf, to: "", from: "" }));
const showSearch = openSearch(/** @type {HTMLInputElement} */ (find("asset")), find("assets"), (asset) => views.change({ asset }));
const showSwitches = openSwitches(form, views.change);

/** @param {string} id @returns {Pane} */
function openPane(id) {
  const element = find(id);
  const chart = createChart(element, { theme: theme(), onViewChange: () => follow(pane) });
  /** @type {Pane} */
  const pane = { figure: /** @type {HTMLElement} */ (element.closest("figure")), chart, map: null };
  new ResizeObserver(() => { chart.resize(); drawBetween(); }).observe(element);
  element.addEventListener("keydown", (event) => moveByKey(event, pane));
  return pane;
}

let isFollowing = false;

/** Show the hours and prices to which one map was moved in the other too. @param {Pane} moved */
function follow(moved) {
  const other = shownPanes().find((pane) => pane !== moved);
  if (!other || isFollowing) return;
  isFollowing = true;
  const { from, to, low, high } = moved.chart.seen();
  other.chart.setWindow({ from, to });
  other.chart.setReach({ low, high });
  isFollowing = false;
  requestAnimationFrame(drawBetween);
}

function drawBetween() {
  const [left, right] = shownPanes(), canvas = difference.querySelector("canvas");
  if (left?.map && right?.map && canvas)
    drawDifference(canvas, { chart: left.chart, map: left.map }, { chart: right.chart, map: right.map });
}

/** @param {KeyboardEvent} event @param {Pane} pane */
function moveByKey(event, { chart, map }) {
  if (!map || event.ctrlKey || event.metaKey || event.altKey) return;
  const { from, to, low, high } = chart.seen();
  const hours = to - from, prices = Math.log(high / low);
  const aside = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key], up = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
  const inward = { "+": 0.1, "=": 0.1, "-": -0.125 }[event.key];
  if (aside) chart.setWindow({ from: from + aside * hours, to: to + aside * hours });
  else if (up) chart.setReach({ low: low * Math.exp(up * prices), high: high * Math.exp(up * prices) });
  else if (inward) {
    chart.setWindow({ from: from + inward * hours, to: to - inward * hours });
    chart.setReach({ low: low * Math.exp(inward * prices), high: high / Math.exp(inward * prices) });
  } else if (event.key === "0") {
    chart.setWindow({ from: map.hours[0], to: map.hours[map.hours.length - 1] });
    chart.setReach(Number(state.view.reach) || map.meta.reach_ratio);
  } else return;
  event.preventDefault();
}

/**
 * Bring the page to a view.
 * @param {View} view
 * @param {View | null} change null after going back
 */
function show(view, change) {
  const names = Object.keys(change ?? {});
  if (change && "theme" in change) localStorage.setItem("theme", change.theme);
  root.dataset.theme = view.theme ?? localStorage.getItem("theme") ?? "auto";
  if (!change || !names.every((name) => OPTIONS.includes(name))) return void load();
  for (const name of names) state.view[name] = change[name];
  if (names.includes("panel")) loadPanel().catch(showFailure);
  applyOptions(names.includes("reach"));
}

/** Request what the view needs; each part is shown as it arrives. */
function load() {
  root.dataset.drawn = "false";
  section.ariaBusy = "true";
  Promise.all([loadState(), loadMaps(), loadPanel()]).catch(showFailure);
}

async function loadState() {
  const view = views.now(), found = await fetchState(viewQuery(view));
  if (view === views.now()) showState(found);
}

async function loadMaps() {
  const view = views.now(), beside = view.compare;
  const [map, other] = await Promise.all([
    fetchMap("map", mapQuery(view)),
    beside ? fetchMap("other", mapQuery(view, { provider: beside })) : null,
  ]);
  if (view !== views.now()) return;
  panes[0] ??= openPane("chart");
  if (beside) panes[1] ??= openPane("other");
  panes.forEach((pane, place) => {
    pane.map = place ? other : map;
    pane.figure.hidden = !pane.map;
    const caption = /** @type {HTMLElement} */ (pane.figure.querySelector("figcaption"));
    caption.hidden = !beside;
    caption.textContent = `${pane.map?.meta.provider}, ${pane.map?.meta.semantics.replace("_", " ")}`;
    if (pane.map) pane.chart.setData(pane.map);
  });
  difference.hidden = !beside;
  section.ariaBusy = "false";
  applyOptions(Boolean(view.reach));
  follow(panes[0]);
  showSwitches(state, map.meta.tiers);
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
  document.title = find("chart").ariaLabel = state.title;
  section.dataset.grade = state.grade ?? "";
  section.classList.toggle("is-empty", state.is_problem);
  if (state.head !== undefined) head.innerHTML = state.head;
  showSearch(state);
  showSwitches(state, panes[0]?.map?.meta.tiers ?? []);
  showScrubber(state);
  applyOptions(false);
}

/** @param {boolean} isReachNew */
function applyOptions(isReachNew) {
  const { side, unit, threshold, reach } = state.view;
  root.dataset.drawn = "false";
  for (const { chart, map } of shownPanes()) {
    chart.setTheme(theme());
    chart.setOptions({ side: side ?? "both", unit: unit ?? "usd", threshold: Number(threshold), showBands: state.grade !== "C" });
    if (isReachNew && map) chart.setReach(Number(reach) || map.meta.reach_ratio);
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
  if (state.is_problem) return;
  const notice = Object.assign(document.createElement("div"), { className: "notice bad", role: "alert" });
  notice.append(Object.assign(document.createElement("h2"), { textContent: error.message }), error.detail);
  head.replaceChildren(notice);
}

/** @param {boolean} isOpen */
function showConnection(isOpen) {
  root.classList.toggle("is-offline", !isOpen);
  status.textContent = isOpen ? "Live: shows each publication as it comes"
    : "The server does not respond; connecting again. What is shown may be old.";
}

/** @param {string | undefined} what */
async function save(what) {
  const shown = shownPanes(), map = shown[0]?.map;
  if (!map) return;
  const { asset, venue } = map.meta, hour = new Date(1000 * map.hours[map.hours.length - 1]).toISOString().slice(0, 13);
  const name = [asset, ...shown.map((pane) => pane.map?.meta.provider ?? ""), venue, hour];
  if (what === "png") {
    const lines = [...head.querySelectorAll(".what, summary, li")].map((line) => line.textContent ?? "");
    saveFile(await toPicture(shown.map((pane) => pane.chart.toCanvas()), lines), name, "png");
  } else if (what === "csv") {
    const rows = shown.flatMap(({ chart, map: own }) => chart.seen().rows().map(
      (row) => ({ asset, provider: own?.meta.provider, venue, ...row })));
    saveFile(new Blob([toCsv(rows)], { type: "text/csv" }), name, "csv");
  } else {
    const pins = pinned(shown[0].chart.seen(), map.meta.price);
    const link = viewQuery({ ...views.now(), asset, provider: map.meta.provider, ...pins });
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
  const { target } = event, link = target instanceof Element ? target.closest("a[href^='?']") : null;
  const button = target instanceof Element ? target.closest("[data-save]") : null;
  if (button instanceof HTMLElement) save(button.dataset.save).catch((error) => { status.textContent = error.message; });
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
  // A form in a panel asks for the same panel with its own values.
  event.preventDefault();
  const own = new URLSearchParams(/** @type {any} */ (new FormData(/** @type {HTMLFormElement} */ (event.target), event.submitter)));
  const view = views.now(), rest = new URLSearchParams(viewQuery(view));
  own.forEach((value, name) => rest.set(name, value));
  fetchPanel(view.panel ?? "today", String(rest)).then((html) => { panel.innerHTML = html; }, showFailure);
});
more.addEventListener("click", () => openSheet(more.ariaExpanded !== "true"));
addEventListener("pointerdown", ({ target }) => {
  if (target instanceof Node && !form.contains(target) && !more.contains(target)) openSheet(false);
});
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || more.ariaExpanded !== "true") return;
  openSheet(false);
  more.focus();
});
dark.addEventListener("change", () => applyOptions(false));
setInterval(() => {
  if (!document.hidden && !root.classList.contains("is-offline")) loadState().catch(() => {}); // for the age of the map
}, MINUTE);
followPublications({
  publication: (id) => { if (!id || id !== state.publication) load(); },
  connection: showConnection,
});
showState(state);
load();
