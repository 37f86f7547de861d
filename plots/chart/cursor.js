// The cell under the mouse or the keyboard's cursor, and the words about it.

import { edgeOf } from "./grid.js";
import { Tooltip, partsOf } from "./tooltip.js";
import { cellOf, rangesOf } from "./view.js";

/** @typedef {import("./view.js").Scene} Scene */
/** @typedef {import("./view.js").View} View */
/** @typedef {import("./grid.js").MapData} MapData */
/** @typedef {import("./tooltip.js").Cell} Cell */
/** @typedef {{x: number, y: number, isInStrip: boolean}} Pointer CSS pixels */

export class Cursor {
  /** @type {Cell | null} where the keyboard has moved it */
  #cell = null;
  /** @type {Pointer | null} where the mouse rests */
  #pointer = null;
  #tooltip;

  /** @param {HTMLElement} pane */
  constructor(pane) {
    this.#tooltip = new Tooltip(pane);
  }

  /** Whether the keyboard has it; the mouse then waits. */
  get isOfKeyboard() {
    return this.#cell !== null;
  }

  /** @returns {number | undefined} */
  get hour() {
    return this.#cell?.hour;
  }

  leave() {
    this.#cell = null;
    this.#pointer = null;
    this.#tooltip.hide();
  }

  /** Follow the mouse. @param {Pointer} pointer @param {Scene} scene */
  pointAt(pointer, scene) {
    this.#pointer = pointer;
    this.refresh(scene);
  }

  /**
   * Move by cells, first from the newest price. Returns the hour and price it is at.
   * @param {Scene} scene
   * @param {number} columns
   * @param {number} rows
   */
  moveBy({ map, view }, columns, rows) {
    const last = map.hours.length - 1;
    const { hour, bin } = this.#cell ?? startOf(map, view);
    this.#cell = {
      hour: Math.max(0, Math.min(last, hour + columns * view.hoursPerCell)),
      bin: bin + rows * view.binsPerCell,
    };
    return { hour: this.#cell.hour, price: middleOf(this.#cell, map, view) };
  }

  /** Show what is known there now. @param {Scene} scene */
  refresh(scene) {
    const { map, view } = scene;
    if (this.#cell) {
      const x = view.x0 + this.#cell.hour * view.spacing;
      const y = view.yOf(middleOf(this.#cell, map, view));
      this.#tooltip.show(partsOf(scene, this.#cell), { x, y }, scene);
    } else if (this.#pointer) {
      const { x, y, isInStrip } = this.#pointer;
      const bin = cellOf(view.binAt(y), view.binsPerCell);
      const parts = partsOf(scene, { hour: view.hourAt(x), bin }, isInStrip);
      this.#tooltip.show(parts, { x, y: isInStrip ? view.height : y }, scene);
    }
  }
}

/** @param {MapData} map @param {View} view @returns {Cell} */
function startOf(map, view) {
  const { newest, price } = map.meta;
  const lastSeen = rangesOf(view, map).hours[1] - 1;
  const y = view.yOf(price ?? view.low);
  return {
    hour: newest < 0 ? lastSeen : Math.min(newest, lastSeen),
    bin: cellOf(view.binAt(y), view.binsPerCell),
  };
}

/** Price in its middle. @param {Cell} cell @param {MapData} map @param {View} view */
const middleOf = ({ bin }, { meta }, { binsPerCell }) => edgeOf(meta, bin + binsPerCell / 2);
