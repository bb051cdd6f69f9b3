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

from lungseg.draw.picture import refused_stamp
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.segmentation import Probabilities, Segmentation
from lungseg.structures import STRUCTURES
from lungseg.verdict import Verdict


def mask_png(segmentation: Segmentation[ImageGeometry], *, binary: bool = False) -> bytes:
    """The label map of the lungs' layer, see `label_png`; with `binary`, and where nobody knows
    the sides, as grey PNG, 255 where there is lung.
    """
    if binary or not segmentation.tells_sides:
        return encode(np.where(segmentation.foreground, np.uint8(255), np.uint8(0)))
    return label_png(segmentation.labels)


def label_png(labels: NDArray[np.uint8]) -> bytes:
    """A label map (rows, columns) as indexed-colour PNG whose values are the labels; its palette is
    that of all structures, whichever were looked for.
    """
    from PIL import Image as Picture

    picture = Picture.fromarray(labels)
    picture.putpalette([part for structure in STRUCTURES for part in structure.colour])
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def finding_png(inside: NDArray[np.bool_], probability: NDArray[np.float32] | None) -> bytes:
    """What is abnormal as grey PNG: its probability in 255ths; where that is not at hand, 255
    where it is.

    Args:
        inside: (rows, columns), of the lungs; where no probability is given, of the finding.
        probability: (rows, columns), 0 to 1.
    """
    value = np.float32(1.0) if probability is None else probability
    return encode(np.where(inside, np.rint(value * np.float32(255.0)), 0).astype(np.uint8))


def stamped_png(painted: NDArray[np.uint8], verdict: Verdict) -> bytes:
    """What `lungseg.draw.painted` made; marked where it was refused."""
    return picture_png(refused_stamp(painted, verdict))


def picture_png(picture: NDArray[np.uint8]) -> bytes:
    """Red, green, blue (rows, columns, 3) as PNG."""
    return encode(np.ascontiguousarray(picture[..., ::-1]))


def probabilities_tiff(probabilities: Probabilities) -> bytes:
    """The probability of each structure, in 255ths, as a page of a grey TIFF, in the order of the
    card; its ImageDescription is the structure's name.
    """
    from PIL import Image as Picture
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    pages, described = [], []
    for name, probability in probabilities.items():
        pages.append(Picture.fromarray(np.rint(probability * np.float32(255.0)).astype(np.uint8)))
        tags = ImageFileDirectory_v2()
        tags[270] = name  # ImageDescription
        described.append(tags)
    stream = io.BytesIO()
    for page, tags in zip(pages, described, strict=True):
        page.encoderinfo = {"tiffinfo": tags}
    pages[0].save(
        stream,
        "TIFF",
        save_all=True,
        append_images=pages[1:],
        compression="tiff_adobe_deflate",
        tiffinfo=described[0],
    )
    return stream.getvalue()


def image_png(pixels: NDArray[Any], *, of: Image) -> bytes:
    """Pixels of an image, or of a part of it, as grey PNG: 8 and 16 bits stay what they are, real
    numbers are spread over 16 bits.
    """
    return encode(_whole_numbers(pixels, of))


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
