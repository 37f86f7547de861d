// The form of switches: each control has a name of the address and changes only that.

/**
 * @param {HTMLFormElement} form
 * @param {(change: import("./view.js").View) => void} onChange
 */
export function openSwitches(form, onChange) {
  const tiers = /** @type {HTMLElement} */ (form.querySelector("#tiers"));
  const said = /** @type {HTMLElement} */ (form.querySelector("#tiers-said"));
  const details = /** @type {HTMLDetailsElement} */ (tiers.closest("details"));
  const boxes = () => [...tiers.querySelectorAll("input")];

  form.addEventListener("submit", (event) => event.preventDefault());
  const report = (/** @type {Event} */ { target }) => {
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement)
      onChange({ [target.name]: target.value });
  };
  for (const control of form.elements) {
    // The search reports an asset once it is chosen; events of controls also pass their fieldset.
    if (control.id === "asset" || control instanceof HTMLFieldSetElement) continue;
    const isRange = control.getAttribute("type") === "range";
    control.addEventListener(isRange ? "input" : "change", report);
  }
  tiers.addEventListener("change", ({ target }) => {
    // Without any tier there is no map: the last one stays.
    if (target instanceof HTMLInputElement && !boxes().some((box) => box.checked))
      target.checked = true;
    const isAll = boxes().every((box) => box.checked);
    const chosen = boxes().filter((box) => box.checked);
    onChange({ tiers: isAll ? "" : chosen.map((box) => box.value).join() });
  });
  onLeave([details], () => {
    if (tiers.contains(document.activeElement)) details.querySelector("summary")?.focus();
    details.open = false;
  });

  /**
   * Show a view and what there is to choose from.
   * @param {import("./server.js").State} state
   * @param {number[]} leverages tiers of the map shown
   */
  return ({ view, providers, venues }, leverages) => {
    fill(form, "provider", providers);
    const others = providers.filter((name) => name !== view.provider);
    fill(form, "compare", others, "one map");
    fill(form, "venue", venues);
    for (const [name, value] of Object.entries(view)) {
      const control = form.elements.namedItem(name);
      if (control && "value" in control && name !== "asset") control.value = value ?? "";
    }
    const shown = boxes().map((box) => box.value);
    if (shown.join() !== leverages.join()) {
      tiers.querySelectorAll("label").forEach((label) => label.remove());
      tiers.append(...leverages.map(tierOf));
    }
    const chosen = view.tiers?.split(",");
    boxes().forEach((box) => {
      box.checked = !chosen || chosen.includes(box.value);
    });
    said.textContent = chosen ? `${chosen.length} of ${leverages.length}` : "all";
    if (!leverages.length) said.textContent = "not split";
    details.classList.toggle("is-empty", !leverages.length);
  };
}

/** @param {number} leverage */
function tierOf(leverage) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = String(leverage);
  const label = document.createElement("label");
  label.append(box, `${leverage}x`);
  return label;
}

/**
 * Call a function when a reader leaves what is open: by Escape, or by a click elsewhere.
 * @param {Element[]} inside
 * @param {() => void} close
 */
export function onLeave(inside, close) {
  addEventListener("keydown", ({ key }) => key === "Escape" && close());
  addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !inside.some((one) => one.contains(target))) close();
  });
}

/**
 * Fill a select where its options differ, so that an open one stays open.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {string[]} values
 * @param {string} [none] words for choosing nothing
 */
function fill(form, name, values, none) {
  const select = form.elements.namedItem(name);
  if (!(select instanceof HTMLSelectElement)) return;
  const wanted = none ? ["", ...values] : values;
  if ([...select.options].map((option) => option.value).join("\n") !== wanted.join("\n"))
    select.replaceChildren(...wanted.map((value) => new Option(value || none, value)));
}
