"""Masks and pictures as the bytes of PNG files.

Compression is OpenCV's default, the quickest: an overlay of 512 x 512 pixels takes 5.5 ms, where
naming a level makes it try the filters and takes 10 ms at level 1, for a file that is a quarter
smaller.
"""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import overlay, stamped
from lungseg.image import Image
from lungseg.segmentation import Segmentation
from lungseg.structures import LABELS
from lungseg.verdict import Verdict

MARGIN = 0.02
"""Kept around the lungs in a crop, as a part of the longer side of their bounding box."""


def mask_png(segmentation: Segmentation, *, binary: bool = False) -> bytes:
    """The label map as indexed-colour PNG whose values are the labels; with `binary` as grey PNG,
    255 where there is lung.
    """
    if binary:
        return encode(np.where(segmentation.labels > 0, np.uint8(255), np.uint8(0)))
    from PIL import Image as Picture

    picture = Picture.fromarray(segmentation.labels)
    picture.putpalette([part for label in LABELS for part in label.colour])
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def overlay_png(image: Image, segmentation: Segmentation, verdict: Verdict) -> bytes:
    """The radiograph with the lungs tinted and outlined, 8 bits a colour; marked where it was
    refused.
    """
    return picture_png(stamped(overlay(image, segmentation), verdict))


def picture_png(picture: NDArray[np.uint8]) -> bytes:
    """Red, green, blue (rows, columns, 3) as PNG."""
    return encode(np.ascontiguousarray(picture[..., ::-1]))


def probabilities_png(probabilities: NDArray[np.float32]) -> bytes:
    """Probabilities (3, rows, columns) of background, right and left lung as red, green and blue,
    in 255ths.
    """
    return picture_png(
        np.rint(probabilities * np.float32(255.0)).astype(np.uint8).transpose(1, 2, 0)
    )


def crop_png(image: Image, segmentation: Segmentation) -> bytes:
    """The image cut to the lungs (see `crop_box`), pixel values as read."""
    top, left, bottom, right = crop_box(segmentation)
    return image_png(image.array[top:bottom, left:right], of=image)


def masked_png(image: Image, segmentation: Segmentation) -> bytes:
    """The image with all but the lungs set to 0, pixel values as read within them."""
    pixels = _whole_numbers(image.array, image)
    return encode(np.where(segmentation.labels > 0, pixels, pixels.dtype.type(0)))


def image_png(pixels: NDArray[Any], *, of: Image) -> bytes:
    """A part of an image's pixels as grey PNG: 8 and 16 bits stay what they are, real numbers are
    spread over 16 bits.
    """
    return encode(_whole_numbers(pixels, of))


def crop_box(segmentation: Segmentation) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the lungs with a margin of `MARGIN`, the last two exclusive; the
    whole grid where there is no lung.
    """
    rows, columns = segmentation.geometry.shape
    left, top, width, height = (int(n) for n in cv2.boundingRect(segmentation.labels))
    if not width:
        return 0, 0, rows, columns
    margin = max(1, round(MARGIN * max(width, height)))
    return (
        max(0, top - margin),
        max(0, left - margin),
        min(rows, top + height + margin),
        min(columns, left + width + margin),
    )


def _whole_numbers(pixels: NDArray[Any], image: Image) -> NDArray[Any]:
    """PNG knows no real numbers: the range of the whole image, not of the part, becomes 0 to
    65535.
    """
    if pixels.dtype != np.float32:
        return pixels
    low, high = float(image.array.min()), float(image.array.max())
    return np.rint((pixels.astype(np.float64) - low) * (65535 / (high - low))).astype(np.uint16)


def encode(pixels: NDArray[Any]) -> bytes:
    """Grey (rows, columns) of 8 or 16 bits, or blue, green, red (rows, columns, 3), as PNG."""
    # OpenCV answers False only for types that PNG does not know, and none of those gets here.
    return cv2.imencode(".png", pixels)[1].tobytes()
