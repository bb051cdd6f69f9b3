"""Which of two lungs a pixel belongs to."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.components import components
from lungseg.morphology.dilation import nearest_of
from lungseg.structures import ANY_LUNG, LEFT_LUNG, LUNGS, RIGHT_LUNG

Float = NDArray[np.float32]
Labels = NDArray[np.uint8]

MIN_COMPONENT_FRACTION: Final = 0.1
"""Of the largest component, from which another one may be a lung."""

MAX_NECK_FRACTION: Final = 1 / 16
"""Of the columns: two lungs that touch along a neck no wider than this are told apart there."""

MAX_OVERLAP: Final = 0.5
"""Of the narrower of two components, the fraction of its columns that both may have if they lie
beside each other."""

MIN_ONE_SIDED: Final = 0.95
"""Of the pixels of a component that lies in one half of the picture, and is that side's lung."""


def sides(right: Float, left: Float, threshold: float) -> NDArray[np.uint8]:
    """Labels without any cleaning, from the probabilities of both lungs, all (rows, columns)."""
    side = np.where(right > left, np.uint8(RIGHT_LUNG.number), np.uint8(LEFT_LUNG.number))
    return np.where(right + left >= threshold, side, np.uint8(0))


def lung_mask(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a label map of any structures, of any shape, shows lung."""
    return np.isin(labels, [lung.number for lung in ANY_LUNG])


def by_place(lungs: Float, threshold: float, min_fraction: float) -> tuple[Float, Float]:
    """The probability of right and of left lung, of that of both as one, by `sides_by_place`.

    Where the sides cannot be told each has half of it, everywhere; see `is_undecided`.

    Args:
        lungs: (rows, columns), 0 to 1.
        threshold: from which on a pixel is lung.
        min_fraction: of the picture, from which on a component may be a lung.
    """
    found = (lungs >= threshold).view(np.uint8)
    side = sides_by_place(found, max(1.0, min_fraction * lungs.size))
    if side is None:
        half = lungs * np.float32(1 / 2)
        return half, half
    is_right, nothing = side == RIGHT_LUNG.number, np.float32(0)
    return np.where(is_right, lungs, nothing), np.where(is_right, nothing, lungs)


def is_undecided(right: NDArray[Any], left: NDArray[Any], least: float) -> NDArray[np.bool_]:
    """Where both lungs have the same probability, of at least `least` together, as `by_place` gives
    them where it cannot tell them apart; arrays of one shape.
    """
    return (right == left) & (right >= least / 2)


def cut_in_the_middle(right: NDArray[Any], left: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Both lungs of sides that nobody knows, each on its half of the columns that they span, so
    that they can be cleaned; arrays (..., columns), of any type. Says nothing of their sides.
    """
    either = np.maximum(right, left)
    columns = np.flatnonzero((either >= either.max() / 2).reshape(-1, either.shape[-1]).any(axis=0))
    both = np.minimum(right.astype(np.float32) + left, 255).astype(right.dtype)
    is_right = np.arange(either.shape[-1]) < columns.mean()
    nothing = right.dtype.type(0)
    return np.where(is_right, both, nothing), np.where(is_right, nothing, both)


def sides_by_place(lungs: Labels, min_area: float) -> Labels | None:
    """The side of every pixel, by where the components of a mask of both lungs lie: of two beside
    each other the one further left in the picture is the right lung.

    Two lungs that touch along a narrow neck are told apart there. A component that has no other
    beside it is the lung of the half of the picture that it lies in; what is smaller goes with the
    nearest, or with its half.

    Args:
        lungs: (rows, columns), 1 inside, of a chest that stands upright, its right on the left.
        min_area: pixels from which on a component may be a lung.

    Returns:
        (rows, columns): 1 right, 2 left; None where the lungs touch, or lie, so that nothing tells.
    """
    halves = np.full(lungs.shape, LEFT_LUNG.number, np.uint8)
    halves[:, : lungs.shape[1] // 2] = RIGHT_LUNG.number
    core = lungs
    for _ in range(1 + round(MAX_NECK_FRACTION / 2 * lungs.shape[1])):
        numbered, columns = _groups(core, min_area)
        if len(columns) > 1:
            return _nearest(numbered, columns)
        if not columns:
            break
        core = cv2.erode(core, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    numbered, columns = _groups(lungs, min_area)
    if not columns:
        return halves
    alone = np.isin(numbered, columns[0])
    rights = float(np.mean(halves[alone] == RIGHT_LUNG.number))
    if max(rights, 1 - rights) < MIN_ONE_SIDED:
        return None
    halves[alone] = (RIGHT_LUNG if rights > 1 / 2 else LEFT_LUNG).number
    return halves


def _groups(lungs: Labels, min_area: float) -> tuple[NDArray[Any], list[list[int]]]:
    """The numbered components of a mask, and the numbers of those that may be lungs: in one group
    what lies above each other, the largest group first.
    """
    numbered, areas = components(lungs)
    large = np.flatnonzero(areas >= max(min_area, MIN_COMPONENT_FRACTION * areas.max(), 1))
    groups: list[tuple[int, int, list[int]]] = []
    spans = sorted((*_span(numbered == number), int(number)) for number in large)
    for first, last, number in spans:
        if groups:
            start, end, members = groups[-1]
            shared = min(end, last) - first + 1
            if shared > MAX_OVERLAP * (1 + min(end - start, last - first)):
                groups[-1] = start, max(end, last), [*members, number]
                continue
        groups.append((first, last, [number]))
    groups.sort(key=lambda group: -int(areas[group[2]].sum()))
    return numbered, [members for _, _, members in groups]


def _span(mask: NDArray[np.bool_]) -> tuple[int, int]:
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(columns[-1])


def _nearest(numbered: NDArray[Any], groups: list[list[int]]) -> Labels | None:
    """Of each pixel the side of the nearer of the two largest groups; None where both are in one
    half of the picture, so that they may be parts of one lung.
    """
    masks = [np.isin(numbered, members) for members in groups[:2]]
    masks.sort(key=lambda mask: float(np.flatnonzero(mask.any(axis=0)).mean()))
    middle = numbered.shape[1] / 2
    (start, _), (_, end) = _span(masks[0]), _span(masks[1])
    if end < middle or start >= middle:
        return None
    seeds = np.zeros(numbered.shape, np.uint8)
    for mask, lung in zip(masks, LUNGS, strict=True):
        seeds[mask] = lung.number
    nearest, _ = nearest_of(seeds, [lung.number for lung in LUNGS])
    return nearest
