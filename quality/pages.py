"""Great Expectations' pages, made readable without a network, and an index of all checks.

Unchanged, the pages load styles, scripts and logos from seven hosts, and show an empty index
without them. Everything remote is removed, a style is added, and the index is written anew.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from quality.results import CheckResult

_REMOTE = re.compile(
    r"<script\b[^>]*\bsrc=\"https?://[^>]*>\s*</script>"
    r"|<link\b[^>]*\bhref=\"https?://[^>]*>"
    r"|<img\b[^>]*\bsrc=\"https?://[^>]*>"
    r"|<footer\b.*?</footer>"
    r"|url\(['\"]?https?://[^)]*\)[^;}]*"
    # Inline scripts call the remote ones.
    r"|<script\b(?![^>]*\bsrc=)[^>]*>.*?</script>",
    re.DOTALL,
)
# Buttons and menus that need those scripts.
_DEAD = re.compile(
    r"<div class=\"card mb-3\">\s*<div class=\"card-header p-2\">\s*<strong>Actions</strong>"
    r".*?</div>\s*</div>\s*</div>\s*</div>\s*</div>",
    re.DOTALL,
)
_HOME = re.compile(r"(<a href=\"[./]*index\.html\">)\s*(</a>)")

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1d2330; background: #fff; margin: 0 auto;
    max-width: 1200px; padding: 16px 24px }
h1 { font-size: 20px } h4, h5 { font-size: 15px; margin: 18px 0 6px }
table { border-collapse: collapse; margin: 6px 0 }
th, td { border-bottom: 1px solid #dfe3ea; padding: 4px 12px 4px 0; text-align: left;
    vertical-align: top; max-width: 560px; overflow-wrap: anywhere }
td.number { text-align: right; font-variant-numeric: tabular-nums }
td.number, td.holds, td.warning, td.critical, .index th { white-space: nowrap }
ul, ol { padding-left: 18px } nav ol { list-style: none; padding: 0; display: flex; gap: 12px }
a { color: #17608a } .badge { background: #eef1f5; border-radius: 3px; padding: 0 4px }
.text-success, .holds { color: #1a7f4b } .text-danger, .critical { color: #b3261e }
.warning { color: #8a5a00 }
i.text-success::before { content: "\\2713" } i.text-danger::before { content: "\\2717" }
i.text-warning::before { content: "!" }
.show-scrollbars { max-height: 7em; overflow: auto }
"""


def make_self_contained(pages: Path, results: Sequence[CheckResult]) -> None:
    """Remove everything remote from the pages and write their index.

    Parameters
    ----------
    pages : Path
        Folder of the Data Docs.
    results : sequence of CheckResult
        Results, in the order in which they are listed.
    """
    for page in pages.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        text = _DEAD.sub("", _REMOTE.sub("", text))
        text = _HOME.sub(r"\1All checks\2", text)
        text = text.replace("</head>", f"<style>{_STYLE}</style></head>", 1)
        page.write_text(text, encoding="utf-8")
    (pages / "index.html").write_text("\n".join(_index(pages, results)), encoding="utf-8")


def _index(pages: Path, results: Sequence[CheckResult]) -> Iterable[str]:
    failed = [result for result in results if not result.success]
    critical = sum(result.check.severity == "critical" for result in failed)
    yield (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>liqheat: checks</title><style>{_STYLE}</style></head><body>"
        f"<h1>{len(results)} checks: {critical} critical, {len(failed) - critical} warnings</h1>"
        "<p>A critical check that fails stops publishing; a warning flags the assets that "
        "fail it.</p>"
    )
    names = ("", "check", "condition", "worst", "failing rows", "for example")
    yield "<table class='index'><tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
    for result in sorted(results, key=lambda one: (one.success, one.check.severity != "critical")):
        check = result.check
        folder = pages / "validations" / f"{check.suite}_{check.frame}"
        page = next(iter(sorted(folder.rglob("*.html"), reverse=True)), None)
        name = escape(f"{check.suite}: {check.name.replace('_', ' ')}")
        if page is not None:
            name = f"<a href='{escape(page.relative_to(pages).as_posix())}'>{name}</a>"
        verdict = "holds" if result.success else check.severity
        observed = "" if result.observed is None else f"{result.observed:.6g}"
        yield (
            f"<tr><td class='{verdict}'>{verdict}</td><td>{name}</td>"
            f"<td>{escape(check.description)}</td><td class='number'>{observed}</td>"
            f"<td class='number'>{result.unexpected_count:,} of {result.row_count:,}</td>"
            f"<td>{'<br>'.join(map(escape, result.sample))}</td></tr>"
        )
    yield "</table></body></html>"
