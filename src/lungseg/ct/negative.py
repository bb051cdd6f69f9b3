"""A slice of CT in a picture may be a negative, with air white: the network has not learnt it."""

from __future__ import annotations

from dataclasses import replace

from lungseg.ct.segment import VolumeSegmenter
from lungseg.options import SegmentOptions
from lungseg.result import Result
from lungseg.timing import Seconds
from lungseg.volume import Volume

NOTE = "seems to be a negative: its greys were turned round for the network"


def segment_either_grey(
    segmenter: VolumeSegmenter, plane: Volume, options: SegmentOptions, seconds: Seconds
) -> Result[Volume]:
    """The lungs of a slice whose greys are no Hounsfield units; where nothing is found that can be
    believed, those of its negative, if they can be.
    """
    first = segmenter(plane, options, seconds=seconds)
    if _is_believed(first):
        return first
    greys = plane.array
    negative = replace(plane, array=greys.max() - (greys - greys.min()))
    second = segmenter(negative, options, seconds=seconds)
    if not _is_believed(second):
        return first
    return replace(second, image=plane, notes=(*second.notes, NOTE))


def _is_believed(result: Result[Volume]) -> bool:
    doubts = {"uncertain", "no_lung_in_slice"}
    return result.verdict.status != "refused" and not doubts.intersection(result.verdict.codes)
