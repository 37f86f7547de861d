// What is shown, as the address has it: one view, one link. What a name may be, the server says.

/** @typedef {Record<string, string>} View by name; an absent one has the server's default */

/** Names that choose a map. */
const MAP_NAMES = ["asset", "provider", "venue", "as_of", "days", "from", "to", "tiers"];
/** Names that only change how a map is drawn. */
const LOOK_NAMES = ["side", "unit", "threshold", "reach", "theme"];
const PANEL_NAMES = ["panel", "shock"];
const NAMES = [...MAP_NAMES, "compare", ...LOOK_NAMES, ...PANEL_NAMES];

/** @type {View} */
const DEFAULTS = {
  venue: "all",
  days: "7",
  side: "both",
  unit: "usd",
  threshold: "0",
  panel: "today",
  theme: "auto",
};

/** Names whose changes replace the address: going back would only repeat a movement of the hand. */
const FLEETING = ["as_of", "threshold", "theme"];

/** @param {string} search */
export const parseView = (search) =>
  withoutDefaults(Object.fromEntries(new URLSearchParams(search)));

/** @param {View} view */
export const viewQuery = (view) => queryOf(withoutDefaults(view), NAMES);

/**
 * Return the query of the map of a view, letter by letter as the server's preload has it.
 * @param {View} view
 * @param {View} [change]
 */
export function mapQuery(view, change) {
  const kept = withoutDefaults({ ...view, ...change });
  if (!kept.from) kept.days ??= DEFAULTS.days;
  return queryOf({ ...kept, format: "grid" }, [...MAP_NAMES, "format"]);
}

/** Whether a change leaves the maps as they are. @param {View} change */
export const keepsMaps = (change) =>
  Object.keys(change).every((name) => LOOK_NAMES.includes(name) || PANEL_NAMES.includes(name));

/** Whether a change needs another panel. @param {View} change */
export const changesPanel = (change) => PANEL_NAMES.some((name) => name in change);

/**
 * Return the view after a change, without what cannot hold beside it.
 * @param {View} view
 * @param {View} change
 */
export function changedView(view, change) {
  const next = { ...view };
  if ("days" in change || "as_of" in change) Object.assign(next, { from: "", to: "" });
  if ("provider" in change || "venue" in change) next.tiers = "";
  if ("asset" in change) Object.assign(next, { reach: "", venue: "" });
  Object.assign(next, change);
  if (next.compare === next.provider) next.compare = "";
  return withoutDefaults(next);
}

/**
 * Keep the address and the view in step.
 * @param {(view: View, change: View | null) => void} onChange the change is null after going back
 */
export function openHistory(onChange) {
  let view = parseView(location.search);
  addEventListener("popstate", () => {
    view = parseView(location.search);
    onChange(view, null);
  });
  return {
    now: () => view,
    /** @param {View} change */
    change(change) {
      const next = changedView(view, change);
      const query = viewQuery(next);
      // A remembered theme may differ from the address that leaves it out.
      if (query === viewQuery(view) && !("theme" in change)) return;
      const isFleeting = Object.keys(change).every((name) => FLEETING.includes(name));
      const address = query ? `?${query}` : location.pathname;
      if (isFleeting) history.replaceState(null, "", address);
      else history.pushState(null, "", address);
      view = next;
      onChange(view, change);
    },
  };
}

/** @param {View} view @returns {View} */
function withoutDefaults(view) {
  const kept = NAMES.filter((name) => view[name] && view[name] !== DEFAULTS[name]);
  return Object.fromEntries(kept.map((name) => [name, view[name]]));
}

/** @param {View} view @param {string[]} names */
function queryOf(view, names) {
  const given = names.filter((name) => view[name]);
  return String(new URLSearchParams(given.map((name) => [name, view[name]])));
}
