"""Images cut to the lungs, and images with all but the lungs blanked, as arrays."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.image import Image
from lungseg.morphology.boxes import enclosing_box
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.preprocess import resize
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume

MARGIN: Final = 0.02
"""Kept around the lungs in a crop, as a part of the longer side of their bounding box; in a volume,
of each side."""
AIR: Final = -1024
"""Hounsfield units of what is blanked; other greys become 0."""


def crop(
    image: Image | Volume, segmentation: Segmentation[Any], options: SegmentOptions = DEFAULTS
) -> NDArray[Any]:
    """The image or volume cut to the lungs, in its own pixel type: the part that `crop_box` or
    `volume_crop_box` says, black where that reaches beyond the image; of a radiograph brought to
    the options' `crop_size`, if there is one.
    """
    if isinstance(image, Volume):
        if is_flat(image):
            return crop(*flat_of(image, segmentation))[np.newaxis]
        return image.array[volume_crop_box(segmentation)]
    top, left, bottom, right = crop_box(segmentation, options)
    rows, columns = image.array.shape
    inside = image.array[max(0, top) : bottom, max(0, left) : right]
    beyond = (max(0, -top), max(0, bottom - rows)), (max(0, -left), max(0, right - columns))
    part = np.pad(inside, beyond, constant_values=_black(image))
    if options.crop_size is None:
        return part
    brought = resize(part, (options.crop_size, options.crop_size))
    if part.dtype != np.float32:
        brought = np.rint(brought)
    return brought.astype(part.dtype)


def masked(image: Image | Volume, segmentation: Segmentation[Any]) -> NDArray[Any]:
    """The image or volume in its own pixel type, with all but the lungs black: 0, the lowest value
    of an image of real numbers, or `AIR` in Hounsfield units.
    """
    if isinstance(image, Volume) and is_flat(image):
        return masked(*flat_of(image, segmentation))[np.newaxis]
    return np.where(segmentation.foreground, image.array, _black(image))


def _black(image: Image | Volume) -> Any:
    if isinstance(image, Volume) and image.hounsfield:
        return image.array.dtype.type(AIR)
    return image.array.min() if image.array.dtype == np.float32 else image.array.dtype.type(0)


def crop_box(
    segmentation: Segmentation[ImageGeometry], options: SegmentOptions = DEFAULTS
) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the lungs with a margin of `MARGIN`, the last two exclusive; the
    whole grid where there is no lung. Where the options ask for a square, it is widened to one,
    which is moved into the image as far as it fits and else reaches beyond it on both sides.
    """
    rows, columns = segmentation.geometry.shape
    left, top, width, height = (
        int(n) for n in cv2.boundingRect(segmentation.foreground.view(np.uint8))
    )
    margin = max(1, round(MARGIN * max(width, height))) if width else 0
    if not width:
        width, height = columns, rows
    top, bottom = max(0, top - margin), min(rows, top + height + margin)
    left, right = max(0, left - margin), min(columns, left + width + margin)
    if options.crop_square or options.crop_size is not None:
        side = max(bottom - top, right - left)
        top, left = _start(top, bottom, side, rows), _start(left, right, side, columns)
        bottom, right = top + side, left + side
    return top, left, bottom, right


def _start(first: int, stop: int, side: int, length: int) -> int:
    """Where `side` pixels begin that have what lies from `first` to before `stop` in their middle,
    or as near to it as the `length` of the image allows; its own middle where it is shorter.
    """
    if side >= length:
        return (length - side) // 2
    return min(max(0, (first + stop - side) // 2), length - side)


def volume_crop_box(segmentation: Segmentation[VolumeGeometry]) -> tuple[slice, slice, slice]:
    """Slices, rows and columns of the lungs with a margin of `MARGIN` of each side; the whole grid
    where there is no lung.
    """
    box = []
    lungs = enclosing_box(segmentation.foreground)
    for inside, side in zip(lungs, segmentation.geometry.shape, strict=True):
        first, stop = (inside.start, inside.stop) if inside.stop else (0, side)
        margin = max(1, round(MARGIN * (stop - first)))
        box.append(slice(max(0, first - margin), min(side, stop + margin)))
    return box[0], box[1], box[2]


def box_of_crop(
    image: Image | Volume, segmentation: Segmentation[Any], options: SegmentOptions = DEFAULTS
) -> list[list[int]]:
    """Where the crop lies on the input's grid: the first index along each axis and the one after
    the last; below 0 or beyond the grid where it was filled up to a square.
    """
    if isinstance(image, Volume) and not is_flat(image):
        return [[along.start, along.stop] for along in volume_crop_box(segmentation)]
    flat = flat_of(image, segmentation)[1] if isinstance(image, Volume) else segmentation
    top, left, bottom, right = crop_box(flat, options)
    of_slice = [[0, 1]] if isinstance(image, Volume) else []
    return [*of_slice, [top, bottom], [left, right]]


def is_flat(volume: Volume) -> bool:
    """Whether it is a slice that came as a picture, and is written as one."""
    return (
        len(volume.array) == 1
        and not volume.hounsfield
        and (volume.geometry.affine is None or volume.provenance.format.is_picture)
    )


def flat_of(
    volume: Volume, segmentation: Segmentation[VolumeGeometry]
) -> tuple[Image, Segmentation[ImageGeometry]]:
    """A volume of one slice as an image, with its structures."""
    rows, columns = volume.geometry.shape[1:]
    image = Image(volume.array[0], ImageGeometry((rows, columns)), volume.provenance)
    layers = [labels[0] for labels in segmentation.layers]
    return image, image.with_layers(layers, segmentation.structures)
