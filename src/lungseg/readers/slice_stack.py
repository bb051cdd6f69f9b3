"""Where the slices of a series lie: their order, their distances, and the affine of the volume that
they make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UnsupportedError
from lungseg.geometry import AXIAL
from lungseg.readers.dicom_ct import Slice
from lungseg.readers.notes import NO_ORIENTATION, NO_SPACING
from lungseg.readers.slice_places import places_of

_SAME_PLACE: Final = 0.01
"""Millimetres; slices nearer to each other are at one position."""
_EVEN: Final = 0.05
"""Of the mean distance; distances that vary less are rounding."""
_MULTIPLE: Final = 0.1
"""Of the shortest distance."""
_STRAIGHT: Final = 1.0
"""Millimetres that slices may stand beside the line through the first and the last."""
_UPRIGHT: Final = 0.5
"""Degrees; a stack more skewed than that comes from a tilted gantry."""
_THIN: Final = 1.5
"""Slices further apart than this many times their thickness leave out what is between them."""
_SUPINE: Final = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_UNIT: Final = 1.0
"""Millimetres; the thickness of a single slice that states none."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceStack:
    """Slices in ascending order along their normal.

    Attributes:
        slices: one for each position.
        duplicates: for each of them, further ones at the same position.
        affine: (4, 4) from (slice, row, column) to LPS millimetres; None where the spacing is not
            known.
        missing_slices: how many are missing between them.
        order_from: what the order was taken from, where no slice states a position; else empty.
        notes: what had to be assumed.
    """

    slices: list[Slice]
    duplicates: list[list[Slice]]
    affine: NDArray[np.float64] | None
    missing_slices: int
    order_from: str
    notes: tuple[str, ...]


def stack_slices(slices: list[Slice]) -> SliceStack:
    """Sorts slices of one orientation, size and spacing.

    The step from slice to slice is the vector from the first to the last by their number: so the
    skew of a tilted gantry is kept, and where slices stand unevenly or are missing, their ends are
    where they were, and a volume is that of the whole, not of what is there.

    Raises:
        UnsupportedError: some state a position and others none, or there are no millimetres
            although they do not lie as usual.
    """
    notes: list[str] = []
    axes = slices[0].orientation
    if axes is None:
        axes, notes = _SUPINE, [NO_ORIENTATION]
    normal = np.cross(axes[0], axes[1])
    places, order_from, more = places_of(slices, normal)
    notes += more
    order = np.argsort(places @ normal, kind="stable")
    heights = (places @ normal)[order]
    groups: list[list[int]] = [[int(order[0])]]
    for number, step in zip(order[1:], np.diff(heights), strict=True):
        if step < _SAME_PLACE:
            groups[-1].append(int(number))
        else:
            groups.append([int(number)])
    places = places[[group[0] for group in groups]]
    kept = [slices[group[0]] for group in groups]
    step, missing_slices = (normal, 0) if order_from else _step(places, normal, kept, notes)
    affine = np.eye(4)
    spacing = None if order_from else slices[0].spacing
    affine[:3, :3] = np.stack(
        [step, axes[1] * (spacing or (1, 1))[0], axes[0] * (spacing or (1, 1))[1]], axis=1
    )
    affine[:3, 3] = places[0]
    if spacing is None:
        if np.abs(np.stack([normal, axes[1], axes[0]], axis=1) - AXIAL).max() > np.sin(np.pi / 4):
            raise UnsupportedError(
                f"it states no {'position' if order_from else 'spacing'}, and does not lie as "
                "usual",
                where=slices[0].file.name,
                cure="export it again",
            )
        notes += [] if order_from else [NO_SPACING]
    return SliceStack(
        slices=kept,
        duplicates=[[slices[number] for number in group[1:]] for group in groups],
        affine=None if spacing is None else affine,
        missing_slices=missing_slices,
        order_from=order_from,
        notes=tuple(notes),
    )


def _step(
    places: NDArray[np.float64], normal: NDArray[np.float64], slices: list[Slice], notes: list[str]
) -> tuple[NDArray[np.float64], int]:
    """The vector from one slice to the next, and how many are missing between them."""
    thickness = slices[0].thickness
    if len(places) == 1:
        if thickness is None:
            notes.append(f"the thickness of the slice is not known and was taken as {_UNIT:g} mm")
        return normal * (thickness or _UNIT), 0
    distances = np.diff(places @ normal)
    mean = float(distances.mean())
    step: NDArray[np.float64] = (places[-1] - places[0]) / (len(places) - 1)
    missing_slices = 0
    if np.abs(distances - mean).max() > _EVEN * mean:
        missing_slices = _missing(distances, thickness)
        missing = f", {missing_slices} missing between them" if missing_slices else ""
        notes.append(
            f"slices stand unevenly, {distances.min():.2f} to {distances.max():.2f} mm "
            f"apart{missing}; the mean was taken for all"
        )
    beside = places - places[0] - np.outer(np.append(0, np.cumsum(distances)) / mean, step)
    if np.linalg.norm(beside, axis=1).max() > _STRAIGHT:
        notes.append(
            f"slices stand up to {np.linalg.norm(beside, axis=1).max():.1f} mm beside a straight "
            "line"
        )
    tilt = float(
        np.degrees(np.arccos(min(1.0, float(step @ normal) / float(np.linalg.norm(step)))))
    )
    if tilt > _UPRIGHT:
        notes.append(f"the slices are tilted by {tilt:.1f} degrees")
    if thickness and mean > _THIN * thickness:
        notes.append(
            f"slices of {thickness:g} mm stand {mean:.4g} mm apart, so that volumes count what "
            "was not imaged between them"
        )
    return step, missing_slices


def _missing(distances: NDArray[np.float64], thickness: float | None) -> int:
    """How many slices are missing, where all distances are multiples of the shortest; else of the
    median, which is then the usual one.

    A distance shorter than half a slice is where two pieces of a scan overlap, and no measure of
    the others.
    """
    multiples = distances / distances.min()
    if (
        np.abs(multiples - np.rint(multiples)).max() > _MULTIPLE
        or distances.min() < (thickness or 0.0) / 2
    ):
        multiples = distances / np.median(distances)
    return int(np.maximum(np.rint(multiples) - 1, 0).sum())
