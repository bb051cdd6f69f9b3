"""A radiograph of which nothing states the axes: its rows may be columns."""

from __future__ import annotations

from lungseg.image import Image
from lungseg.options import SegmentOptions
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers.volume_file import transposed
from lungseg.result import Result
from lungseg.timing import Seconds


def segment_either_way(
    segmenter: RadiographSegmenter, image: Image, options: SegmentOptions, seconds: Seconds
) -> Result[Image]:
    """The lungs of an image; where it lies on its side and nothing states its axes, rows may be
    columns: mirrored.
    """
    first = segmenter(image, options, seconds=seconds)
    other = transposed(image) if "rotated" in first.verdict.codes else None
    second = first if other is None else segmenter(other, options, seconds=seconds)
    is_worse = second.verdict.status == "refused" or "rotated" in second.verdict.codes
    return first if is_worse else second
