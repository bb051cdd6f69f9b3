"""Pages of the site from the notebooks in docs/notebooks: runs each in a folder of its own and
writes NAME.md beside it, with what the cells print and show, and the pictures in
docs/images/notebooks.

    python benchmarks/notebook_pages.py [NAME...]   # all; needs the `train` extra and some minutes

The notebooks are plain Python in the percent format, which jupytext, VS Code and PyCharm open.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a notebook: text of a page where it is Markdown, else Python."""

    is_text: bool
    source: str


def cells_of(notebook: str) -> list[Cell]:
    """The cells of a notebook in the percent format."""
    parts = re.split(r"^# %%(.*)\n", notebook, flags=re.MULTILINE)[1:]
    cells = []
    for kind, source in zip(parts[::2], parts[1::2], strict=True):
        is_text = "[markdown]" in kind
        text = re.sub(r"^# ?", "", source, flags=re.MULTILINE) if is_text else source
        cells.append(Cell(is_text, text.strip("\n")))
    return cells


def run_cell(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    return printed.getvalue(), value


def as_page(notebook: str, name: str, images: Path) -> str:
    """The page of a notebook that is run in the working folder; its pictures go into `images`."""
    page, names, number = [], dict[str, Any](), 0
    for cell in cells_of(notebook):
        if cell.is_text:
            page.append(cell.source)
            continue
        page.append(f"```python\n{cell.source}\n```")
        printed, value = run_cell(cell.source, names)
        if printed:
            page.append(f"```text\n{printed.rstrip()}\n```")
        if hasattr(value, "_repr_html_"):
            number += 1
            html = value._repr_html_()
            data = re.search(r"data:image/jpeg;base64,([^\"]+)", html)
            if data:
                (images / f"{name}_{number}.jpg").write_bytes(base64.b64decode(data[1]))
                html = html.replace(data[0], f"../images/notebooks/{name}_{number}.jpg")
            page.append(html)
    return "\n\n".join(page) + "\n"


def main(names: list[str]) -> None:
    """Makes the pages of these notebooks, or of all."""
    images = DOCS / "images" / "notebooks"
    images.mkdir(parents=True, exist_ok=True)
    paths = sorted((DOCS / "notebooks").glob("*.py"))
    for path in (one for one in paths if not names or one.stem in names):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            text = as_page(path.read_text(encoding="utf-8"), path.stem, images)
        path.with_suffix(".md").write_text(text, encoding="utf-8")
        print(path.with_suffix(".md").relative_to(DOCS), file=sys.stderr)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    main(sys.argv[1:])
