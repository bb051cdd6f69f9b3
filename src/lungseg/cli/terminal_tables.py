"""Tables of Markdown as a terminal has room for them."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Final

_BETWEEN_CELLS: Final = re.compile(r"(?<!\\)\|")
_GAP: Final = "  "


def fitted(text: str, width: int, whole: Path) -> str:
    """The text with its tables in aligned columns, the first of them, as many as there is room for.

    Args:
        text: Markdown.
        width: columns of the terminal.
        whole: the folder of what has all columns, which is named where some are left out.
    """
    parts: list[str] = []
    for is_table, group in groupby(text.splitlines(), lambda line: line.startswith("|")):
        lines = list(group)
        parts += _table(lines, width, whole) if is_table else lines
    return "\n".join(parts)


def _table(lines: list[str], width: int, whole: Path) -> list[str]:
    """Lines of a table, the second of which only rules off its head."""
    rows = [_cells(line) for line in (lines[0], *lines[2:])]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    shown = len(widths)
    while shown > 1 and sum(widths[:shown]) + len(_GAP) * (shown - 1) > width:
        shown -= 1
    fitting = []
    for row in rows:
        first, *others = row[:shown]
        aligned = [cell.rjust(wide) for cell, wide in zip(others, widths[1:shown], strict=True)]
        fitting.append(_GAP.join([first.ljust(widths[0]), *aligned]).rstrip())
    rest = len(widths) - shown
    if rest:
        fitting.append(f"({rest} more column{'s' * (rest > 1)} in {whole})")
    return fitting


def _cells(line: str) -> list[str]:
    cells = _BETWEEN_CELLS.split(line)[1:-1]
    return [cell.strip().replace(r"\|", "|").replace("**", "") for cell in cells]
