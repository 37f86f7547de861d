// The maps on the page: one chart, or two beside each other and what differs between them.

import { Heatmap } from "/chart/chart.js";
import { HOUR } from "/chart/grid.js";
import { unitText } from "/chart/words.js";
import { drawDifference } from "./difference.js";

/** @typedef {import("/chart/grid.js").MapData} MapData */
/** @typedef {import("./view.js").View} View */
/** @typedef {Partial<import("/chart/view.js").Options>} Options */
/** @typedef {"dark" | "light"} Theme */
/** A chart and the map it shows. @typedef {{chart: Heatmap, map: MapData}} Shown */

/** One chart with its caption. */
class Pane {
  /** @type {MapData | null} */
  map = null;
  #caption;
  #figure;
  #window = "";
  #looks = "";

  /** @param {HTMLElement} element @param {ConstructorParameters<typeof Heatmap>[1]} settings */
  constructor(element, settings) {
    this.#figure = /** @type {HTMLElement} */ (element.closest("figure"));
    this.#caption = /** @type {HTMLElement} */ (this.#figure.querySelector("figcaption"));
    this.#figure.hidden = false; // a chart lays itself out by its size
    this.chart = new Heatmap(element, settings);
  }

  /** @param {MapData | null} map @param {View} view @param {string} scale in words */
  show(map, view, scale) {
    this.map = map;
    this.#figure.hidden = !map;
    this.#caption.hidden = !view.compare;
    this.#caption.textContent = `${map?.meta.provider}, ${scale}`;
    if (!map) return;
    const { meta, hours } = map;
    this.chart.setData(map);
    // Another window is shown whole; a newer hour of the same one leaves the view where it is.
    const window = [meta.asset, view.days, view.from, view.to].join();
    if (window !== this.#window && hours.length) {
      this.chart.setWindow({ from: hours[0] - HOUR, to: hours[hours.length - 1] });
      this.chart.setReach(Number(view.reach) || null);
    }
    this.#window = window;
  }

  /**
   * Set how the map is drawn; setting what is set would only draw it again.
   * @param {Theme} theme
   * @param {Options} options
   */
  setLooks(theme, options) {
    const looks = JSON.stringify([theme, options]);
    if (looks === this.#looks) return;
    this.#looks = looks;
    this.chart.setTheme(theme);
    this.chart.setOptions(options);
  }
}

export class Maps {
  /** @type {Pane[]} */
  #panes = [];
  #elements;
  #isOneScale = false;
  #difference;
  #canvas;

  /** @param {HTMLElement[]} elements of the charts @param {HTMLElement} difference between them */
  constructor(elements, difference) {
    this.#elements = elements;
    this.#difference = difference;
    this.#canvas = /** @type {HTMLCanvasElement} */ (difference.querySelector("canvas"));
  }

  /** @returns {Shown[]} */
  get shown() {
    return this.#panes.flatMap(({ chart, map }) => (map ? [{ chart, map }] : []));
  }

  /**
   * @param {(MapData | null)[]} maps the second is null where there is one
   * @param {View} view
   * @param {{theme: Theme, name: string}} settings of charts that are new
   */
  show(maps, view, settings) {
    const [left, right] = maps;
    this.#isOneScale = !!left && !!right && haveOneUnit(left.meta, right.meta);
    const scale = this.#isOneScale ? "colours by one scale" : "colours by its own scale";
    maps.forEach((map, place) => {
      if (map) this.#panes[place] ??= this.#open(place, settings);
      this.#panes[place]?.show(map, view, scale);
    });
    this.#difference.hidden = !right;
  }

  /** @param {Theme} theme @param {Options} options */
  setLooks(theme, options) {
    for (const pane of this.#panes) if (pane.map) pane.setLooks(theme, options);
    this.#drawDifference();
  }

  /** @param {string | null} reach share of price each way; the maps' own without one */
  setReach(reach) {
    for (const { chart } of this.shown) chart.setReach(Number(reach) || null);
  }

  /** Resolves once each is drawn, or says in its own words why it is not. */
  async drawn() {
    const [left, right] = this.shown.map(({ chart }) => chart);
    await left?.drawn().catch(() => {});
    right?.shareScale(this.#isOneScale ? left : null);
    await right?.drawn().catch(() => {});
  }

  /** Show the hours and prices of one map in the other too. @param {Heatmap} [moved] the first */
  align(moved = this.#panes[0].chart) {
    const seen = moved.seen();
    if (!seen) return;
    for (const { chart } of this.shown) {
      if (chart === moved) continue;
      chart.setWindow(seen);
      chart.setReach(seen);
    }
    this.#drawDifference();
  }

  /** @param {number} place @param {{theme: Theme, name: string}} settings */
  #open(place, settings) {
    const onViewChange = (/** @type {boolean} */ isByUser) =>
      isByUser ? this.align(pane.chart) : this.#drawDifference();
    const pane = new Pane(this.#elements[place], { ...settings, onViewChange });
    return pane;
  }

  /** Draw what differs, and let the second say only what the first does not. */
  #drawDifference() {
    const [left, right] = this.shown;
    if (!right) return;
    drawDifference(this.#canvas, left.chart, left.map, right.map);
    right.chart.leaveOutNotesOf(left.chart);
    this.drawn();
  }
}

/**
 * Whether amounts of two maps can be compared: both in USD, of the same kind.
 * @param {import("/chart/grid.js").Meta} one
 * @param {import("/chart/grid.js").Meta} other
 */
const haveOneUnit = (one, other) =>
  one.semantics === other.semantics &&
  [one, other].every((meta) => unitText(meta, "usd") === "USD");
