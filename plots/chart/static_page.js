// A map in a page of its own: the chart and a few controls, without a server.

import { Heatmap } from "./chart.js";
import { HOUR, decodeGrid } from "./grid.js";

/**
 * Show a map in an element and let the controls of the page change how it is drawn.
 * @param {HTMLElement} element
 * @param {ArrayBuffer} grid as `plots/map_grid.py` encodes it
 * @param {string} workerUrl
 */
export async function showMap(element, grid, workerUrl) {
  const map = decodeGrid(grid);
  const controls = /** @type {HTMLFormElement} */ (document.getElementById("controls"));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => (dark.matches ? "dark" : "light");
  const chart = new Heatmap(element, { theme: theme(), workerUrl, name: element.dataset.name });
  const apply = () => {
    const chosen = new FormData(controls);
    chart.setOptions({
      side: /** @type {"both" | "long" | "short"} */ (chosen.get("side")),
      unit: /** @type {"usd" | "coins"} */ (chosen.get("unit")),
      threshold: Number(chosen.get("threshold")),
      showStartUp: chosen.has("start-up"),
      showBands: chosen.has("bands"),
    });
  };
  const reset = () => {
    apply();
    chart.setWindow({ from: map.hours[0] - HOUR, to: map.hours[map.hours.length - 1] });
    chart.setReach(null);
  };
  chart.setData(map);
  apply();
  controls.addEventListener("input", apply);
  // The controls have their first values only after the event.
  controls.addEventListener("reset", () => setTimeout(reset));
  controls.addEventListener("submit", (event) => event.preventDefault());
  dark.addEventListener("change", () => chart.setTheme(theme()));
  await chart.drawn();
  document.documentElement.dataset.drawn = "true";
}
