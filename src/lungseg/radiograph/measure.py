"""What can be told of a mask in numbers. Definitions are in `docs/measurements.md`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.measurement import Measurement, asymmetry
from lungseg.segmentation import Segmentation
from lungseg.structures import PLURAL, pairs

SHORTEST, LONGEST = 140.0, 400.0
"""Millimetres; lungs that are less or more high speak against the spacing. At six years lungs have
62 % of the adult's length, which is some 240 mm (G. Simon et al., Arch. Dis. Child. 47, 1972)."""


def measure(
    segmentation: Segmentation[ImageGeometry], confidence: Mapping[str, float]
) -> tuple[Measurement, ...]:
    """All measurements, always in the same order and under the same names; units follow from what
    is known of the spacing.

    Lengths and areas are in "mm" and "mm2" where the spacing is known in the patient's plane, in
    "mm at detector" and "mm2 at detector" where it was measured at the detector (the patient's are
    smaller by the magnification), else in "pixels".

    Args:
        segmentation: the structures.
        confidence: of each structure and pair, see `lungseg.quality.confidence.confidences`.

    Returns:
        Area, share, height, width and confidence of each structure and each pair, then the
        asymmetry of each pair. Of a structure that was not found all are 0.
    """
    masks = {name: segmentation.mask(name) for name in segmentation.names}
    pixels = {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
    extents = {name: _extent(mask) for name, mask in masks.items()}
    geometry = segmentation.geometry
    size = math.prod(geometry.shape)
    rows, columns = geometry.spacing or (1.0, 1.0)
    length_unit, area_unit = _units(geometry)
    values: dict[str, tuple[Mapping[str, float], str]] = {
        "area": (
            {name: n * (geometry.pixel_area or 1.0) for name, n in pixels.items()},
            area_unit,
        ),
        "share": ({name: 100.0 * n / size for name, n in pixels.items()}, "percent"),
        "height": ({name: extent[0] * rows for name, extent in extents.items()}, length_unit),
        "width": ({name: extent[1] * columns for name, extent in extents.items()}, length_unit),
        "confidence": ({name: confidence[name] for name in masks}, "1"),
    }
    found = [
        Measurement(name, label, float(v), unit)
        for name, (of, unit) in values.items()
        for label, v in of.items()
    ]
    found += [
        Measurement(
            "asymmetry", plural, asymmetry(pixels[right.name], pixels[left.name]), "percent"
        )
        for layer in segmentation.structures
        for plural, (right, left) in pairs(layer).items()
    ]
    return tuple(found)


def doubt_of_scale(measurements: tuple[Measurement, ...]) -> str | None:
    """What to say where the height of the lungs speaks against the spacing in millimetres; None
    where it does not, or none is known.

    Args:
        measurements: what `measure` gave, of a mask that was not widened.
    """
    height = next((m for m in measurements if (m.name, m.label) == ("height", PLURAL)), None)
    if (
        height is None
        or height.unit == "pixels"
        or not height.value
        or SHORTEST <= height.value <= LONGEST
    ):
        return None
    wrong = "the pixel spacing may be wrong, and with it all that is in millimetres"
    unless = (
        "unless a part of them is missing or this is a small child, "
        if height.value < SHORTEST
        else ""
    )
    return f"the lungs would be {height.value:.0f} {height.unit} high: {unless}{wrong}"


def _units(geometry: ImageGeometry) -> tuple[str, str]:
    """Of lengths, and of areas."""
    if geometry.spacing is None:
        return "pixels", "pixels"
    where = " at detector" if geometry.spacing_plane == "detector" else ""
    return f"mm{where}", f"mm2{where}"


def _extent(mask: NDArray[Any]) -> tuple[int, int]:
    """How many rows, and how many columns, a mask spans from its first to its last."""
    _, _, columns, rows = cv2.boundingRect(mask.view(np.uint8))
    return rows, columns
