"""Arrays on the grid of a volume, or on a part of it, as the bytes of a NIfTI file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from lungseg.geometry import Grid
from lungseg.volume import Volume
from lungseg.write.gzipped import gzipped

NIFTI_2 = 540
"""Bytes of its header."""

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From LPS to the coordinates of NIfTI, towards the patient's right, front and head, and back."""


def nifti_gz(arrays: Iterable[NDArray[Any]], volume: Volume, box: tuple[slice, ...], *, channels: int = 1, scale: float = 1.0) -> bytes:
    """A compressed NIfTI file.

    Where the volume came from a NIfTI file, all that says where its grid lies is that file's, bit by bit.

    Args:
        arrays: (slices, rows, columns), one for each channel, all of one type; made one by one, as they are compressed.
        volume: what they belong to.
        box: which part of it they cover, along its axes; steps of 1.
        channels: how many arrays there are.
        scale: what a value is to be multiplied with.
    """
    header = _header(volume, box)
    several = (channels,) if channels > 1 else ()
    header.set_data_shape((*(side.stop - side.start for side in reversed(box)), *several))
    arrays = iter(arrays)
    first = next(arrays)
    header.set_data_dtype(first.dtype)
    header.set_data_offset(header.single_vox_offset)
    header["scl_slope"], header["scl_inter"] = scale, 0.0
    stored = first.dtype.newbyteorder(header.endianness)
    return gzipped(_parts(header, first, arrays, stored))


def _parts(header: Nifti1Header, first: NDArray[Any], others: Iterable[NDArray[Any]], stored: np.dtype[Any]) -> Iterable[Any]:
    stream = io.BytesIO()
    header.write_to(stream)
    yield stream.getvalue()
    yield first.astype(stored, copy=False)
    for array in others:
        yield array.astype(stored, copy=False)


def _header(volume: Volume, box: tuple[slice, ...]) -> Nifti1Header:
    start = np.eye(4)
    start[:3, 3] = [side.start for side in reversed(box)]
    header = _own_header(volume)
    if header is None:
        header = _new_header(volume.grid)
    for code, fields in (("sform_code", ("srow_x", "srow_y", "srow_z")), ("qform_code", ("qoffset_x", "qoffset_y", "qoffset_z"))):
        if header[code] and start[:3, 3].any():
            moved = (header.get_sform() if code == "sform_code" else header.get_qform()) @ start
            for axis, field in enumerate(fields):
                header[field] = np.append(header[field][:3], moved[axis, 3]) if code == "sform_code" else moved[axis, 3]
    header["descrip"] = b"lungseg"
    return header


def _own_header(volume: Volume) -> Nifti1Header | None:
    """The header of the file that the volume came from, of which only the grid is kept; None where there is none."""
    if not volume.format.startswith("NIfTI") or not volume.header:
        return None
    kind = Nifti2Header if len(volume.header) >= NIFTI_2 else Nifti1Header
    own = kind(volume.header, check=False)
    header: Nifti1Header = kind(endianness=own.endianness)
    for field in _PLACE:
        header[field] = own[field]
    return header


_PLACE = (
    *("pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z", "xyzt_units"),
)
"""The fields of a header that say where the grid lies."""


def _new_header(grid: Grid) -> Nifti1Header:
    header = Nifti1Header()
    header.set_data_shape(grid.shape[::-1])
    if grid.affine is None or grid.spacing is None:
        return header
    affine = TO_RAS @ grid.affine[:, [2, 1, 0, 3]]
    header.set_zooms(grid.spacing[::-1])
    header.set_xyzt_units("mm")
    header.set_sform(affine, code=1)
    try:
        header.set_qform(affine, code=1, strip_shears=False)
    except HeaderDataError:  # skewed axes, as under a tilted gantry, which only the sform can tell
        header["qform_code"] = 0
    return header
