"""Pictures of single slices: prepared once by the worker, windowed when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import to_8_bits, window
from lungseg.preprocess import shrink_labels
from lungseg.result import Result
from lungseg.volume import Volume
from lungseg.writers.png import encode

MAX_SIDE: Final = 1024
"""Pixels of a slice's longer side as it is shown; larger ones are shrunk."""
VIEWER_WINDOW: Final = (-1000.0, 400.0)
"""Hounsfield units that are black and white unless told otherwise: air, and all soft tissue, so
that the chest wall is seen too."""
GREY, LABELS = "slices.npy", "labels.npy"
"""Files of (slices, rows, columns) in a job's results: axial slices from the feet to the head."""


def write_slices(result: Result[Any], folder: Path) -> dict[str, Any]:
    """Writes what `grey_png` and `labels_png` read, and returns what a job's document says of
    it.
    """
    spacing: tuple[float, ...] | None
    if isinstance(result.image, Volume):
        turn = result.image.geometry.to_axial()
        grid = turn.geometry(result.image.geometry)
        grey, labels = turn.apply(result.image.array), turn.apply(result.mask)
        spacing, hounsfield = grid.spacing, result.image.hounsfield
    else:
        grey, labels = result.image.array[np.newaxis], result.mask[np.newaxis]
        spacing, hounsfield = result.image.geometry.spacing, False
    scale = min(1.0, MAX_SIDE / max(grey.shape[1:]))
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[2] * scale))
    _write(folder / GREY, (_shrunk(one, size) for one in grey), grey.dtype, (len(grey), *size))
    _write(
        folder / LABELS,
        (shrink_labels(one, size) for one in labels),
        labels.dtype,
        (len(grey), *size),
    )
    kept = np.load(folder / GREY, mmap_mode="r")
    inside = [number for number, one in enumerate(labels) if one.any()]
    return {
        "shape": list(grey.shape),
        "spacing": None if spacing is None else list(spacing),
        "hounsfield": hounsfield,
        "window": list(_window(kept, hounsfield=hounsfield)),
        "range": [float(kept.min()), float(kept.max())],
        "lung_slices": [inside[0], inside[-1]] if inside else None,
    }


def _shrunk(grey: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    return (
        grey
        if grey.shape == size
        else np.asarray(
            cv2.resize(np.ascontiguousarray(grey), size[::-1], interpolation=cv2.INTER_AREA)
        )
    )


def _write(
    path: Path, slices: Iterable[NDArray[Any]], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    """One by one, in NumPy's format, which can be read in parts. Not through a map of memory, where
    a full disk ends the process.
    """
    with path.open("xb") as file:
        described = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(file, described)
        for one in slices:
            np.ascontiguousarray(one).tofile(file)


def _window(grey: NDArray[Any], *, hounsfield: bool) -> tuple[float, float]:
    if hounsfield:
        return VIEWER_WINDOW
    return (0.0, 255.0) if grey.dtype == np.uint8 else window(grey)


def grey_png(folder: Path, number: int, low: float, high: float) -> bytes:
    """Grey PNG (rows, columns) of 8 bits of a slice: `low` and below are black, `high` and above
    white.

    Raises:
        IndexError: there is no such slice.
    """
    return encode(to_8_bits(_slice(folder / GREY, number), low, high))


def labels_png(folder: Path, number: int) -> bytes:
    """Grey PNG of the same size whose values are the labels.

    Raises:
        IndexError: there is no such slice.
    """
    return encode(_slice(folder / LABELS, number))


def _slice(path: Path, number: int) -> NDArray[Any]:
    stored = np.load(path, mmap_mode="r")
    if not 0 <= number < len(stored):
        raise IndexError(number)
    return np.array(stored[number])
