"""What a DICOM object is, by its header alone: a slice of CT, a radiograph, or one of the many
things that lie beside them.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np

from lungseg.errors import UnreadableError
from lungseg.readers.dicom_header import SECONDARY_CAPTURE, STORAGE, words_of_modality

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class DicomKind(Enum):
    """What is done with a DICOM object depends on this alone."""

    SLICE = "slice"
    """One or more slices of CT."""
    CAPTURE = "capture"
    """CT that was stored as a secondary capture: slices, where there are none better."""
    FILM = "film"
    """A projection radiograph."""
    PICTURE = "picture"
    """A picture of which the header does not say what it shows."""
    LOCALIZER = "localizer"
    """The projection on which a scan was planned."""
    OTHER = "other"
    """An image of another modality."""
    NO_PIXELS = "no_pixels"
    """A report, a document, a presentation state, raw data and the like."""


FILM_MODALITIES: Final = frozenset({"CR", "DX", "DR", "RG", "RF", "DF", "XA", "MG", "PX", "IO"})
"""Projection radiographs (PS3.3 C.7.3.1.1.1; DR is no defined term but does occur)."""
PICTURE_MODALITIES: Final = frozenset({"HC", "SC", "OT"})
"""What says nothing of its kind."""
CT_STORAGE: Final = tuple(STORAGE + number for number in ("2", "2.1", "2.2"))
"""CT, enhanced CT, and legacy converted enhanced CT image storage (PS3.4 annex B.5)."""
_FILM_STORAGE: Final = tuple(
    STORAGE + number for number in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1")
)
_LOCALIZERS: Final = frozenset(
    {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM", "SCANOSCOPE", "PILOT"}
)
"""What makers call it in ImageType; "LOCALIZER" is the standard's word (PS3.3 C.8.2.1.1.1)."""
LOCALIZER: Final = "a localizer"
NO_USE_OF_LOCALIZERS: Final = (
    "it is a localizer (topogram, scout), on which a scan was planned: neither a slice of CT nor a "
    "radiograph"
)
GIVE_SLICES: Final = "give the slices that were scanned after it"
CAPTURE: Final = "a secondary capture"
GREYS: Final = frozenset({CAPTURE, "of modality SC", "of modality OT"})
"""What may show a film or a slice of CT, in words."""


def kind_of(dataset: Dataset, name: str) -> tuple[DicomKind, str | None]:
    """What a data set is, and that in words; None in place of words of a slice.

    Args:
        dataset: with SOPClassUID, Modality, ImageType, Rows and SamplesPerPixel, where stated.
        name: of the file, for the error.

    Raises:
        UnreadableError: the header says next to nothing.
    """
    storage = str(dataset.get("SOPClassUID") or "").strip()
    modality = str(dataset.get("Modality") or "").strip().upper()
    has_pixels = bool(dataset.get("Rows"))
    if not (storage or modality or has_pixels):
        raise UnreadableError(
            "it is truncated, or no DICOM file", where=name, cure="copy or export it again"
        )
    is_unsaid = modality in PICTURE_MODALITIES
    if modality not in ("CT", "") and not (is_unsaid and storage in CT_STORAGE):
        return _of_modality(modality, storage, has_pixels=has_pixels)
    if not has_pixels and storage not in ("", *CT_STORAGE, *_FILM_STORAGE):
        return DicomKind.NO_PIXELS, _words_of_storage(storage)
    if is_localizer(dataset):
        return DicomKind.LOCALIZER, LOCALIZER
    if (
        storage in SECONDARY_CAPTURE
        or int(dataset.get("SamplesPerPixel") or 1) != 1
        or "SCREEN SAVE" in _image_type(dataset)
    ):
        return (DicomKind.CAPTURE if modality == "CT" else DicomKind.PICTURE), CAPTURE
    if modality == "CT" or storage in CT_STORAGE:
        return DicomKind.SLICE, None
    return DicomKind.PICTURE, "of no stated modality"


def is_localizer(dataset: Dataset) -> bool:
    """Whether its ImageType says so, in the standard's word or in a maker's."""
    return any(not _LOCALIZERS.isdisjoint(word.split()) for word in _image_type(dataset))


def _image_type(dataset: Dataset) -> list[str]:
    words = np.atleast_1d(dataset.get("ImageType") or [])
    return [str(word).strip().upper().replace("_", " ") for word in words]


def _of_modality(modality: str, storage: str, *, has_pixels: bool) -> tuple[DicomKind, str]:
    words = words_of_modality(modality)
    is_unsaid = modality in PICTURE_MODALITIES
    if modality in FILM_MODALITIES or (is_unsaid and has_pixels and storage in _FILM_STORAGE):
        return DicomKind.FILM, words
    if not has_pixels:
        return DicomKind.NO_PIXELS, words
    return (DicomKind.PICTURE if is_unsaid else DicomKind.OTHER), words


def _words_of_storage(storage: str) -> str:
    from pydicom.uid import UID

    uid = UID(storage)
    known = uid.is_valid and uid.name != str(uid)
    return f"of the kind {uid.name}" if known else "of an unknown kind"
