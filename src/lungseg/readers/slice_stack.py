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
_AWAY: Final = 0.25
"""Of the mean distance; so far from its place in an even row rounding brings no slice."""
_MULTIPLE: Final = 0.1
"""Of the shortest distance."""
_ALIKE: Final = 0.1
"""Of a distance; those that differ by less are of one protocol."""
_STRETCH: Final = 5
"""Distances that are alike in a row are how a stretch of the chest was reconstructed, and no gaps:
slices are seldom lost at such regular intervals."""
_COVERED: Final = 1.1
"""Of the thickness of a slice; up to there it reaches the next one, and nothing is missing."""
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
        planes: as in `lungseg.geometry.VolumeGeometry`; None where slices are evenly spaced.
        missing_slices: how many are missing between them.
        order_from: what the order was taken from, where no slice states a position; else empty.
        notes: what had to be assumed.
    """

    slices: list[Slice]
    duplicates: list[list[Slice]]
    affine: NDArray[np.float64] | None
    planes: tuple[float, ...] | None
    missing_slices: int
    order_from: str
    notes: tuple[str, ...]


def stack_slices(slices: list[Slice]) -> SliceStack:
    """Sorts slices of one orientation, size and spacing.

    The step from slice to slice is the vector from the first to the last by their number, so that
    the skew of a tilted gantry is kept; where slices stand unevenly or are missing, `planes` says
    where each of them is along it.

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
    step, planes, missing_slices = normal, None, 0
    if not order_from:
        step, planes, missing_slices = _step(places, normal, kept, notes)
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
        planes=None if spacing is None else planes,
        missing_slices=missing_slices,
        order_from=order_from,
        notes=tuple(notes),
    )


def _step(
    places: NDArray[np.float64], normal: NDArray[np.float64], slices: list[Slice], notes: list[str]
) -> tuple[NDArray[np.float64], tuple[float, ...] | None, int]:
    """The vector from one slice to the next, where each is along it if they are unevenly spaced,
    and how many are missing between them.
    """
    thickness = slices[0].thickness
    if len(places) == 1:
        if thickness is None:
            notes.append(f"the thickness of the slice is not known and was taken as {_UNIT:g} mm")
        return normal * (thickness or _UNIT), None, 0
    distances = np.diff(places @ normal)
    mean = float(distances.mean())
    step: NDArray[np.float64] = (places[-1] - places[0]) / (len(places) - 1)
    along = np.append(0.0, np.cumsum(distances)) / mean
    planes, missing_slices = None, 0
    if (
        np.abs(distances - mean).max() > _EVEN * mean
        or np.abs(along - np.arange(len(along))).max() > _AWAY
    ):
        planes = tuple(along.tolist())
        missing_slices = _missing(distances, [slice_.thickness for slice_ in slices])
        missing = f", {missing_slices} missing between them" if missing_slices else ""
        notes.append(
            f"slices stand unevenly, {distances.min():.2f} to {distances.max():.2f} mm "
            f"apart{missing}; each counts with the space it stands for"
        )
    beside = places - places[0] - np.outer(along, step)
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
    return step, planes, missing_slices


def _missing(distances: NDArray[np.float64], thicknesses: list[float | None]) -> int:
    """How many slices are missing.

    A series may be reconstructed with several distances: of those that are alike and follow one
    another, `_STRETCH` or more, none is a gap, and what lies between two such stretches is measured
    by the larger of their distances. Where there is none, all distances are multiples of the
    shortest; else of the median, which is then the usual one. A distance shorter than half a slice
    is where two pieces of a scan overlap, and no measure of the others.
    """
    usual = _usual(distances)
    known = [thickness or 0.0 for thickness in thicknesses]
    multiples = distances / (distances.min() if usual is None else usual)
    if usual is None and (
        np.abs(multiples - np.rint(multiples)).max() > _MULTIPLE or distances.min() < known[0] / 2
    ):
        multiples = distances / np.median(distances)
    if max(known) > (1 + _ALIKE) * min(known):  # the thickness goes with the distance
        reach = np.maximum(known[:-1], known[1:])
        multiples = np.where(distances <= _COVERED * reach, 1.0, multiples)
    return int(np.maximum(np.rint(multiples) - 1, 0).sum())


def _usual(distances: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What each distance is to be compared with: in a stretch of distances that are alike their
    median, else the larger of those of the stretches before and after it; None where there is no
    stretch.
    """
    starts = [0]
    for number in range(1, len(distances)):
        if abs(distances[number] - distances[starts[-1]]) > _ALIKE * distances[starts[-1]]:
            starts.append(number)
    ends = [*starts[1:], len(distances)]
    usual = np.full(len(distances), np.nan)
    for start, end in zip(starts, ends, strict=True):
        if end - start >= _STRETCH:
            usual[start:end] = np.median(distances[start:end])
    there = np.flatnonzero(np.isfinite(usual))
    if not there.size:
        return None
    for place in np.flatnonzero(np.isnan(usual)):
        before, after = there[there < place], there[there > place]
        usual[place] = max(usual[[*before[-1:], *after[:1]]])
    return usual
