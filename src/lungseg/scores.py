"""How alike two masks are: pixels counted once, many scores derived; distances between outlines.
The only Dice of the package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.morphology.boxes import enclosing_box

Mask = NDArray[Any]
"""Any shape (two axes where outlines matter); True, or anything but 0, is inside."""

Indices = NDArray[np.intp]

CHUNK = 1 << 17
"""Distances held at a time; a megabyte of them stays in the cache."""

KEPT = 1 << 28
"""Bytes of distances within planes that are kept while the planes beside them are looked at: those
of 256 planes of 512 x 512."""

SQUARE = 1e-5
"""Fraction by which two spacings may differ and still be one: headers hold them in few digits."""

ROUNDING = 1e-6
"""Fraction by which a distance may exceed a tolerance and still lie within it: five pixels of 0.2
mm are 1 mm, whatever their product is."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of a ground truth and a prediction, counted; every score is a ratio of sums of these
    four.

    A ratio of 0 to 0 is 1: where there was nothing to find and nothing was found, or nothing that
    could have been wrong, nothing is wrong. So two empty masks have Dice 1, an empty and a full one
    have Dice 0.

    Attributes:
        tp: inside both.
        fp: inside the prediction only.
        fn: inside the ground truth only.
        tn: outside both.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def dice(self) -> float:
        """2 |A and B| / (|A| + |B|), 0 to 1 (L. R. Dice, Ecology 26, 1945)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """|A and B| / |A or B|, 0 to 1: the Jaccard index."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Fraction of all pixels that are labelled rightly, 0 to 1."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def precision(self) -> float:
        """Fraction of the prediction that is true, 0 to 1."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Fraction of the ground truth that was found, 0 to 1: sensitivity."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Fraction of what is not in the ground truth that the prediction leaves out, 0 to 1."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def relative_area_error(self) -> float:
        """Area of the prediction less that of the ground truth, as a fraction of the latter: above
        0 where the prediction is too large.

        0 for two empty masks, infinite where only the ground truth is empty.
        """
        surplus = self.fp - self.fn
        return surplus / (self.tp + self.fn) if self.tp + self.fn else math.inf if surplus else 0.0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def count(ground_truth: Mask, prediction: Mask) -> Counts:
    """Counts two masks of one shape. To leave a region out, index both with the pixels that count.

    Raises:
        UsageError: the shapes differ.
    """
    a, b = _pair(ground_truth, prediction)
    tp = int(np.count_nonzero(a & b))
    fn = int(np.count_nonzero(a)) - tp
    fp = int(np.count_nonzero(b)) - tp
    return Counts(tp, fp, fn, a.size - tp - fp - fn)


def dice(ground_truth: Mask, prediction: Mask) -> float:
    """Dice coefficient of two masks of one shape, 0 to 1; 1 for two empty ones.

    Raises:
        UsageError: the shapes differ.
    """
    return count(ground_truth, prediction).dice


def components(mask: Mask) -> int:
    """Number of connected components of a mask (rows, columns); pixels that touch only at a corner
    are apart.
    """
    return (
        cv2.connectedComponents(np.asarray(mask, dtype=bool).view(np.uint8), connectivity=4)[0] - 1
    )


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """Distances between two outlines, in the unit of the spacing they were measured with.

    Two empty masks have no distance, and count as equal: hd, hd95, hd95_pooled and assd are 0, nsd
    is 1. Where only one is empty, everything is infinitely far: these four are infinite, nsd is 0.

    Attributes:
        there: from each outline pixel of the ground truth to the nearest of the prediction.
        back: from each outline pixel of the prediction to the nearest of the ground truth.
    """

    there: NDArray[np.float64]
    back: NDArray[np.float64]

    @property
    def hd(self) -> float:
        """Hausdorff distance: how far the farthest outline pixel of either is from the other
        outline.
        """
        return max((float(d.max()) for d in (self.there, self.back) if d.size), default=0.0)

    @property
    def hd95(self) -> float:
        """The larger of the two directed 95th percentiles (linearly interpolated), as MONAI and the
        challenges compute it.
        """
        return _largest_95th(self.there, self.back)

    @property
    def hd95_pooled(self) -> float:
        """The 95th percentile (linearly interpolated) of the distances there and back, taken
        together, as MedPy computes what it calls hd95. Smaller than `hd95` where one direction is
        worse than the other; which of the two a paper means it seldom says.
        """
        return _largest_95th(np.concatenate([self.there, self.back]))

    @property
    def assd(self) -> float:
        """Mean over the outline pixels of both: average symmetric surface distance."""
        both = np.concatenate([self.there, self.back])
        return float(both.mean()) if both.size else 0.0

    def nsd(self, tolerance: float) -> float:
        """Normalised surface Dice (S. Nikolov et al., arXiv:1809.04430): fraction of the outline
        pixels of both that are no farther than `tolerance` from the other outline, 0 to 1. Pixels
        are counted, as MONAI's `compute_surface_dice` does by default.
        """
        within = sum(
            int(np.count_nonzero(d <= tolerance * (1 + ROUNDING))) for d in (self.there, self.back)
        )
        return _ratio(within, self.there.size + self.back.size)


def _largest_95th(*distances: NDArray[np.float64]) -> float:
    if any(
        np.isinf(d).any() for d in distances
    ):  # between infinite numbers there is nothing to interpolate
        return math.inf
    return max((float(np.percentile(d, 95)) for d in distances if d.size), default=0.0)


def surface_distances(
    ground_truth: Mask, prediction: Mask, spacing: Sequence[float] | None = None
) -> SurfaceDistances:
    """Distances between the outlines of two masks: (rows, columns), or surfaces of (slices, rows,
    columns).

    The outline of a mask is its pixels with a neighbour outside, of the four that share an edge, or
    of the six voxels that share a face; beyond the border of the image is outside. Distances run
    between centres and are exact. These are the conventions of MONAI's
    `compute_hausdorff_distance`, `compute_average_surface_distance(symmetric=True)` and
    `compute_surface_dice`. All are had from one pass over each outline, in at most `KEPT` bytes
    beside a few copies of the masks, cut to the box that holds both.

    Args:
        ground_truth: one mask.
        prediction: the other.
        spacing: along each axis; None gives pixels or voxels.

    Raises:
        UsageError: the shapes differ, or there are not two or three axes, or not one spacing for
            each.
    """
    a, b = _pair(ground_truth, prediction)
    if a.ndim not in (2, 3):
        raise UsageError(
            "surface distances are for masks (rows, columns) or (slices, rows, columns), not of "
            f"shape {a.shape}"
        )
    apart = (1.0,) * a.ndim if spacing is None else tuple(float(step) for step in spacing)
    if len(apart) != a.ndim:
        raise UsageError(f"masks of shape {a.shape} have not {len(apart)} spacings")
    box = enclosing_box(a | b)
    edge_a, edge_b = outline(a[box]), outline(b[box])
    if not edge_a.any() or not edge_b.any():
        return SurfaceDistances(
            *(np.full(np.count_nonzero(edge), np.inf) for edge in (edge_a, edge_b))
        )
    if a.ndim == 2:
        edge_a, edge_b, apart = edge_a[np.newaxis], edge_b[np.newaxis], (1.0, *apart)
    else:
        first = _across_square_planes(apart)
        edge_a, edge_b = np.moveaxis(edge_a, first, 0), np.moveaxis(edge_b, first, 0)
        apart = (apart[first], *apart[:first], *apart[first + 1 :])
    return SurfaceDistances(_nearest(edge_a, edge_b, apart), _nearest(edge_b, edge_a, apart))


def outline(mask: Mask) -> NDArray[np.bool_]:
    """The pixels of a mask (rows, columns), or voxels of one (slices, rows, columns), with one of
    their four or six neighbours outside it; beyond the image is outside.
    """
    inside = np.ascontiguousarray(mask, dtype=bool)
    if inside.size == 0:
        return inside
    if inside.ndim == 3:
        edge = np.stack([outline(plane) for plane in inside])
        edge[0], edge[-1] = inside[0], inside[-1]
        edge[1:] |= inside[1:] > inside[:-1]
        edge[:-1] |= inside[:-1] > inside[1:]
        return edge
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    core = cv2.erode(inside.view(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(inside > core.view(np.bool_))


def _across_square_planes(spacing: Sequence[float]) -> int:
    """The axis that planes of square pixels, which are the fast ones, lie along; the first one
    where there are none.
    """
    return next(
        (
            axis
            for axis in range(3)
            if math.isclose(*spacing[:axis], *spacing[axis + 1 :], rel_tol=SQUARE)
        ),
        0,
    )


def _nearest(
    start: NDArray[np.bool_], target: NDArray[np.bool_], spacing: Sequence[float]
) -> NDArray[np.float64]:
    """From each voxel of `start`, (planes, rows, columns), the distance to the nearest of `target`.

    Squared distances within a plane and across planes add up, so the least is sought from plane to
    plane, outwards from a voxel's own, until the next plane alone is farther than the best so far.
    """
    step, *within = spacing
    square = math.isclose(*within, rel_tol=SQUARE)
    planes = list(target)
    filled = [bool(plane.any()) for plane in planes]

    @lru_cache(maxsize=max(1, KEPT * len(target) // (4 * target.size)))
    def pixels(number: int) -> NDArray[np.float32]:
        # OpenCV's distances are exact but for the rounding of 32 bits; between square pixels their
        # squares are whole numbers.
        distance = cv2.distanceTransform(
            (~planes[number]).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
        )
        return np.rint(np.square(distance, out=distance), out=distance)

    found = []
    for number, plane in enumerate(start):
        rows, columns = np.nonzero(plane)
        best = np.full(rows.size, np.inf)
        for away in range(len(planes)):
            reach = (away * step) ** 2
            mine = np.flatnonzero(best > reach)
            if not mine.size:
                break
            for other in {number - away, number + away}:
                if 0 <= other < len(planes) and filled[other]:
                    at = rows[mine], columns[mine]
                    squared = (
                        pixels(other)[at].astype(np.float64) * within[0] ** 2
                        if square
                        else _oblong(*at, planes[other], within)
                    )
                    best[mine] = np.minimum(best[mine], squared + reach)
        found.append(best)
    return np.sqrt(np.concatenate(found))


def _oblong(
    rows: Indices, columns: Indices, target: NDArray[np.bool_], spacing: Sequence[float]
) -> NDArray[np.float64]:
    """From pixels, the squared distance to the nearest of a target in their plane, where rows and
    columns are not equally far apart, which OpenCV's distance transform does not know: the least
    over all columns of the column's nearest.
    """
    theirs = np.flatnonzero(target.any(axis=0))
    target = target[:, theirs]
    row = np.arange(target.shape[0], dtype=np.int32)[:, np.newaxis]
    beyond = np.int32(2 * target.shape[0])
    above = np.maximum.accumulate(np.where(target, row, -beyond), axis=0)
    below = np.minimum.accumulate(np.where(target, row, beyond)[::-1], axis=0)[::-1]
    down = (np.minimum(row - above, below - row) * spacing[0]) ** 2
    result = np.empty(rows.size)
    some = max(1, CHUNK // theirs.size)
    for i in range(0, rows.size, some):
        squared = (theirs - columns[i : i + some, np.newaxis]) * spacing[1]
        squared *= squared
        squared += down[rows[i : i + some]]
        result[i : i + some] = squared.min(axis=1)
    return result


def _pair(ground_truth: Mask, prediction: Mask) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if ground_truth.shape != prediction.shape:
        raise UsageError(
            f"masks of shape {ground_truth.shape} and {prediction.shape} cannot be compared"
        )
    return np.asarray(ground_truth, dtype=bool), np.asarray(prediction, dtype=bool)
