"""Arrays on the grid of a volume, or on a part of it, as the bytes of a NIfTI file.

The formats are those of nifti1.h and nifti2.h of the Data Format Working Group
(nifti.nimh.nih.gov).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import VolumeGeometry, quaternion, rotation, to_ras
from lungseg.provenance import Format
from lungseg.volume import Volume
from lungseg.writers.gzipped import gzipped

TYPES: Final = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "uint16": 512}
"""The codes of the types that this package writes."""

SKEWED: Final = 1e-4
"""Cosine between two axes above which they count as skewed, as under a tilted gantry: 0.05 mm in
500 mm, more than the six digits that DICOM files often have are wrong by, and less than any
tilt."""

MILLIMETRES: Final = 2
"""NIFTI_UNITS_MM."""

_FIELDS: Final = {  # in NIfTI-1 and NIfTI-2: format and offset
    "sizeof_hdr": (("i4", 0), ("i4", 0)),
    "magic": (("S4", 344), ("S8", 4)),
    "dim": (("8i2", 40), ("8i8", 16)),
    "datatype": (("i2", 70), ("i2", 12)),
    "bitpix": (("i2", 72), ("i2", 14)),
    "pixdim": (("8f4", 76), ("8f8", 104)),
    "vox_offset": (("f4", 108), ("i8", 168)),
    "scl_slope": (("f4", 112), ("f8", 176)),
    "descrip": (("S80", 148), ("S80", 240)),
    "qform_code": (("i2", 252), ("i4", 344)),
    "sform_code": (("i2", 254), ("i4", 348)),
    "quatern": (("3f4", 256), ("3f8", 352)),
    "qoffset": (("3f4", 268), ("3f8", 376)),
    "srow": (("(3,4)f4", 280), ("(3,4)f8", 400)),
    "xyzt_units": (("u1", 123), ("i4", 500)),
}
"""Those that are filled; all others stay 0. Three of a kind (quatern_b, _c, _d; qoffset_x, ...;
srow_x, ...) are one here."""

_PLACE: Final = ("pixdim", "qform_code", "sform_code", "quatern", "qoffset", "srow", "xyzt_units")
"""The fields that say where the grid lies."""

_MAGIC: Final = {348: b"n+1", 540: b"n+2\0\r\n\x1a\n"}
"""By the bytes of a header; voxels follow in the same file, after 4 bytes that say that there are
no extensions."""


def nifti_gz(
    arrays: Iterable[NDArray[Any]],
    volume: Volume,
    box: tuple[slice, ...],
    *,
    channels: int = 1,
    scale: float = 1.0,
) -> bytes:
    """A compressed NIfTI file.

    Where the volume came from a NIfTI file, all that says where its grid lies is that file's, bit
    by bit.

    Args:
        arrays: (slices, rows, columns), one for each channel, all of one type; made one by one, as
            they are compressed.
        volume: what they belong to.
        box: which part of it they cover, along its axes; steps of 1.
        channels: how many arrays there are.
        scale: what a value is to be multiplied with.
    """
    arrays = iter(arrays)
    first = next(arrays)
    header = _own_place(volume)
    if header is None:
        header = _new_place(volume.geometry)
    _move(header, [side.start for side in reversed(box)])
    sizes = [side.stop - side.start for side in reversed(box)] + [channels] * (channels > 1)
    header["sizeof_hdr"] = header.itemsize - 4
    header["magic"] = _MAGIC[header.itemsize - 4]
    header["dim"] = [len(sizes), *sizes] + [1] * (7 - len(sizes))
    header["datatype"], header["bitpix"] = TYPES[first.dtype.name], 8 * first.dtype.itemsize
    header["vox_offset"] = header.itemsize
    header["scl_slope"] = scale
    header["descrip"] = b"lungseg"
    stored = first.dtype.newbyteorder(header.dtype["datatype"].byteorder)
    return gzipped(_parts(header.tobytes(), first, arrays, stored))


def _parts(
    header: bytes, first: NDArray[Any], others: Iterable[NDArray[Any]], stored: np.dtype[Any]
) -> Iterable[Any]:
    yield header
    yield first.astype(stored, copy=False)
    for array in others:
        yield array.astype(stored, copy=False)


def _layout(length: int, order: Literal["<", ">"]) -> np.dtype[Any]:
    """Of a header of 348 or 540 bytes, and the 4 after it."""
    formats, offsets = zip(*(places[length == 540] for places in _FIELDS.values()), strict=True)
    layout: Any = {
        "names": list(_FIELDS),
        "formats": formats,
        "offsets": offsets,
        "itemsize": length + 4,
    }
    return np.dtype(layout).newbyteorder(order)


def _own_place(volume: Volume) -> NDArray[Any] | None:
    """The header of the file that the volume came from, of which only the grid is kept; None where
    there is none.
    """
    length = len(volume.source_header)
    if volume.provenance.format is not Format.NIFTI or length not in _MAGIC:
        return None
    little = int.from_bytes(volume.source_header[:4], "little") == length
    own = np.frombuffer(
        volume.source_header + bytes(4), _layout(length, "<" if little else ">")
    ).reshape(())
    header = np.zeros((), own.dtype)
    for field in _PLACE:
        header[field] = own[field]
    return header


def _new_place(grid: VolumeGeometry) -> NDArray[Any]:
    """An sform, and a qform where the axes are orthogonal: a quaternion can tell no other."""
    header = np.zeros((), _layout(348, "<"))
    header["pixdim"] = 1
    if grid.affine is None:
        return header
    affine = to_ras(grid.affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / spacing
    header["pixdim"][1:4] = spacing
    header["xyzt_units"] = MILLIMETRES
    header["sform_code"], header["srow"] = 1, affine[:3]
    if np.abs(axes.T @ axes - np.eye(3)).max() <= SKEWED:
        # "qfac", by which the third axis is multiplied: a rotation makes no left-handed axes of
        # right-handed ones.
        header["pixdim"][0] = handedness = np.copysign(1.0, np.linalg.det(axes))
        header["qform_code"], header["quatern"], header["qoffset"] = (
            1,
            quaternion(axes * (1, 1, handedness)),
            affine[:3, 3],
        )
    return header


def _move(header: NDArray[Any], start: list[int]) -> None:
    """The first voxel is now the one that had the index `start` (column, row, slice)."""
    if not any(start):
        return
    if header["sform_code"] > 0:
        header["srow"][:, 3] += header["srow"][:, :3].astype(np.float64) @ start
    if header["qform_code"] > 0:
        pixdim = header["pixdim"].astype(np.float64)
        edges = pixdim[1:4] * (1, 1, -1 if pixdim[0] < 0 else 1)
        header["qoffset"] += rotation(*header["quatern"].tolist()) @ (edges * start)
