"""An image or a volume with its structures, as every overlay shows them."""

from __future__ import annotations

from typing import Any

from lungseg.draw.picture import STYLE, Picture, overlay
from lungseg.draw.volume import overview
from lungseg.image import Image
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume


def painted(
    source: Image | Volume, segmentation: Segmentation[Any], options: SegmentOptions = DEFAULTS
) -> Picture:
    """Red, green, blue (rows, columns, 3): a radiograph, or the sheet of slices of a volume, with
    its structures tinted and outlined in the style and the size of the options; nothing says that
    it was refused.
    """
    style, size = options.overlay_style or STYLE, options.overlay_size
    if isinstance(source, Volume):
        return overview(source, segmentation, style, size=size)
    return overlay(source, segmentation, style, size=size)
