"""What decides how a result looks."""

from __future__ import annotations

import math

from lungseg.errors import UsageError


def check_radius(radius: float) -> None:
    """Raises UsageError unless `dilate` can use the radius; for those who want to know before the
    work, not after it.
    """
    if not math.isfinite(radius) or radius < 0:
        raise UsageError(f"a mask is widened by a finite radius of at least 0, not by {radius}")
