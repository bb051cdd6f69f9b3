"""How alike two masks are: pixels counted once, many scores derived; distances between outlines. The only Dice of the package."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError

Mask = NDArray[Any]
"""Any shape (two axes where outlines matter); True, or anything but 0, is inside."""

CHUNK = 1 << 17
"""Distances held at a time; a megabyte of them stays in the cache."""

ROUNDING = 1e-6
"""Share by which a distance may exceed a tolerance and still lie within it: five pixels of 0.2 mm are 1 mm, whatever their product is."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of a truth and a prediction, counted; every score is a ratio of sums of these four.

    A ratio of 0 to 0 is 1: where there was nothing to find and nothing was found, or nothing that could have been wrong, nothing is
    wrong. So two empty masks have Dice 1, an empty and a full one have Dice 0.

    Attributes:
        tp: inside both.
        fp: inside the prediction only.
        fn: inside the truth only.
        tn: outside both.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

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
        """Share of all pixels that are labelled rightly, 0 to 1."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def precision(self) -> float:
        """Share of the prediction that is true, 0 to 1."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the truth that was found, 0 to 1: sensitivity."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Share of what is not in the truth that the prediction leaves out, 0 to 1."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def area_error(self) -> float:
        """Area of the prediction less that of the truth, as a share of the truth's: above 0 where the prediction is too large.

        0 for two empty masks, infinite where only the truth is empty.
        """
        surplus = self.fp - self.fn
        return surplus / (self.tp + self.fn) if self.tp + self.fn else math.inf if surplus else 0.0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def count(truth: Mask, prediction: Mask) -> Counts:
    """Counts two masks of one shape. To leave a region out, index both with the pixels that count.

    Raises:
        UsageError: the shapes differ.
    """
    a, b = _pair(truth, prediction)
    tp = int(np.count_nonzero(a & b))
    fn = int(np.count_nonzero(a)) - tp
    fp = int(np.count_nonzero(b)) - tp
    return Counts(tp, fp, fn, a.size - tp - fp - fn)


def dice(truth: Mask, prediction: Mask) -> float:
    """Dice coefficient of two masks of one shape, 0 to 1; 1 for two empty ones.

    Raises:
        UsageError: the shapes differ.
    """
    return count(truth, prediction).dice


def components(mask: Mask) -> int:
    """Number of pieces of a mask (rows, columns); pixels that touch only at a corner are apart."""
    return cv2.connectedComponents(np.asarray(mask, dtype=bool).view(np.uint8), connectivity=4)[0] - 1


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """Distances between two outlines, in the unit of the spacing they were measured with.

    Two empty masks have no distance, and count as equal: hd, hd95 and assd are 0, nsd is 1. Where only one is empty, everything is
    infinitely far: hd, hd95 and assd are infinite, nsd is 0.

    Attributes:
        there: from each outline pixel of the truth to the nearest of the prediction.
        back: from each outline pixel of the prediction to the nearest of the truth.
    """

    there: NDArray[np.float64]
    back: NDArray[np.float64]

    @property
    def hd(self) -> float:
        """Hausdorff distance: how far the farthest outline pixel of either is from the other outline."""
        return max((float(d.max()) for d in (self.there, self.back) if d.size), default=0.0)

    @property
    def hd95(self) -> float:
        """The larger of the two directed 95th percentiles (linearly interpolated), as MONAI and the challenges compute it."""
        if math.isinf(self.hd):  # between infinite numbers there is nothing to interpolate
            return math.inf
        return max((float(np.percentile(d, 95)) for d in (self.there, self.back) if d.size), default=0.0)

    @property
    def assd(self) -> float:
        """Mean over the outline pixels of both: average symmetric surface distance."""
        both = np.concatenate([self.there, self.back])
        return float(both.mean()) if both.size else 0.0

    def nsd(self, tolerance: float) -> float:
        """Normalised surface Dice (S. Nikolov et al., arXiv:1809.04430): share of the outline pixels of both that are no farther than
        `tolerance` from the other outline, 0 to 1. Pixels are counted, as MONAI's `compute_surface_dice` does by default.
        """
        within = sum(int(np.count_nonzero(d <= tolerance * (1 + ROUNDING))) for d in (self.there, self.back))
        return _ratio(within, self.there.size + self.back.size)


def surface_distances(truth: Mask, prediction: Mask, spacing: tuple[float, float] = (1.0, 1.0)) -> SurfaceDistances:
    """Distances between the outlines of two masks (rows, columns).

    The outline of a mask is its pixels with a neighbour outside, of the four that share an edge; beyond the border of the image is
    outside. Distances run between pixel centres and are exact. These are the conventions of MONAI's `compute_hausdorff_distance`,
    `compute_average_surface_distance(symmetric=True)` and `compute_surface_dice`. All are had from one pass over each outline.

    Args:
        truth: one mask.
        prediction: the other.
        spacing: between rows, between columns; the default gives pixels.

    Raises:
        UsageError: the shapes differ, or there are not two axes.
    """
    a, b = _pair(truth, prediction)
    if a.ndim != 2:
        raise UsageError(f"surface distances are for masks (rows, columns), not of shape {a.shape}")
    x, y, width, height = cv2.boundingRect((a | b).view(np.uint8))
    box = np.s_[y : y + height, x : x + width]
    edge_a, edge_b = outline(a[box]), outline(b[box])
    if not edge_a.any() or not edge_b.any():
        return SurfaceDistances(*(np.full(np.count_nonzero(edge), np.inf) for edge in (edge_a, edge_b)))
    return SurfaceDistances(_nearest(edge_a, edge_b, spacing), _nearest(edge_b, edge_a, spacing))


def outline(mask: Mask) -> NDArray[np.bool_]:
    """The pixels of a mask (rows, columns) with one of their four neighbours outside it; beyond the image is outside."""
    inside = np.ascontiguousarray(mask, dtype=bool).view(np.uint8)
    if inside.size == 0:
        return inside.view(np.bool_)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    core = cv2.erode(inside, cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(inside > core)


def _nearest(start: NDArray[np.bool_], target: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.float64]:
    """From each pixel of `start`, the distance to the nearest of `target`."""
    if spacing[0] != spacing[1]:
        return _nearest_oblong(start, target, spacing)
    # OpenCV's distances are exact but for the rounding of 32 bits; between square pixels their squares are whole numbers.
    pixels = cv2.distanceTransform((~target).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[start].astype(np.float64)
    return np.asarray(np.sqrt(np.rint(pixels * pixels)) * spacing[0])


def _nearest_oblong(start: NDArray[np.bool_], target: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.float64]:
    """The same where rows and columns are not equally far apart, which OpenCV's distance transform does not know: the least over all
    columns of the column's nearest.
    """
    columns = np.flatnonzero(target.any(axis=0))
    target = target[:, columns]
    row = np.arange(target.shape[0], dtype=np.int32)[:, np.newaxis]
    beyond = np.int32(2 * target.shape[0])
    above = np.maximum.accumulate(np.where(target, row, -beyond), axis=0)
    below = np.minimum.accumulate(np.where(target, row, beyond)[::-1], axis=0)[::-1]
    down = (np.minimum(row - above, below - row) * spacing[0]) ** 2
    start_rows, start_columns = np.nonzero(start)
    result = np.empty(start_rows.size)
    step = max(1, CHUNK // columns.size)
    for i in range(0, start_rows.size, step):
        squared = (columns - start_columns[i : i + step, np.newaxis]) * spacing[1]
        squared *= squared
        squared += down[start_rows[i : i + step]]
        result[i : i + step] = squared.min(axis=1)
    return np.sqrt(result)


def _pair(truth: Mask, prediction: Mask) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if truth.shape != prediction.shape:
        raise UsageError(f"masks of shape {truth.shape} and {prediction.shape} cannot be compared")
    return np.asarray(truth, dtype=bool), np.asarray(prediction, dtype=bool)
