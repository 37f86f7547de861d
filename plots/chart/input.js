// How a reader moves the chart: keys, wheel, drags of the profile, two fingers. Drags and pinches
// of hours are the library's.

/** @typedef {import("./view.js").View} View */
/**
 * @typedef {object} Moves
 * @property {() => void} begin the view is the reader's from here on
 * @property {() => void} reset
 * @property {() => void} leave
 * @property {(columns: number, rows: number) => void} moveCursor
 * @property {(factor: number) => void} zoomHours
 * @property {(factor: number, around?: number) => void} zoomPrices around a price
 */

const IN = 0.8;
const OUT = 1.25;
/** Cells that lead beyond the first or the last hour. */
const FAR = 1e6;
/** Steps of a cell with shift. */
const STRIDE = 10;
const WHEEL_SPEED = 0.0012;
const DRAG_SPEED = 0.006;
const LEAST_PINCH = 20;

/** @param {HTMLElement} pane @param {Moves} moves */
export function listenToKeys(pane, { begin, reset, leave, moveCursor, zoomHours, zoomPrices }) {
  /** @type {Record<string, (step: number) => void>} */
  const keys = {
    ArrowLeft: (step) => moveCursor(-step, 0),
    ArrowRight: (step) => moveCursor(step, 0),
    ArrowUp: (step) => moveCursor(0, step),
    ArrowDown: (step) => moveCursor(0, -step),
    Home: () => moveCursor(-FAR, 0),
    End: () => moveCursor(FAR, 0),
    PageUp: () => zoomPrices(IN),
    PageDown: () => zoomPrices(OUT),
    "+": () => zoomHours(IN),
    "=": () => zoomHours(IN),
    "-": () => zoomHours(OUT),
    0: reset,
    Escape: leave,
  };
  pane.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    begin();
    act(event.shiftKey ? STRIDE : 1);
  });
}

/**
 * The wheel zooms hours on the pane; with shift, and beside it, prices. So do drags of the profile.
 * @param {{body: HTMLElement, pane: HTMLElement, profile: HTMLElement}} frame
 * @param {() => View | null} view
 * @param {Moves} moves
 */
export function listenToWheel({ body, pane, profile }, view, { zoomPrices }) {
  const onWheel = (/** @type {WheelEvent} */ event) => {
    const seen = view();
    const { left, top } = pane.getBoundingClientRect();
    if (!seen || (!event.shiftKey && event.clientX - left < seen.width)) return;
    event.preventDefault();
    event.stopPropagation();
    const moved = event.deltaY || event.deltaX;
    zoomPrices(Math.exp(moved * WHEEL_SPEED), seen.priceAt(event.clientY - top));
  };
  body.addEventListener("wheel", onWheel, { capture: true, passive: false });
  profile.addEventListener("pointerdown", (event) => profile.setPointerCapture(event.pointerId));
  profile.addEventListener("pointermove", (event) => {
    if (event.buttons) zoomPrices(Math.exp(event.movementY * DRAG_SPEED));
  });
}

/**
 * Two fingers one above the other zoom prices.
 * @param {HTMLElement} pane
 * @param {() => View | null} view
 * @param {Moves} moves
 */
export function listenToPinch(pane, view, { zoomPrices }) {
  /** Height between the fingers, CSS pixels; null where they lie side by side. */
  let apart = /** @type {number | null} */ (null);
  const begin = (/** @type {TouchEvent} */ { touches: [one, other, third] }) => {
    apart = null;
    if (!other || third) return;
    const height = Math.abs(one.clientY - other.clientY);
    if (height > Math.abs(one.clientX - other.clientX)) apart = Math.max(height, LEAST_PINCH);
  };
  const move = (/** @type {TouchEvent} */ event) => {
    const seen = view();
    if (apart === null || !seen) return;
    event.preventDefault();
    event.stopPropagation();
    const [one, other] = event.touches;
    const height = Math.max(Math.abs(one.clientY - other.clientY), LEAST_PINCH);
    const middle = (one.clientY + other.clientY) / 2 - pane.getBoundingClientRect().top;
    zoomPrices(apart / height, seen.priceAt(middle));
    apart = height;
  };
  for (const kind of /** @type {const} */ (["touchstart", "touchend", "touchcancel"]))
    pane.addEventListener(kind, begin, { capture: true, passive: true });
  pane.addEventListener("touchmove", move, { capture: true, passive: false });
}
