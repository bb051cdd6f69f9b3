"""The voxels of a volume file, after its header: read in chunks, so that no second copy of them is
held, and no more than was stated.
"""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import TooLargeError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers.files import Data, open_data, read_errors, size_of
from lungseg.readers.voxels import VoxelBuffer, to_voxels
from lungseg.segmentation import Array

MAX_VOLUME_VOXELS = 2**30
"""Voxels; 4096 slices of 512 x 512, or 1024 of 1024 x 1024. As 16-bit numbers they take 2 GB."""
_MAX_DEFLATION_RATIO = 1032
"""How many times smaller deflate can make data at most (zlib technical details: 1032 to 1)."""
Packing = Literal["none", "deflate", "bzip2"]


@dataclass(frozen=True, slots=True, eq=False)
class RawVolume:
    """Where the voxels of a volume are, and what they mean; all that a header says.

    Attributes:
        format: of the file.
        shape: slices, rows, columns; the last one lies together in the file.
        dtype: the numbers, with their order of bytes.
        affine: (4, 4) from (slice, row, column) to LPS millimetres; None where not even a spacing
            is stated.
        data: what holds them.
        start: bytes of it before the voxels, or before what is packed.
        skip: bytes between there, unpacked, and the first voxel.
        packing: how they are packed; "deflate" is gzip or zlib.
        slope: what a stored number is multiplied by; before `intercept` is added.
        notes: what had to be assumed.
        header: see `lungseg.volume.Volume`.
    """

    format: Format
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    affine: NDArray[np.float64] | None
    data: Data
    start: int = 0
    skip: int = 0
    packing: Packing = "none"
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[str, ...] = ()
    header: bytes = b""


def sidecar(header: Data, name: str, *, source: str) -> Path:
    """The file with the voxels that a header names: in its own folder or below, for a header that
    came from elsewhere could name any.

    Raises:
        UnsupportedError: it is named in another folder, or the header is not in a file.
        UnreadableError: it is missing.
    """
    if isinstance(header, bytes):
        raise UnsupportedError(
            "its voxels are in another file", where=source, cure="give the path of its header"
        )
    parts = PurePath(name.replace("\\", "/")).parts
    if ".." in parts or PurePath(name).anchor or name.startswith("\\"):
        raise UnsupportedError(
            "its voxels are in another folder",
            where=source,
            cure="put them beside it, and name them so in the header",
        )
    data = header.parent / name
    if not data.is_file():
        raise UnreadableError(
            f"its voxels are in {data.name}, and that is missing",
            where=source,
            cure="put it beside",
        )
    return data


def read_voxels(raw: RawVolume, *, source: str) -> tuple[Array, bool, tuple[str, ...]]:
    """The voxels of a file, as `lungseg.readers.voxels.to_voxels` gives them.

    Args:
        raw: what the header says.
        source: the file's name, for errors.

    Returns:
        (slices, rows, columns), whether they are Hounsfield units, and notes.

    Raises:
        TooLargeError: the header states too many voxels.
        UnreadableError: the file ends early, or is damaged.
        InputError: there are NaN or infinite values.
    """
    _refuse(raw, source)
    voxels, hounsfield, notes = to_voxels(
        lambda target, shift: _fill(raw, target, shift, source=source)
    )
    return voxels.reshape(raw.shape), hounsfield, notes


def _refuse(raw: RawVolume, source: str) -> None:
    """Before anything is read: a size that no volume has, or that the file cannot hold."""
    count = int(np.prod(raw.shape, dtype=object))
    if count > MAX_VOLUME_VOXELS:
        raise TooLargeError(
            f"the header states {' x '.join(str(side) for side in raw.shape)} voxels, and it "
            "was not read",
            where=source,
            cure=f"give a volume of at most {MAX_VOLUME_VOXELS / 1e6:.0f} million voxels",
        )
    needed = count * raw.dtype.itemsize + raw.skip
    size = size_of(raw.data) - raw.start
    if raw.packing != "bzip2" and needed > size * (
        _MAX_DEFLATION_RATIO if raw.packing == "deflate" else 1
    ):
        raise _truncated(source)


def _truncated(source: str) -> UnreadableError:
    return UnreadableError(
        "the file ends before all voxels that its header states",
        where=source,
        cure="copy or export it again",
    )


def _fill(raw: RawVolume, target: np.dtype[Any], shift: float, *, source: str) -> VoxelBuffer:
    """All voxels in one row, in the type `target`, less `shift`."""
    filled = VoxelBuffer(np.empty(int(np.prod(raw.shape)), target))
    plain = (raw.slope, raw.intercept) == (1, 0)
    with _opened(raw, source) as stream:
        for chunk in filled.chunks():
            if plain and raw.dtype == target == np.int16:
                _read_into(stream, chunk, source)
                filled.note(chunk)
                continue
            numbers = np.empty(len(chunk), raw.dtype)
            _read_into(stream, numbers, source)
            values = (
                numbers
                if plain and numbers.dtype.kind in "iu"
                else numbers * np.float64(raw.slope) + raw.intercept
            )
            filled.convert(values, chunk, shift=shift, source=source)
    return filled


@contextmanager
def _opened(raw: RawVolume, source: str) -> Iterator[BinaryIO]:
    """The bytes from the first voxel on, unpacked."""
    with read_errors(raw.data):
        file = open_data(raw.data)
    with file:
        file.seek(raw.start)
        stream: Any = file
        if raw.packing == "deflate":
            stream = InflatingStream(file)
        elif raw.packing == "bzip2":
            stream = bz2.BZ2File(file)
        skip = bytearray(2**16)
        for start in range(0, raw.skip, len(skip)):
            _read_into(stream, np.frombuffer(skip, np.uint8)[: raw.skip - start], source)
        yield stream


def _read_into(stream: BinaryIO, array: Array, source: str) -> None:
    """Fills the array with the next bytes of the stream."""
    view = array.view(np.uint8).data
    done = 0
    try:
        while done < len(view):
            count = stream.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise _truncated(source)
            done += count
    except EOFError:
        raise _truncated(source) from None
    except (zlib.error, OSError):
        raise UnreadableError(
            "the compressed voxels are damaged", where=source, cure="copy or export it again"
        ) from None


class InflatingStream(io.RawIOBase):
    """The contents of a gzip (of one or several members) or zlib stream, never more of it at once
    than was asked for.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either of the two
        self._rest = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills up to the whole buffer; 0 at the end of the stream, and where the file ends before
        it.

        Raises:
            zlib.error: the stream is damaged.
        """
        while True:
            if self._inflate.eof:
                self._rest = self._inflate.unused_data
                if len(self._rest) < 2:
                    self._rest += self._file.read(2**18)
                if not self._rest.startswith(b"\x1f\x8b"):
                    return 0
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
            rest = self._rest or self._file.read(2**18)
            data = self._inflate.decompress(rest, len(buffer))
            self._rest = self._inflate.unconsumed_tail
            if data or not rest:
                buffer[: len(data)] = data
                return len(data)
