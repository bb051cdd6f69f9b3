"""DICOM files of computed tomography: what each header says of its slices, and the Hounsfield units
of one slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import LungsegError, TooLargeError, UnreadableError
from lungseg.provenance import Provenance
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_header import (
    PROVENANCE_TAGS,
    SECONDARY_CAPTURE,
    STORAGE,
    numbers,
    provenance_of,
    text,
    transfer_syntax,
    words_of_modality,
)
from lungseg.readers.dicom_pixels import decode, quiet_pydicom
from lungseg.readers.hounsfield import LIMITS
from lungseg.readers.limits import MAX_SIDE_PIXELS, refuse_too_large
from lungseg.readers.raw_volume import MAX_VOLUME_VOXELS
from lungseg.segmentation import Array

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

_CT_STORAGE: Final = tuple(STORAGE + number for number in ("2", "2.1", "2.2"))
"""CT, enhanced CT, and legacy converted enhanced CT image storage (PS3.4 annex B.5)."""
# fmt: off
_WANTED: Final = [
    *PROVENANCE_TAGS, "SOPClassUID", "ImageType", "SeriesNumber", "SeriesDescription",
    "Rows", "Columns", "NumberOfFrames",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SliceLocation",
    "RescaleSlope", "RescaleIntercept", "SamplesPerPixel", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
# fmt: on
_GROUPS: Final = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
"""In which functional group of an enhanced image an element is (PS3.3 C.7.6.16.2 and
C.8.15.3.10)."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """What the header says of one slice; None where it does not.

    Attributes:
        file: the one that it is in.
        provenance: of that file.
        frame: which of its frames, counted from 0.
        frames: how many it has.
        shape: rows, columns.
        orientation: (2, 3): LPS directions of increasing column number and of increasing row
            number, of length 1.
        position: (3,): LPS millimetres of the first pixel's centre.
        location: millimetres along an axis of which only the name is known (SliceLocation).
        spacing: millimetres between rows and between columns.
        thickness: millimetres.
        rescale: slope and intercept to Hounsfield units.
    """

    file: DicomFile
    provenance: Provenance
    frame: int
    frames: int
    shape: tuple[int, int]
    orientation: NDArray[np.float64] | None
    position: NDArray[np.float64] | None
    location: float | None
    spacing: tuple[float, float] | None
    thickness: float | None
    rescale: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class CtFile:
    """One file.

    Attributes:
        file: where it is.
        other: what it is if it is no CT slice, such as "a localizer"; None for CT.
        number: of the series.
        description: of the series.
        slices: one, or those of an enhanced image; none where it is no CT.
    """

    file: DicomFile
    other: str | None
    number: int = 0
    description: str = ""
    slices: tuple[Slice, ...] = ()


def read_header(file: DicomFile) -> CtFile:
    """What the header of a DICOM file says; no pixel is read.

    Raises:
        UnreadableError: the file cannot be opened, or its header not be understood.
        TooLargeError: it states too many pixels, or a deflated file holds too much.
    """
    try:
        with quiet_pydicom():
            dataset = file.parse(_WANTED)
            other = _other(dataset, file.name)
            if other:
                return CtFile(file, other)
            slices = _slices(dataset, file)
            number = numbers(dataset, "SeriesNumber") or [0]
            return CtFile(file, None, int(number[0]), text(dataset, "SeriesDescription"), slices)
    except LungsegError:
        raise
    except Exception as error:  # a parser throws what it likes at a damaged header
        raise UnreadableError(
            "its DICOM header is damaged", where=file.name, cure="copy or export it again"
        ) from error


def _other(dataset: Dataset, name: str) -> str | None:
    """What the file is if it is no CT slice."""
    storage = str(dataset.get("SOPClassUID") or "")
    modality = str(dataset.get("Modality") or "").strip()
    if not (storage or modality or dataset.get("Rows")):
        raise UnreadableError(
            "it is truncated, or no DICOM file", where=name, cure="copy or export it again"
        )
    image_type = [str(word).upper() for word in np.atleast_1d(dataset.get("ImageType") or [])]
    if modality not in ("CT", ""):
        return words_of_modality(modality)
    if (
        storage in SECONDARY_CAPTURE
        or int(dataset.get("SamplesPerPixel") or 1) != 1
        or "SCREEN SAVE" in image_type
    ):
        return "a secondary capture"
    if "LOCALIZER" in image_type:
        return "a localizer"
    return None if modality == "CT" or storage in _CT_STORAGE else "of no stated modality"


def _slices(dataset: FileDataset, file: DicomFile) -> tuple[Slice, ...]:
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if not rows or not columns:
        raise UnreadableError(
            "the DICOM header does not state rows and columns",
            where=file.name,
            cure="leave it out, or export it again",
        )
    refuse_too_large(rows, columns, source=file.name)
    shared = dataset.get("SharedFunctionalGroupsSequence") or [None]
    each = dataset.get("PerFrameFunctionalGroupsSequence") or []
    count = int(dataset.get("NumberOfFrames") or 1)
    if count > MAX_SIDE_PIXELS or count * rows * columns > MAX_VOLUME_VOXELS:
        what = (
            f"the header states {count} frames of {rows} x {columns} pixels, more than a "
            "volume has, and none was read"
        )
        raise TooLargeError(what, where=file.name, cure="save it as several smaller ones")
    provenance = provenance_of(dataset)
    return tuple(
        _slice(dataset, [each[i] if i < len(each) else None, shared[0]], file, provenance, i, count)
        for i in range(count)
    )


def _slice(
    dataset: Dataset,
    groups: list[Dataset | None],
    file: DicomFile,
    provenance: Provenance,
    frame: int,
    frames: int,
) -> Slice:
    def stated(keyword: str, count: int) -> list[float] | None:
        for group in groups:
            sequence = group.get(_GROUPS[keyword]) if group is not None else None
            found = numbers(sequence[0], keyword) if sequence else []
            if len(found) == count:
                return found
        found = numbers(dataset, keyword)
        return found if len(found) == count else None

    orientation, position, spacing = (
        stated("ImageOrientationPatient", 6),
        stated("ImagePositionPatient", 3),
        stated("PixelSpacing", 2),
    )
    thickness = stated("SliceThickness", 1) or stated("SpacingBetweenSlices", 1) or [0.0]
    slope, intercept, location = (
        stated("RescaleSlope", 1),
        stated("RescaleIntercept", 1),
        numbers(dataset, "SliceLocation"),
    )
    axes = None if orientation is None else _unit_axes(np.reshape(orientation, (2, 3)))
    return Slice(
        file=file,
        provenance=provenance,
        frame=frame,
        frames=frames,
        shape=(int(dataset.Rows), int(dataset.Columns)),
        orientation=axes,
        position=None if position is None else np.array(position),
        location=location[0] if len(location) == 1 else None,
        spacing=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        thickness=abs(thickness[0]) or None,
        rescale=(slope[0], intercept[0]) if slope and intercept and slope[0] else None,
    )


def _unit_axes(axes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Of length 1; None where they are no two directions."""
    lengths = np.linalg.norm(axes, axis=1)
    if lengths.min() < 0.5 or np.linalg.norm(np.cross(axes[0], axes[1])) < 0.5:
        return None
    unit: NDArray[np.float64] = axes / lengths[:, np.newaxis]
    return unit


class Decoder:
    """Decodes slices, and keeps the last file, because many slices may be in one."""

    def __init__(self) -> None:
        self._file: DicomFile | None = None
        self._dataset: FileDataset | None = None
        self.content = b""
        """Of the last file; see `DicomFile.content`."""

    def __call__(self, wanted: Slice) -> Array:
        """(rows, columns), int16, rescaled; what is beyond 16 bits is cut off there.

        Raises:
            UnreadableError: the pixels are missing, damaged, or do not fit the header.
            UnsupportedError: the compression is not read.
        """
        name = wanted.file.name
        with quiet_pydicom():
            if wanted.file is not self._file or self._dataset is None:
                self._file, self._dataset = None, None
                self.content, self._dataset = wanted.file.load()
                if "PixelData" not in self._dataset:
                    raise UnreadableError(
                        "it holds no pixel data, or is truncated",
                        where=name,
                        cure="copy or export it again",
                    )
                self._file = wanted.file
            stored = decode(self._dataset, transfer_syntax(self._dataset), wanted.frame, name)
        if stored.shape != wanted.shape:
            raise UnreadableError(
                "its pixels do not fit its header", where=name, cure="export it again"
            )
        slope, intercept = wanted.rescale or (1.0, 0.0)
        if slope == 1 and intercept == int(intercept) and stored.dtype.itemsize <= 2:
            rescaled: Array = stored.astype(np.int32) + int(intercept)
        else:
            rescaled = np.rint(stored * np.float64(slope) + intercept)
        return np.clip(rescaled, LIMITS.min, LIMITS.max).astype(np.int16)
