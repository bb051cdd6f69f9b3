"""The stored pixels of a DICOM file: guarded against what harms a decoder, decoded and aligned."""

from __future__ import annotations

import logging
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from lungseg.errors import TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers.codestream import coded_size
from lungseg.readers.limits import MAX_AREA_PIXELS, SMALLER_IMAGE
from lungseg.segmentation import Array

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

_log = logging.getLogger(__name__)

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
_MAX_INFLATED_BYTES = 6 * MAX_AREA_PIXELS + 2**26
"""Bytes: the largest image in three colours of 16 bits, and a generous header."""
_CHUNK_BYTES = 2**10
"""Bytes that are inflated at a time; they can become a thousand times as many."""
_lock = threading.Lock()


@contextmanager
def quiet_pydicom() -> Iterator[list[warnings.WarningMessage]]:
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


class InflateGuard:
    """A DICOM file as pydicom reads it, which asks for all the rest of one in one case only: to
    inflate it (PS3.5 section A.5).

    A deflated data set has no header to look at before that; so it is inflated in chunks here
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
        for start in range(0, len(rest), _CHUNK_BYTES):
            try:
                total += len(stream.decompress(rest[start : start + _CHUNK_BYTES]))
            except zlib.error:
                break
            if total > _MAX_INFLATED_BYTES:
                what = (
                    "the deflated DICOM file holds more than an image has, and it was not decoded"
                )
                raise TooLargeError(what, where=self._source, cure=SMALLER_IMAGE)
            if stream.eof:
                return
        raise UnreadableError(
            "the deflated DICOM file is damaged", where=self._source, cure="copy or export it again"
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
