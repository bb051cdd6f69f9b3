"""DICOM files of computed tomography: what each header says of its slices, and the Hounsfield units
of one slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import LungsegError, TooLargeError, UnreadableError
from lungseg.modality import Modality
from lungseg.provenance import Provenance
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_header import (
    PROVENANCE_TAGS,
    numbers,
    provenance_of,
    text,
    transfer_syntax,
)
from lungseg.readers.dicom_kind import GREYS, DicomKind, kind_of
from lungseg.readers.dicom_pixels import decode, quiet_pydicom
from lungseg.readers.hounsfield import LIMITS, SOFT_TISSUE
from lungseg.readers.limits import (
    MAX_SIDE_PIXELS,
    is_plausible_place,
    is_plausible_rescale,
    is_plausible_spacing,
    is_plausible_thickness,
    refuse_too_large,
)
from lungseg.readers.raw_volume import MAX_VOLUME_VOXELS
from lungseg.readers.slice_traits import Traits, traits_of
from lungseg.readers.to_grey import to_grey
from lungseg.segmentation import Array

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

# fmt: off
_WANTED: Final = [
    *PROVENANCE_TAGS, "SOPClassUID", "ImageType", "SeriesNumber", "SeriesDescription",
    "Rows", "Columns", "NumberOfFrames",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SliceLocation",
    "RescaleSlope", "RescaleIntercept", "SamplesPerPixel", "BitsStored", "PixelRepresentation",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "InstanceNumber", "AcquisitionNumber", "ConvolutionKernel",
    "KVP", "TemporalPositionIdentifier", "ContentTime",
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
    "FrameAcquisitionNumber": "FrameContentSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "FrameAcquisitionDateTime": "FrameContentSequence",
    "ConvolutionKernel": "CTReconstructionSequence",
    "KVP": "CTXRayDetailsSequence",
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
        instance: InstanceNumber.
        traits: what may tell it from slices of its series that are not of its volume.
        capture: whether it is a secondary capture, whose greys may be inverted, or colours.
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
    instance: float | None
    traits: Traits
    capture: bool


@dataclass(frozen=True, slots=True, eq=False)
class CtFile:
    """One file.

    Attributes:
        file: where it is.
        kind: what is done with it.
        other: what it is if it is no CT slice, in words, such as "a localizer"; None for CT.
        number: of the series.
        description: of the series.
        series_uid: of the series.
        slices: one, or those of an enhanced image; also of CT as secondary capture; none where it
            is no CT.
    """

    file: DicomFile
    kind: DicomKind
    other: str | None
    number: int = 0
    description: str = ""
    series_uid: str = ""
    slices: tuple[Slice, ...] = ()

    @property
    def modality(self) -> Modality | None:
        """What the header says that it shows; None of a picture of which only the pixels can."""
        if self.slices:
            return "ct"
        is_picture = self.kind is DicomKind.PICTURE and self.other in GREYS
        return None if is_picture else "radiograph"


def read_header(file: DicomFile) -> CtFile:
    """What the header of a DICOM file says; no pixel is read.

    Raises:
        UnreadableError: the file cannot be opened, or its header not be understood.
        TooLargeError: it states too many pixels, or a deflated file holds too much.
    """
    try:
        with quiet_pydicom():
            dataset = file.parse(_WANTED)
            kind, other = kind_of(dataset, file.name)
            is_ct = kind in (DicomKind.SLICE, DicomKind.CAPTURE)
            return CtFile(
                file,
                kind,
                other,
                int((numbers(dataset, "SeriesNumber") or [0])[0]),
                text(dataset, "SeriesDescription"),
                text(dataset, "SeriesInstanceUID"),
                _slices(dataset, file, capture=kind is DicomKind.CAPTURE) if is_ct else (),
            )
    except LungsegError:
        raise
    except Exception as error:  # a parser throws what it likes at a damaged header
        raise UnreadableError(
            "its DICOM header is damaged", where=file.name, cure="copy or export it again"
        ) from error


def _slices(dataset: FileDataset, file: DicomFile, *, capture: bool) -> tuple[Slice, ...]:
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
        replace(
            _slice(
                dataset, [each[i] if i < len(each) else None, shared[0]], file, provenance, i, count
            ),
            capture=capture,
        )
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
    items: dict[str, Dataset] = {}
    for group in reversed(groups):  # what a frame states itself replaces what all share
        for keyword, name in _GROUPS.items() if group is not None else ():
            sequence = group.get(name) if group is not None else None
            if sequence and keyword in sequence[0]:
                items[keyword] = sequence[0]

    def stated(keyword: str, count: int) -> list[float] | None:
        for holder in (items.get(keyword, dataset), dataset):
            found = numbers(holder, keyword)
            if len(found) == count:
                return found
        return None

    orientation, position, spacing = (
        stated("ImageOrientationPatient", 6),
        stated("ImagePositionPatient", 3),
        stated("PixelSpacing", 2),
    )
    if frames > 1 and "ImagePositionPatient" not in items:
        position = None  # what is stated once for all frames is the place of one of them
    thickness = stated("SliceThickness", 1) or stated("SpacingBetweenSlices", 1) or [0.0]
    slope, intercept = stated("RescaleSlope", 1), stated("RescaleIntercept", 1)
    location, instance = numbers(dataset, "SliceLocation"), numbers(dataset, "InstanceNumber")
    axes = None if orientation is None else _unit_axes(np.reshape(orientation, (2, 3)))
    return Slice(
        file=file,
        provenance=provenance,
        frame=frame,
        frames=frames,
        shape=(int(dataset.Rows), int(dataset.Columns)),
        orientation=axes,
        position=np.array(position) if position and is_plausible_place(position) else None,
        location=location[0] if len(location) == 1 else None,
        spacing=(spacing[0], spacing[1]) if spacing and is_plausible_spacing(spacing) else None,
        thickness=abs(thickness[0]) if is_plausible_thickness(abs(thickness[0])) else None,
        rescale=_rescale(slope, intercept, dataset, file.name),
        instance=instance[0] if len(instance) == 1 else None,
        traits=traits_of(dataset, items),
        capture=False,
    )


def _rescale(
    slope: list[float] | None, intercept: list[float] | None, dataset: Dataset, name: str
) -> tuple[float, float] | None:
    """Slope and intercept where both are stated; not of colours, nor where the brightest that the
    bits can store would be darker than soft tissue: such were left over when the picture was made
    of Hounsfield units.

    Raises:
        UnreadableError: they are such as no CT has.
    """
    if not slope or not intercept or not slope[0]:
        return None
    if not is_plausible_rescale(slope[0], intercept[0]):
        raise UnreadableError(
            f"its header has pixels multiplied by {slope[0]:g} and {intercept[0]:g} added, which "
            "gives no Hounsfield units",
            where=name,
            cure="export it again",
        )
    bits, signed = numbers(dataset, "BitsStored"), numbers(dataset, "PixelRepresentation")
    brightest = slope[0] * (2.0 ** (bits[0] - any(signed)) - 1) + intercept[0] if bits else math.inf
    if (numbers(dataset, "SamplesPerPixel") or [1])[0] > 1 or brightest < SOFT_TISSUE[0]:
        return None
    return slope[0], intercept[0]


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
        """Of the last file; see `DicomFile.load`."""

    def __call__(self, wanted: Slice) -> Array:
        """(rows, columns), int16, rescaled; what is beyond 16 bits is cut off there. Greys without
        a rescale that are beyond them are int32.

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
            if wanted.capture or wanted.rescale is None:
                stored = _grey(stored, self._dataset, wanted)
        if stored.shape != wanted.shape:
            raise UnreadableError(
                "its pixels do not fit its header", where=name, cure="export it again"
            )
        slope, intercept = wanted.rescale or (1.0, 0.0)
        if slope == 1 and intercept == int(intercept) and stored.dtype.itemsize <= 2:
            rescaled: Array = stored.astype(np.int32) + int(intercept)
        else:
            rescaled = np.rint(stored * np.float64(slope) + intercept)
        if wanted.rescale is None and rescaled.max(initial=0) > LIMITS.max:
            return rescaled.astype(np.int32)
        return np.clip(rescaled, LIMITS.min, LIMITS.max).astype(np.int16)


def _grey(stored: Array, dataset: Dataset, wanted: Slice) -> Array:
    """What has no Hounsfield units in greys, white where dense."""
    if stored.ndim == 3:
        return to_grey(stored, source=wanted.file.name)[0]
    inverted = str(dataset.get("PhotometricInterpretation") or "").strip() == "MONOCHROME1"
    if not inverted or wanted.rescale:
        return stored
    bits = int(dataset.get("BitsStored") or 8 * stored.dtype.itemsize)
    lowest = -(2 ** (bits - 1)) if stored.dtype.kind == "i" else 0
    flipped: Array = (2 * lowest + 2**bits - 1) - stored.astype(np.int32)
    return flipped.astype(stored.dtype)
