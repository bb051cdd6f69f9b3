"""Scores against hand-counted cases and against MONAI."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lungseg import scores
from lungseg.errors import UsageError


def blob(rng: np.random.Generator, shape: tuple[int, int], share: float = 0.5) -> np.ndarray:
    """A random mask with several smooth pieces, some at the border."""
    field = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), 4)
    return field > np.quantile(field, 1 - share)


def test_counts_of_a_case_done_by_hand() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    prediction = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    counts = scores.count(truth, prediction)
    assert counts == scores.Counts(tp=2, fp=1, fn=1, tn=6)
    assert counts.dice == pytest.approx(2 / 3)
    assert counts.iou == 0.5
    assert counts.accuracy == 0.8
    assert counts.precision == pytest.approx(2 / 3)
    assert counts.recall == pytest.approx(2 / 3)
    assert counts.specificity == pytest.approx(6 / 7)
    assert counts + counts == scores.Counts(4, 2, 2, 12)
    assert scores.dice(truth, prediction) == counts.dice


@pytest.mark.parametrize(
    ("truth", "prediction", "dice", "precision", "recall", "specificity"),
    [(0, 0, 1.0, 1.0, 1.0, 1.0), (0, 1, 0.0, 0.0, 1.0, 0.0), (1, 0, 0.0, 1.0, 0.0, 1.0), (1, 1, 1.0, 1.0, 1.0, 1.0)],
)
def test_empty_and_full_masks(truth: int, prediction: int, dice: float, precision: float, recall: float, specificity: float) -> None:
    counts = scores.count(np.full((4, 5), truth), np.full((4, 5), prediction))
    assert (counts.dice, counts.precision, counts.recall, counts.specificity) == (dice, precision, recall, specificity)
    assert counts.iou == counts.accuracy == float(truth == prediction)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(UsageError, match=r"masks of shape \(3, 3\) and \(3, 4\) cannot be compared"):
        scores.dice(np.ones((3, 3)), np.ones((3, 4)))
    with pytest.raises(UsageError, match=r"not of shape \(3,\)"):
        scores.surface_distances(np.ones(3), np.ones(3))


def test_components_that_touch_at_a_corner_are_two() -> None:
    assert scores.components(np.eye(2)) == 2
    assert scores.components(np.ones((3, 3), bool)) == 1
    assert scores.components(np.zeros((3, 3))) == 0
    assert scores.components(np.array([[0, 5, 5], [0, 0, 5]])) == 1


def test_the_border_of_the_image_is_an_outline() -> None:
    ring = np.ones((4, 5), bool)
    ring[1:-1, 1:-1] = False
    np.testing.assert_array_equal(scores.outline(np.ones((4, 5))), ring)


def test_distances_of_shifted_squares() -> None:
    a = np.zeros((40, 40), bool)
    b = a.copy()
    a[10:20, 10:20] = True
    b[10:20, 13:23] = True
    distances = scores.surface_distances(a, b)
    assert distances.hd == distances.hd95 == 3.0
    assert scores.surface_distances(a, b, (7.0, 0.5)).hd == 1.5
    assert scores.surface_distances(a, a) == scores.SurfaceDistances(0.0, 0.0, 0.0)


def test_distances_of_empty_masks() -> None:
    empty, full = np.zeros((8, 8), bool), np.ones((8, 8), bool)
    assert scores.surface_distances(empty, empty) == scores.SurfaceDistances(0.0, 0.0, 0.0)
    assert scores.surface_distances(empty, full) == scores.SurfaceDistances(math.inf, math.inf, math.inf)
    assert scores.surface_distances(full, empty).assd == math.inf


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.7), (0.4, 1.3)])
def test_agrees_with_monai(spacing: tuple[float, float]) -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(3)
    for _ in range(12):
        shape = (int(rng.integers(30, 90)), int(rng.integers(30, 90)))
        truth, prediction = blob(rng, shape, rng.uniform(0.05, 0.7)), blob(rng, shape, rng.uniform(0.05, 0.7))
        a, b = (torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth))
        ours = scores.surface_distances(truth, prediction, spacing)
        kwargs = {"include_background": True, "spacing": list(spacing)}
        assert ours.hd == pytest.approx(float(metrics.compute_hausdorff_distance(a, b, **kwargs)), abs=1e-4)
        assert ours.hd95 == pytest.approx(float(metrics.compute_hausdorff_distance(a, b, percentile=95, **kwargs)), abs=1e-4)
        assert ours.assd == pytest.approx(float(metrics.compute_average_surface_distance(a, b, symmetric=True, **kwargs)), abs=1e-4)
        assert scores.dice(truth, prediction) == pytest.approx(float(metrics.compute_dice(a, b)), abs=1e-6)
        assert scores.count(truth, prediction).iou == pytest.approx(float(metrics.compute_iou(a, b)), abs=1e-6)
