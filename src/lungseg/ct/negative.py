"""A slice of CT in a picture may be a negative, with air white: the network has not learnt it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lungseg.ct.segment import VolumeSegmenter
from lungseg.options import SegmentOptions
from lungseg.result import Result
from lungseg.segmentation import Array
from lungseg.timing import Seconds
from lungseg.volume import Volume

NOTE = "seems to be a negative: its greys were turned round for the network"


def segment_either_grey(
    segmenter: VolumeSegmenter, plane: Volume, options: SegmentOptions, seconds: Seconds
) -> Result[Volume]:
    """The lungs of a slice whose greys are no Hounsfield units; where nothing is found that can be
    believed, and air may be white, those of its negative, if they can be.
    """
    first = segmenter(plane, options, seconds=seconds)
    greys = plane.array
    if _is_believed(first) or not _is_light_outside(greys[0]):
        return first
    negative = replace(plane, array=greys.max() - (greys - greys.min()))
    second = segmenter(negative, options, seconds=seconds)
    if not _is_believed(second):
        return first
    return replace(second, image=plane, notes=(*second.notes, NOTE))


def _is_believed(result: Result[Volume]) -> bool:
    doubts = {"uncertain", "no_lung_in_slice"}
    return result.verdict.status != "refused" and not doubts.intersection(result.verdict.codes)


def _is_light_outside(greys: Array) -> bool:
    """Whether a picture is brighter at its edges, where there is air, than in its middle."""
    rows, columns = (slice(size // 4, size - size // 4) for size in greys.shape)
    edges = np.concatenate([greys[0], greys[-1], greys[:, 0], greys[:, -1]])
    return bool(np.median(edges) > np.median(greys[rows, columns]))
