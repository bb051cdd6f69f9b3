"""An image or a volume with its structures, as every overlay shows them."""

from __future__ import annotations

from typing import Any

from lungseg.draw.picture import Picture, overlay
from lungseg.draw.volume import overview
from lungseg.image import Image
from lungseg.segmentation import Segmentation
from lungseg.volume import Volume


def painted(source: Image | Volume, segmentation: Segmentation[Any]) -> Picture:
    """Red, green, blue (rows, columns, 3): a radiograph, or the sheet of slices of a volume, with
    its structures tinted and outlined; nothing says that it was refused.
    """
    if isinstance(source, Volume):
        return overview(source, segmentation)
    return overlay(source, segmentation)
