"""What teachers settle of the pixels that masks leave open, and what they leave as it is."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from lungseg.card import ModelCard
from lungseg.datasets.label_sets import (
    ANYTHING,
    BACKGROUND,
    LEFT,
    MEDIASTINUM,
    RIGHT,
    allowed_classes,
)
from lungseg.errors import ModelError
from lungseg.predict import Predictor
from lungseg.train.pseudo_labels import Teachers, pseudo_label
from tiny_model import dark_ellipses, write_tiny_model

SIZE = (32, 32)


class Sure:
    """A teacher that gives the same probabilities everywhere, whatever it sees."""

    card = ModelCard("m", "0", "radiograph", (("right lung", "left lung"),), "none", SIZE, "")

    def __init__(self, right: float, left: float) -> None:
        self.planes = np.array([1 - right - left, right, left], np.float32)
        self.batches: list[Any] = []

    def __call__(self, batch: Any) -> Any:
        self.batches.append(batch)
        planes = np.broadcast_to(self.planes[:, np.newaxis, np.newaxis], (3, *SIZE))
        mirrored = planes[[0, 2, 1]]
        return np.stack([planes] * 3 + [mirrored] * 3)


def narrowed(code: int, *teachers: Sure) -> int:
    """What becomes of the set `code` in the middle of the picture, where a turned picture has no
    corner."""
    allowed = np.full((40, 50), code, np.uint8)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    return int(pseudo_label(allowed, pixels, teachers)[20, 25])


@pytest.mark.parametrize(
    ("code", "right", "left", "becomes"),
    [
        (RIGHT | MEDIASTINUM, 0.65, 0.0, RIGHT),
        (RIGHT | MEDIASTINUM, 0.5, 0.0, RIGHT | MEDIASTINUM),
        (RIGHT | MEDIASTINUM, 0.35, 0.0, MEDIASTINUM),
        (RIGHT | MEDIASTINUM, 0.0, 0.9, MEDIASTINUM),
        (LEFT | MEDIASTINUM, 0.0, 0.65, LEFT),
        (LEFT | MEDIASTINUM, 0.0, 0.35, MEDIASTINUM),
        (ANYTHING, 0.65, 0.1, RIGHT),
        (ANYTHING, 0.1, 0.65, LEFT),
        (ANYTHING, 0.25, 0.25, ANYTHING),
        (ANYTHING, 0.1, 0.2, BACKGROUND | MEDIASTINUM),
        (RIGHT, 0.0, 0.9, RIGHT),
        (BACKGROUND, 0.9, 0.0, BACKGROUND),
        (BACKGROUND | MEDIASTINUM, 0.9, 0.0, BACKGROUND | MEDIASTINUM),
    ],
)
def test_open_pixels_become_what_the_teacher_is_sure_of(code, right, left, becomes) -> None:
    assert narrowed(code, Sure(right, left)) == becomes


def test_several_teachers_are_averaged() -> None:
    assert narrowed(RIGHT | MEDIASTINUM, Sure(0.9, 0.0), Sure(0.2, 0.0)) == RIGHT | MEDIASTINUM
    assert narrowed(RIGHT | MEDIASTINUM, Sure(0.9, 0.0), Sure(0.4, 0.0)) == RIGHT


def test_a_teacher_sees_the_picture_turned_and_mirrored() -> None:
    teacher = Sure(0.5, 0.0)
    narrowed(ANYTHING, teacher)
    (batch,) = teacher.batches
    assert batch.shape == (6, 1, *SIZE)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[3:], batch[:3, ..., ::-1])
    assert not np.array_equal(batch[0], batch[1])
    np.testing.assert_allclose(batch[0, 0, 16, 16], batch[1, 0, 16, 16], atol=1.5)


def test_where_nothing_is_open_no_teacher_is_asked() -> None:
    teacher = Sure(0.5, 0.0)
    allowed = np.full((8, 8), BACKGROUND | MEDIASTINUM, np.uint8)
    np.testing.assert_array_equal(pseudo_label(allowed, np.zeros((8, 8)), [teacher]), allowed)
    assert teacher.batches == []


def test_a_mask_over_the_heart_is_narrowed_to_the_lungs(tmp_path) -> None:
    pixels = dark_ellipses()
    labels = np.zeros(pixels.shape, np.uint8)
    labels[40:120, 20:100], labels[40:120, 100:180] = 1, 2  # which meet over the heart
    allowed = allowed_classes(labels, "through-heart")
    before = allowed.copy()
    found = pseudo_label(allowed, pixels, [Predictor(write_tiny_model(tmp_path), threads=1)])
    np.testing.assert_array_equal(allowed, before)
    assert (found[80, 56], found[80, 144], found[80, 100]) == (RIGHT, LEFT, MEDIASTINUM)
    closed = ~np.isin(before, (RIGHT | MEDIASTINUM, LEFT | MEDIASTINUM))
    np.testing.assert_array_equal(found[closed], before[closed])
    assert (
        np.isin(before, (RIGHT | MEDIASTINUM, LEFT | MEDIASTINUM)).sum()
        > 3 * np.isin(found, (10, 12)).sum()
    )


def test_teachers_are_loaded_by_name_and_travel_between_processes(tmp_path) -> None:
    model = write_tiny_model(tmp_path)
    teachers = Teachers([str(model)])
    pixels = dark_ellipses()
    allowed = np.full(pixels.shape, ANYTHING, np.uint8)
    found = teachers.pseudo_label(allowed, pixels)
    assert teachers.names == [Predictor(model, threads=1).card.sha256]
    assert (found[80, 56], found[80, 144], found[80, 100]) == (
        RIGHT,
        LEFT,
        BACKGROUND | MEDIASTINUM,
    )
    unpickled = pickle.loads(pickle.dumps(teachers))
    np.testing.assert_array_equal(unpickled.pseudo_label(allowed, pixels), found)
    assert Teachers(()).pseudo_label(allowed, pixels) is allowed
    with pytest.raises(ModelError, match="no model named 'nobody'"):
        Teachers(["nobody"]).pseudo_label(allowed, pixels)
