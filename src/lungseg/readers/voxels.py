"""From numbers of any type to the voxels that a `Volume` has: Hounsfield units, or greys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lungseg.errors import InputError
from lungseg.readers.hounsfield import LIMITS, is_hounsfield
from lungseg.readers.limits import refuse_implausible_greys
from lungseg.segmentation import Array

CHUNK_VOXELS: Final = 2**22
"""Voxels that are converted at a time, so that no second copy of all of them is held."""
_SAME_NUMBER: Final = 1e-3
"""A number nearer to a whole one than this is one: slopes are decimal fractions."""


@dataclass(slots=True)
class VoxelBuffer:
    """Voxels, and of the numbers they were made from: the lowest, the highest, and whether all are
    whole.
    """

    array: Array
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True

    def chunks(self) -> list[Array]:
        """Views of `CHUNK_VOXELS` voxels each, to be filled one after the other."""
        starts = range(0, self.array.size, CHUNK_VOXELS)
        return [self.array[start : start + CHUNK_VOXELS] for start in starts]

    def note(self, values: Array) -> None:
        """Takes numbers into `low` and `high`."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    def convert(self, values: Array, into: Array, *, shift: float, source: str) -> None:
        """Writes numbers, less `shift`, into a chunk, rounded and limited to what its type holds.

        Raises:
            InputError: there are NaN or infinite values, or such as no image has.
        """
        if values.dtype.kind == "f":
            if not np.isfinite(values).all():
                raise InputError(
                    "the volume contains NaN or infinite values",
                    where=source,
                    cure="replace them by finite numbers, such as -1024",
                )
            rounded = np.rint(values)
            self.whole = self.whole and bool(np.abs(rounded - values).max() < _SAME_NUMBER)
            self.note(values)
            refuse_implausible_greys(self.low, self.high, source=source)
            values = rounded if into.dtype.kind in "iu" else values
        else:
            self.note(values)
        if into.dtype.kind == "f":
            into[:] = values
        else:
            limits = np.iinfo(into.dtype)
            into[:] = np.clip(
                values - np.float64(shift) if shift else values, limits.min, limits.max
            )


Fill = Callable[[np.dtype[Any], float], VoxelBuffer]
"""Gives all voxels in one row, in a type, less a shift; called once or twice."""


def to_voxels(fill: Fill, *, hounsfield: bool | None = None) -> tuple[Array, bool, tuple[str, ...]]:
    """The voxels: int16 Hounsfield units where the values can be that, else uint8, uint16 or
    float32, whichever keeps them.

    Args:
        fill: gives them.
        hounsfield: whether they are Hounsfield units, where that is known.

    Returns:
        All in one row, whether they are Hounsfield units, and notes.
    """
    filled = fill(np.dtype(np.int16), 0.0)
    if is_hounsfield(filled.array) if hounsfield is None else hounsfield:
        notes = () if filled.whole else ("rounded to whole Hounsfield units",)
        if filled.low < LIMITS.min or filled.high > LIMITS.max:
            notes = (*notes, f"values beyond {LIMITS.min} and {LIMITS.max} were set to these")
        return filled.array, True, notes
    if filled.whole and filled.low >= 0 and filled.high <= 255:
        return filled.array.astype(np.uint8), False, ()
    del filled.array  # before they are read again, in another type
    shift = min(filled.low, 0.0)
    if filled.whole and filled.high - shift <= np.iinfo(np.uint16).max:
        greys = fill(np.dtype(np.uint16), shift)
        notes = (f"{-shift:.0f} added to every voxel, so that none is below 0",) if shift else ()
    else:
        greys, notes = fill(np.dtype(np.float32), 0.0), ()
    return greys.array, False, notes
