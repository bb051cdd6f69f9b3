"""Scores against hand-counted cases and against MONAI."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lungseg import scores
from lungseg.errors import UsageError


def blob(rng: np.random.Generator, shape: tuple[int, ...], share: float = 0.5) -> np.ndarray:
    """A random mask with several smooth pieces, some at the border; of three axes, smooth in
    space."""
    field = rng.normal(size=shape)
    for axis in range(len(shape)):
        rows = np.moveaxis(field, axis, 0)
        smooth = cv2.GaussianBlur(
            rows.reshape(len(rows), -1), (1, 0), sigmaX=0.01, sigmaY=4
        ).reshape(rows.shape)
        field = np.moveaxis(smooth, 0, axis)
    return field > np.quantile(field, 1 - share)


def test_counts_of_a_case_done_by_hand() -> None:
    ground_truth = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    prediction = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    counts = scores.count(ground_truth, prediction)
    assert counts == scores.Counts(tp=2, fp=1, fn=1, tn=6)
    assert counts.dice == pytest.approx(2 / 3)
    assert counts.iou == 0.5
    assert counts.accuracy == 0.8
    assert counts.precision == pytest.approx(2 / 3)
    assert counts.recall == pytest.approx(2 / 3)
    assert counts.specificity == pytest.approx(6 / 7)
    assert counts + counts == scores.Counts(4, 2, 2, 12)
    assert scores.dice(ground_truth, prediction) == counts.dice


@pytest.mark.parametrize(
    ("ground_truth", "prediction", "dice", "precision", "recall", "specificity"),
    [
        (0, 0, 1.0, 1.0, 1.0, 1.0),
        (0, 1, 0.0, 0.0, 1.0, 0.0),
        (1, 0, 0.0, 1.0, 0.0, 1.0),
        (1, 1, 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_empty_and_full_masks(
    ground_truth: int,
    prediction: int,
    dice: float,
    precision: float,
    recall: float,
    specificity: float,
) -> None:
    counts = scores.count(np.full((4, 5), ground_truth), np.full((4, 5), prediction))
    assert (counts.dice, counts.precision, counts.recall, counts.specificity) == (
        dice,
        precision,
        recall,
        specificity,
    )
    assert counts.iou == counts.accuracy == float(ground_truth == prediction)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"masks of shape \(3, 3\) and \(3, 4\) cannot be compared"
    ):
        scores.dice(np.ones((3, 3)), np.ones((3, 4)))
    with pytest.raises(UsageError, match=r"not of shape \(3,\)"):
        scores.surface_distances(np.ones(3), np.ones(3))
    with pytest.raises(UsageError, match=r"masks of shape \(3, 3, 3\) have not 2 spacings"):
        scores.surface_distances(np.ones((3, 3, 3)), np.ones((3, 3, 3)), (1.0, 1.0))


def test_components_that_touch_at_a_corner_are_two() -> None:
    assert scores.components(np.eye(2)) == 2
    assert scores.components(np.ones((3, 3), bool)) == 1
    assert scores.components(np.zeros((3, 3))) == 0
    assert scores.components(np.array([[0, 5, 5], [0, 0, 5]])) == 1


def test_the_border_of_the_image_is_an_outline() -> None:
    ring = np.ones((4, 5), bool)
    ring[1:-1, 1:-1] = False
    np.testing.assert_array_equal(scores.outline(np.ones((4, 5))), ring)


def test_the_outline_of_no_pixel_has_none() -> None:
    assert scores.outline(np.zeros((3, 4))).sum() == 0
    assert scores.outline(np.zeros((0, 4))).shape == (0, 4)


def test_the_outline_of_a_volume_is_its_voxels_with_one_of_six_neighbours_outside() -> None:
    block = np.zeros((5, 7, 7), bool)
    block[1:4, 1:6, 1:6] = True
    inside = np.zeros_like(block)
    inside[2, 2:5, 2:5] = True
    np.testing.assert_array_equal(scores.outline(block), block & ~inside)
    whole = np.ones((3, 4, 5))
    assert scores.outline(whole).sum() == whole.size - 1 * 2 * 3
    assert scores.outline(np.zeros((0, 3, 3))).shape == (0, 3, 3)


def test_the_box_around_a_mask() -> None:
    mask = np.zeros((4, 6, 8), bool)
    mask[1, 2:4, 5], mask[3, 3, 7] = True, True
    assert scores.enclosing_box(mask) == (slice(1, 4), slice(2, 4), slice(5, 8))
    assert scores.enclosing_box(np.zeros((2, 3))) == (slice(0, 0), slice(0, 0))


def test_a_relative_area_error_is_signed_and_of_the_ground_truth() -> None:
    assert scores.Counts(tp=6, fp=1, fn=2, tn=0).relative_area_error == -1 / 8
    assert scores.Counts(tp=6, fp=4, fn=2, tn=0).relative_area_error == 2 / 8
    assert scores.Counts(tp=0, fp=0, fn=0, tn=9).relative_area_error == 0
    assert scores.Counts(tp=0, fp=1, fn=0, tn=9).relative_area_error == math.inf
    assert scores.Counts(tp=0, fp=0, fn=4, tn=9).relative_area_error == -1


def figures(distances: scores.SurfaceDistances) -> tuple[float, float, float]:
    return distances.hd, distances.hd95, distances.assd


def test_distances_of_shifted_squares() -> None:
    a = np.zeros((40, 40), bool)
    b = a.copy()
    a[10:20, 10:20] = True
    b[10:20, 13:23] = True
    distances = scores.surface_distances(a, b)
    assert distances.hd == distances.hd95 == 3.0
    assert (distances.there.size, distances.back.size) == (36, 36)
    assert scores.surface_distances(a, b, (7.0, 0.5)).hd == 1.5
    assert scores.surface_distances(a, b, (0.5, 0.5)).hd == 1.5
    same = scores.surface_distances(a, a)
    assert (*figures(same), same.nsd(0)) == (0.0, 0.0, 0.0, 1.0)


def test_the_two_95th_percentiles_take_the_directions_apart_or_together() -> None:
    near, far = np.zeros(90), np.full(10, 7.0)
    distances = scores.SurfaceDistances(np.concatenate([near, far]), np.zeros(150))
    assert (distances.hd95, distances.hd95_pooled) == (7.0, 0.0)
    distances = scores.SurfaceDistances(np.concatenate([near, far]), np.zeros(50))
    assert (distances.hd95, distances.hd95_pooled) == (7.0, 7.0)
    pooled = scores.SurfaceDistances(np.arange(10.0), np.arange(10.0, 21.0)).hd95_pooled
    assert pooled == pytest.approx(19.0)  # of 0 to 20


def test_nsd_counts_what_is_no_farther_than_the_tolerance() -> None:
    """Two lines of five pixels; of each, three lie 1 away, and the others 2 and 3."""
    a, b = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    a[2, 2:7] = True
    b[3, 2:7] = True
    b[3, 5:7] = False
    distances = scores.surface_distances(a, b)
    assert sorted(distances.there) == [1, 1, 1, math.sqrt(2), math.sqrt(5)]
    assert list(distances.back) == [1, 1, 1]
    assert [distances.nsd(t) for t in (0.5, 1, 2, 3)] == [0, 6 / 8, 7 / 8, 1]


def test_a_distance_that_is_the_tolerance_but_for_rounding_is_within() -> None:
    a, b = np.zeros((9, 40), bool), np.zeros((9, 40), bool)
    a[4, 4], b[4, 7] = True, True
    assert 3 * 0.1 > 0.3
    assert scores.surface_distances(a, b, (0.1, 0.1)).nsd(0.3) == 1


def test_distances_of_empty_masks() -> None:
    empty, full = np.zeros((8, 8), bool), np.ones((8, 8), bool)
    none = scores.surface_distances(empty, empty)
    assert (*figures(none), none.hd95_pooled, none.nsd(1)) == (0, 0, 0, 0, 1)
    for pair in ((empty, full), (full, empty)):
        one = scores.surface_distances(*pair)
        assert (*figures(one), one.hd95_pooled, one.nsd(3)) == (
            math.inf,
            math.inf,
            math.inf,
            math.inf,
            0,
        )


def test_distances_are_exact_on_large_masks() -> None:
    a, b = np.zeros((1500, 1800), bool), np.zeros((1500, 1800), bool)
    a[0, 0], b[1499, 1799], b[1200, 1599] = True, True, True
    distances = scores.surface_distances(a, b)
    assert list(distances.there) == [math.hypot(1200, 1599)]
    assert list(distances.back) == [math.hypot(1200, 1599), math.hypot(1499, 1799)]


SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.7, 0.7), (0.7, 2.5, 0.7), (0.8, 0.8, 5.0), (0.5, 0.8, 1.3)]
"""Voxels that are cubes, that are square across each axis, and that have three different edges."""


def test_distances_of_shifted_boxes() -> None:
    a, b = np.zeros((20, 24, 28), bool), np.zeros((20, 24, 28), bool)
    a[4:12, 5:15, 6:16] = True
    b[6:14, 5:15, 6:16] = True
    for spacing, distance in ((None, 2.0), ((3.0, 0.7, 0.7), 6.0), ((1.5, 2.0, 4.0), 3.0)):
        found = scores.surface_distances(a, b, spacing)
        assert found.hd == found.hd95 == pytest.approx(distance, abs=1e-12)
        assert found.there.size == found.back.size == 8 * 10 * 10 - 6 * 8 * 8
    b[:] = False
    assert scores.surface_distances(a, b).hd == math.inf
    assert scores.surface_distances(b, b).nsd(0) == 1


@pytest.mark.parametrize("kept", [1 << 28, 1])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_in_space_are_those_of_an_exact_distance_transform(
    spacing, kept, monkeypatch
) -> None:
    """Also where the planes are not kept, but computed again each time they are looked at."""
    ndimage = pytest.importorskip("scipy.ndimage")
    monkeypatch.setattr(scores, "KEPT", kept)
    rng = np.random.default_rng(5)
    for _ in range(3):
        shape = tuple(int(side) for side in rng.integers(8, 40, 3))
        a, b = blob(rng, shape, rng.uniform(0.02, 0.6)), blob(rng, shape, rng.uniform(0.02, 0.6))
        edges = [mask & ~ndimage.binary_erosion(mask) for mask in (a, b)]
        found = scores.surface_distances(a, b, spacing)
        for ours, start, target in ((found.there, *edges), (found.back, *edges[::-1])):
            theirs = ndimage.distance_transform_edt(~target, sampling=spacing)[start]
            np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-9)


def test_a_lung_that_is_missing_is_far_and_exact() -> None:
    """From a voxel to the only other one, many planes away."""
    a, b = np.zeros((60, 40, 50), bool), np.zeros((60, 40, 50), bool)
    a[2, 3, 4], a[58, 38, 48] = True, True
    b[2, 3, 4] = True
    far = math.sqrt((56 * 2.0) ** 2 + (35 * 0.5) ** 2 + (44 * 0.5) ** 2)
    np.testing.assert_allclose(
        np.sort(scores.surface_distances(a, b, (2.0, 0.5, 0.5)).there), [0, far]
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", [SPACINGS[0], SPACINGS[1], SPACINGS[4]])
def test_agrees_with_monai_in_space(spacing) -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(7)
    for _ in range(2):
        shape = tuple(int(side) for side in rng.integers(12, 36, 3))
        ground_truth, prediction = (
            blob(rng, shape, rng.uniform(0.1, 0.6)),
            blob(rng, shape, rng.uniform(0.1, 0.6)),
        )
        a, b = (torch.from_numpy(mask)[None, None].float() for mask in (prediction, ground_truth))
        ours = scores.surface_distances(ground_truth, prediction, spacing)
        kwargs = {"include_background": True, "spacing": list(spacing)}
        assert ours.hd == pytest.approx(
            float(metrics.compute_hausdorff_distance(a, b, **kwargs)), abs=1e-4
        )
        assert ours.hd95 == pytest.approx(
            float(metrics.compute_hausdorff_distance(a, b, percentile=95, **kwargs)), abs=1e-4
        )
        assert ours.assd == pytest.approx(
            float(metrics.compute_average_surface_distance(a, b, symmetric=True, **kwargs)),
            abs=1e-4,
        )
        for tolerance in (1.0, 2.0):
            assert ours.nsd(tolerance) == pytest.approx(
                float(metrics.compute_surface_dice(a, b, [tolerance], **kwargs)), abs=1e-4
            )
        assert scores.dice(ground_truth, prediction) == pytest.approx(
            float(metrics.compute_dice(a, b)), abs=1e-6
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.7), (0.4, 1.3)])
def test_agrees_with_monai(spacing: tuple[float, float]) -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(3)
    for _ in range(12):
        shape = (int(rng.integers(30, 90)), int(rng.integers(30, 90)))
        ground_truth, prediction = (
            blob(rng, shape, rng.uniform(0.05, 0.7)),
            blob(rng, shape, rng.uniform(0.05, 0.7)),
        )
        a, b = (torch.from_numpy(mask)[None, None].float() for mask in (prediction, ground_truth))
        ours = scores.surface_distances(ground_truth, prediction, spacing)
        kwargs = {"include_background": True, "spacing": list(spacing)}
        assert ours.hd == pytest.approx(
            float(metrics.compute_hausdorff_distance(a, b, **kwargs)), abs=1e-4
        )
        assert ours.hd95 == pytest.approx(
            float(metrics.compute_hausdorff_distance(a, b, percentile=95, **kwargs)), abs=1e-4
        )
        assert ours.assd == pytest.approx(
            float(metrics.compute_average_surface_distance(a, b, symmetric=True, **kwargs)),
            abs=1e-4,
        )
        for tolerance in (1.0, 2.0, 3.0):
            theirs = float(metrics.compute_surface_dice(a, b, [tolerance], **kwargs))
            assert ours.nsd(tolerance) == pytest.approx(theirs, abs=1e-4)
        counts = scores.count(ground_truth, prediction)
        assert counts.dice == pytest.approx(float(metrics.compute_dice(a, b)), abs=1e-6)
        assert counts.iou == pytest.approx(float(metrics.compute_iou(a, b)), abs=1e-6)
        table = metrics.get_confusion_matrix(a, b)
        for name, value in (
            ("accuracy", counts.accuracy),
            ("precision", counts.precision),
            ("sensitivity", counts.recall),
            ("specificity", counts.specificity),
        ):
            assert value == pytest.approx(
                float(metrics.compute_confusion_matrix_metric(name, table)), abs=1e-4
            )
