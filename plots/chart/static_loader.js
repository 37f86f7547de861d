// Starts the chart of a page that carries its modules and its map in itself, also from a file.
(async () => {
  /**
   * @param {string} id
   * @returns {Promise<ArrayBuffer>}
   */
  const unpacked = (id) => {
    const text = document.getElementById(id)?.textContent ?? "";
    const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  };
  const element = /** @type {HTMLElement} */ (document.getElementById("chart"));
  try {
    const [code, grid] = await Promise.all(["modules", "grid"].map(unpacked));
    /** @type {[string, string][]} Names and sources; what a module imports precedes it. */
    const modules = JSON.parse(new TextDecoder().decode(code));
    /** @type {Record<string, string>} */
    const addresses = {};
    for (const [name, source] of modules) {
      const text = source.replace(
        /(\b(?:from|import)\s*)(['"])\.\/([\w.-]+)\2/g,
        (_, before, quote, imported) => `${before}${quote}${addresses[imported]}${quote}`,
      );
      addresses[name] = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    }
    const { showMap } = await import(addresses["static_page.js"]);
    // A module worker starts from no Blob of a file's page, but from a data address.
    const worker = modules.find(([name]) => name === "raster.worker.js")?.[1] ?? "";
    const address = `data:text/javascript;charset=utf-8,${encodeURIComponent(worker)}`;
    await showMap(element, grid, address);
  } catch (error) {
    element.textContent = "The map could not be drawn; it needs a browser of 2023 or later.";
    throw error;
  }
})();
