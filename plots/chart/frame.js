// The elements of the chart, and the chart as a picture.

import { contextOf, fontOf, wrapLines } from "./canvas.js";

/** @typedef {import("./theme.js").Theme} Theme */

const NARROW = 480;
const KEY = { width: 216, height: 52 };
const ATTRIBUTION = "Charts by TradingView";
const NAME = "liquidation heatmap; arrow keys move the cursor, plus and minus zoom";

export class Frame {
  pane = styled("div", { position: "relative", flex: "1 1 0", minWidth: "0", height: "100%" });
  profile = styled("canvas", {
    flex: "none",
    height: "100%",
    touchAction: "none",
    cursor: "ns-resize",
  });
  key = styled("canvas", {
    width: `${KEY.width}px`,
    height: `${KEY.height}px`,
    flex: "none",
  });
  /** The pane and the profile beside it. */
  body = styled("div", { display: "flex", flex: "1 1 0", minHeight: "0" });
  #note = styled("p", { margin: "0", flex: "1 1 200px" });
  #link = styled("a", {});
  #element;
  #profileWidth = 0;

  /** @param {HTMLElement} element @param {string} [name] for screen readers */
  constructor(element, name = NAME) {
    this.#element = element;
    Object.assign(element.style, { display: "flex", flexDirection: "column", minWidth: "0" });
    Object.assign(this.#link, {
      href: "https://www.tradingview.com/",
      target: "_blank",
      rel: "noopener noreferrer",
      textContent: ATTRIBUTION,
    });
    const foot = styled("div", {
      display: "flex",
      flexWrap: "wrap",
      gap: "4px 20px",
      padding: "6px 10px",
      font: "12px/1.4 system-ui, sans-serif",
    });
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
    this.key.width = Math.round(KEY.width * ratio);
    this.key.height = Math.round(KEY.height * ratio);
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
 * @param {Partial<CSSStyleDeclaration>} style
 */
function styled(tag, style) {
  const element = document.createElement(tag);
  Object.assign(element.style, style);
  return element;
}
