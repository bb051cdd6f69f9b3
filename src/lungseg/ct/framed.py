"""A slice of CT in a picture that has a frame: taken out of it, and put back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lungseg.ct.negative import NOTE, is_light_outside, negative
from lungseg.ct.segment import VolumeSegmenter
from lungseg.options import SegmentOptions
from lungseg.readers.frames import Frame, find_frame
from lungseg.result import Result
from lungseg.timing import Seconds
from lungseg.volume import Volume


def segment(
    segmenter: VolumeSegmenter, volume: Volume, options: SegmentOptions, seconds: Seconds
) -> Result[Volume]:
    """The lungs of CT that was no volume before it was read; what frames a picture is left out.

    Where nothing is found that can be believed, the frame may be one that shows in the negative
    alone, a black one round lighter air, and the greys may be those of a negative: what is found
    so is taken if it can be believed.
    """
    if len(volume.array) != 1 or volume.hounsfield:
        return segmenter(volume, options, seconds=seconds)

    def look(at: Volume, frame: Frame | None) -> Result[Volume]:
        if frame is None:
            return segmenter(at, options, seconds=seconds)
        return whole(segmenter(within(at, frame), options, seconds=seconds), at, frame)

    frame = find_frame(volume.array[0], of_slice=True)
    first = look(volume, frame)
    if _is_believed(first):
        return first
    turned = negative(volume)
    other = find_frame(turned.array[0], of_slice=True)
    if other != frame and _is_believed(second := look(volume, other)):
        return second
    frame = other or frame
    if is_light_outside(volume.array[0] if frame is None else volume.array[0][frame.box]):
        second = look(turned, frame)
        if _is_believed(second):
            return replace(second, image=volume, notes=(*second.notes, NOTE))
    return first


def _is_believed(result: Result[Volume]) -> bool:
    doubts = {"uncertain", "no_lung_in_slice"}
    return result.verdict.status != "refused" and not doubts.intersection(result.verdict.codes)


def within(volume: Volume, frame: Frame) -> Volume:
    """The slice (1, rows, columns) without its frame."""
    array = volume.array[(slice(None), *frame.box)]
    affine = volume.geometry.affine
    if affine is not None:
        affine = np.array(affine)
        affine[:3, 3] += affine[:3, 1] * frame.rows[0] + affine[:3, 2] * frame.columns[0]
    geometry = replace(volume.geometry, shape=array.shape, affine=affine)
    return replace(volume, array=array, geometry=geometry)


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
