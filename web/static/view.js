// What is shown, as the address has it: one view, one link. What a name may be, the server says.

/** Values by name; an absent name has the server's default. @typedef {Record<string, string>} View */

const NAMES = ["asset", "provider", "compare", "venue", "as_of", "days", "from", "to", "reach", "side",
  "unit", "tiers", "threshold", "panel", "theme", "shock"];
const MAP_NAMES = ["asset", "provider", "venue", "as_of", "days", "from", "to", "tiers"];
/** @type {View} */
const DEFAULTS = { venue: "all", days: "7", side: "both", unit: "usd", threshold: "0", panel: "today", theme: "auto" };

/** Names whose changes replace the address: going back would only repeat a movement of the hand. */
const FLEETING = new Set(["as_of", "threshold", "theme"]);

/** @param {string} search */
export const parseView = (search) => withoutDefaults(Object.fromEntries(new URLSearchParams(search)));

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
  addEventListener("popstate", () => onChange((view = parseView(location.search)), null));
  return {
    now: () => view,
    /** @param {View} change */
    change(change) {
      const next = changedView(view, change);
      // A remembered theme may differ from the address that leaves it out.
      if (viewQuery(next) === viewQuery(view) && !("theme" in change)) return;
      const isFleeting = Object.keys(change).every((name) => FLEETING.has(name));
      history[isFleeting ? "replaceState" : "pushState"](null, "", viewQuery(next) ? `?${viewQuery(next)}` : location.pathname);
      onChange((view = next), change);
    },
  };
}

/** @param {View} view @returns {View} */
const withoutDefaults = (view) => Object.fromEntries(Object.entries(view).filter(
  ([name, value]) => value && value !== DEFAULTS[name] && (NAMES.includes(name) || name === "format"),
));

/** @param {View} view @param {string[]} names */
const queryOf = (view, names) =>
  String(new URLSearchParams(names.filter((name) => view[name]).map((name) => [name, view[name]])));
