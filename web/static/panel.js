// The panel beside the map, its tabs, and forms in it: what they set is part of the view.

import { fetchPanel } from "./server.js";
import { viewQuery } from "./view.js";

/** @typedef {import("./view.js").View} View */

/**
 * @param {HTMLElement} section
 * @param {() => View} viewNow
 * @param {(change: View) => void} onChange
 * @returns {() => Promise<void>} shows the panel of the view
 */
export function openPanel(section, viewNow, onChange) {
  const panel = /** @type {HTMLElement} */ (section.querySelector("[role=tabpanel]"));
  const tabs = /** @type {HTMLElement[]} */ ([...section.querySelectorAll("[data-panel]")]);

  section.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = tabs.findIndex((tab) => tab === event.target);
    if (!step || at < 0) return;
    const next = tabs[(at + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    /** @type {View} */
    const change = {};
    for (const [name, value] of new FormData(/** @type {HTMLFormElement} */ (event.target)))
      if (value !== viewNow()[name]) change[name] = String(value);
    onChange(change);
  });

  return async () => {
    const view = viewNow();
    const name = view.panel ?? "today";
    for (const tab of tabs) {
      const isShown = tab.dataset.panel === name;
      tab.ariaSelected = String(isShown);
      tab.tabIndex = isShown ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    panel.ariaBusy = "true";
    try {
      panel.innerHTML = await fetchPanel(name, viewQuery(view));
    } finally {
      if (view === viewNow()) panel.ariaBusy = "false";
    }
  };
}
