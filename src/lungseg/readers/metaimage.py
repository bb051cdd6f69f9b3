"""MetaImage headers (.mha, and .mhd with files beside it), as ITK writes them
(itk.org/Wiki/ITK/MetaIO/Documentation).

They are a few lines of "key = value", so that reading them needs none of ITK's 264 MB.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.geometry import is_affine
from lungseg.provenance import Format
from lungseg.readers.files import Data, open_data, read_errors
from lungseg.readers.limits import chosen_frame
from lungseg.readers.notes import NO_SPACING
from lungseg.readers.raw_volume import RawVolume, numbered, sidecars, text_of
from lungseg.readers.units import scale_of

# fmt: off
_TYPES: Final = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}
# fmt: on
_SPACING: Final = frozenset({"ElementSpacing", "ElementSize"})
_MAX_HEADER_BYTES: Final = 2**16


def read_metaimage(data: Data, *, source: str, frame: int | None) -> RawVolume:
    """What a header says.

    Raises:
        UnreadableError: the header is damaged, contradicts itself, or names a file that is missing.
        UnsupportedError: colours or vectors, more than three axes and no frame chosen, text, or a
            unit that is no length.
    """
    with read_errors(data), open_data(data) as file:
        fields, length, rest = _parsed(file.read(_MAX_HEADER_BYTES))
    packed = _is_true(fields, "CompressedData")
    try:
        sizes = [int(size) for size in fields["DimSize"].split()]
        if len(sizes) != int(fields["NDims"]) or min(sizes) < 1:
            raise ValueError("DimSize")
        dtype = _dtype(fields, source)
        names = _names(fields["ElementDataFile"], rest)
        skip = int(fields.get("HeaderSize", 0))
        affine = _affine(fields, len(sizes), source)
    except (KeyError, ValueError) as error:
        raise UnreadableError(
            "the MetaImage header is damaged or incomplete",
            where=source,
            cure="copy or export it again",
        ) from error
    if not 2 <= len(sizes) <= 4:
        raise UnsupportedError(
            f"it has {len(sizes)} axes, and a volume has 3",
            where=source,
            cure="save one volume of it",
        )
    columns, rows, slices, frames = (*sizes, 1, 1)[:4]
    index = chosen_frame(frame, frames, source=source)
    if not is_affine(affine):
        raise UnreadableError(
            "its directions cannot be inverted",
            where=source,
            cure="repair its header, or export it again",
        )
    notes = () if _SPACING & fields.keys() else (NO_SPACING,)
    voxels = sidecars(data, names, source=source) if names is not None else (data,)
    start = length if names is None else 0
    if not packed:  # -1 says that the voxels are the end of the file
        start = -1 if skip == -1 else start + max(0, skip)
    return RawVolume(
        format=Format.METAIMAGE,
        shape=(slices, rows, columns),
        dtype=dtype,
        affine=None if notes else affine,
        data=voxels,
        start=start,
        skip=index * slices * rows * columns * dtype.itemsize,
        frames=frames,
        packing="deflate" if packed else "none",
        notes=(*notes, f"frame {index + 1} of {frames}") if frames > 1 else notes,
    )


def whole_header(data: Data, head: bytes) -> bytes:
    """The first bytes of a file, as many as it takes to hold its header: ITK writes all else that
    it knows before the sizes, such as the elements of a DICOM header.

    Raises:
        OSError: it cannot be opened; see `lungseg.readers.files.read_errors`.
    """
    if b"ElementDataFile" in head:
        return head
    with open_data(data) as file:
        return file.read(_MAX_HEADER_BYTES)


def is_flat(head: bytes) -> bool:
    """Whether a header, of which the first bytes are given, states two axes, others of length 1
    aside.
    """
    sizes = _parsed(head)[0].get("DimSize", "").split()
    numbers = [int(size) for size in sizes if size.isdecimal() and len(size) < 10]
    return len(numbers) == len(sizes) in (2, 3) and (*numbers, 1)[:3].count(1) == 1


def files_named(head: bytes) -> list[str]:
    """The files that have the voxels, by a header of which the first bytes are given; none where
    they follow it, or it is damaged.
    """
    fields, _, rest = _parsed(head)
    try:
        return _names(fields.get("ElementDataFile", "LOCAL"), rest) or []
    except ValueError:
        return []


def _parsed(head: bytes) -> tuple[dict[str, str], int, bytes]:
    """The header's fields, its length in bytes, and what follows of the bytes that are given; the
    field that names the data is the last.
    """
    fields: dict[str, str] = {}
    length = 0
    for line in head.splitlines(keepends=True):
        length += len(line)
        key, _, value = text_of(line).removeprefix("\ufeff").partition("=")
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            break
    return fields, length, head[length:]


def _names(value: str, rest: bytes) -> list[str] | None:
    """The files that have the voxels; None where they follow the header.

    A list of them follows the header, a line each; a pattern is followed by the first number, the
    last and the step.

    Raises:
        ValueError: it is none of these.
    """
    kind = value.upper().partition(" ")[0]
    if kind == "LOCAL":
        return None
    if kind == "LIST":
        lines = [text_of(line).strip() for line in rest.splitlines()]
        return [line for line in lines if line]
    return numbered(value) or [value]


def _is_true(fields: dict[str, str], key: str, *, otherwise: str = "False") -> bool:
    return fields.get(key, otherwise).lower() in ("true", "t", "1")


def _dtype(fields: dict[str, str], source: str) -> np.dtype[Any]:
    code = _TYPES.get(fields["ElementType"])
    if (
        code is None
        or int(fields.get("ElementNumberOfChannels", 1)) != 1
        or not _is_true(fields, "BinaryData", otherwise="True")
    ):
        raise UnsupportedError(
            "its voxels are colours, vectors or text",
            where=source,
            cure="save one 16-bit number for each voxel",
        )
    big_endian = any(
        _is_true(fields, key) for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    )
    return np.dtype((">" if big_endian else "<") + code)


def _affine(fields: dict[str, str], dimension: int, source: str) -> NDArray[np.float64]:
    """From (slice, row, column) to LPS; of two axes or four, made of three."""

    def numbers(*keys: str) -> NDArray[np.float64] | None:
        text = next((fields[key] for key in keys if key in fields), None)
        return None if text is None else np.array([float(number) for number in text.split()])

    matrix, origin = (
        numbers("TransformMatrix", "Orientation", "Rotation"),
        numbers("Offset", "Position", "Origin"),
    )
    spacing = numbers(*sorted(_SPACING, reverse=True))
    whole = np.eye(max(3, dimension))
    if matrix is not None:
        whole[:dimension, :dimension] = matrix.reshape(dimension, dimension)
    places, steps = np.zeros(max(3, dimension)), np.ones(max(3, dimension))
    if origin is not None:
        places[:dimension] = origin
    if spacing is not None:
        steps[:dimension] = spacing
    affine = np.eye(4)
    # A row of the matrix is the direction of an axis, the fastest first.
    affine[:3, :3] = (whole[:3, :3] * steps[:3, np.newaxis]).T[:, ::-1]
    affine[:3, 3] = places[:3]
    affine[:3] *= scale_of(fields.get("DistanceUnits", ""), source=source)
    return affine
