"""How long each step of a road takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

Seconds = dict[str, float]
"""How long each step took, in the order in which they were done."""


@contextmanager
def timed(step: str, seconds: Seconds | None) -> Iterator[None]:
    """Adds the time that a step took."""
    start = time.perf_counter()
    yield
    if seconds is not None:
        seconds[step] = seconds.get(step, 0.0) + time.perf_counter() - start
