"""A page as one HTML file that needs no other file and no network.

Belongs here: the frame around a picture: title, warning, footnotes, looks. Does not belong here:
the picture.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plots.warning import MapWarning

_STYLES = (Path(__file__).with_suffix(".css"), Path(__file__).with_name("chart") / "chart.css")

# The page may run and show what it carries, and fetch nothing.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src data:; "
    "style-src 'unsafe-inline'; img-src data: blob:"
)


@dataclass(frozen=True, slots=True)
class PageWords:
    """What is written around a picture, as plain text.

    Parameters
    ----------
    title, subtitle : str
        Above it.
    warning : MapWarning, optional
        Why the map is not fit to act on.
    notes : sequence of str
        Sentences below it.
    """

    title: str
    subtitle: str
    warning: MapWarning | None = None
    notes: Sequence[str] = ()


def page_name(title: str) -> str:
    """Return the file name of a page: one file in its folder, whatever the title contains.

    Examples
    --------
    >>> page_name("../../x")
    '.._.._x.html'
    """
    return "".join(one if one.isalnum() or one in "._-+$" else "_" for one in title) + ".html"


def _marked(text: str) -> str:
    """Return words as HTML, with commands, which are between backquotes, as code.

    Examples
    --------
    >>> _marked("run `liqheat publish`, <soon>")
    'run <code>liqheat publish</code>, &lt;soon&gt;'
    """
    return re.sub("`([^`]*)`", r"<code>\1</code>", html.escape(text))


def write_page(path: Path, words: PageWords, picture: str) -> None:
    """Write a page.

    Parameters
    ----------
    path : Path
        The HTML file.
    words : PageWords
        What is written around the picture.
    picture : str
        The picture as HTML, scripts included.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    title = html.escape(words.title)
    warning = ""
    if words.warning is not None:
        warning = (
            f'<p class="warning" role="note"><strong>{html.escape(words.warning.title)}</strong> '
            f"{_marked(f'{words.warning.reason}; `{words.warning.command}` says more')}</p>\n"
        )
    notes = "".join(f"<p>{_marked(note)}</p>\n" for note in words.notes)
    styles = "".join(one.read_text(encoding="utf-8") for one in _STYLES)
    path.write_text(
        "<!doctype html>\n"
        f'<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>\n{styles}</style>\n</head>\n"
        f'<body>\n<header>\n<h1>{title}</h1>\n<p class="subtitle">{html.escape(words.subtitle)}'
        f"</p>\n</header>\n{warning}<main>\n{picture}\n</main>\n<footer>\n{notes}</footer>\n"
        "</body>\n</html>\n",
        encoding="utf-8",
    )
