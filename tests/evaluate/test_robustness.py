"""Each perturbation moves picture and mask alike, and a segmenter that knows no better is found
robust."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lungseg.evaluate.robustness import measure_robustness, perturbations
from lungseg.scores import dice
from lungseg.structures import LUNGS

NAMES = [
    "negative",
    "mirrored",
    "rotated by -15 degrees",
    "rotated by -7 degrees",
    "rotated by 7 degrees",
    "rotated by 15 degrees",
    "a quarter of the contrast",
    "twice the contrast",
    "0.5 times the size",
    "2 times the size",
    "JPEG of quality 50",
]
TURNS = [name for name in NAMES if "rotated" in name]


def blocks() -> np.ndarray:
    """Two bright blocks on black, along the borders of JPEG's blocks, so that each perturbation can
    be exact."""
    picture = np.zeros((128, 160), np.uint8)
    picture[32:96, 32:64] = 200
    picture[32:80, 96:128] = 200
    return picture


def names_halves(picture: np.ndarray) -> SimpleNamespace:
    """A segmenter for `blocks`: what differs from the commonest grey is lung, the right one in the
    left half of the picture."""
    away = np.abs(picture.astype(int) - int(np.median(picture)))
    side = np.where(np.arange(picture.shape[1]) < picture.shape[1] / 2, 1, 2)
    return labelled(np.where(away > away.max() / 2, side, 0).astype(np.uint8))


def labelled(mask: np.ndarray) -> SimpleNamespace:
    """What a segmenter of both lungs gives."""
    return SimpleNamespace(segmentation=SimpleNamespace(labels=mask, shown=LUNGS))


def test_all_perturbations_have_names() -> None:
    assert [perturbation.name for perturbation in perturbations()] == NAMES


def test_perturbations_make_eight_bit_pictures_and_leave_the_given_one_alone() -> None:
    picture = blocks()
    for perturbation in perturbations():
        perturbed = perturbation.picture(picture)
        assert perturbed.dtype == np.uint8
        assert perturbation.mask(picture // 200).shape == perturbed.shape
        np.testing.assert_array_equal(picture, blocks())


@pytest.mark.parametrize(
    "perturbation",
    [perturbation for perturbation in perturbations() if perturbation.name != "negative"],
    ids=lambda perturbation: perturbation.name,
)
def test_the_mask_goes_where_the_picture_goes(perturbation) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        picture = np.kron(rng.integers(0, 2, (8, 10)), np.full((16, 16), 200)).astype(np.uint8)
        moved = perturbation.picture(picture).astype(float)
        lungs = perturbation.mask((picture > 100).astype(np.uint8)) > 0
        middle = (moved.max() + moved.min()) / 2
        assert dice(lungs, moved > middle) > (0.98 if perturbation.name in TURNS else 0.9999)


def test_the_mirror_swaps_the_lungs() -> None:
    (mirror,) = (
        perturbation for perturbation in perturbations() if perturbation.name == "mirrored"
    )
    assert mirror.mask(np.array([[0, 1, 1, 0, 2]], np.uint8)).tolist() == [[1, 0, 2, 2, 0]]


def test_turns_are_opposite_and_counter_clockwise_where_positive() -> None:
    left, right = (
        next(
            perturbation
            for perturbation in perturbations()
            if perturbation.name == (f"rotated by {angle} degrees")
        )
        for angle in (15, -15)
    )
    mark = np.zeros((65, 65), np.uint8)
    mark[30:35, 58:63] = 1
    assert np.argwhere(left.mask(mark)).mean(axis=0)[0] < 28
    assert np.argwhere(right.mask(mark)).mean(axis=0)[0] > 36
    np.testing.assert_array_equal(left.mask(mark)[::-1], right.mask(mark[::-1]))


def test_contrast_is_about_the_mean_and_cut_off() -> None:
    quarter, twice = (
        next(perturbation for perturbation in perturbations() if perturbation.name == name)
        for name in ("a quarter of the contrast", "twice the contrast")
    )
    picture = np.array([[0, 100], [100, 200]], np.uint8)
    assert quarter.picture(picture).tolist() == [[75, 100], [100, 125]]
    assert twice.picture(picture).tolist() == [[0, 100], [100, 255]]


def test_a_segmenter_that_follows_every_perturbation_is_robust() -> None:
    found = measure_robustness(names_halves, [blocks(), blocks()[:, ::-1].copy()])
    assert list(found) == NAMES
    for name, values in found.items():
        assert len(values) == 2
        assert min(values) >= (0.98 if name in TURNS else 1.0), name


def test_a_picture_without_lungs_is_no_proof_of_measure_robustness() -> None:
    def finds_nothing(picture: np.ndarray) -> SimpleNamespace:
        return labelled(np.zeros_like(picture))

    assert measure_robustness(finds_nothing, [blocks()]) == {name: [] for name in NAMES}


def test_one_picture_is_held_at_a_time() -> None:
    held: list[str] = []

    def pictures():
        for name in "ab":
            held.append(name)
            yield blocks()

    def watched(picture: np.ndarray) -> SimpleNamespace:
        held.append("looked at")
        return names_halves(picture)

    measure_robustness(watched, pictures())
    assert held == ["a", *["looked at"] * (1 + len(NAMES)), "b", *["looked at"] * (1 + len(NAMES))]


def test_a_lung_that_changes_its_name_is_not_robust() -> None:
    def always_right(picture: np.ndarray) -> SimpleNamespace:
        return labelled(np.minimum(names_halves(picture).segmentation.labels, 1))

    found = measure_robustness(always_right, [blocks()])
    assert found["mirrored"] == [0.0]
    assert found["JPEG of quality 50"] == [1.0]
