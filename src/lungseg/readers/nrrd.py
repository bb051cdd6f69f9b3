"""NRRD headers (teem.sourceforge.net/nrrd/format.html), read by pynrrd."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from shlex import split
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.geometry import AXIAL, is_affine
from lungseg.provenance import Format
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.readers.files import Data, open_data, read_errors
from lungseg.readers.limits import chosen_frame
from lungseg.readers.notes import NO_ORIENTATION, NO_SPACING
from lungseg.readers.packing import Packing
from lungseg.readers.raw_volume import RawVolume, numbered, sidecars, text_of
from lungseg.readers.units import scale_of

_SPACES: Final = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
"""What coordinates are multiplied by to be LPS."""
# fmt: off
_TYPES: Final = {
    "i1": {"signed char", "int8", "int8_t"},
    "u1": {"uchar", "unsigned char", "uint8", "uint8_t"},
    "i2": {"short", "short int", "signed short", "signed short int", "int16", "int16_t"},
    "u2": {"ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"},
    "i4": {"int", "signed int", "int32", "int32_t"},
    "u4": {"uint", "unsigned int", "uint32", "uint32_t"},
    "i8": {"longlong", "long long", "long long int", "signed long long", "signed long long int",
    "int64", "int64_t"},
    "u8": {"ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"},
    "f4": {"float"},
    "f8": {"double"},
}
# fmt: on
_PACKINGS: Final[dict[str, Packing]] = {
    "raw": "none",
    "gzip": "deflate",
    "gz": "deflate",
    "bzip2": "bzip2",
    "bz2": "bzip2",
}
_MAX_HEADER_BYTES: Final = 2**20
"""Bytes; a header has a few hundred."""
_DATA_FILE: Final = re.compile(rb"^data ?file:[ \t]*([^\r\n]*)\r?\n?", re.MULTILINE)
_LIST: Final = re.compile(r"LIST(\s+\d+)?")
_UNITS: Final = re.compile(rb"^((?:space )?units):[ \t]*([^\r\n]*)", re.MULTILINE)
_SIZES: Final = re.compile(rb"^sizes:[ \t]*([\d \t]+)", re.MULTILINE)


def read_nrrd(data: Data, *, source: str, frame: int | None) -> RawVolume:
    """What a header says, of a .nrrd file or of a .nhdr file whose voxels are in others.

    Raises:
        UnreadableError: the header is damaged or contradicts itself.
        UnsupportedError: colours or vectors, more than three axes and no frame chosen, an encoding
            that is not read, or a unit that is no length.
    """
    header, text, names = _header(data, source)
    dtype = next((code for code, known in _TYPES.items() if header["type"].lower() in known), None)
    packing = _PACKINGS.get(str(header["encoding"]).lower())
    if dtype is None or packing is None or int(header.get("line skip", header.get("lineskip", 0))):
        raise UnsupportedError(
            "its type or encoding of voxels is not read",
            where=source,
            cure="save it as short integers, raw or gzip",
        )
    sizes, steps = _axes(header, source)
    columns, rows, slices, frames = (*sizes, 1, 1)[:4]
    index = chosen_frame(frame, frames, source=source)
    affine, notes = _affine(header, steps, source)
    number = np.dtype((">" if header.get("endian") == "big" else "<") + dtype)
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    voxels = (data,) if names is None else sidecars(data, names, source=source)
    start = len(text) if names is None else 0
    unpacked = 0
    if packing != "none":
        unpacked = _skipped_when_unpacked(skip, voxels, source)
    else:
        start = -1 if skip == -1 else start + max(0, skip)
    return RawVolume(
        format=Format.NRRD,
        shape=(slices, rows, columns),
        dtype=number,
        affine=affine,
        data=voxels,
        start=start,
        skip=unpacked + index * slices * rows * columns * number.itemsize,
        frames=frames,
        packing=packing,
        notes=(*notes, f"frame {index + 1} of {frames}") if frames > 1 else notes,
        header=text,
    )


def is_flat(head: bytes) -> bool:
    """Whether a header, of which the first bytes are given, states two axes, others of length 1
    aside.
    """
    found = _SIZES.search(head.partition(b"\n\n")[0] + b"\n")
    sizes = found[1].split()[:4] if found else []
    sizes = [int(size) for size in sizes if len(size) < 10]
    return 2 <= len(sizes) <= 3 and (*sizes, 1)[:3].count(1) == 1


def files_named(head: bytes) -> list[str]:
    """The files that have the voxels, by a header of which the first bytes are given; none where
    they follow it, or it is damaged.
    """
    try:
        return _files_named(head)[1] or []
    except ValueError:
        return []


def _header(data: Data, source: str) -> tuple[dict[str, Any], bytes, list[str] | None]:
    """The fields, the text up to the empty line, that included, and the files that have the
    voxels, None where they follow the header.
    """
    import nrrd

    with read_errors(data), open_data(data) as file:
        content = file.read(_MAX_HEADER_BYTES)
    try:
        # pynrrd knows no lists of files, and leaves out what is not ASCII, in names and in units.
        kept, names = _files_named(content)
        stream = BytesIO(kept)
        with quiet_pydicom():
            header = dict(nrrd.read_header(stream))
        text = kept[: stream.tell()]
        header |= {found[1].decode(): split(text_of(found[2])) for found in _UNITS.finditer(text)}
        if len(header["sizes"]) != header["dimension"] or min(header["sizes"]) < 1:
            raise ValueError("sizes")
    except Exception as error:  # a parser throws what it likes at a damaged header
        raise UnreadableError(
            "the NRRD header is damaged or incomplete", where=source, cure="copy or export it again"
        ) from error
    return header, text, names


def _files_named(content: bytes) -> tuple[bytes, list[str] | None]:
    """A header without the list of files that may end it, and those files, None where the voxels
    follow the header.
    """
    ends = [place for place in (content.find(b"\n\n"), content.find(b"\r\n\r\n")) if place >= 0]
    found = _DATA_FILE.search(content[: min(ends, default=len(content)) + 2])
    if found is None:
        return content, None
    name = text_of(found[1]).strip()
    if _LIST.fullmatch(name):
        lines = [text_of(line).strip() for line in content[found.end() :].splitlines()]
        return content[: found.end()], [line for line in lines if line]
    return content, numbered(name) or [name]


def _skipped_when_unpacked(skip: int, voxels: Sequence[Data], source: str) -> int:
    """Bytes to be passed over in what is packed, not in the file."""
    if skip and (skip < 0 or len(voxels) > 1):
        raise UnsupportedError(
            "it has something else before its packed voxels",
            where=source,
            cure="save it as one .nrrd file",
        )
    return skip


def _axes(header: dict[str, Any], source: str) -> tuple[list[int], list[NDArray[np.float64]]]:
    """The sizes of two to four axes, and the step along each of the first three; a third that is
    missing is one of 1 mm.
    """
    sizes = [int(size) for size in header["sizes"]]
    stated = header.get("space directions")
    steps: list[NDArray[np.float64] | None] = list(AXIAL[:, ::-1].T)[: len(sizes)]
    spacings = header.get("spacings")
    if stated is not None:
        steps = [None if v is None or np.isnan(v).any() else _in_space(v) for v in stated]
    elif spacings is not None:
        sides = np.array(spacings, np.float64) * _scales(header, "units", len(sizes), source)
        steps += [None] * (len(sizes) - len(steps))
        steps = [
            None if step is None or not np.isfinite(side) else step * side
            for step, side in zip(steps, sides, strict=True)
        ]
    if len(sizes) > 2 and len(steps) == len(sizes) and steps[0] is None:
        if sizes[0] != 1:
            raise UnsupportedError(
                "its voxels are colours or vectors",
                where=source,
                cure="save one number for each voxel",
            )
        sizes, steps = sizes[1:], steps[1:]
    spatial = [step for step in steps[:3] if step is not None]
    if len(sizes) not in (2, 3, 4) or len(spatial) != min(3, len(sizes)):
        raise UnsupportedError(
            f"it has {len(sizes)} axes, and a volume has 3",
            where=source,
            cure="save one volume of it",
        )
    return sizes, [*spatial, AXIAL[:, 0]] if len(spatial) == 2 else spatial


def _in_space(vector: Any) -> NDArray[np.float64]:
    """Of a plane or of space and time, the part in space."""
    step = np.zeros(3)
    numbers = np.array(vector, np.float64)[:3]
    step[: len(numbers)] = numbers
    return step


def _scales(header: dict[str, Any], field: str, count: int, source: str) -> NDArray[np.float64]:
    """Millimetres that one of each axis is; 1 where no unit is stated."""
    units = [str(unit) for unit in header.get(field) or []]
    scales = np.ones(count)
    for axis, unit in enumerate(units[:count]):
        scales[axis] = scale_of(unit, source=source) if axis < 3 else 1.0
    return scales


def _affine(
    header: dict[str, Any], steps: list[NDArray[np.float64]], source: str
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """From (slice, row, column) to LPS, None where not even a spacing is stated, and notes."""
    if header.get("space directions") is None and header.get("spacings") is None:
        return None, (NO_SPACING,)
    space = str(header.get("space", "")).lower().removesuffix("-time")
    notes = () if space in _SPACES else (NO_ORIENTATION,)
    scales = np.array(_SPACES.get(space, (1, 1, 1))) * _scales(header, "space units", 3, source)
    affine = np.eye(4)
    affine[:3, :3] = np.stack(steps[::-1], axis=1) * scales[:, np.newaxis]
    origin = header.get("space origin")
    if origin is not None and np.isfinite(origin).all():
        affine[:3, 3] = _in_space(origin) * scales
    if not is_affine(affine):
        raise UnreadableError(
            "its space directions cannot be inverted",
            where=source,
            cure="repair its header, or export it again",
        )
    return affine, notes
