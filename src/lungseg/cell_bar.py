"""A bar in the output of a notebook's cell, where a terminal would have one."""

from __future__ import annotations

import sys
from html import escape
from typing import Any


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook; nothing is imported to know it."""
    return _kernel() is not None


def is_watched() -> bool:
    """Whether it is a notebook that somebody works in: where nbconvert or papermill runs it nobody
    can answer a question, which the request that the kernel is at says.
    """
    request: dict[str, Any] = getattr(_kernel(), "get_parent", dict)()
    return in_notebook() and bool(request.get("content", {}).get("allow_stdin", True))


def _kernel() -> Any:
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None)


class CellBar:
    """One bar that is drawn again in its place. Needs no widgets; call it where `in_notebook`."""

    def __init__(self) -> None:
        self._drawn: Any = None

    def show(self, fraction: float, text: str) -> None:
        """Draws the bar.

        Args:
            fraction: done so far, 0 to 1.
            text: beside it.
        """
        from IPython.display import HTML, display

        bar = HTML(
            f'<progress value="{fraction:.4f}" style="width: 20em"></progress> {escape(text)}'
        )
        if self._drawn is None:
            self._drawn = display(bar, display_id=True)
        else:
            self._drawn.update(bar)
