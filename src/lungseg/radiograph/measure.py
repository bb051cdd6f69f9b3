"""What can be told of a mask in numbers. Definitions are in `docs/measurements.md`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.measurement import Measurement, Measurements, Restriction, Unit, asymmetry
from lungseg.segmentation import Segmentation
from lungseg.structures import PLURAL, pairs

MIN_HEIGHT_MM, MAX_HEIGHT_MM = 140.0, 400.0
"""Millimetres; lungs that are less or more high speak against the spacing. At six years lungs have
62 % of the adult's length, which is some 240 mm (G. Simon et al., Arch. Dis. Child. 47, 1972)."""


def measure(
    segmentation: Segmentation[ImageGeometry], confidence: Mapping[str, float]
) -> Measurements:
    """All measurements, always in the same order and under the same names; units follow from what
    is known of the spacing.

    Lengths and areas are in "mm" and "mm2" where the spacing is known, else in "pixels". Where it
    was measured at the detector they are restricted to the "detector plane": the patient's are
    smaller by the magnification.

    Args:
        segmentation: the structures.
        confidence: of each structure and pair, see `lungseg.quality.confidence.confidences`.

    Returns:
        Area, image fraction, height, width and confidence of each structure and each pair, then the
        asymmetry of each pair. Of a structure that was not found all are 0.
    """
    masks = {name: segmentation.mask(name) for name in segmentation.names}
    pixels = {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
    extents = {name: _extent(mask) for name, mask in masks.items()}
    geometry = segmentation.geometry
    size = math.prod(geometry.shape)
    rows, columns = geometry.spacing or (1.0, 1.0)
    lengths: Unit = "mm" if geometry.spacing else "pixels"
    areas: Unit = "mm2" if geometry.spacing else "pixels"
    restriction: Restriction | None = (
        "detector plane" if geometry.spacing and geometry.spacing_plane == "detector" else None
    )
    values: dict[str, tuple[Mapping[str, float], Unit]] = {
        "area": (
            {name: n * (geometry.pixel_area or 1.0) for name, n in pixels.items()},
            areas,
        ),
        "image_fraction": ({name: 100.0 * n / size for name, n in pixels.items()}, "percent"),
        "height": ({name: extent[0] * rows for name, extent in extents.items()}, lengths),
        "width": ({name: extent[1] * columns for name, extent in extents.items()}, lengths),
        "confidence": ({name: confidence[name] for name in masks}, "1"),
    }
    found = [
        Measurement(name, structure, float(v), unit, restriction if unit.startswith("mm") else None)
        for name, (of, unit) in values.items()
        for structure, v in of.items()
    ]
    found += [
        Measurement(
            "asymmetry", plural, asymmetry(pixels[right.name], pixels[left.name]), "percent"
        )
        for layer in segmentation.structures
        for plural, (right, left) in pairs(layer).items()
    ]
    return Measurements(found)


def doubt_of_scale(measurements: Measurements) -> str | None:
    """What to say where the height of the lungs speaks against the spacing in millimetres; None
    where it does not, or none is known.

    Args:
        measurements: what `measure` gave, of a mask that was not widened.
    """
    height = measurements.get(("height", PLURAL))
    if (
        height is None
        or height.unit == "pixels"
        or not height.value
        or MIN_HEIGHT_MM <= height.value <= MAX_HEIGHT_MM
    ):
        return None
    wrong = "the pixel spacing may be wrong, and with it all that is in millimetres"
    unless = (
        "unless a part of them is missing or this is a small child, "
        if height.value < MIN_HEIGHT_MM
        else ""
    )
    where = " at the detector" if height.restriction == "detector plane" else ""
    return f"the lungs would be {height.value:.0f} mm high{where}: {unless}{wrong}"


def doubted(measurements: Measurements) -> Measurements:
    """The same, with all that is in millimetres restricted by "implausible spacing"."""
    return Measurements(
        replace(m, restriction="implausible spacing") if m.unit.startswith("mm") else m
        for m in measurements.values()
    )


def _extent(mask: NDArray[Any]) -> tuple[int, int]:
    """How many rows, and how many columns, a mask spans from its first to its last."""
    _, _, columns, rows = cv2.boundingRect(mask.view(np.uint8))
    return rows, columns
