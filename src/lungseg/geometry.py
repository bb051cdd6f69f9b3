"""Where the pixels of an image lie: shape and spacing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lungseg.errors import UsageError

Plane = Literal["patient", "detector"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The grid of an image; array order is (row, column), row 0 at the top.

    Attributes:
        shape: rows, columns.
        spacing: millimetres between the centres of neighbouring rows, and of neighbouring columns; None where it is not known, and
            then millimetres are refused, never guessed.
        plane: where that spacing was measured: in the "patient", or at the "detector" (DICOM ImagerPixelSpacing), where a projection
            radiograph shows everything magnified.

    Raises:
        UsageError: the shape is not two positive integers, or the spacing not two positive finite numbers.
    """

    shape: tuple[int, int]
    spacing: tuple[float, float] | None = None
    plane: Plane = "patient"

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise UsageError(f"the shape of an image is (rows, columns), both at least 1, not {self.shape}")
        if self.spacing is not None:
            try:
                rows, columns = (float(s) for s in self.spacing)
            except (TypeError, ValueError):
                rows = columns = math.nan
            if not (0 < rows < math.inf and 0 < columns < math.inf):
                raise UsageError(f"spacing is (between rows, between columns) in millimetres, both above 0, not {self.spacing}")
            # Also where an array or a list was given: a frozen value holds nothing that can be changed, and JSON knows no NumPy.
            object.__setattr__(self, "spacing", (rows, columns))

    @property
    def pixel_area(self) -> float | None:
        """Square millimetres of one pixel, None where the spacing is not known."""
        return None if self.spacing is None else self.spacing[0] * self.spacing[1]
