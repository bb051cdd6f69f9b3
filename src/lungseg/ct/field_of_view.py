"""What a scanner did not reconstruct: the padding around a round field of view."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.ct.slices import blacken_surround
from lungseg.preprocess import clip_hounsfield
from lungseg.readers.hounsfield import PADDING
from lungseg.volume import Volume

MIN_FRACTION: Final = 0.02
"""Of a slice; what has the value of a corner in less of it is noise."""

BODY: Final = -900
"""Hounsfield units, at least; air around the patient is darker."""

BESIDE_MM: Final = 8.0
"""Millimetres of a wall of tissue where the field of view cuts through the body, since without one
the network, which has learnt from whole bodies, takes the lung there for air outside. Figures are
in `docs/ct.md`."""

TISSUE, AIR = 40, -1000
"""Hounsfield units."""

Labels = NDArray[np.uint8]


def in_greys(volume: Volume, plane: NDArray[Any]) -> NDArray[Any]:
    """An axial slice (rows, columns) of a volume with nothing around it that speaks of the scanner
    alone.
    """
    if not volume.hounsfield:
        return blacken_surround(plane)
    spacing = volume.geometry.to_axial().geometry(volume.geometry).spacing
    return clip_hounsfield(without_padding(plane, spacing))


def padding_of(plane: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where a slice (rows, columns) in Hounsfield units is padding: all that has the value of a
    corner which is less than that of air; None where there is none.
    """
    corner = min(plane[0, 0], plane[0, -1], plane[-1, 0], plane[-1, -1])
    if corner >= PADDING:
        return None
    padding = np.asarray(plane == corner)
    return padding if padding.mean() >= MIN_FRACTION else None


def without_padding(
    plane: NDArray[Any], spacing: tuple[float, float, float] | None
) -> NDArray[Any]:
    """A slice (rows, columns) in Hounsfield units with air in place of padding, and beside the body
    a wall of tissue.

    Args:
        plane: the slice.
        spacing: between slices, rows and columns, in millimetres; where it is not known there is no
            wall.
    """
    padding = padding_of(plane)
    if padding is None:
        return plane
    filled = plane.copy()
    filled[padding] = AIR
    if spacing is not None:
        reach = tuple(2 * round(BESIDE_MM / side) + 1 for side in spacing[1:])
        body = ((plane > BODY) & ~padding).astype(np.uint8)
        filled[padding & (cv2.dilate(body, np.ones(reach, np.uint8)) > 0)] = TISSUE
    return filled


def beside_padding(labels: Labels, voxels: NDArray[Any]) -> float:
    """How much of one lung lies beside padding: voxels that touch it, over slices and rows; the
    larger of both. Both are (slices, rows, columns) in axial order.
    """
    touching = np.zeros(256, np.int64)
    for number in np.flatnonzero(labels.any(axis=(1, 2))):
        padding = padding_of(voxels[number])
        if padding is not None:
            rim = cv2.dilate(padding.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            touching += np.bincount(labels[number][rim], minlength=256)
    slices, rows, _ = labels.shape
    return float(touching[1:].max()) / (slices * rows)
