// Going through published hours: a slider over all of them, single steps, back to the newest.

const HOUR = 3_600_000;
/** Choosing waits until the slider rests as long [ms]. */
const REST = 60;

/** Return an hour as the address has it. @param {number} at unix time [ms] */
export const hourInAddress = (at) => `${new Date(at).toISOString().slice(0, 16)}Z`;

/**
 * @param {HTMLElement} root
 * @param {(asOf: string) => void} onChoose with an empty text for the newest
 */
export function openScrubber(root, onChoose) {
  const [earlier, later, newest] = ["#earlier", "#later", "#newest"].map(
    (id) => /** @type {HTMLButtonElement} */ (root.querySelector(id)),
  );
  const slider = /** @type {HTMLInputElement} */ (root.querySelector("input"));
  const said = /** @type {HTMLOutputElement} */ (root.querySelector("output"));
  let first = 0;
  let rest = 0;

  const hour = () => hourInAddress(first + slider.valueAsNumber * HOUR);
  const say = () => {
    said.value = hour().replace("T", " ").replace("Z", " UTC");
    slider.setAttribute("aria-valuetext", said.value);
    earlier.disabled = slider.value === slider.min;
    later.disabled = slider.value === slider.max;
  };
  const choose = (hours = 0) => {
    slider.valueAsNumber += hours;
    say();
    clearTimeout(rest);
    rest = setTimeout(() => onChoose(slider.value === slider.max ? "" : hour()), REST);
  };
  slider.addEventListener("input", () => choose());
  slider.addEventListener("keydown", (event) => {
    const hours = { PageUp: 24, PageDown: -24 }[event.key];
    if (!hours) return;
    event.preventDefault();
    choose(hours);
  });
  earlier.addEventListener("click", () => choose(-1));
  later.addEventListener("click", () => choose(1));
  newest.addEventListener("click", () => onChoose(""));

  /** @param {import("./server.js").State} state */
  return ({ view, first: oldest, last }) => {
    root.hidden = !oldest || !last;
    if (!oldest || !last) return;
    first = Date.parse(oldest);
    slider.max = String((Date.parse(last) - first) / HOUR);
    const at = view.as_of ?? view.to;
    slider.value = at ? String((Date.parse(at) - first) / HOUR) : slider.max;
    newest.ariaPressed = String(!at);
    say();
  };
}
