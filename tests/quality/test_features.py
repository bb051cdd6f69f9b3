"""Features of masks that are drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from confidences import confidence_of
from lungseg.quality.features import (
    AGREEMENT_FEATURES,
    CERTAINTY_FEATURES,
    SHAPE_FEATURES,
    agreement_features,
    mask_features,
)

FLAT = np.zeros((256, 256), np.float32)


def lungs(rotation: float = 0.0, *, left: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of two ellipses, the second one at an angle in degrees."""
    labels = np.zeros((256, 256), np.uint8)
    cv2.ellipse(labels, (80, 128), (30, 80), 0, 0, 360, 1, -1)
    if left:
        cv2.ellipse(labels, (176, 128), (30, 80), rotation, 0, 360, 2, -1)
    return np.stack([labels == 1, labels == 2]).astype(np.float32), labels


def test_features_of_two_equal_ellipses() -> None:
    probabilities, labels = lungs()
    image = np.where(labels > 0, -1, 1).astype(np.float32)
    found = mask_features(image, probabilities, labels, confidence_of(0.9, 0.8, 0.85))
    assert tuple(found) == (*CERTAINTY_FEATURES, *SHAPE_FEATURES)
    assert found["confidence"] == 0.85
    assert found["min_confidence"] == 0.8
    assert found["undecided"] == found["removed_fraction"] == 0
    assert found["side_overlap"] == -3
    assert found["contrast"] == pytest.approx(2)
    assert found["intensity_std"] == pytest.approx(0, abs=1e-6)
    assert found["area"] == pytest.approx(np.pi * 30 * 80 / 65536, rel=0.03)
    assert found["taper"] == pytest.approx(1, abs=0.01)
    assert found["solidity"] == pytest.approx(1, abs=0.03)
    assert found["extent"] == pytest.approx(np.pi / 4, abs=0.02)
    assert (found["top"], found["bottom"], found["gap"]) == (48 / 256, 209 / 256, 35 / 256)
    for name in ("area", "height", "top", "solidity"):
        assert found[f"{name}_asymmetry"] == 0
    assert found["common_orientation"] == pytest.approx(0, abs=1e-6)


def test_a_lung_at_an_angle_shows_in_the_features() -> None:
    probabilities, labels = lungs(rotation=20)
    found = mask_features(FLAT, probabilities, labels, confidence_of(1, 1, 1))
    assert found["common_orientation"] == pytest.approx(np.deg2rad(10), abs=0.01)
    assert found["height_asymmetry"] > 0.02


def test_what_cannot_be_told_of_a_missing_lung_is_absent() -> None:
    probabilities, labels = lungs(left=False)
    found = mask_features(FLAT, probabilities, labels, confidence_of(1, 0, 1))
    assert tuple(found) == CERTAINTY_FEATURES
    nothing = mask_features(FLAT, 0 * probabilities, 0 * labels, confidence_of(0, 0, 0))
    assert nothing == {
        "confidence": 0,
        "min_confidence": 0,
        "undecided": 0,
        "side_overlap": -3,
        "removed_fraction": 0,
    }


def test_a_mask_of_the_whole_picture_has_no_edge() -> None:
    labels = np.repeat(np.array([1, 2], np.uint8), 128)[None].repeat(256, axis=0)
    probabilities = np.stack([labels == 1, labels == 2]).astype(np.float32)
    image = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    found = mask_features(image, probabilities, labels, confidence_of(1.0, 1.0, 1.0))
    assert (found["edge_gradient"], found["probability_gradient"], found["contrast"]) == (0, 0, 0)


def test_a_structure_that_is_no_lung_changes_nothing() -> None:
    probabilities, labels = lungs()
    with_heart = labels.copy()
    with_heart[120:150, 115:140] = 3
    certain = confidence_of(1, 1, 1)
    assert mask_features(FLAT, probabilities, with_heart, certain) == mask_features(
        FLAT, probabilities, labels, certain
    )
    assert agreement_features(probabilities, probabilities, with_heart, 1)["mask_agreement"] == 1


def test_two_forward_passes_agree_with_themselves_only() -> None:
    probabilities, labels = lungs()
    assert agreement_features(probabilities, probabilities, labels, 0.9) == dict(
        zip(AGREEMENT_FEATURES, (1, 1, 1, 0.9), strict=True)
    )
    one, _ = lungs(left=False)
    other = agreement_features(probabilities, one, labels, 0.9)
    assert other["min_agreement"] == 0
    assert other["agreement"] == pytest.approx(2 / 3)
