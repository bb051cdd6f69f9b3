"""What can be told of the lungs in numbers. Definitions are in `docs/measurements.md`."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.measurement import BOTH, Measurement, asymmetry
from lungseg.quality.confidence import Confidence
from lungseg.segmentation import Segmentation
from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG

SHORTEST, LONGEST = 140.0, 400.0
"""Millimetres; lungs that are less or more high speak against the spacing. At six years lungs have
62 % of the adult's length, which is some 240 mm (G. Simon et al., Arch. Dis. Child. 47, 1972)."""


def measure(segmentation: Segmentation, sure: Confidence) -> tuple[Measurement, ...]:
    """All measurements, always in the same order and under the same names; units follow from what
    is known of the spacing.

    Lengths and areas are in "mm" and "mm2" where the spacing is known in the patient's plane, in
    "mm at detector" and "mm2 at detector" where it was measured at the detector (the patient's are
    smaller by the magnification), else in "pixels".

    Args:
        segmentation: the lungs.
        sure: what `confidence` gave.

    Returns:
        Area, share, height, width and confidence of right lung, left lung and lungs, then
        asymmetry. Of a lung that was not found all are 0.
    """
    masks = {lung.name: segmentation.labels == lung.number for lung in LUNGS}
    masks[BOTH] = segmentation.labels > 0
    pixels = {label: int(np.count_nonzero(mask)) for label, mask in masks.items()}
    extents = {label: _extent(mask) for label, mask in masks.items()}
    geometry = segmentation.geometry
    rows, columns = geometry.spacing or (1.0, 1.0)
    length_unit, area_unit = _units(geometry)
    values = {
        "area": (
            {label: n * (geometry.pixel_area or 1.0) for label, n in pixels.items()},
            area_unit,
        ),
        "share": (
            {label: 100.0 * n / segmentation.labels.size for label, n in pixels.items()},
            "percent",
        ),
        "height": ({label: extent[0] * rows for label, extent in extents.items()}, length_unit),
        "width": ({label: extent[1] * columns for label, extent in extents.items()}, length_unit),
        "confidence": (
            {RIGHT_LUNG.name: sure.right, LEFT_LUNG.name: sure.left, BOTH: sure.lungs},
            "1",
        ),
    }
    found = [
        Measurement(name, label, float(v), unit)
        for name, (of, unit) in values.items()
        for label, v in of.items()
    ]
    return *found, Measurement(
        "asymmetry", BOTH, asymmetry(pixels[RIGHT_LUNG.name], pixels[LEFT_LUNG.name]), "percent"
    )


def doubt_of_scale(measurements: tuple[Measurement, ...]) -> str | None:
    """What to say where the height of the lungs speaks against the spacing in millimetres; None
    where it does not, or none is known.

    Args:
        measurements: what `measure` gave, of a mask that was not widened.
    """
    (height,) = (m for m in measurements if (m.name, m.label) == ("height", BOTH))
    if height.unit == "pixels" or not height.value or SHORTEST <= height.value <= LONGEST:
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
