// Choosing an asset by name: an editable combobox with a list (WAI-ARIA), by keyboard and pointer.

/** @typedef {import("./server.js").Asset} Asset */

const MOST_LISTED = 60;

/**
 * Return the assets whose names begin with what was typed, then those that contain it.
 * @param {Asset[]} assets largest open interest first
 * @param {string} typed
 */
export function matchAssets(assets, typed) {
  const sought = typed.trim().toUpperCase();
  const at = (/** @type {Asset} */ [name]) => name.toUpperCase().indexOf(sought);
  const found = [...assets.filter((one) => at(one) === 0), ...assets.filter((one) => at(one) > 0)];
  return found.slice(0, MOST_LISTED);
}

/** @param {Asset} asset @param {number} place */
function optionOf([name, grade], place) {
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.textContent = grade ?? "–";
  badge.dataset.grade = grade ?? "";
  badge.title = grade ? `grade ${grade}` : "not graded";
  const option = document.createElement("li");
  option.id = `asset-${place}`;
  option.role = "option";
  option.dataset.asset = name;
  option.append(name, badge);
  return option;
}

function noOption() {
  const option = document.createElement("li");
  option.role = "option";
  option.ariaDisabled = "true";
  option.textContent = "no such asset";
  return option;
}

/**
 * @param {HTMLInputElement} input
 * @param {HTMLElement} list
 * @param {(asset: string) => void} onChoose
 */
export function openSearch(input, list, onChoose) {
  /** @type {Asset[]} */
  let assets = [];
  let shown = "";
  let active = -1;

  /** @param {number} place */
  const move = (place) => {
    const options = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[data-asset]")]);
    active = Math.max(-1, Math.min(place, options.length - 1));
    options.forEach((option, at) => {
      option.ariaSelected = String(at === active);
    });
    options[active]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[active]?.id ?? "");
  };
  /** @param {string} typed */
  const open = (typed) => {
    const found = matchAssets(assets, typed);
    list.replaceChildren(...(found.length ? found.map(optionOf) : [noOption()]));
    list.hidden = false;
    input.ariaExpanded = "true";
    move(typed ? -1 : found.findIndex(([name]) => name === shown));
  };
  const close = () => {
    list.hidden = true;
    input.ariaExpanded = "false";
    input.removeAttribute("aria-activedescendant");
  };
  /** @param {string | undefined} asset */
  const choose = (asset) => {
    close();
    input.value = asset ?? shown;
    if (asset && asset !== shown) onChoose(asset);
  };
  /** What Enter chooses: the marked asset, else the first that matches, else what was typed. */
  const wanted = () => {
    const typed = input.value.trim().toUpperCase();
    if (list.hidden || !typed) return typed;
    const marked = list.querySelectorAll("li")[active]?.dataset.asset;
    return marked ?? matchAssets(assets, typed)[0]?.[0] ?? typed;
  };

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => list.hidden && open(""));
  input.addEventListener("input", () => open(input.value));
  input.addEventListener("blur", () => choose(undefined));
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.hidden) open("");
    else if (step) move(active + step);
    else if (event.key === "Enter") choose(wanted());
    else if (event.key === "Escape") choose(undefined);
    else return;
    event.preventDefault();
  });
  // The input keeps the focus.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", ({ target }) => {
    const option = target instanceof Element ? target.closest("li") : null;
    if (option?.dataset.asset) choose(option.dataset.asset);
  });
  addEventListener("keydown", (event) => {
    const { key, target } = event;
    const isTyping = target instanceof HTMLInputElement && target.type !== "range";
    if (key !== "/" || isTyping) return;
    event.preventDefault();
    input.focus();
    open("");
  });

  /** @param {import("./server.js").State} state */
  return (state) => {
    assets = state.assets;
    shown = state.view.asset ?? "";
    if (list.hidden) input.value = shown;
  };
}
