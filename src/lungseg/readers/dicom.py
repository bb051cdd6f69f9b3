"""DICOM radiographs, one frame of one file."""

from __future__ import annotations

import logging
import math
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from lungseg.errors import TooLargeError, UnreadableError, UnsupportedError
from lungseg.geometry import SpacingPlane
from lungseg.readers.codestream import coded_size
from lungseg.readers.decoded import Decoded
from lungseg.readers.grayscale import numbers, to_brightness
from lungseg.readers.limits import LARGEST_AREA, SMALLER, chosen_page, refuse_too_large
from lungseg.readers.to_grey import to_grey
from lungseg.segmentation import Array

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

_log = logging.getLogger(__name__)
Spacing = tuple[float, float]

MODALITIES = frozenset(
    {"CR", "DX", "DR", "RG", "RF", "DF", "XA", "MG", "PX", "IO", "HC", "SC", "OT"}
)
"""Projection radiographs, and what says nothing of its kind (PS3.3 C.7.3.1.1.1; DR and SC are no
defined terms but do occur). Whether the picture shows a chest is judged later, from the picture."""
STORAGE = "1.2.840.10008.5.1.4.1.1."
_RADIOGRAPH_STORAGE = tuple(
    STORAGE + number
    for number in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "12.1", "12.2")
)
SECONDARY_CAPTURE = (
    STORAGE + "7",
    STORAGE + "7.1",
    STORAGE + "7.2",
    STORAGE + "7.3",
    STORAGE + "7.4",
)
_COLOURS = frozenset(
    {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
)
_GREYS = frozenset({"MONOCHROME1", "MONOCHROME2"})
SYNTAXES = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.1.99": "deflated explicit little endian",
    "1.2.840.10008.1.2.2": "explicit big endian",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE",
}
"""What is read, by transfer syntax UID (PS3.6 table A-1)."""
_JPEG, _JPEG_EXTENDED = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.4.51"
_LOSSY_JPEG = frozenset({_JPEG + "50", _JPEG_EXTENDED})
_LARGEST_INFLATED = 6 * LARGEST_AREA + 2**26
"""Bytes: the largest image in three colours of 16 bits, and a generous header."""
_BIT = 2**10
"""Bytes that are inflated at a time; they can become a thousand times as many."""
_SAME_SPACING = 1e-3
"""Relative; spacings closer than this differ by rounding only."""
_lock = threading.Lock()


def read_dicom(content: bytes, *, source: str, page: int | None) -> Decoded:
    """Decode one frame of a DICOM radiograph to displayable grey.

    Args:
        content: the whole file, with or without preamble.
        source: the file's name, for errors; nothing from the file's own text goes into errors or
            notes but technical terms.
        page: the frame, counted from 1; must be given where there are several.

    Raises:
        UnreadableError: there is no pixel data, or it is damaged or truncated.
        UnsupportedError: no radiograph, a colour picture, several frames and none chosen, or a
            compression that is not read.
        TooLargeError: the header states too many pixels.
    """
    import pydicom

    with silence() as caught:
        dataset = pydicom.dcmread(Guarded(BytesIO(content), source), force=True)
        cut = any("end of file" in str(warning.message).lower() for warning in caught)
        syntax = transfer_syntax(dataset)
        _refuse_other_images(dataset, cut=cut, source=source)
        photometric = _photometric(dataset, source)
        frames = int(dataset.get("NumberOfFrames") or 1)
        index = chosen_page(page, frames, noun="frame", source=source)
        stored = decode(dataset, syntax, index, source)
        if photometric in _GREYS and stored.ndim == 2:
            pixels, notes = to_brightness(stored, dataset)
        elif photometric in _COLOURS | {"PALETTE COLOR"} and stored.ndim == 3:
            pixels, notes = to_grey(stored, source=source)
        else:
            raise UnreadableError(
                f"its pixels do not fit {photometric}, which its header states",
                where=source,
                cure="export it again",
            )
        spacing, plane, spacing_notes = _spacing(dataset)
        notes = (*notes, *spacing_notes, *_orientation_notes(dataset))
    return Decoded(pixels, f"DICOM ({SYNTAXES[syntax]})", spacing, plane, notes)


@contextmanager
def silence() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of a parser, and hold back pydicom's log: they are about details of the
    header and may quote the patient.

    Warning filters belong to the whole process before Python 3.14, so that two threads here at once
    would leave them changed; hence the lock. It costs little: parsing and decoding hold the
    interpreter anyway.
    """
    chatter, thread = logging.getLogger("pydicom"), threading.get_ident()

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chatter.addFilter(from_elsewhere)
        try:
            yield caught
        finally:
            chatter.removeFilter(from_elsewhere)


class Guarded:
    """A DICOM file as pydicom reads it, which asks for all the rest of one in one case only: to
    inflate it (PS3.5 section A.5).

    A deflated data set has no header to look at before that; so it is inflated bit by bit here
    first, and nothing is kept.

    Raises:
        UnreadableError: it cannot be inflated.
        TooLargeError: it holds more than an image has.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file, self._source = file, source
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left."""
        content = self._file.read(size)
        if size < 0:
            self._refuse_inflated(content)
        return content

    def _refuse_inflated(self, rest: bytes) -> None:
        stream, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        for start in range(0, len(rest), _BIT):
            try:
                total += len(stream.decompress(rest[start : start + _BIT]))
            except zlib.error:
                break
            if total > _LARGEST_INFLATED:
                what = (
                    "the deflated DICOM file holds more than an image has, and it was not decoded"
                )
                raise TooLargeError(what, where=self._source, cure=SMALLER)
            if stream.eof:
                return
        raise UnreadableError(
            "the deflated DICOM file is damaged", where=self._source, cure="copy or export it again"
        )


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


def _refuse_other_images(dataset: Dataset, *, cut: bool, source: str) -> None:
    from pydicom.uid import UID

    modality = str(dataset.get("Modality") or "").strip()
    storage = UID(str(dataset.get("SOPClassUID") or ""))
    other = None
    if modality and modality not in MODALITIES:
        other = (
            f"of modality {modality}"
            if len(modality) <= 16 and modality.isalnum()
            else "of an unknown modality"
        )
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
        raise UnreadableError(what, where=source, cure="give a radiograph")
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
    photometric = str(dataset.get("PhotometricInterpretation") or "").strip()
    if photometric in _GREYS | _COLOURS | {"PALETTE COLOR"}:
        return photometric
    stated = "is not one that is known" if photometric else "is missing"
    raise UnsupportedError(
        f"its photometric interpretation {stated}, so that black cannot be told from white",
        where=source,
        cure="export it as MONOCHROME1 or MONOCHROME2",
    )


def decode(dataset: FileDataset, syntax: str, index: int, source: str) -> Array:
    """One frame, counted from 0: (rows, columns) as stored, or (rows, columns, 3) as red, green,
    blue.

    Raises:
        UnsupportedError: the compression is not read.
        UnreadableError: the pixels are damaged.
    """
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    if syntax not in SYNTAXES:
        from pydicom.uid import UID

        uid = UID(syntax)
        how = f"as {uid.name}" if uid.is_valid else "in an unknown way"
        raise UnsupportedError(
            f"its pixels are compressed {how}, which is not read",
            where=source,
            cure="convert it to explicit little endian first",
        )
    stored: Array
    try:
        frame = _frame(dataset, index) if syntax.startswith(_JPEG) else b""
        if syntax == _JPEG_EXTENDED and int(dataset.BitsAllocated) == 16:
            stored = _decode_twelve_bits(frame, int(dataset.Rows), int(dataset.Columns))
        else:
            # GDCM ends the whole process at some damages of 8-bit JPEG (python-gdcm issue 34),
            # where Pillow raises an error.
            plugin = "pillow" if syntax in _LOSSY_JPEG else ""
            if dataset.SamplesPerPixel > 1:
                dataset.setdefault(
                    "PlanarConfiguration", 0
                )  # colours pixel by pixel; required (PS3.3 C.7.6.3.1.3), but some leave it out
            stored = _aligned(
                pixel_array(
                    dataset, index=index, decoding_plugin=plugin, correct_unused_bits=False
                ),
                dataset,
            )
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            stored = apply_color_lut(stored, dataset)
    except MemoryError:
        raise
    except Exception as error:  # decoders throw what they like at damaged data
        _log.debug("%s: %s while decoding %s", source, type(error).__name__, SYNTAXES[syntax])
        raise UnreadableError(
            f"its pixels ({SYNTAXES[syntax]}) could not be decoded: they are damaged, truncated, "
            "or do not fit the header",
            where=source,
            cure="export it again, uncompressed if that can be chosen",
        ) from error
    return stored


def _aligned(words: Array, dataset: Dataset) -> Array:
    """The stored bits of each word. Older writers kept overlays in the other ones, or the pixels in
    the upper ones and nothing below them (PS3.5 section 8.1.1, High Bit).
    """
    size = 8 * words.itemsize
    spare = size - int(dataset.BitsStored)
    if spare <= 0:
        return words
    at_the_top = dataset.get("HighBit") == size - 1 and not (words & (2**spare - 1)).any()
    aligned: Array = (words if at_the_top else words << spare) >> spare
    return aligned


def _frame(dataset: Dataset, index: int) -> bytes:
    """The bytes of a compressed frame, which state the size that the header states: a decoder takes
    as much memory as they say.

    Raises:
        ValueError: they state another one.
    """
    from pydicom.encaps import get_frame

    offsets = [
        dataset.get(keyword) for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    ]
    frame = get_frame(
        dataset.PixelData,
        index,
        number_of_frames=int(dataset.get("NumberOfFrames") or 1),
        extended_offsets=(offsets[0], offsets[1]) if None not in offsets else None,
    )
    if coded_size(frame) != (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel):
        raise ValueError("another size")
    return frame


def _decode_twelve_bits(frame: bytes, rows: int, columns: int) -> Array:
    """JPEG extended with 12 bits, which pydicom does not hand to GDCM.

    GDCM lets ringing leave the 12 bits and then cuts off what is above them, so that white turns
    black. Told of a 13th bit, it keeps that, and the values can be limited here.
    """
    import gdcm
    import numpy as np

    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(frame)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 13, 12, 0))
    # GDCM hands its bytes out as text; None where it could not decode them.
    thirteen = np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), "<u2").reshape(
        rows, columns
    )
    below_zero = thirteen >= 2**12 + 2**11
    return np.where(below_zero, np.uint16(0), np.minimum(thirteen, np.uint16(2**12 - 1)))


def _spacing(dataset: Dataset) -> tuple[Spacing | None, SpacingPlane, tuple[str, ...]]:
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


def _orientation_notes(dataset: Dataset) -> tuple[str, ...]:
    """A note where the columns run towards the patient's right, so that the film hangs the other
    way round than usual.
    """
    orientation = dataset.get("PatientOrientation")
    if orientation and not isinstance(orientation, str) and str(orientation[0]).startswith("R"):
        return ("the header says that the patient's right is on the right of this picture",)
    return ()
