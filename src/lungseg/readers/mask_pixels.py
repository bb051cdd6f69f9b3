"""What the pixels of a picture that holds a mask are: greys, indices of a palette, or colours."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.provenance import Format
from lungseg.readers.limits import refuse_too_large
from lungseg.segmentation import Array

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

PixelKind = Literal["structures", "indices", "greys", "colours"]

LOSSY: Final = frozenset({Format.JPEG, Format.WEBP, Format.AVIF})
"""Formats whose compression changes values."""
_LOSSLESS_WEBP: Final = b"VP8L"

GREYISH: Final = 16
"""Of 255, by which red, green and blue of a grey may differ, as after JPEG."""

OPAQUE: Final = 128
"""Of 255: from here on a pixel is there."""

_PNG_COLOUR_TYPE, _GREY_PNG = 25, 0
"""The byte of a PNG that has its colour type, and that of grey without opacity (PNG specification,
section 11.2.1)."""

_COLOURED: Final = ("P", "PA", "LA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Modes of Pillow in which something else than grey may tell labels apart."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskPixels:
    """The pixels of a mask, before anything is said of what they mean.

    Attributes:
        values: (rows, columns): numbers of structures, indices, greys (uint8, uint16 or float32),
            or colours as 65536 red + 256 green + blue (int32).
        kind: "structures" of a label map that this package wrote; "indices" of a palette with
            colours; "greys"; "colours".
        lossy: whether the file's compression changes values.
    """

    values: Array
    kind: PixelKind
    lossy: bool = False

    @property
    def noun(self) -> str:
        """What the values are, for a sentence."""
        return {"greys": "greys", "colours": "colours"}.get(self.kind, "labels")

    def name(self, value: float) -> str:
        """A value as people write it: 127, or #ff0000."""
        return f"#{int(value):06x}" if self.kind == "colours" else f"{value:g}"


def surrounding(values: Array) -> float:
    """The value that has most of the border of (rows, columns): no lung has."""
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    found, counts = np.unique(border, return_counts=True)
    return float(found[counts.argmax()])


def is_lossy(content: bytes, file_format: Format) -> bool:
    """Whether the compression of a file of this content changes values."""
    return file_format in LOSSY and content[12:16] != _LOSSLESS_WEBP


def mask_pixels(content: bytes, file_format: Format, *, source: str) -> MaskPixels | None:
    """The pixels of a picture whose palette, colours or opacity tell labels apart; None of any that
    is grey, or of several frames, which is read as every other image is.

    Args:
        content: the whole file, as far as its structure tells neither truncated nor damaged.
        file_format: that of a picture.
        source: the file's name, for errors.

    Raises:
        TooLargeError: its header states too many pixels.
    """
    if file_format is Format.PNG and content[_PNG_COLOUR_TYPE] == _GREY_PNG:
        return None
    from PIL import Image as Pillow
    from PIL import ImageOps

    with Pillow.open(BytesIO(content), formats=(file_format.name,)) as opened:
        if opened.mode not in _COLOURED or getattr(opened, "n_frames", 1) > 1:
            return None
        refuse_too_large(opened.height, opened.width, source=source)
        # Of TIFF Pillow turns the pixels itself.
        upright = opened if file_format is Format.TIFF else ImageOps.exif_transpose(opened)
        if upright.mode == "P" and (indices := _indices(upright)) is not None:
            return MaskPixels(indices, "indices")
        rgba = np.asarray(upright.convert("RGBA"))
    return _of_colours(rgba, lossy=is_lossy(content, file_format))


def _indices(opened: PillowImage) -> NDArray[np.uint8] | None:
    """The indices of a palette with colours; None where all that are used are greys, or where what
    surrounds everything is not index 0, so that indices are no labels.
    """
    indices = np.asarray(opened, dtype=np.uint8)
    palette = np.zeros((256, 3), np.int16)
    listed = np.array(opened.getpalette() or [], np.int16).reshape(-1, 3)
    palette[: len(listed)] = listed
    used = palette[np.unique(indices)]
    coloured = bool((used.max(axis=1) - used.min(axis=1) > GREYISH).any())
    return indices if coloured and surrounding(indices) == 0 else None


def _of_colours(rgba: NDArray[np.uint8], *, lossy: bool) -> MaskPixels | None:
    """Colours, or what the opacity alone tells; None where all is grey and opaque."""
    opacity = rgba[..., 3]
    there = opacity >= OPAQUE
    hides = bool(there.any() and not there.all())
    rgb = rgba[..., :3].astype(np.int32)
    seen = rgb[there] if hides else rgb.reshape(-1, 3)
    if hides and (seen == seen[0]).all():
        return MaskPixels(opacity, "greys", lossy)  # one colour on nothing
    if np.max(seen.max(axis=1) - seen.min(axis=1)) <= GREYISH:
        return None
    codes = (rgb[..., 0] << 16) + (rgb[..., 1] << 8) + rgb[..., 2]
    if hides:
        codes[~there] = 0
    return MaskPixels(codes, "colours", lossy)


def as_one_mask(pixels: MaskPixels) -> Array:
    """Labels or greys as they are; of colours 255 where a pixel has another one than what
    surrounds everything, which is 0.
    """
    if pixels.kind != "colours":
        return pixels.values
    return np.where(pixels.values != surrounding(pixels.values), 255, 0).astype(np.uint8)
