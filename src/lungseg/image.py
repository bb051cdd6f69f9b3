"""The two values that travel through the package: an image, and the segmentation on its grid. Frozen, and checked at birth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import InputError, UsageError
from lungseg.geometry import Geometry
from lungseg.labels import LABELS

Array = NDArray[Any]
Kind = Literal["radiograph"]
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
class Image:
    """A grey image, ready to be looked at: high values are bright, and dense tissue is bright unless the image is a negative.

    Attributes:
        pixels: (rows, columns), uint8, uint16 or float32; read-only.
        geometry: the grid of `pixels`.
        source: the file's path, or "array".
        kind: what was imaged and how.
        format: what the pixels came as, such as "PNG" or "DICOM (JPEG 2000)".
        sha256: of the file's bytes (of the pixels' bytes for an array), in hexadecimal.
        notes: what reading had to do or assume, in words, for the record.

    Raises:
        InputError: the pixels are not two-dimensional, of another type, too few, not finite, or all equal.
        UsageError: the geometry has another shape than the pixels.
    """

    pixels: Array
    geometry: Geometry
    source: str = "array"
    kind: Kind = "radiograph"
    format: str = "array"
    sha256: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.ndim != 2:
            raise InputError(f"an image has 2 axes (rows, columns), this one has shape {pixels.shape}", where=self.source)
        if pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise InputError(f"pixels are uint8, uint16 or float32, not {pixels.dtype}", where=self.source)
        if pixels.shape != self.geometry.shape:
            raise UsageError(f"pixels of shape {pixels.shape} do not fit a geometry of shape {self.geometry.shape}", where=self.source)
        if min(pixels.shape) < SMALLEST_SIDE:
            raise InputError(
                f"the image has {pixels.shape[0]} x {pixels.shape[1]} pixels, too few to show lungs",
                where=self.source,
                cure=f"give an image of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels",
            )
        low, high = pixels.min(), pixels.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("the image contains NaN or infinite values", where=self.source, cure="replace them by finite numbers first")
        if low == high:
            raise InputError(
                f"every pixel has the same value ({low}), so there is nothing to see", where=self.source, cure="export the image again"
            )
        view = pixels.view()
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    def with_labels(self, labels: Array) -> Segmentation:
        """The only way to a segmentation: `labels` (rows, columns) with values of `lungseg.labels.LABELS`, on this image's grid."""
        return Segmentation(as_labels(labels, source=self.source), self.geometry)


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
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.labels.shape != self.geometry.shape:
            raise UsageError(f"labels of shape {self.labels.shape} do not fit an image of shape {self.geometry.shape}")
        if int(self.labels.max()) >= len(LABELS):
            raise UsageError(f"{int(self.labels.max())} is not a label; labels are 0 to {len(LABELS) - 1}")
        view = self.labels.view()
        view.flags.writeable = False
        object.__setattr__(self, "labels", view)
