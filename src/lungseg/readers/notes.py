"""What several readers have to assume, in the words of the notes of an `Image` or a `Volume`."""

from __future__ import annotations

from typing import Final

NO_SPACING: Final = (
    "it states no spacing; its slices are taken as axial ones, seen from the feet, the front at "
    "the top"
)
"""Where there is no affine."""
NO_ORIENTATION: Final = "it states no orientation, so that right and left are only assumed"
UNCALIBRATED: Final = (
    "whether the pixel spacing was calibrated is not stated; taken as measured at the detector"
)
