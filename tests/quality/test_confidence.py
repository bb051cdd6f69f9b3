"""Soft Dice of structures and of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from confidences import confidence_of
from lungseg.quality.confidence import confidence
from lungseg.structures import HEART, LUNGS, RIGHT_LUNG


def test_a_case_done_by_hand() -> None:
    labels = np.array([[1, 1, 0, 2]], np.uint8)
    right = np.array([[0.9, 0.6, 0.2, 0.0]], np.float32)
    left = np.array([[0.0, 0.3, 0.2, 0.8]], np.float32)
    assert confidence(labels, (right, left)) == {
        "right lung": pytest.approx(2 * 1.5 / (1.7 + 2)),
        "left lung": pytest.approx(2 * 0.8 / (1.3 + 1)),
        "lungs": pytest.approx(2 * (0.9 + 0.9 + 0.8) / (3.0 + 3)),
    }


def test_certainty_and_nothing() -> None:
    labels = np.array([[1, 0, 2]], np.uint8)
    certain = np.stack([labels == 1, labels == 2]).astype(np.float32)
    assert confidence(labels, certain) == confidence_of(1.0, 1.0, 1.0)
    assert confidence(0 * labels, 0 * certain) == confidence_of(0.0, 0.0, 0.0)


def test_other_structures_are_no_part_of_the_pair() -> None:
    labels = np.array([[1, 2, 3]], np.uint8)
    planes = np.array([[[0.8, 0.0, 0.0]], [[0.0, 0.8, 0.0]], [[0.0, 0.0, 0.2]]], np.float32)
    found = confidence(labels, planes, (*LUNGS, HEART))
    assert list(found) == ["right lung", "left lung", "heart", "lungs"]
    assert found["heart"] == pytest.approx(2 * 0.2 / 1.2)
    assert found["lungs"] == pytest.approx(2 * 1.6 / 3.6)


def test_half_of_a_pair_is_no_pair() -> None:
    labels = np.array([[1, 0]], np.uint8)
    found = confidence(labels, np.array([[[0.9, 0.1]]], np.float32), (RIGHT_LUNG,))
    assert found == {"right lung": pytest.approx(0.9)}
