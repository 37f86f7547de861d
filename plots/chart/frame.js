// The elements of the chart, and the chart as a picture. How they lie is chart.css.

import { contextOf, fontOf, wrapLines } from "./canvas.js";

/** @typedef {import("./theme.js").Theme} Theme */

const NARROW = 480;
const ATTRIBUTION = "Charts by TradingView";
const NAME = "liquidation heatmap; arrow keys move the cursor, plus and minus zoom";

export class Frame {
  pane = made("div", "pane");
  profile = made("canvas", "profile");
  key = made("canvas", "key");
  /** The pane and the profile beside it. */
  body = made("div", "body");
  #note = made("p", "note");
  #link = made("a", "link");
  #element;
  #profileWidth = 0;

  /** @param {HTMLElement} element @param {string} [name] for screen readers */
  constructor(element, name = NAME) {
    this.#element = element;
    element.classList.add("heatmap");
    Object.assign(this.#link, {
      href: "https://www.tradingview.com/",
      target: "_blank",
      rel: "noopener noreferrer",
      textContent: ATTRIBUTION,
    });
    const foot = made("div", "foot");
    foot.append(this.key, this.#note, this.#link);
    this.body.append(this.pane, this.profile);
    element.replaceChildren(this.body, foot);
    for (const canvas of [this.profile, this.key]) canvas.setAttribute("aria-hidden", "true");
    this.pane.tabIndex = 0;
    this.pane.setAttribute("role", "application");
    this.pane.setAttribute("aria-label", name);
  }

  /** @param {string} text */
  setNote(text) {
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }

  /** @param {Theme} theme */
  setTheme(theme) {
    this.#element.style.background = theme.page;
    this.#note.style.color = theme.muted;
    this.#link.style.color = theme.muted;
  }

  /** Fit to the room there is. Returns whether it is narrow. */
  layOut() {
    const { width } = this.body.getBoundingClientRect();
    const isNarrow = width < NARROW;
    this.#profileWidth = isNarrow ? 54 : Math.min(220, Math.round(width * 0.16));
    this.profile.style.width = `${this.#profileWidth}px`;
    this.#note.style.flexBasis = isNarrow ? "100%" : "200px";
    return isNarrow;
  }

  /** Empty the canvases at their sizes. @param {number} ratio device pixels a CSS pixel */
  clearCanvases(ratio) {
    this.profile.width = Math.round(this.#profileWidth * ratio);
    this.profile.height = Math.round(this.body.clientHeight * ratio);
    this.key.width = Math.round(this.key.clientWidth * ratio);
    this.key.height = Math.round(this.key.clientHeight * ratio);
  }

  /**
   * The chart as a picture, with its key, notes and attribution.
   * @param {HTMLCanvasElement} plot what the library draws
   * @param {Theme} theme
   * @param {number} ratio
   * @param {{title: string, notes: string[]}} words
   */
  toCanvas(plot, theme, ratio, { title, notes }) {
    const canvas = document.createElement("canvas");
    const context = contextOf(canvas);
    const left = 10 * ratio;
    const line = 17 * ratio;
    const top = title ? 28 * ratio : 0;
    const font = fontOf(11 * ratio);
    const width = plot.width + this.profile.width;
    const keyTop = Math.round(top + Math.max(plot.height, this.profile.height) + 8 * ratio);
    const notesTop = keyTop + this.key.height + line / 2;
    context.font = font;
    const lines = [...notes, `${ATTRIBUTION} (tradingview.com)`].flatMap((text) =>
      wrapLines(context, text, width - 2 * left),
    );
    canvas.width = width;
    canvas.height = Math.round(notesTop + line * lines.length);
    context.fillStyle = theme.page;
    context.fillRect(0, 0, width, canvas.height);
    context.drawImage(plot, 0, top);
    context.drawImage(this.profile, plot.width, top);
    context.drawImage(this.key, left, keyTop);
    context.textBaseline = "middle";
    context.fillStyle = theme.ink;
    context.font = fontOf(14 * ratio, "600");
    context.fillText(title, left, top / 2, width - 2 * left);
    context.fillStyle = theme.muted;
    context.font = font;
    lines.forEach((text, at) => context.fillText(text, left, notesTop + line * at));
    return canvas;
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} part
 */
function made(tag, part) {
  const element = document.createElement(tag);
  element.className = `heatmap-${part}`;
  return element;
}
