"""The voxels of a volume file, after its header: read in chunks, so that no second copy of them is
held, and no more than was stated.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers.files import Data, open_data, read_errors, size_of
from lungseg.readers.limits import is_plausible_rescale
from lungseg.readers.packing import MAX_RATIOS, Packing, read_into, unpacking
from lungseg.readers.voxels import VoxelBuffer, to_voxels
from lungseg.segmentation import Array

MAX_VOLUME_VOXELS = 2**30
"""Voxels; 4096 slices of 512 x 512, or 1024 of 1024 x 1024. As 16-bit numbers they take 2 GB."""
_NUMBERED = re.compile(
    r"([^%]*)%(0?\d{0,2})[diu]([^%]*?)\s+(-?\d+)\s+(-?\d+)(?:\s+(-?\d+))?(?:\s+\d+)?"
)
MAX_PARTS = 2**14
"""Files that the voxels of one volume may be spread over."""


@dataclass(frozen=True, slots=True, eq=False)
class RawVolume:
    """Where the voxels of a volume are, and what they mean; all that a header says.

    Attributes:
        format: of the file.
        shape: slices, rows, columns; the last one lies together in the file.
        dtype: the numbers, with their order of bytes.
        affine: (4, 4) from (slice, row, column) to LPS millimetres; None where not even a spacing
            is stated.
        data: what holds them: files that each have as many, one after the other; mostly one.
        start: bytes of each before the voxels, or before what is packed; -1 where they are its end.
        skip: bytes between there, unpacked, and the first voxel.
        frames: how many volumes there are, one after the other.
        packing: how they are packed; "deflate" is gzip or zlib.
        slope: what a stored number is multiplied by; before `intercept` is added.
        notes: what had to be assumed.
        doubts: see `lungseg.volume.Volume`.
        header: see `lungseg.volume.Volume`.
    """

    format: Format
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    affine: NDArray[np.float64] | None
    data: tuple[Data, ...]
    start: int = 0
    skip: int = 0
    frames: int = 1
    packing: Packing = "none"
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    header: bytes = b""

    @property
    def bytes_each(self) -> int:
        """Bytes of voxels in each of several files."""
        count = int(np.prod(self.shape, dtype=object))
        return count * self.frames * self.dtype.itemsize // len(self.data)


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
    data = _on_disk(header.parent, name)
    if not data.is_file():
        raise UnreadableError(
            f"its voxels are in {data.name}, and that is missing",
            where=source,
            cure="put it beside",
        )
    return data


def _on_disk(folder: Path, name: str) -> Path:
    """The file of that name below a folder, also where one of them spells an accent as a character
    of its own and the other does not, as Macs and what unpacks archives may leave it.
    """
    if (folder / name).is_file():
        return folder / name
    for part in PurePath(name).parts:
        spellings = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        folder = next((p for one in spellings if (p := folder / one).exists()), folder / part)
    return folder


def sidecars(header: Data, names: list[str], *, source: str) -> tuple[Data, ...]:
    """Several of them, as `sidecar` gives each.

    Raises:
        UnreadableError: there are none, one is missing, or they are more than `MAX_PARTS`.
        UnsupportedError: as `sidecar`.
    """
    if not 1 <= len(names) <= MAX_PARTS:
        raise UnreadableError(
            f"its header names {len(names)} files with its voxels",
            where=source,
            cure="copy or export it again",
        )
    return tuple(sidecar(header, name, source=source) for name in names)


def numbered(value: str) -> list[str]:
    """Names of files by a pattern as C's printf takes it, and the numbers that are put into it: the
    first, the last and the step, as in "slice%03d.raw 1 20 1"; none where it is no such pattern.

    Raises:
        ValueError: there are no numbers, or more than `MAX_PARTS`.
    """
    found = _NUMBERED.fullmatch(value)
    if found is None:
        return []
    first, last, step = int(found[4]), int(found[5]), int(found[6] or 1)
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if not 1 <= len(numbers) <= MAX_PARTS:
        raise ValueError("no numbers, or too many")
    before, field, after = found[1], found[2], found[3]
    return [f"{before}{number:{field}d}{after}" for number in numbers]


def text_of(line: bytes) -> str:
    """A line of a header: UTF-8, as most write today, or else Latin-1."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def read_voxels(
    raw: RawVolume, *, source: str, hounsfield: bool | None = None
) -> tuple[Array, bool, tuple[str, ...]]:
    """The voxels of a file, as `lungseg.readers.voxels.to_voxels` gives them.

    Args:
        raw: what the header says.
        source: the file's name, for errors.
        hounsfield: whether they are Hounsfield units, where that is known.

    Returns:
        (slices, rows, columns), whether they are Hounsfield units, and notes.

    Raises:
        TooLargeError: the header states too many voxels.
        UnreadableError: the file ends early, or is damaged.
        InputError: there are NaN or infinite values, or what they are to be multiplied by is no
            number that CT has.
    """
    _refuse(raw, source)
    voxels, is_hounsfield, notes = to_voxels(
        lambda target, shift: _fill(raw, target, shift, source=source), hounsfield=hounsfield
    )
    return voxels.reshape(raw.shape), is_hounsfield, notes


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
    if not is_plausible_rescale(raw.slope, raw.intercept):
        raise InputError(
            f"its header has voxels multiplied by {raw.slope:g} and {raw.intercept:g} added, which "
            "gives no grey values",
            where=source,
            cure="repair its slope and intercept, or export it again",
        )
    needed = count * raw.dtype.itemsize + raw.skip
    ratio = MAX_RATIOS[raw.packing]
    if ratio is None:
        return
    for part in raw.data:
        size = size_of(part) - max(0, raw.start)
        if (needed if len(raw.data) == 1 else raw.bytes_each) > size * ratio:
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
    stream: Any = _JoinedParts(raw, source) if len(raw.data) > 1 else None
    with stream or _opened_part(raw, raw.data[0]) as file:
        stream = stream or unpacking(file, raw.packing, source=source)
        skip = bytearray(2**16)
        for start in range(0, raw.skip, len(skip)):
            _read_into(stream, np.frombuffer(skip, np.uint8)[: raw.skip - start], source)
        yield stream


def _opened_part(raw: RawVolume, data: Data) -> BinaryIO:
    """A file that holds voxels, from the first of them on."""
    with read_errors(data):
        file = open_data(data)
    file.seek(raw.start if raw.start >= 0 else max(0, size_of(data) - raw.bytes_each))
    return file


class _JoinedParts(io.RawIOBase):
    """The voxels of several files, one after the other, each opened when it is its turn."""

    def __init__(self, raw: RawVolume, source: str) -> None:
        self._raw, self._source = raw, source
        self._parts = iter(raw.data)
        self._left = 0
        self._file: BinaryIO | None = None
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills up to the whole buffer; 0 after the last file, and where one ends early."""
        if not self._left:
            part = next(self._parts, None)
            if part is None:
                return 0
            self.close_part()
            self._file = _opened_part(self._raw, part)
            self._stream = unpacking(self._file, self._raw.packing, source=self._source)
            self._left = self._raw.bytes_each
        wanted = memoryview(buffer)[: self._left]
        count = read_into(self._stream, wanted, source=self._source) if self._stream else 0
        self._left -= count
        return count

    def close_part(self) -> None:
        """Closes the file that is open."""
        if self._file is not None:
            self._file.close()

    def close(self) -> None:
        """Closes it, and the file that is open."""
        self.close_part()
        super().close()


def _read_into(stream: BinaryIO, array: Array, source: str) -> None:
    """Fills the array with the next bytes of the stream."""
    view = array.view(np.uint8).data
    try:
        done = read_into(stream, view, source=source)
    except UnreadableError as error:
        raise UnreadableError(
            "the compressed voxels are damaged", where=source, cure="copy or export it again"
        ) from error
    if done < len(view):
        raise _truncated(source)
