"""DICOM radiographs, one frame of one file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.readers.decoded import DecodedImage
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_header import (
    SECONDARY_CAPTURE,
    STORAGE,
    code_string,
    orientation_notes,
    provenance_of,
    stated_spacing,
    transfer_syntax,
    words_of_modality,
)
from lungseg.readers.dicom_kind import GIVE_SLICES, NO_USE_OF_LOCALIZERS, is_localizer
from lungseg.readers.dicom_pixels import decode, quiet_pydicom
from lungseg.readers.grayscale import to_grayscale
from lungseg.readers.limits import chosen_frame, refuse_too_large
from lungseg.readers.to_grey import to_grey

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MODALITIES = frozenset(
    {"CR", "DX", "DR", "RG", "RF", "DF", "XA", "MG", "PX", "IO", "HC", "SC", "OT"}
)
"""Projection radiographs, and what says nothing of its kind (PS3.3 C.7.3.1.1.1; DR and SC are no
defined terms but do occur). Whether the picture shows a chest is judged later, from the picture."""
_RADIOGRAPH_STORAGE = tuple(
    STORAGE + number
    for number in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "12.1", "12.2")
)
_COLOURS = frozenset(
    {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
)
_GREYS = frozenset({"MONOCHROME1", "MONOCHROME2"})


def read_dicom(file: DicomFile, *, frame: int | None) -> tuple[DecodedImage, bytes]:
    """Decode one frame of a DICOM radiograph to displayable grey.

    Args:
        file: with or without preamble. Nothing from its own text goes into errors or notes but
            technical terms.
        frame: counted from 1; must be given where there are several.

    Returns:
        The image, and what stands for the object in a check sum (see `DicomFile.load`).

    Raises:
        UnreadableError: there is no pixel data, or it is damaged or truncated.
        UnsupportedError: no radiograph, a colour picture, several frames and none chosen, or a
            compression that is not read.
        TooLargeError: the header states too many pixels.
    """
    source = file.name
    with quiet_pydicom() as caught:
        content, dataset = file.load()
        cut = any("end of file" in str(warning.message).lower() for warning in caught)
        syntax = transfer_syntax(dataset)
        _refuse_other_images(dataset, cut=cut, source=source)
        photometric = _photometric(dataset, source)
        frames = int(dataset.get("NumberOfFrames") or 1)
        index = chosen_frame(frame, frames, source=source)
        stored = decode(dataset, syntax, index, source)
        if photometric in _GREYS and stored.ndim == 2:
            pixels, notes = to_grayscale(stored, dataset)
        elif photometric in _COLOURS | {"PALETTE COLOR"} and stored.ndim == 3:
            pixels, notes = to_grey(stored, source=source)
        else:
            raise UnreadableError(
                f"its pixels do not fit {photometric}, which its header states",
                where=source,
                cure="export it again",
            )
        spacing, plane, spacing_notes = stated_spacing(dataset)
        notes = (*notes, *spacing_notes, *orientation_notes(dataset))
        provenance = replace(
            provenance_of(dataset), frame_numbers=(index + 1,) if frames > 1 else ()
        )
    return DecodedImage(pixels, provenance, spacing, plane, notes), content


def _refuse_other_images(dataset: Dataset, *, cut: bool, source: str) -> None:
    from pydicom.uid import UID

    modality = code_string(dataset, "Modality")
    storage = UID(str(dataset.get("SOPClassUID") or ""))
    other = None
    if modality and modality not in MODALITIES:
        other = words_of_modality(modality)
    elif storage.startswith(STORAGE) and storage not in (*_RADIOGRAPH_STORAGE, *SECONDARY_CAPTURE):
        other = f"of the kind {storage.name}" if storage.is_valid else "of an unknown kind"
    if "PixelData" not in dataset:
        if cut:
            raise UnreadableError(
                "the DICOM file is truncated", where=source, cure="copy or export it again"
            )
        what = (
            f"the DICOM file holds no pixel data (it is {other})"
            if other
            else "the DICOM file holds no pixel data"
        )
        raise UnreadableError(what, where=source, cure="give an image")
    if other and is_localizer(dataset):
        raise UnsupportedError(NO_USE_OF_LOCALIZERS, where=source, cure=GIVE_SLICES)
    if other:
        cure = (
            "set `modality` to ct"
            if "CT" in other.split()
            else "give a CR, DX or secondary capture"
        )
        raise UnsupportedError(
            f"the DICOM file is {other}, and no radiograph", where=source, cure=cure
        )
    if not dataset.get("Rows") or not dataset.get("Columns"):
        raise UnreadableError(
            "the DICOM header does not state rows and columns", where=source, cure="export it again"
        )
    refuse_too_large(int(dataset.Rows), int(dataset.Columns), source=source)


def _photometric(dataset: Dataset, source: str) -> str:
    photometric = code_string(dataset, "PhotometricInterpretation")
    if photometric in _GREYS | _COLOURS | {"PALETTE COLOR"}:
        dataset.PhotometricInterpretation = photometric  # decoders take no blank and no small one
        return photometric
    stated = "is not one that is known" if photometric else "is missing"
    raise UnsupportedError(
        f"its photometric interpretation {stated}, so that black cannot be told from white",
        where=source,
        cure="export it as MONOCHROME1 or MONOCHROME2",
    )
