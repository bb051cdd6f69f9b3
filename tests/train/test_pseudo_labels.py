"""Pseudo-labels: what teachers decide of the pixels that masks leave open, and what they leave as
it is."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from lungseg.card import ModelCard
from lungseg.datasets.label_sets import LUNG_LAYERS, allowed_sets, layer_classes
from lungseg.errors import ModelError
from lungseg.predict import Predictor
from lungseg.train.pseudo_labels import Teachers, pseudo_label
from tiny_model import dark_ellipses, write_tiny_model

BACKGROUND, RIGHT, LEFT, MEDIASTINUM, ANYTHING = 1, 2, 4, 8, 15
"""Sets of classes of the layer of the lungs."""

SIZE = (32, 32)


class Sure:
    """A teacher that gives the same probabilities everywhere, whatever it sees."""

    def __init__(self, **structures: float) -> None:
        """Of structures that exclude each other, their probabilities by name."""
        names = tuple(name.replace("_", " ") for name in structures)
        self.card = ModelCard("sure", "0", "radiograph", (names,), "none", SIZE, "0")
        self.channels = np.array([1 - sum(structures.values()), *structures.values()], np.float32)
        self.batches: list[Any] = []

    def __call__(self, batch: Any) -> Any:
        self.batches.append(batch)
        shape = (len(self.channels), *SIZE)
        channels = np.broadcast_to(self.channels[:, np.newaxis, np.newaxis], shape)
        mirrored = channels[list(self.card.mirrored_channels)]
        return np.stack([channels] * 3 + [mirrored] * 3)


def lungs(right: float, left: float) -> Sure:
    return Sure(right_lung=right, left_lung=left)


def narrowed(code: int, *teachers: Sure, layers=LUNG_LAYERS) -> int:
    """What becomes of the set `code` in the middle of the picture, where a turned picture has no
    corner."""
    allowed = np.full((1, 40, 50), code, np.uint8)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    return int(pseudo_label(allowed, pixels, teachers, layers)[0, 20, 25])


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
    assert narrowed(code, lungs(right, left)) == becomes


CHEST = layer_classes((("right lung", "left lung", "heart"),))
HEART = 8
"""Its bit among the classes of `CHEST`, where that of the mediastinum is 16."""


@pytest.mark.parametrize(
    ("code", "right", "left", "heart", "becomes"),
    [
        (BACKGROUND | HEART | 16, 0.0, 0.0, 0.7, HEART),
        (BACKGROUND | HEART | 16, 0.0, 0.0, 0.5, BACKGROUND | HEART | 16),
        (BACKGROUND | HEART | 16, 0.5, 0.2, 0.1, BACKGROUND | 16),
        (RIGHT | HEART, 0.1, 0.0, 0.1, RIGHT | HEART),  # else nothing would be left
        (RIGHT | HEART | 16, 0.3, 0.5, 0.1, 16),
        (31, 0.25, 0.25, 0.1, 31 - HEART),
    ],
)
def test_whatever_a_teacher_predicts_it_decides(code, right, left, heart, becomes) -> None:
    teacher = Sure(right_lung=right, left_lung=left, heart=heart)
    assert narrowed(code, teacher, layers=CHEST) == becomes


def test_of_what_no_teacher_predicts_nothing_is_decided() -> None:
    assert narrowed(BACKGROUND | HEART | 16, lungs(0.9, 0.0), layers=CHEST) == 25
    hearts = Sure(heart=0.9)
    assert narrowed(BACKGROUND | HEART | 16, lungs(0.9, 0.0), hearts, layers=CHEST) == HEART


def test_each_layer_is_narrowed_by_itself() -> None:
    layers = layer_classes((("right lung", "left lung"), ("heart",)))
    allowed = np.stack([np.full((40, 50), code, np.uint8) for code in (ANYTHING, 3)])
    teacher = Sure(right_lung=0.1, left_lung=0.1, heart=0.8)
    found = pseudo_label(allowed, np.zeros((40, 50), np.uint8), [teacher], layers)
    assert found[:, 20, 25].tolist() == [BACKGROUND | MEDIASTINUM, 2]


def test_several_teachers_are_averaged() -> None:
    assert narrowed(RIGHT | MEDIASTINUM, lungs(0.9, 0.0), lungs(0.2, 0.0)) == RIGHT | MEDIASTINUM
    assert narrowed(RIGHT | MEDIASTINUM, lungs(0.9, 0.0), lungs(0.4, 0.0)) == RIGHT


def test_a_teacher_sees_the_picture_turned_and_mirrored() -> None:
    teacher = lungs(0.5, 0.0)
    narrowed(ANYTHING, teacher)
    (batch,) = teacher.batches
    assert batch.shape == (6, 1, *SIZE)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[3:], batch[:3, ..., ::-1])
    assert not np.array_equal(batch[0], batch[1])
    np.testing.assert_allclose(batch[0, 0, 16, 16], batch[1, 0, 16, 16], atol=1.5)


def test_where_nothing_is_open_no_teacher_is_asked() -> None:
    teacher = lungs(0.5, 0.0)
    allowed = np.full((1, 8, 8), BACKGROUND | MEDIASTINUM, np.uint8)
    np.testing.assert_array_equal(pseudo_label(allowed, np.zeros((8, 8)), [teacher]), allowed)
    assert teacher.batches == []


def test_a_mask_over_the_heart_is_narrowed_to_the_lungs(tmp_path) -> None:
    pixels = dark_ellipses()
    labels = np.zeros(pixels.shape, np.uint8)
    labels[40:120, 20:100], labels[40:120, 100:180] = 1, 2  # which meet over the heart
    allowed = allowed_sets(
        labels, LUNG_LAYERS, decides=("right lung", "left lung"), lung_extent="through-heart"
    )
    given = allowed.copy()
    teachers = [Predictor(write_tiny_model(tmp_path), threads=1)]
    (found,) = pseudo_label(allowed, pixels, teachers)
    np.testing.assert_array_equal(allowed, given)
    (before,) = given
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
    allowed = np.full((1, *pixels.shape), ANYTHING, np.uint8)
    (found,) = teachers.pseudo_label(allowed, pixels, LUNG_LAYERS)
    assert teachers.names == [Predictor(model, threads=1).card.sha256]
    assert (found[80, 56], found[80, 144], found[80, 100]) == (
        RIGHT,
        LEFT,
        BACKGROUND | MEDIASTINUM,
    )
    unpickled = pickle.loads(pickle.dumps(teachers))
    np.testing.assert_array_equal(unpickled.pseudo_label(allowed, pixels, LUNG_LAYERS)[0], found)
    assert Teachers(()).pseudo_label(allowed, pixels, LUNG_LAYERS) is allowed
    with pytest.raises(ModelError, match="no model named 'nobody'"):
        Teachers(["nobody"]).pseudo_label(allowed, pixels, LUNG_LAYERS)
