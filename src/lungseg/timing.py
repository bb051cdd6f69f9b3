"""How long each step takes, and how far the work is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Seconds = dict[str, float]
"""How long each step took, in the order in which they were done."""

Progress = Callable[[float, str], None]
"""Called with the fraction of the work that is done, 0 to 1, and with the step that begins."""


def no_progress(fraction: float, step: str) -> None:
    """For those who do not want to know."""


@contextmanager
def timed(step: str, seconds: Seconds | None) -> Iterator[None]:
    """Adds the time that a step took."""
    start = time.perf_counter()
    yield
    if seconds is not None:
        seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - start
