"""What a viewer shows: axial slices with their labels, in one file of which any slice can be read
by itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import to_8_bits, window
from lungseg.image import Image
from lungseg.preprocess import shrink_labels
from lungseg.segmentation import Labels, Segmentation
from lungseg.volume import Volume
from lungseg.writers.png import encode

MAX_SIDE: Final = 1024
"""Pixels of a slice's longer side; larger ones are shrunk."""
VIEWER_WINDOW: Final = (-1000.0, 400.0)
"""Hounsfield units that are black and white unless told otherwise: air, and all soft tissue, so
that the chest wall is seen too."""


def viewer_npy(image: Image | Volume, segmentation: Segmentation[Any]) -> Iterator[bytes]:
    """A file in NumPy's format, piece by piece: (slices, rows, columns) of pairs `grey`, of the
    type of the image's pixels, and `label`, uint8. Slices are axial, from the feet to the head; a
    radiograph is one.
    """
    grey, labels = _axial(image, segmentation)
    scale = min(1.0, MAX_SIDE / max(grey.shape[1:]))
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[2] * scale))
    dtype = np.dtype([("grey", grey.dtype), ("label", np.uint8)])
    header = io.BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (len(grey), *size),
    }
    np.lib.format.write_array_header_1_0(header, described)
    yield header.getvalue()
    pair = np.empty(size, dtype)
    for one, label in zip(grey, labels, strict=True):
        pair["grey"] = one if one.shape == size else _shrunk(one, size)
        pair["label"] = shrink_labels(label, size)
        yield pair.tobytes()


def _axial(image: Image | Volume, segmentation: Segmentation[Any]) -> tuple[NDArray[Any], Labels]:
    """Greys and labels, (slices, rows, columns)."""
    if isinstance(image, Image):
        return image.array[np.newaxis], segmentation.labels[np.newaxis]
    turn = image.geometry.to_axial()
    return turn.apply(image.array), turn.apply(segmentation.labels)


def _shrunk(grey: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    return np.asarray(
        cv2.resize(np.ascontiguousarray(grey), size[::-1], interpolation=cv2.INTER_AREA)
    )


class ViewerSlices:
    """The slices of a file that `viewer_npy` made, read when they are asked for.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is none.
    """

    def __init__(self, path: Path) -> None:
        self._stored = np.load(path, mmap_mode="r")

    def grey_png(self, number: int, low: float, high: float) -> bytes:
        """Grey PNG (rows, columns) of 8 bits of a slice: `low` and below are black, `high` and
        above white.

        Raises:
            IndexError: there is no such slice.
        """
        return encode(to_8_bits(self._slice("grey", number), low, high))

    def labels_png(self, number: int) -> bytes:
        """Grey PNG of the same size whose values are the labels.

        Raises:
            IndexError: there is no such slice.
        """
        return encode(self._slice("label", number))

    def window(self, *, hounsfield: bool) -> tuple[float, float]:
        """The values that are black and white unless told otherwise: `VIEWER_WINDOW` of Hounsfield
        units, all of 8 bits, else percentiles.
        """
        if hounsfield:
            return VIEWER_WINDOW
        grey = self._stored["grey"]
        return (0.0, 255.0) if grey.dtype == np.uint8 else window(grey)

    def range(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        ends = [(one["grey"].min(), one["grey"].max()) for one in self._stored]
        return float(min(low for low, _ in ends)), float(max(high for _, high in ends))

    def lung_slices(self) -> tuple[int, int] | None:
        """First and last slice with a label; None where there is none."""
        inside = [number for number, one in enumerate(self._stored) if one["label"].any()]
        return (inside[0], inside[-1]) if inside else None

    def _slice(self, name: str, number: int) -> NDArray[Any]:
        if not 0 <= number < len(self._stored):
            raise IndexError(number)
        return np.array(self._stored[number][name])
