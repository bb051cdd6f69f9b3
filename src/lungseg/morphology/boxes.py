"""Boxes around what is marked in an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def enclosing_box(mask: NDArray[Any]) -> tuple[slice, ...]:
    """The smallest box, as indices, that holds all that is inside a mask; of no extent where
    nothing is.
    """
    flat = [
        np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        for axis in range(mask.ndim)
    ]
    return tuple(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 0) for at in flat)
