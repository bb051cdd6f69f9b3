"""What was found on one image: numbers, and whether a reader should look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number.

    Attributes:
        name: what was measured, as defined in `docs/measurements.md`, such as "area".
        label: of what: "right lung", "left lung" or "lungs".
        value: the number.
        unit: "mm", "mm2", "mL", "g", "HU", "percent" or "1"; "pixels", "voxels" or "slices" where
            the spacing is not known; with what restricts it behind, such as "mm at detector".
    """

    name: str
    label: str
    value: float
    unit: str


def asymmetry(right: float, left: float) -> float:
    """(right - left) / (right + left) of two sizes, in percent: 0 where they are equal, 100 without
    a left lung, 0 without any.
    """
    return 100.0 * (right - left) / (right + left) if right + left else 0.0
