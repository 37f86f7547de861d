"""The code cells of `docs/notebook.ipynb`, executed: what each prints, and its last expression."""

import ast
import contextlib
import io
import json
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "docs/notebook.ipynb"

HOME_LINE = 'HOME = "data/demo"'


def executed(text: str, home: Path) -> str:
    """Return a notebook with the outputs that its cells give now, on another home."""
    notebook = json.loads(text)
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        number += 1
        source = "".join(cell["source"])
        printed, value = _run(source.replace(HOME_LINE, f"HOME = {str(home)!r}"), names)
        cell["execution_count"] = number
        cell["outputs"] = []
        if printed:
            cell["outputs"].append(
                {"name": "stdout", "output_type": "stream", "text": _lines(printed)}
            )
        if value is not None:
            cell["outputs"].append(
                {
                    "data": {"text/plain": _lines(repr(value))},
                    "execution_count": number,
                    "metadata": {},
                    "output_type": "execute_result",
                }
            )
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _run(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """Run a cell; return what it prints and the value of its last line, if that is one."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "cell", "exec"), names)  # noqa: S102
        value = (
            eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
            if isinstance(last, ast.Expr)
            else None
        )
    return printed.getvalue(), value


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
