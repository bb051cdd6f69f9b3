"""From pixels and voxels that are at hand to an `Image` or a `Volume`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from lungseg.errors import (
    InputError,
    TooLargeError,
    UnreadableError,
    UnsupportedError,
    UsageError,
)
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.image import Image
from lungseg.provenance import Format, Provenance
from lungseg.readers.flat import as_hung, is_flat
from lungseg.readers.hounsfield import padding_notes, refuse_label_map
from lungseg.readers.limits import plausible_pixel_spacing, refuse_implausible_spacing
from lungseg.readers.notes import NO_ORIENTATION, NO_SPACING, UNCALIBRATED
from lungseg.readers.objects import ArrayInput
from lungseg.readers.raw_volume import MAX_VOLUME_VOXELS
from lungseg.readers.stated_spacing import LOST, LOST_NOTE, is_lost
from lungseg.readers.to_grey import to_grey, to_image_type
from lungseg.readers.voxels import VoxelBuffer, to_voxels
from lungseg.segmentation import Array
from lungseg.volume import Volume


def image_of_array(found: ArrayInput, *, spacing: tuple[float, float] | None = None) -> Image:
    """The image of a picture, whose pixels are copied.

    Args:
        found: (rows, columns) of any real numbers, or (rows, columns, 3 or 4) of red, green, blue
            and opacity as uint8 or uint16.
        spacing: millimetres between rows and columns, in the patient, instead of its own.

    Raises:
        UnreadableError: it is empty.
        UnsupportedError: it is a colour picture.
        InputError: the pixels are no image: too few, all equal, or not finite.
        UsageError: the spacing is not two positive numbers.
    """
    array, source = found.array, found.source
    if 0 in array.shape:
        raise UnreadableError(f"the array of shape {array.shape} is empty", where=source)
    if array.ndim == 3 and array.dtype not in (np.uint8, np.uint16):
        raise UnsupportedError(
            f"a colour array is uint8 or uint16, not {array.dtype}",
            where=source,
            cure="convert it first",
        )
    convert = to_image_type if array.ndim == 2 else to_grey
    grey, notes = convert(array, source=source)
    rows, columns = grey.shape
    stated, spacing_notes = plausible_pixel_spacing(found.spacing, (rows, columns))
    geometry = ImageGeometry((rows, columns), stated, found.spacing_plane)
    if spacing is not None:
        geometry, spacing_notes = ImageGeometry((rows, columns), spacing), ()
        refuse_implausible_spacing(spacing, grey.shape, source=source)
    return Image(
        array=grey.copy() if np.shares_memory(grey, array) else grey,
        geometry=geometry,
        provenance=_provenance(found, array),
        notes=(*found.notes, *notes, *spacing_notes),
    )


def volume_of_array(
    found: ArrayInput, *, spacing: tuple[float, float, float] | None = None
) -> Volume:
    """The volume of voxels, which are copied.

    Args:
        found: (slices, rows, columns) of any real numbers; or one slice, (rows, columns).
        spacing: millimetres between slices, rows and columns, instead of its own.

    Raises:
        UnreadableError: it is empty.
        TooLargeError: it has more voxels than a volume may have.
        InputError: the voxels are no image: too few, all equal, a map of labels, or not finite.
        UsageError: the affine or the spacing is none.
    """
    array, source = found.array, found.source
    if array.ndim == 2:
        array = array[np.newaxis]
    if 0 in array.shape:
        raise UnreadableError(f"the array of shape {array.shape} is empty", where=source)
    if array.size > MAX_VOLUME_VOXELS:
        raise TooLargeError(
            f"the array has {array.size / 1e6:.0f} million voxels", where=source, cure="crop it"
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"voxels are whole or real numbers, not {array.dtype}", where=source)
    array = np.ascontiguousarray(array)
    slices, rows, columns = array.shape
    # Whoever gives an array gives its affine too, and on purpose, unless it is the identity itself.
    lost = is_lost(found.affine) and (
        found.format is not Format.ARRAY or np.array_equal(np.eye(4), np.asarray(found.affine))
    )
    geometry, notes = VolumeGeometry((slices, rows, columns), found.affine), found.notes
    doubts = found.doubts
    if lost and spacing is None:
        geometry = replace(geometry, spacing_known=False)
        notes, doubts = (*notes, LOST_NOTE), (LOST,)
    if found.affine is None:
        notes = (*notes, NO_SPACING if spacing is None else NO_ORIENTATION)
    if spacing is not None:
        geometry, doubts = geometry.with_spacing(spacing), ()
        refuse_implausible_spacing(spacing, array.shape, source=source)
    voxels, hounsfield, voxel_notes = to_voxels(
        lambda target, shift: _fill(array, target, shift, source=source),
        hounsfield=found.hounsfield,
    )
    if not hounsfield:
        refuse_label_map(voxels, source=source)
    return Volume(
        array=voxels.reshape(array.shape),
        geometry=geometry,
        hounsfield=hounsfield,
        provenance=_provenance(found, array),
        doubts=doubts,
        notes=(*notes, *voxel_notes, *(padding_notes(voxels) if hounsfield else ())),
    )


def as_picture(found: ArrayInput) -> ArrayInput:
    """What is taken for a radiograph; of a volume of one slice, that slice, turned as it is looked
    at, and what its affine says of spacing as measured at the detector, which claims less.

    Raises:
        UsageError: it has several slices, or something is known of it that only CT has.
    """
    array, affine = found.array, found.affine
    for name, given in (
        ("hounsfield", found.hounsfield is not None),
        ("affine", found.affine is not None and array.ndim == 2),
    ):
        if given:
            raise UsageError(
                f"`{name}` is for CT, and this is a radiograph",
                where=found.source,
                cure=f"leave `{name}` out",
            )
    if is_flat(array.shape) and (found.is_flat or array.shape[0] == 1):
        plane, spacing, notes = as_hung(array, affine, assumed=NO_ORIENTATION in found.notes)
        notes = (*found.notes, *notes, *((UNCALIBRATED,) if spacing else ()))
        found = replace(found, array=plane, affine=None, notes=tuple(dict.fromkeys(notes)))
        if spacing is not None:
            found = replace(found, spacing=spacing, spacing_plane="detector")
    if not found.is_picture:
        raise UsageError(
            "a radiograph is (rows, columns) or (rows, columns, 3 or 4), this array has shape "
            f"{array.shape}",
            where=found.source,
            cure="give one image at a time, or set `modality` to ct",
        )
    return found


def _fill(array: Array, target: np.dtype[Any], shift: float, *, source: str) -> VoxelBuffer:
    filled = VoxelBuffer(np.empty(array.size, target))
    flat, done = array.reshape(-1), 0
    for chunk in filled.chunks():
        values = flat[done : done + len(chunk)]
        values = values.view(np.uint8) if values.dtype == np.bool_ else values
        filled.convert(values, chunk, shift=shift, source=source)
        done += len(chunk)
    return filled


def _provenance(found: ArrayInput, array: Array) -> Provenance:
    digest = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    return Provenance(found.source, found.format, digest)
