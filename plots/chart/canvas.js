// Drawing on canvases, whatever is drawn.

const FONT = "system-ui, sans-serif";

/** @param {HTMLCanvasElement} canvas */
export const contextOf = (canvas) =>
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** @param {number} size pixels @param {string} [weight] */
export const fontOf = (size, weight = "") => `${weight} ${size}px ${FONT}`.trim();

/** The font of labels. @param {number} ratio device pixels a CSS pixel */
export const labelFont = (ratio) => fontOf(Math.round(10.5 * ratio));

/**
 * Draw text that ends at a place, with a halo of the page's colour.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} right
 * @param {number} middle
 * @param {import("./view.js").Scene} scene
 */
export function drawHalo(context, text, right, middle, { theme, view }) {
  context.strokeStyle = theme.page;
  context.fillStyle = theme.ink;
  context.lineWidth = 4 * view.ratio;
  context.lineJoin = "round";
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.strokeText(text, right, middle);
  context.fillText(text, right, middle);
}

/**
 * Lines of a text that are no wider than a width.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 */
export function wrapLines(context, text, width) {
  /** @type {string[]} */
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line ? `${line} ${word}` : word;
    if (line && context.measureText(longer).width > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
