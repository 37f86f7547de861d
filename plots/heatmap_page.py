"""The heatmap of one asset in a self-contained page: its map, the chart's modules, controls.

Belongs here: packing them. Does not belong here: the drawing (``plots/chart``), and what the map
holds (``map_grid``).
"""

import base64
import html
import json
import re
import zlib
from graphlib import TopologicalSorter

from plots.chart_modules import module_text
from plots.map_grid import Grid, encode_grid

_LOADER = "static_loader.js"
_ENTRIES = ("static_page.js", "raster.worker.js")

_IMPORT = re.compile(r"\b(?:from|import)\s*['\"]\./([\w.-]+)['\"]")

_CONTROLS = """<form id="controls" aria-label="How the map is drawn">
<label>Side <select name="side"><option value="both">both</option>\
<option value="long">longs</option><option value="short">shorts</option></select></label>
<label>Unit <select name="unit"><option value="usd">USD</option>\
<option value="coins">coins</option></select></label>
<label>Hide below <input type="range" name="threshold" min="0" max="0.95" step="0.05" \
value="0"></label>
<label><input type="checkbox" name="start-up" checked>start-up mass</label>
<label><input type="checkbox" name="bands"{bands}>bands</label>
<button type="reset">Reset</button>
</form>
<div id="chart" data-name="{label}"></div>
<noscript><p>The map is drawn by JavaScript, which is switched off.</p></noscript>"""


def bundled_modules() -> list[tuple[str, str]]:
    """Return names and sources of the modules that the page needs, imported ones first."""
    graph: dict[str, list[str]] = {}
    waiting = list(_ENTRIES)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            graph[name] = _IMPORT.findall(module_text(name))
            waiting += graph[name]
    return [(name, module_text(name)) for name in TopologicalSorter(graph).static_order()]


def draw_heatmap(grid: Grid, *, label: str, shows_bands: bool = True) -> str:
    """Return the picture of a map as HTML that holds all it needs.

    Parameters
    ----------
    grid : Grid
        The map.
    label : str
        What it is, for those who do not see it.
    shows_bands : bool
        Whether bands are drawn at first.
    """
    modules = json.dumps(bundled_modules()).encode()
    bands = " checked" if shows_bands else ""
    return "\n".join(
        (
            _CONTROLS.format(bands=bands, label=html.escape(label)),
            f'<script type="text/plain" id="modules">{_packed(modules)}</script>',
            f'<script type="text/plain" id="grid">{_packed(encode_grid(grid))}</script>',
            f"<script>\n{module_text(_LOADER)}</script>",
        )
    )


def _packed(content: bytes) -> str:
    """Return bytes as text that a script element can hold."""
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")
