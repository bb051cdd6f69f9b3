"""What a DICOM header says: numbers, transfer syntax, spacing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lungseg.geometry import SpacingPlane

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

Spacing = tuple[float, float]
_SAME_SPACING = 1e-3
"""Relative; spacings closer than this differ by rounding only."""


def transfer_syntax(dataset: FileDataset) -> str:
    """The UID of the transfer syntax; where the file has no meta information, it is put in from the
    encoding that was found by reading.
    """
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if not syntax:
        implicit, little = dataset.original_encoding
        syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else syntax
        dataset.file_meta.TransferSyntaxUID = syntax
    return str(syntax)


def stated_spacing(dataset: Dataset) -> tuple[Spacing | None, SpacingPlane, tuple[str, ...]]:
    """Which spacing holds, and where (PS3.3 section 10.7.1).

    PixelSpacing is in the patient where a calibration is stated, or where it differs from the
    spacing at the detector (ImagerPixelSpacing) or on the scanned film
    (NominalScannedPixelSpacing). Where it is equal to that, no calibration was made. Alone, without
    a calibration type, it "cannot be determined" whether it was calibrated; then it is taken as the
    detector's, which claims less.
    """
    pixel = _pair(dataset, "PixelSpacing")
    detector = _pair(dataset, "ImagerPixelSpacing") or _pair(dataset, "NominalScannedPixelSpacing")
    stated = str(dataset.get("PixelSpacingCalibrationType") or "").strip()
    differs = (
        pixel
        and detector
        and not all(
            math.isclose(a, b, rel_tol=_SAME_SPACING) for a, b in zip(pixel, detector, strict=True)
        )
    )
    if pixel and (stated or differs):
        how = stated if stated in ("GEOMETRY", "FIDUCIAL") else "it differs from the detector's"
        return pixel, "patient", (f"pixel spacing calibrated ({how})",)
    if detector:
        return detector, "detector", ()
    if pixel:
        return (
            pixel,
            "detector",
            (
                "whether the pixel spacing was calibrated is not stated; taken as measured at "
                "the detector",
            ),
        )
    return None, "patient", ()


def _pair(dataset: Dataset, keyword: str) -> Spacing | None:
    found = numbers(dataset, keyword)
    return (found[0], found[1]) if len(found) == 2 and min(found) > 0 else None


def orientation_notes(dataset: Dataset) -> tuple[str, ...]:
    """A note where the columns run towards the patient's right, so that the film hangs the other
    way round than usual.
    """
    orientation = dataset.get("PatientOrientation")
    if orientation and not isinstance(orientation, str) and str(orientation[0]).startswith("R"):
        return ("the header says that the patient's right is on the right of this picture",)
    return ()


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The finite numbers of an element; empty where it is missing, empty, or not numbers."""
    try:
        value = dataset.get(keyword)
        if value is None:
            return []
        found = [
            float(number)
            for number in (
                value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
            )
        ]
    except (TypeError, ValueError):
        return []
    return found if np.isfinite(found).all() else []


STORAGE = "1.2.840.10008.5.1.4.1.1."


SECONDARY_CAPTURE = (
    STORAGE + "7",
    STORAGE + "7.1",
    STORAGE + "7.2",
    STORAGE + "7.3",
    STORAGE + "7.4",
)
