"""Label maps on the grid of an image or a volume; made by `with_labels` alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.structures import LABELS

Array = NDArray[Any]


SMALLEST_SIDE = 32
"""Pixels; no lung can be told in a smaller image."""


def as_labels(labels: Array, *, source: str) -> NDArray[np.uint8]:
    """The same numbers, of any shape, as uint8.

    Raises:
        UsageError: one of them is no whole number from 0 to 255.
    """
    given = np.asarray(labels)
    with np.errstate(invalid="ignore"):
        numbers = np.ascontiguousarray(given, dtype=np.uint8)
    if given.dtype != np.uint8 and not np.array_equal(numbers, given):
        raise UsageError(f"labels are whole numbers from 0 to {len(LABELS) - 1}", where=source)
    return numbers


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """A label map on the grid of the image it was made from; made by `Image.with_labels`.

    Attributes:
        labels: (rows, columns), uint8: 0 background, 1 right lung, 2 left lung; read-only.
        geometry: the image's own.

    Raises:
        UsageError: the shape is not the image's, or a value is not a label.
    """

    labels: NDArray[np.uint8]
    geometry: ImageGeometry

    def __post_init__(self) -> None:
        if self.labels.shape != self.geometry.shape:
            raise UsageError(
                f"labels of shape {self.labels.shape} do not fit an image of shape "
                f"{self.geometry.shape}"
            )
        if int(self.labels.max()) >= len(LABELS):
            raise UsageError(
                f"{int(self.labels.max())} is not a label; labels are 0 to {len(LABELS) - 1}"
            )
        view = self.labels.view()
        view.flags.writeable = False
        object.__setattr__(self, "labels", view)


@dataclass(frozen=True, slots=True, eq=False)
class VolumeSegmentation:
    """A label map on the grid of the volume it was made from; made by `Volume.with_labels`.

    Attributes:
        labels: (slices, rows, columns), uint8: 0 background, 1 right lung, 2 left lung; read-only.
        geometry: the volume's own.

    Raises:
        UsageError: the shape is not the volume's, or a value is not a label.
    """

    labels: NDArray[np.uint8]
    geometry: VolumeGeometry

    def __post_init__(self) -> None:
        if self.labels.shape != self.geometry.shape:
            raise UsageError(
                f"labels of shape {self.labels.shape} do not fit a volume of shape "
                f"{self.geometry.shape}"
            )
        if int(self.labels.max()) >= len(LABELS):
            raise UsageError(
                f"{int(self.labels.max())} is not a label; labels are 0 to {len(LABELS) - 1}"
            )
        view = self.labels.view()
        view.flags.writeable = False
        object.__setattr__(self, "labels", view)
