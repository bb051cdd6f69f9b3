"""NRRD headers (teem.sourceforge.net/nrrd/format.html), read by pynrrd."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UnreadableError, UnsupportedError
from lungseg.geometry import AXIAL, is_affine
from lungseg.provenance import Format
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.readers.files import Data, open_data, read_errors, size_of
from lungseg.readers.limits import chosen_frame
from lungseg.readers.notes import NO_ORIENTATION, NO_SPACING
from lungseg.readers.raw_volume import Packing, RawVolume, sidecar

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


def read_nrrd(data: Data, *, source: str, frame: int | None) -> RawVolume:
    """What a header says, of a .nrrd file or of a .nhdr file whose voxels are in another one.

    Raises:
        UnreadableError: the header is damaged or contradicts itself.
        UnsupportedError: colours or vectors, more than three axes and no frame chosen, or an
            encoding that is not read.
    """
    header, text = _header(data, source)
    sizes = [int(size) for size in header["sizes"]]
    dtype = next((code for code, names in _TYPES.items() if header["type"].lower() in names), None)
    packing = _PACKINGS.get(str(header["encoding"]).lower())
    if dtype is None or packing is None or int(header.get("line skip", header.get("lineskip", 0))):
        raise UnsupportedError(
            "its type or encoding of voxels is not read",
            where=source,
            cure="save it as short integers, raw or gzip",
        )
    number = np.dtype((">" if header.get("endian") == "big" else "<") + dtype)
    directions = _directions(header, len(sizes))
    columns, rows, slices, frames, steps = _three_axes(sizes, directions, source)
    index = chosen_frame(frame, frames, source=source)
    affine, notes = _affine(header, steps, source)
    voxels, start = _voxel_data(header, data, source, len(text))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    size = int(np.prod(sizes)) * number.itemsize
    skip = size_of(voxels) - start - size if skip == -1 else skip
    return RawVolume(
        format=Format.NRRD,
        shape=(slices, rows, columns),
        dtype=number,
        affine=affine,
        data=voxels,
        start=start,
        skip=max(0, skip) + index * slices * rows * columns * number.itemsize,
        packing=packing,
        notes=(*notes, f"frame {index + 1} of {frames}") if frames > 1 else notes,
        header=text,
    )


def _header(data: Data, source: str) -> tuple[dict[str, Any], bytes]:
    """The fields, and the text up to the empty line, that included."""
    import nrrd

    with read_errors(data), open_data(data) as file:
        stream = BytesIO(file.read(_MAX_HEADER_BYTES))
    try:
        with quiet_pydicom():
            header = dict(nrrd.read_header(stream))
        text = stream.getvalue()[: stream.tell()]
        if len(header["sizes"]) != header["dimension"] or min(header["sizes"]) < 1:
            raise ValueError("sizes")
    except Exception as error:  # a parser throws what it likes at a damaged header
        raise UnreadableError(
            "the NRRD header is damaged or incomplete", where=source, cure="copy or export it again"
        ) from error
    return header, text


def _directions(header: dict[str, Any], dimension: int) -> list[NDArray[np.float64] | None] | None:
    """The step along each axis, None for an axis that is not of space; None altogether where none
    is stated.
    """
    stated = header.get("space directions")
    if stated is None:
        spacings = header.get("spacings")
        if spacings is None or dimension != 3:
            return None
        return list(AXIAL[:, ::-1].T * np.array(spacings, np.float64)[:, np.newaxis])
    found = [None if vector is None else np.array(vector, np.float64) for vector in stated]
    return [None if vector is None or np.isnan(vector).any() else vector for vector in found]


def _three_axes(
    sizes: list[int], directions: list[NDArray[np.float64] | None] | None, source: str
) -> tuple[int, int, int, int, list[NDArray[np.float64]]]:
    """Columns, rows, slices, frames, and the step along the first three."""
    steps = directions or [AXIAL[:, 2], AXIAL[:, 1], AXIAL[:, 0]]
    if len(steps) == 4 and steps[0] is None:
        raise UnsupportedError(
            "its voxels are colours or vectors", where=source, cure="save one number for each voxel"
        )
    spatial = [step for step in steps[:3] if step is not None]
    if len(sizes) not in (2, 3, 4) or len(spatial) != 3:
        raise UnsupportedError(
            f"it has {len(sizes)} axes, and a volume has 3",
            where=source,
            cure="save one volume of it",
        )
    columns, rows, slices, frames = (*sizes, 1, 1)[:4]
    return columns, rows, slices, frames, spatial


def _affine(
    header: dict[str, Any], steps: list[NDArray[np.float64]], source: str
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """From (slice, row, column) to LPS, None where not even a spacing is stated, and notes."""
    if header.get("space directions") is None and header.get("spacings") is None:
        return None, (NO_SPACING,)
    space = str(header.get("space", "")).lower()
    signs = _SPACES.get(space.removesuffix("-time"), (1, 1, 1))
    notes = () if space.removesuffix("-time") in _SPACES else (NO_ORIENTATION,)
    affine = np.eye(4)
    affine[:3, :3] = np.stack(steps[::-1], axis=1) * np.array(signs)[:, np.newaxis]
    origin = header.get("space origin")
    if origin is not None and np.isfinite(origin).all():
        affine[:3, 3] = np.array(origin, np.float64)[:3] * signs
    if not is_affine(affine):
        raise UnreadableError(
            "its space directions cannot be inverted",
            where=source,
            cure="repair its header, or export it again",
        )
    return affine, notes


def _voxel_data(header: dict[str, Any], data: Data, source: str, length: int) -> tuple[Data, int]:
    """What holds the voxels, and where what is packed begins in it."""
    name = header.get("data file", header.get("datafile"))
    if name is None:
        return data, length
    if not isinstance(name, str) or name.startswith("LIST") or "%" in name:
        raise UnsupportedError(
            "its voxels are spread over several files",
            where=source,
            cure="save it as one .nrrd file",
        )
    return sidecar(data, name, source=source), 0
