"""Lungs that are drawn through heart and mediastinum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lungseg.card import read_card
from lungseg.errors import UsageError
from lungseg.options import SegmentOptions
from lungseg.radiograph.lung_extent import NOTE, lungs_apart, through_heart
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.structures import HEART, LUNGS, OPACITY
from tiny_model import HEART_COLUMNS, HEART_ROWS, SIZE, dark_ellipses, write_tiny_model

THROUGH = SegmentOptions(lung_extent="through-heart")
BOX = (slice(80, 130), slice(88, 125))
"""Where the mediastinum of the tiny model lies in a picture of 160 x 200."""


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> RadiographSegmenter:
    folder = tmp_path_factory.mktemp("model")
    return RadiographSegmenter(write_tiny_model(folder, heart=True, mediastinum=True), threads=1)


def test_each_lung_takes_the_half_of_the_mediastinum_that_is_nearer(segmenter) -> None:
    plain, drawn = segmenter(dark_ellipses()), segmenter(dark_ellipses(), THROUGH)
    assert drawn.notes == (*plain.notes, NOTE)
    assert drawn.segmentation.mask("lungs")[plain.segmentation.mask("lungs")].all()
    assert not plain.segmentation.mask("lungs")[100, 95:105].any()
    assert (drawn.segmentation.labels[100, 90:96] == 1).all()
    assert (drawn.segmentation.labels[100, 106:112] == 2).all()
    added = drawn.segmentation.mask("lungs") & ~plain.segmentation.mask("lungs")
    assert added[BOX].sum() > 0.9 * added.sum()
    assert drawn.measurements["area", "lungs"].value > plain.measurements["area", "lungs"].value
    assert drawn.probabilities["right lung"][100, 92] > 0.9
    assert plain.probabilities["right lung"][100, 92] < 0.1


def test_verdict_and_confidence_are_those_of_the_lungs_as_they_are_by_default(segmenter) -> None:
    plain, drawn = segmenter(dark_ellipses()), segmenter(dark_ellipses(), THROUGH)
    assert drawn.verdict == plain.verdict
    for name in ("confidence", "cardiothoracic_ratio"):
        assert {k: v for k, v in drawn.measurements.items() if k[0] == name} == {
            k: v for k, v in plain.measurements.items() if k[0] == name
        }


def test_the_heart_stays_and_overlaps(segmenter) -> None:
    plain, drawn = segmenter(dark_ellipses()), segmenter(dark_ellipses(), THROUGH)
    assert len(plain.segmentation.layers) == 1 < len(drawn.segmentation.layers)
    heart = drawn.segmentation.mask("heart")
    np.testing.assert_array_equal(heart, plain.segmentation.mask("heart"))
    assert (heart & drawn.segmentation.mask("lungs")).any()


def test_it_is_widened_after_that(segmenter) -> None:
    wide = segmenter(dark_ellipses(), SegmentOptions(lung_extent="through-heart", dilate=4))
    assert wide.notes[-2:] == (NOTE, "mask widened by 4 pixels")
    assert wide.segmentation.mask("lungs").sum() > (
        segmenter(dark_ellipses(), THROUGH).segmentation.mask("lungs").sum()
    )


def test_where_no_lung_is_nothing_is_added(segmenter) -> None:
    picture = dark_ellipses(right=False, left=False)
    picture[80, 100] = 40
    assert not segmenter(picture, THROUGH).segmentation.mask("lungs").any()


def test_lungs_of_undecided_sides_take_it_too(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path, as_one=True, mediastinum=True)
    touching = dark_ellipses()
    touching[60:100, 60:140] = 40
    drawn = RadiographSegmenter(model, threads=1)(touching, THROUGH)
    assert not drawn.segmentation.tells_sides
    assert drawn.segmentation.mask("lungs")[115:125, 96:104].all()


def test_a_model_that_never_saw_such_masks_refuses(tmp_path: Path) -> None:
    segmenter = RadiographSegmenter(write_tiny_model(tmp_path), threads=1)
    with pytest.raises(UsageError, match="follow field, not through-heart"):
        segmenter(dark_ellipses(), THROUGH)


def test_lungs_get_a_layer_of_their_own() -> None:
    assert lungs_apart(((*LUNGS, HEART), (OPACITY,))) == (LUNGS, (HEART,), (OPACITY,))
    assert lungs_apart((LUNGS,)) == (LUNGS,)


def test_probabilities_of_the_lungs_and_what_is_added_stay_below_one(segmenter, tmp_path) -> None:
    card = segmenter.card
    channels = np.zeros((len(card.outputs), *SIZE), np.float32)
    channels[card.outputs.index("right lung"), 10:50, 10:25] = 1
    inside = (slice(*HEART_ROWS), HEART_COLUMNS)
    channels[(-1, *inside)] = 0.75
    drawn = through_heart(channels, card)
    assert drawn.max() == 1
    assert (drawn[card.outputs.index("right lung")][inside] == 0.75).all()
    assert not drawn[card.outputs.index("left lung")].any()


def test_cards_name_the_mediastinum_last_and_only_with_lungs(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path, mediastinum=True)
    card = read_card(path.with_suffix(".json"))
    assert card.outputs == ("background", "right lung", "left lung", "mediastinum")
    assert card.mirrored_channels == (0, 2, 1, 3)
    assert card.outside == (1.0, 0.0, 0.0, 0.0)
