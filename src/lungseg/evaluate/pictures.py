"""The cases to look at: overlays with the outline of the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, read_labels
from lungseg.datasets.ground_truth import read_volume_labels
from lungseg.draw.picture import Picture, contour, montage, overlay, thumbnail
from lungseg.draw.volume import PLANES, slice_picture
from lungseg.evaluate.cases import CaseScore
from lungseg.image import Image
from lungseg.options import SegmentOptions
from lungseg.result import Result
from lungseg.segmenter import Segmenter
from lungseg.volume import Volume
from lungseg.writers import picture_png, write_file

WORST_CASES: Final = 20
TILE: Final = 320
"""Longer side of a picture, in pixels."""
COLUMNS: Final = 5
"""Tiles beside each other in the sheet."""
GROUND_TRUTH_COLOUR: Final = (255, 220, 0)

Shown = tuple[str, Picture]
"""A caption in words, and a picture."""


def worst(segmenter: Segmenter, cases: Sequence[Case], scores: Sequence[CaseScore]) -> list[Shown]:
    """The `WORST_CASES` cases of lowest Dice, the lowest first, as overlays (ground truth yellow),
    shrunk to `TILE`; of a volume three planes, those where most is wrong. They are segmented again:
    to keep the pictures of all cases until the worst are known would take the memory of all.
    """
    known = {(case.source, case.case): case for case in cases}
    shown = sorted(scores, key=lambda score: score.first.dice)[:WORST_CASES]
    return [
        (f"{score.first.dice:.3f} {score.case}", _tile(segmenter, known[score.source, score.case]))
        for score in shown
    ]


def write_sheet(shown: Sequence[Shown], path: Path) -> None:
    """Writes pictures, with their captions, as one PNG of `COLUMNS` columns, or of as many as there
    is as much room for.
    """
    columns = max(1, COLUMNS * TILE // max(picture.shape[1] for _, picture in shown))
    sheet = montage([picture for _, picture in shown], columns, [caption for caption, _ in shown])
    write_file(path, picture_png(sheet))


def _tile(segmenter: Segmenter, case: Case) -> Picture:
    result = segmenter(case.image, SegmentOptions(skip_quality=True))
    if isinstance(result.image, Image):
        picture = overlay(result.image, result.segmentation)
        return thumbnail(_with_outline(picture, read_labels(case) > 0), TILE)
    labels = read_volume_labels(case, result.image.geometry).labels
    tiles, captions = zip(*_planes(result, labels > 0), strict=True)
    return tiles[0] if len(tiles) == 1 else montage(tiles, len(tiles), captions)


def _with_outline(picture: Picture, mask: NDArray[Any]) -> Picture:
    """A picture with the outline of a mask (rows, columns) of its size, wide enough to be seen
    when it is shrunk to `TILE`.
    """
    picture[contour(mask, max(1, round(max(mask.shape) / TILE)))] = GROUND_TRUTH_COLOUR
    return picture


def _planes(result: Result[Volume], ground_truth: NDArray[np.bool_]) -> list[tuple[Picture, str]]:
    """An axial, a coronal and a sagittal plane, each that where most voxels are wrong, or most is
    inside where none is; of a slice itself.

    Args:
        result: of a volume.
        ground_truth: (slices, rows, columns) in axial order.
    """
    labels = result.image.geometry.to_axial().apply(result.mask)
    wrong = (labels > 0) != ground_truth
    found = []
    for axis in [0] if len(labels) == 1 else range(3):
        others = tuple(other for other in range(3) if other != axis)
        number = int(np.count_nonzero(wrong if wrong.any() else ground_truth, axis=others).argmax())
        picture = slice_picture(result.image, labels, axis, number, TILE)
        true: NDArray[np.uint8] = ground_truth.take([number], axis).squeeze(axis).astype(np.uint8)
        upright = true if axis == 0 else true[::-1]  # the head is up
        outlined = cv2.resize(upright, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        found.append((_with_outline(picture, outlined), PLANES[axis]))
    return found
