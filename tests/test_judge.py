"""Verdicts: each reason by the one thing that is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from lungseg.findings import Verdict
from lungseg.geometry import Geometry
from lungseg.image import Segmentation
from lungseg.judge import REASONS, judge
from lungseg.measure import Confidence, measure

SHAPE = (100, 100)


def verdict(*boxes: tuple[int, int, int, int, int], sure: float = 0.97) -> Verdict:
    """Of an image of 100 by 100 with boxes of a label, first row, row after the last, first column, column after the last."""
    labels = np.zeros(SHAPE, np.uint8)
    for label, top, bottom, first, last in boxes:
        labels[top:bottom, first:last] = label
    segmentation = Segmentation(labels, Geometry(SHAPE))
    return judge(segmentation, measure(segmentation, Confidence(sure, sure, sure)))


def test_two_ordinary_lungs_are_ok() -> None:
    assert verdict((1, 20, 80, 15, 40), (2, 20, 80, 60, 85)) == Verdict("ok", ())


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("no lung", []),
        ("one lung", [(1, 20, 80, 15, 40)]),
        ("small", [(1, 40, 56, 30, 46), (2, 40, 56, 54, 70)]),
        ("large", [(1, 5, 95, 5, 49), (2, 5, 95, 51, 95)]),
        ("asymmetric", [(1, 20, 80, 15, 45), (2, 20, 80, 60, 70)]),
        ("cut off", [(1, 20, 80, 0, 30), (2, 20, 80, 60, 85)]),
        ("cut off", [(1, 20, 80, 15, 40), (2, 40, 100, 60, 85)]),
    ],
)
def test_each_reason(name: str, boxes: list[tuple[int, int, int, int, int]]) -> None:
    assert verdict(*boxes) == Verdict("review", (REASONS[name],))


def test_a_network_that_is_unsure() -> None:
    lungs = (1, 20, 80, 15, 40), (2, 20, 80, 60, 85)
    assert verdict(*lungs, sure=0.89) == Verdict("review", (REASONS["uncertain"],))
    assert verdict(*lungs, sure=0.9).status == "ok"


def test_a_corner_at_the_edge_is_not_cut_off() -> None:
    assert verdict((1, 20, 80, 15, 40), (2, 40, 99, 60, 85), (2, 99, 100, 60, 70)).status == "ok"


def test_several_reasons_are_all_given() -> None:
    assert verdict((1, 0, 16, 0, 16), sure=0.5).reasons == tuple(REASONS[n] for n in ("one lung", "small", "cut off", "uncertain"))
