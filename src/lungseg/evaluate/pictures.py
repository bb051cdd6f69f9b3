"""The cases to look at: overlays with the outline of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lungseg.datasets import Case, read_labels
from lungseg.draw import Picture, contour, fitted, montage, overlay
from lungseg.evaluate.cases import CaseScore
from lungseg.pipeline import RadiographSegmenter
from lungseg.write import picture_png, write_file

WORST: Final = 20
TILE: Final = 320
"""Longer side of a picture, in pixels."""
TRUTH_COLOUR: Final = (255, 220, 0)

Shown = tuple[str, Picture]
"""A caption in words, and a picture."""


def worst(segmenter: RadiographSegmenter, cases: Sequence[Case], scores: Sequence[CaseScore]) -> list[Shown]:
    """The `WORST` cases of lowest Dice, the lowest first, as overlays (truth yellow), shrunk to `TILE`. They are segmented again: to
    keep the pictures of all cases until the worst are known would take the memory of all.
    """
    known = {(case.source, case.case): case for case in cases}
    shown = sorted(scores, key=lambda score: score.lungs.dice)[:WORST]
    return [(f"{score.lungs.dice:.3f} {score.case}", _tile(segmenter, known[score.source, score.case])) for score in shown]


def write_sheet(shown: Sequence[Shown], path: Path) -> None:
    """Writes pictures, with their captions, as one PNG of five columns."""
    sheet = montage([picture for _, picture in shown], 5, [caption for caption, _ in shown])
    write_file(path, picture_png(sheet))


def _tile(segmenter: RadiographSegmenter, case: Case) -> Picture:
    result = segmenter(case.image)
    picture = overlay(result.image, result.segmentation)
    truth = read_labels(case) > 0
    picture[contour(truth, max(1, round(max(truth.shape) / TILE)))] = TRUTH_COLOUR
    return fitted(picture, TILE)
