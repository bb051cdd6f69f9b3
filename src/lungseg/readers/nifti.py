"""NIfTI headers, version 1 and 2 (nifti1.h and nifti2.h of the Data Format Working Group,
nifti.nimh.nih.gov).
"""

from __future__ import annotations

import struct
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import LungsegError, UnreadableError, UnsupportedError
from lungseg.geometry import is_affine, rotation, to_ras
from lungseg.provenance import Format
from lungseg.readers.files import Data, file_head
from lungseg.readers.limits import chosen_frame
from lungseg.readers.notes import NO_ORIENTATION
from lungseg.readers.packing import Packing
from lungseg.readers.raw_volume import RawVolume, sidecar
from lungseg.readers.signatures import sniff
from lungseg.readers.stated_spacing import CONTRADICTORY, disagreement

_TYPES: Final = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_COLOURS: Final = {128, 2304}
_MILLIMETRES: Final = {1: 1000.0, 3: 0.001}
"""What the units of space, metres and micrometres, are multiplied by; all others, "unknown" among
them, are taken as millimetres."""
_MAX_EXTENSION_BYTES: Final = 2**28
"""Bytes before the first voxel; what is called extensions lies there."""


class _Layout(NamedTuple):
    """Where a version keeps its fields: offset and format of each."""

    length: int
    dim: tuple[int, str]
    datatype: tuple[int, str]
    pixdim: tuple[int, str]
    offset: tuple[int, str]
    scaling: tuple[int, str]
    codes: tuple[int, str]
    """qform_code and sform_code."""
    quaternion: tuple[int, str]
    """b, c, d, and then the offsets."""
    rows: tuple[int, str]
    units: int


_FIRST: Final = _Layout(
    348,
    (40, "8h"),
    (70, "h"),
    (76, "8f"),
    (108, "f"),
    (112, "2f"),
    (252, "2h"),
    (256, "6f"),
    (280, "12f"),
    123,
)
_SECOND: Final = _Layout(
    540,
    (16, "8q"),
    (12, "h"),
    (104, "8d"),
    (168, "q"),
    (176, "2d"),
    (344, "2i"),
    (352, "6d"),
    (400, "12d"),
    500,
)


def read_nifti(
    data: Data, head: bytes, *, source: str, packing: Packing, frame: int | None
) -> RawVolume:
    """What a header says: of a .nii file, packed or not, or the .hdr of a pair.

    Args:
        data: the file.
        head: its first bytes, unpacked, 540 at least.
        source: the file's name, for errors.
        packing: how the file is packed.
        frame: which volume of several, counted from 1.

    Raises:
        UnreadableError: the header contradicts itself, or its affine cannot be inverted.
        UnsupportedError: colours, complex numbers, more than three axes and no frame chosen.
    """
    order, layout = _layout_of(head, source)

    def field(place: tuple[int, str]) -> tuple[Any, ...]:
        return struct.unpack_from(order + place[1], head, place[0])

    dtype = _dtype(field(layout.datatype)[0], order, source)
    columns, rows, slices, frames = _sizes(field(layout.dim), source)
    index = chosen_frame(frame, frames, source=source)
    units = head[layout.units if order == "<" or layout is _FIRST else layout.units + 3] & 7
    affine, notes = _affine(
        field(layout.pixdim),
        field(layout.codes),
        field(layout.quaternion),
        field(layout.rows),
        _MILLIMETRES.get(units, 1.0),
        source,
    )
    stated = np.array(field(layout.pixdim)[3:0:-1]) * _MILLIMETRES.get(units, 1.0)
    differs = disagreement(stated, affine)
    offset = field(layout.offset)[0]
    pair = head[344:346] == b"ni" or head[4:6] == b"ni"
    if not (0 if pair else layout.length) <= offset <= _MAX_EXTENSION_BYTES:
        offset = 0 if pair else layout.length + 4
    slope, intercept = field(layout.scaling)
    scaled = np.isfinite(slope) and slope != 0
    if frames > 1:
        notes = (*notes, f"frame {index + 1} of {frames}")
    return RawVolume(
        format=Format.NIFTI,
        shape=(slices, rows, columns),
        dtype=dtype,
        affine=affine,
        data=(_image_of(data, source) if pair else data,),
        skip=int(offset) + index * slices * rows * columns * dtype.itemsize,
        packing=packing,
        slope=float(slope) if scaled else 1.0,
        intercept=float(intercept) if scaled and np.isfinite(intercept) else 0.0,
        notes=(*notes, *differs),
        doubts=(CONTRADICTORY,) if differs else (),
        header=head[: layout.length],
    )


def _layout_of(head: bytes, source: str) -> tuple[str, _Layout]:
    """The order of bytes, "<" or ">", and where the fields are."""
    sizes = {
        struct.pack(order + "i", layout.length): (order, layout)
        for order in "<>"
        for layout in (_FIRST, _SECOND)
    }
    order, layout = sizes.get(head[:4], ("", _FIRST))
    if not order or len(head) < layout.length:
        raise UnreadableError(
            "the NIfTI header is damaged or truncated", where=source, cure="copy or export it again"
        )
    return order, layout


def _dtype(code: int, order: str, source: str) -> np.dtype[Any]:
    if code in _TYPES:
        return np.dtype(order + _TYPES[code])
    what = "colours" if code in _COLOURS else "numbers of a kind that CT does not have"
    raise UnsupportedError(
        f"its voxels are {what} (NIfTI datatype {code})",
        where=source,
        cure="save it as 16-bit whole numbers",
    )


def _sizes(dim: tuple[int, ...], source: str) -> tuple[int, int, int, int]:
    """Columns, rows, slices, and frames."""
    axes = dim[1 : dim[0] + 1] if 2 <= dim[0] <= 7 else ()
    if not axes or min(axes) < 1:
        raise UnreadableError(
            "the NIfTI header states no possible size", where=source, cure="copy or export it again"
        )
    columns, rows, slices, frames, *more = (*axes, 1, 1)[: max(len(axes), 4)]
    if any(size != 1 for size in more):
        raise UnsupportedError(
            f"it has {len(axes)} axes, and a volume has 3",
            where=source,
            cure="save one volume of it",
        )
    return columns, rows, slices, frames


def is_flat(head: bytes) -> bool:
    """Whether a header, of which the first bytes are given, states two axes, others of length 1
    aside.
    """
    try:
        order, layout = _layout_of(head, "")
        sizes = _sizes(struct.unpack_from(order + layout.dim[1], head, layout.dim[0]), "")
    except (LungsegError, struct.error):
        return False
    return sizes[:3].count(1) == 1


def header_of_pair(path: Path) -> Path | None:
    """The header of the NIfTI pair whose voxels an .img file holds; None of any other file."""
    if path.suffix.lower() != ".img":
        return None
    return next(
        (header for ending in (".hdr", ".HDR") if _is_nifti(header := path.with_suffix(ending))),
        None,
    )


def _is_nifti(path: Path) -> bool:
    return path.is_file() and sniff(file_head(path)[1]) is Format.NIFTI


def _image_of(data: Data, source: str) -> Path:
    endings = (".img", ".IMG")
    there = [
        ending for ending in endings if isinstance(data, Path) and data.with_suffix(ending).exists()
    ]
    return sidecar(data, PurePath(source).with_suffix([*there, *endings][0]).name, source=source)


def _affine(
    pixdim: tuple[float, ...],
    codes: tuple[int, int],
    quaternion: tuple[float, ...],
    rows: tuple[float, ...],
    unit: float,
    source: str,
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The sform where its code says that there is one, else the qform, else only spacing, and
    notes; LPS from (slice, row, column).
    """
    sform = np.vstack([np.reshape(np.array(rows, np.float64), (3, 4)), (0, 0, 0, 1)])
    forms = [(codes[1], "sform", sform), (codes[0], "qform", _qform(pixdim, quaternion))]
    stated = [(name, form) for code, name, form in forms if code > 0]
    notes: tuple[str, ...] = ()
    if not stated:
        # What the format's ancestor Analyze did: rows from back to front, columns from the
        # patient's right to the left.
        stated = [("spacing", np.diag([-abs(pixdim[1]), abs(pixdim[2]), abs(pixdim[3]), 1.0]))]
        notes = (NO_ORIENTATION,)
    elif (
        len(stated) == 2
        and all(is_affine(form) for _, form in stated)
        and np.linalg.det(stated[0][1] @ stated[1][1]) < 0
    ):
        notes = (
            "its sform and its qform are mirror images of each other, so that right and left are "
            "uncertain",
        )
    for name, form in stated:
        form[:3] *= unit
        if is_affine(form):
            unusable = f"its {stated[0][0]} cannot be inverted, so that its {name} was taken"
            return to_ras(form), notes if name == stated[0][0] else (unusable,)
    raise UnreadableError(
        f"its {' and '.join(name for name, _ in stated)} cannot be inverted, so that nobody "
        "knows where its voxels are",
        where=source,
        cure="repair its affine, or export it again",
    )


def _qform(pixdim: tuple[float, ...], quaternion: tuple[float, ...]) -> NDArray[np.float64]:
    """Method 2 of nifti1.h: a rotation, as a quaternion whose first number is not stored, then the
    spacing.
    """
    affine = np.eye(4)
    affine[:3, :3] = rotation(*quaternion[:3]) * (
        pixdim[1],
        pixdim[2],
        pixdim[3] * (-1 if pixdim[0] < 0 else 1),
    )
    affine[:3, 3] = quaternion[3:]
    return affine
