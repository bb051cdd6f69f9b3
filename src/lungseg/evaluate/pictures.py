"""The cases to look at: overlays with the outline of the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, read_labels
from lungseg.datasets.ground_truth import read_volume_labels
from lungseg.datasets.other_masks import read_other_masks
from lungseg.draw.picture import Picture, contour, montage, overlay, thumbnail
from lungseg.draw.volume import PLANES, cut, slice_picture
from lungseg.evaluate.cases import CaseScore, pixels_of, scored_regions
from lungseg.image import Image
from lungseg.options import SegmentOptions
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


def worst(
    segmenter: Segmenter,
    cases: Sequence[Case],
    scores: Sequence[CaseScore],
    options: SegmentOptions,
) -> list[Shown]:
    """The `WORST_CASES` cases of lowest Dice, the lowest first, as overlays (ground truth yellow),
    shrunk to `TILE`; of a volume three planes, those where most is wrong. They are segmented again:
    to keep the pictures of all cases until the worst are known would take the memory of all.
    """
    known = {(case.source, case.case): case for case in cases}
    shown = sorted(scores, key=lambda score: score.first.dice)[:WORST_CASES]
    return [
        (
            f"{score.first.dice:.3f} {score.case}",
            _tile(segmenter, known[score.source, score.case], options),
        )
        for score in shown
    ]


def write_sheet(shown: Sequence[Shown], path: Path) -> None:
    """Writes pictures, with their captions, as one PNG of `COLUMNS` columns, or of as many as there
    is as much room for.
    """
    columns = max(1, COLUMNS * TILE // max(picture.shape[1] for _, picture in shown))
    sheet = montage([picture for _, picture in shown], columns, [caption for caption, _ in shown])
    write_file(path, picture_png(sheet))


def _tile(segmenter: Segmenter, case: Case, options: SegmentOptions) -> Picture:
    result = segmenter(case.image, replace(options, skip_quality=True))
    names = scored_regions(result.segmentation, case)
    structures = [structure for those in names.values() for structure in those]
    if isinstance(result.image, Image):
        labels = read_labels(case)
        labels = np.where(pixels_of(labels, structures), labels, 0)
        picture = _with_outlines(overlay(result.image, result.segmentation), labels)
        for name, inside in read_other_masks(case, result.image.geometry.shape).items():
            if name in names:
                picture = _with_outlines(picture, inside.view(np.uint8))
        return thumbnail(picture, TILE)
    labels = read_volume_labels(case, result.image.geometry).labels
    labels = np.where(pixels_of(labels, structures), labels, 0)
    found = np.any([result.segmentation.mask(name) for name in names], axis=0)
    tiles, captions = zip(
        *_planes(result.image, result.segmentation.labels, found, labels), strict=True
    )
    return tiles[0] if len(tiles) == 1 else montage(tiles, len(tiles), captions)


def _with_outlines(picture: Picture, labels: NDArray[np.uint8]) -> Picture:
    """A picture with the outlines of all structures of a label map (rows, columns) of its size,
    wide enough to be seen when it is shrunk to `TILE`.
    """
    width = max(1, round(max(labels.shape) / TILE))
    for number in np.unique(labels[labels > 0]):
        picture[contour(labels == number, width)] = GROUND_TRUTH_COLOUR
    return picture


def _planes(
    volume: Volume,
    mask: NDArray[np.uint8],
    found: NDArray[np.bool_],
    ground_truth: NDArray[np.uint8],
) -> list[tuple[Picture, str]]:
    """An axial, a coronal and a sagittal plane, each that where most voxels are wrong, or most is
    inside where none is; of a slice itself.

    Args:
        volume: that was segmented.
        mask: its labels, in its own order.
        found: where the scored structures are, in the volume's own order.
        ground_truth: their labels (slices, rows, columns) in axial order.
    """
    turn = volume.geometry.to_axial()
    grid, labels = turn.geometry(volume.geometry), turn.apply(mask)
    wrong = turn.apply(found) != (ground_truth > 0)
    tiles = []
    for axis in [0] if len(labels) == 1 else range(3):
        others = tuple(other for other in range(3) if other != axis)
        counted = wrong if wrong.any() else ground_truth
        number = int(np.count_nonzero(counted, axis=others).argmax())
        picture = slice_picture(volume, labels, axis, number, TILE)
        true = cut(ground_truth, axis, number, grid)
        resized = cv2.resize(true, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        tiles.append((_with_outlines(picture, np.asarray(resized, np.uint8)), PLANES[axis]))
    return tiles
