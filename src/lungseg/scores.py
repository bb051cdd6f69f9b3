"""How alike two masks are: pixels counted once, many scores derived; distances between outlines. The only Dice of the package."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """Distances between two outlines, in the unit of the spacing; all 0 for two empty masks, infinite where only one is empty.

    Attributes:
        hd: Hausdorff distance: how far the farthest outline pixel of either is from the other outline.
        hd95: the larger of the two directed 95th percentiles (linearly interpolated), as MONAI and the challenges compute it.
        assd: mean over the outline pixels of both: average symmetric surface distance.
    """

    hd: float
    hd95: float
    assd: float


def surface_distances(truth: Mask, prediction: Mask, spacing: tuple[float, float] = (1.0, 1.0)) -> SurfaceDistances:
    """Distances between the outlines of two masks (rows, columns).

    The outline of a mask is its pixels with a neighbour outside, of the four that share an edge; beyond the border of the image is
    outside. Distances run between pixel centres and are exact. These are the conventions of MONAI's `compute_hausdorff_distance` and
    `compute_average_surface_distance(symmetric=True)`.

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
    if not a.any() or not b.any():
        distance = 0.0 if a.any() == b.any() else float("inf")
        return SurfaceDistances(distance, distance, distance)
    outline_a, outline_b = outline(a), outline(b)
    there, back = _nearest(outline_a, outline_b, spacing), _nearest(outline_b, outline_a, spacing)
    return SurfaceDistances(
        hd=float(max(there.max(), back.max())),
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        assd=float(np.concatenate([there, back]).mean()),
    )


def outline(mask: Mask) -> NDArray[np.bool_]:
    """The pixels of a mask (rows, columns) with one of their four neighbours outside it; beyond the image is outside."""
    inside = np.pad(np.asarray(mask, dtype=bool), 1)
    core = inside[1:-1, 1:-1]
    edge: NDArray[np.bool_] = core & ~(inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:])
    return edge


def _nearest(start: NDArray[np.bool_], target: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.float64]:
    """From each pixel of `start`, the distance to the nearest of `target`: the least over all columns of the column's nearest.

    OpenCV's distance transform knows no anisotropic spacing; this is exact for every spacing, and only computed where it is asked for.
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
