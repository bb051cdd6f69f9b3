"""A slice of CT in a picture that has a frame: taken out of it, and put back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lungseg.ct.negative import segment_either_grey
from lungseg.ct.segment import VolumeSegmenter
from lungseg.geometry import VolumeGeometry
from lungseg.options import SegmentOptions
from lungseg.readers.frames import Frame, find_frame
from lungseg.result import Result
from lungseg.timing import Seconds
from lungseg.volume import Volume


def segment(
    segmenter: VolumeSegmenter, volume: Volume, options: SegmentOptions, seconds: Seconds
) -> Result[Volume]:
    """The lungs of CT that was no volume before it was read; what frames a picture is left out."""
    if len(volume.array) != 1 or volume.hounsfield:
        return segmenter(volume, options, seconds=seconds)
    frame = find_frame(volume.array[0], of_slice=True)
    plane = volume if frame is None else within(volume, frame)
    result = segment_either_grey(segmenter, plane, options, seconds)
    return result if frame is None else whole(result, volume, frame)


def within(volume: Volume, frame: Frame) -> Volume:
    """The slice (1, rows, columns) without its frame."""
    array = volume.array[(slice(None), *frame.box)]
    affine = volume.geometry.affine
    if affine is not None:
        affine = np.array(affine)
        affine[:3, 3] += affine[:3, 1] * frame.rows[0] + affine[:3, 2] * frame.columns[0]
    return replace(volume, array=array, geometry=VolumeGeometry((1, *array.shape[1:]), affine))


def whole(result: Result[Volume], volume: Volume, frame: Frame) -> Result[Volume]:
    """What was found `within` the frame of a slice, on all of it; nothing that is measured of a
    slice depends on where in it the lungs lie.
    """
    layers = [frame.whole(labels[0])[np.newaxis] for labels in result.segmentation.layers]
    return replace(
        result,
        image=volume,
        segmentation=volume.with_layers(layers, result.segmentation.structures),
        probabilities=replace(result.probabilities, geometry=volume.geometry, box=frame.box),
        notes=(*result.notes, frame.note),
    )
