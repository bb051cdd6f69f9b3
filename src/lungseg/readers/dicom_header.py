"""What a DICOM header says of its image: words, numbers, transfer syntax, spacing, provenance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from lungseg.geometry import SpacingPlane
from lungseg.provenance import Device, Format, Patient, Provenance
from lungseg.readers.notes import UNCALIBRATED

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

Spacing = tuple[float, float]
STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
SECONDARY_CAPTURE: Final = tuple(STORAGE + number for number in ("7", "7.1", "7.2", "7.3", "7.4"))
MAGNIFICATION: Final = "EstimatedRadiographicMagnificationFactor"
MAX_MAGNIFICATION: Final = 3.0
"""Distance from source to detector by that from source to patient; in films of chests 1.05 to 1.4.
A factor of 1 is what many stations write where they do not know it, and says nothing."""
SPACINGS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_SAME_SPACING = 1e-3
"""Relative; spacings closer than this differ by rounding only."""
# fmt: off
PATIENT_TAGS: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyID", "StudyDate",
)
PROVENANCE_TAGS: Final = (
    *PATIENT_TAGS, "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
    "FrameOfReferenceUID", "Modality", "PresentationIntentType", "PatientOrientation",
    "FieldOfViewHorizontalFlip", "ImageLaterality", "Laterality", "Manufacturer",
    "ManufacturerModelName", "StationName", "SoftwareVersions", "AcquisitionDateTime",
    "AcquisitionDate", "AcquisitionTime",
)
"""Keywords of the elements that `provenance_of` reads."""
# fmt: on


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


def provenance_of(dataset: FileDataset) -> Provenance:
    """All that a header says of where an image comes from; without path, check sum and slices."""
    date, time = text(dataset, "AcquisitionDate"), text(dataset, "AcquisitionTime")
    instance = text(dataset, "SOPInstanceUID")
    return Provenance(
        format=Format.DICOM,
        transfer_syntax=transfer_syntax(dataset),
        study_uid=text(dataset, "StudyInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        instance_uids=(instance,) if instance else (),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        stated_modality=code_string(dataset, "Modality"),
        presentation_intent=text(dataset, "PresentationIntentType"),
        patient_orientation=text(dataset, "PatientOrientation").upper(),
        horizontal_flip=text(dataset, "FieldOfViewHorizontalFlip").upper(),
        laterality=(text(dataset, "ImageLaterality") or text(dataset, "Laterality")).upper(),
        device=Device(
            manufacturer=text(dataset, "Manufacturer"),
            model=text(dataset, "ManufacturerModelName"),
            station=text(dataset, "StationName"),
            software=text(dataset, "SoftwareVersions"),
        ),
        acquired=text(dataset, "AcquisitionDateTime") or (date and date + time),
        patient=patient_in(dataset),
    )


def patient_in(dataset: Dataset) -> Patient:
    """Who was imaged."""
    return Patient(
        name=text(dataset, "PatientName"),
        id=text(dataset, "PatientID"),
        birth_date=text(dataset, "PatientBirthDate"),
        accession_number=text(dataset, "AccessionNumber"),
        study_id=text(dataset, "StudyID"),
        study_date=text(dataset, "StudyDate"),
    )


def text(dataset: Dataset, keyword: str) -> str:
    """An element as text, several values parted by a backslash as in the file; empty where it is
    missing. What cannot be decoded stands as its bytes do, since a damaged name is a name still.
    """
    try:
        value = dataset.get(keyword)
        if value is None or isinstance(value, str):
            return str(value or "").strip()
        if isinstance(value, Iterable) and not hasattr(value, "components"):  # no person's name
            return "\\".join(str(part) for part in value).strip()
        return str(value).strip()
    except Exception:  # noqa: BLE001 (what a parser throws at a damaged value)
        raw = dataset.get_item(keyword)
        content = None if raw is None else raw.value
        return content.decode("latin-1").strip("\0 ") if isinstance(content, bytes) else ""


def code_string(dataset: Dataset, keyword: str) -> str:
    """A value of VR CS as the standard wants it: in capital letters, without blanks around it
    (PS3.5 section 6.2: they "shall not be significant").
    """
    return text(dataset, keyword).upper()


def words_of_modality(modality: str) -> str:
    """What is said of a file of another modality than is wanted; a damaged one is not repeated."""
    if len(modality) <= 16 and modality.isalnum():
        return f"of modality {modality}"
    return "of an unknown modality"


def stated_spacing(dataset: Dataset) -> tuple[Spacing | None, SpacingPlane, tuple[str, ...]]:
    """Which spacing holds, and where (PS3.3 section 10.7.1).

    PixelSpacing is in the patient where a calibration is stated, or where it differs from the
    spacing at the detector (ImagerPixelSpacing) or on the scanned film
    (NominalScannedPixelSpacing). Where it is equal to that, no calibration was made. Alone, without
    a calibration type, it "cannot be determined" whether it was calibrated; then it is taken as the
    detector's, which claims less. A spacing at the detector, divided by the magnification that the
    header estimates (EstimatedRadiographicMagnificationFactor), is one in the patient.
    """
    spacing, plane, notes = _unmagnified_or_not(dataset)
    magnification = numbers(dataset, MAGNIFICATION)[:1]
    if spacing is None or plane == "patient" or not magnification or magnification[0] == 1:
        return spacing, plane, notes
    factor = magnification[0]
    if not 1 < factor <= MAX_MAGNIFICATION:
        return (
            spacing,
            plane,
            (*notes, f"the header's magnification of {factor:g} is not possible, and was left out"),
        )
    said = f"the spacing at the detector was divided by the header's magnification of {factor:g}"
    return (spacing[0] / factor, spacing[1] / factor), "patient", (*notes, said)


def _unmagnified_or_not(
    dataset: Dataset,
) -> tuple[Spacing | None, SpacingPlane, tuple[str, ...]]:
    """The spacing as PixelSpacing and its like state it."""
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
        calibrated = f"pixel spacing calibrated ({how})"
        return pixel, "patient", (calibrated, *_oddities(dataset, "PixelSpacing"))
    if detector:
        return detector, "detector", _oddities(dataset, *SPACINGS)
    if pixel:
        return pixel, "detector", (UNCALIBRATED, *_oddities(dataset, *SPACINGS))
    return None, "patient", _oddities(dataset, *SPACINGS)


def _pair(dataset: Dataset, keyword: str) -> Spacing | None:
    """A spacing of rows and columns; one number alone is that of both."""
    found = numbers(dataset, keyword)
    found = found * 2 if len(found) == 1 else found
    return (found[0], found[1]) if len(found) == 2 and min(found) > 0 else None


def _oddities(dataset: Dataset, *keywords: str) -> tuple[str, ...]:
    """What is odd about spacings as they stand in the header."""
    notes = []
    for keyword in keywords:
        stated = text(dataset, keyword)
        if stated and _pair(dataset, keyword) is None:
            notes.append(f"{keyword} states no spacing that can be, and was left out")
        elif stated and len(numbers(dataset, keyword)) == 1:
            notes.append(f"{keyword} is one number in the header, taken for rows and columns")
        if "," in stated and _pair(dataset, keyword) is not None:
            notes.append(f"{keyword} has decimal commas in the header, read as points")
    return tuple(notes)


def orientation_notes(dataset: Dataset) -> tuple[str, ...]:
    """A note where the columns run towards the patient's right, so that the film hangs the other
    way round than usual.
    """
    if code_string(dataset, "PatientOrientation").startswith("R"):
        return ("the header says that the patient's right is on the right of this picture",)
    return ()


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The finite numbers of an element, also with decimal commas; empty where it is missing, empty,
    or not numbers.
    """
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
        found = _with_commas(text(dataset, keyword))
    return found if np.isfinite(found).all() else []


def _with_commas(stated: str) -> list[float]:
    r"""Numbers as some stations write them: "0,143\0,143"; none where they are something else."""
    parts = [part.strip() for part in stated.split("\\")]
    if not all(re.fullmatch(r"[+-]?\d+,\d+", part) for part in parts):
        return []
    return [float(part.replace(",", ".")) for part in parts]
