"""Augmentation: replayed from its parameters, labels and picture moved alike, and each change doing
what it says and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lungseg.augment.apply import apply_parameters
from lungseg.augment.opacities import Effusion, Gas
from lungseg.augment.parameters import (
    NO_AUGMENTATION,
    AugmentationParameters,
    AugmentationSettings,
    sample_parameters,
)
from lungseg.datasets.label_sets import LUNG_LAYERS, allowed_sets, layer_classes
from lungseg.phantom.radiograph import radiograph_phantom

NEUTRAL = AugmentationParameters(
    mirror=False,
    flip=False,
    rotate_180=False,
    matrix=np.array([[1, 0, 0], [0, 1, 0]], np.float32),
    elastic=np.zeros((2, 4, 4), np.float32),
    fill=0.0,
    occlusions=(),
    gamma=1.0,
    contrast=1.0,
    brightness=0.0,
    bias_field=None,
    equalise=None,
    blur=0.0,
    downsampling=1.0,
    noise=0.0,
    seed=0,
    jpeg=None,
    window=(0.0, 0.0),
    negative=False,
)


SIZE = (64, 48)


BACKGROUND, RIGHT, LEFT = 1, 2, 4
LUNGS = ("right lung", "left lung")


def sets_of(labels: np.ndarray, lung_extent: str) -> np.ndarray:
    """The sets of the layer of the lungs."""
    return allowed_sets(labels, LUNG_LAYERS, decides=LUNGS, lung_extent=lung_extent)[0]


def changed(picture, allowed, parameters, size) -> tuple[np.ndarray, np.ndarray]:
    """`apply_parameters` for the sets of the one layer of the lungs."""
    grey, sets = apply_parameters(picture, allowed[np.newaxis], parameters, size)
    return grey, sets[0]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.array(radiograph_phantom(SIZE).image.array)


@pytest.fixture(scope="module")
def allowed() -> np.ndarray:
    return sets_of(radiograph_phantom(SIZE).ground_truth.labels, "through-heart")


def grey_after(picture, allowed, **changes) -> np.ndarray:
    return changed(picture, allowed, replace(NEUTRAL, **changes), SIZE)[0]


def test_the_same_seed_samples_the_same_parameters_and_they_give_the_same_sample(
    picture, allowed
) -> None:
    for seed in range(40):
        parameters = sample_parameters(np.random.default_rng(seed))
        first = changed(picture, allowed, parameters, SIZE)
        for again in (parameters, sample_parameters(np.random.default_rng(seed))):
            for a, b in zip(first, changed(picture, allowed, again, SIZE), strict=True):
                np.testing.assert_array_equal(a, b)


def test_two_seeds_give_two_samples(picture, allowed) -> None:
    samples = [
        changed(picture, allowed, sample_parameters(np.random.default_rng(seed)), SIZE)[0]
        for seed in range(10)
    ]
    assert all(not np.array_equal(a, b) for i, a in enumerate(samples) for b in samples[:i])


@pytest.mark.parametrize(
    ("lung_extent", "sets"),
    [("field", {2, 4, 9}), ("through-heart", {1, 2, 4, 10, 12}), ("aerated", {2, 4, 15})],
)
def test_samples_have_the_asked_shape_and_only_sets_that_masks_make(
    picture, lung_extent, sets
) -> None:
    allowed = sets_of(radiograph_phantom(SIZE).ground_truth.labels, lung_extent)
    seen: set[int] = set()
    for seed in range(60):
        grey, moved = changed(
            picture, allowed, sample_parameters(np.random.default_rng(seed)), (32, 56)
        )
        assert (grey.shape, grey.dtype, moved.shape, moved.dtype) == (
            (32, 56),
            np.float32,
            (32, 56),
            np.uint8,
        )
        assert np.isfinite(grey).all()
        seen |= set(np.unique(moved).tolist())
    assert seen == sets | {BACKGROUND}  # of the padding


def test_inputs_are_left_as_they_are(picture, allowed) -> None:
    before = picture.copy(), allowed.copy()
    for seed in range(20):
        changed(picture, allowed, sample_parameters(np.random.default_rng(seed)), SIZE)
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(allowed, before[1])


def test_neutral_numbers_give_the_picture_back(picture, allowed) -> None:
    grey, sets = changed(picture, allowed, NEUTRAL, SIZE)
    np.testing.assert_allclose(grey, picture / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed)


def test_mirror_turns_the_picture_over_and_swaps_the_lungs(picture, allowed) -> None:
    grey, sets = changed(picture, allowed, replace(NEUTRAL, mirror=True), SIZE)
    np.testing.assert_allclose(grey, picture[:, ::-1] / 255, atol=1e-6)
    swapped = {1: 1, 2: 4, 4: 2, 10: 12, 12: 10}
    np.testing.assert_array_equal(sets, np.vectorize(swapped.__getitem__)(allowed[:, ::-1]))


def test_each_layer_is_moved_alike_and_mirrored_by_its_own_pairs(picture) -> None:
    labels = np.array(radiograph_phantom(SIZE).ground_truth.labels)
    labels[40:50, 20:28] = 3
    layers = layer_classes((("heart", *LUNGS), ("heart",)))
    allowed = allowed_sets(labels, layers, decides=(*LUNGS, "heart"), lung_extent="field")
    _, sets = apply_parameters(picture, allowed, replace(NEUTRAL, mirror=True), SIZE, layers)
    np.testing.assert_array_equal(
        sets,
        allowed_sets(
            np.array([0, 2, 1, 3], np.uint8)[labels[:, ::-1]],
            layers,
            decides=(*LUNGS, "heart"),
            lung_extent="field",
        ),
    )
    quarter = np.array([[1, 0, 0.25], [0, 1, 0]], np.float32)
    moved = apply_parameters(picture, allowed, replace(NEUTRAL, matrix=quarter), SIZE, layers)[1]
    np.testing.assert_array_equal(moved[:, :, :36], allowed[:, :, 12:])
    assert (moved[:, :, 36:] == BACKGROUND).all()
    flipped = replace(NEUTRAL, flip=True, rotate_180=True)
    np.testing.assert_array_equal(
        apply_parameters(picture, allowed, flipped, SIZE, layers)[1], allowed[:, :, ::-1]
    )


def test_without_lungs_in_any_layer_nothing_is_painted_into_them(picture) -> None:
    layers = layer_classes((("heart",),))
    allowed = np.ones((1, *SIZE), np.uint8)
    settings = replace(NO_AUGMENTATION, effusion=1.0)
    parameters = sample_parameters(np.random.default_rng(0), settings)
    assert len(parameters.occlusions) == 1
    grey, _ = apply_parameters(picture, allowed, parameters, SIZE, layers)
    np.testing.assert_allclose(grey, picture / 255, atol=1e-6)


def test_a_shift_moves_picture_and_sets_alike_and_pads_with_fill_and_background(
    picture, allowed
) -> None:
    quarter = np.array(
        [[1, 0, 0.25], [0, 1, -0.125]], np.float32
    )  # looks a quarter to the right and an eighth up
    grey, sets = changed(picture, allowed, replace(NEUTRAL, matrix=quarter, fill=0.5), SIZE)
    np.testing.assert_allclose(grey[8:, :36], picture[:-8, 12:] / 255, atol=1e-5)
    np.testing.assert_array_equal(sets[8:, :36], allowed[:-8, 12:])
    np.testing.assert_allclose(grey[:8], 128 / 255, atol=1e-6)
    np.testing.assert_allclose(grey[:, 36:], 128 / 255, atol=1e-6)
    assert (sets[:8] == BACKGROUND).all()
    assert (sets[:, 36:] == BACKGROUND).all()


def test_a_turn_by_half_a_circle_is_exact(picture, allowed) -> None:
    grey, sets = changed(
        picture,
        allowed,
        replace(NEUTRAL, matrix=np.array([[-1, 0, 0], [0, -1, 0]], np.float32)),
        SIZE,
    )
    np.testing.assert_allclose(grey, picture[::-1, ::-1] / 255, atol=1e-5)
    np.testing.assert_array_equal(sets, allowed[::-1, ::-1])


def test_every_geometry_moves_the_sets_with_the_picture(allowed) -> None:
    # A picture of the lungs themselves: where they go, their sets go.
    lungs = np.where((allowed & (RIGHT | LEFT)) > 0, 255, 0).astype(np.uint8)
    for seed in range(30):
        parameters = sample_parameters(np.random.default_rng(seed))
        grey, sets = changed(
            lungs,
            allowed,
            replace(
                NEUTRAL,
                matrix=parameters.matrix,
                elastic=parameters.elastic,
                mirror=parameters.mirror,
            ),
            SIZE,
        )
        disagree = (grey > 0.5) != ((sets & (RIGHT | LEFT)) > 0)
        assert disagree.mean() < 0.015
        assert (np.abs(grey - 0.5)[disagree] < 0.5).all()  # on the outline only


def test_a_larger_picture_is_brought_to_the_asked_size() -> None:
    phantom = radiograph_phantom((96, 72))
    allowed = sets_of(phantom.ground_truth.labels, "field")
    grey, sets = changed(phantom.image.array, allowed, NEUTRAL, (32, 24))
    np.testing.assert_allclose(grey, phantom.image.array[1::3, 1::3] / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed[1::3, 1::3])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"negative": True}, lambda g: 1 - g),
        ({"gamma": 2.0}, lambda g: g**2),
        ({"contrast": 0.5}, lambda g: (g - 0.5) / 2 + 0.5),
        ({"contrast": 2.0}, lambda g: np.clip((g - 0.5) * 2 + 0.5, 0, 1)),
        ({"brightness": 0.25}, lambda g: np.clip(g + 0.25, 0, 1)),
        ({"window": (0.1, 0.3)}, lambda g: np.clip((g - 0.1) / 0.6, 0, 1)),
        ({"bias_field": np.full((3, 3), -0.125, np.float32)}, lambda g: np.clip(g - 0.125, 0, 1)),
    ],
)
def test_changes_of_grey_are_what_they_say(picture, allowed, changes, expected) -> None:
    np.testing.assert_allclose(
        grey_after(picture, allowed, **changes), expected(picture / 255), atol=1e-5
    )


def test_noise_has_the_sampled_deviation_and_seed(allowed) -> None:
    plain = np.full(SIZE, 128, np.uint8)
    noisy = grey_after(plain, allowed, noise=0.05)
    assert (noisy - 128 / 255).std() == pytest.approx(0.05, rel=0.05)
    np.testing.assert_array_equal(noisy, grey_after(plain, allowed, noise=0.05))
    assert not np.array_equal(noisy, grey_after(plain, allowed, noise=0.05, seed=1))


@pytest.mark.parametrize("changes", [{"blur": 1.0}, {"downsampling": 2.5}])
def test_blurring_and_coarsening_take_detail_away(picture, allowed, changes) -> None:
    def detail(grey) -> float:
        return float(np.abs(np.diff(grey, axis=1)).mean())

    plain, changed = grey_after(picture, allowed), grey_after(picture, allowed, **changes)
    assert detail(changed) < 0.9 * detail(plain)
    assert changed.mean() == pytest.approx(plain.mean(), abs=0.01)


def test_jpeg_stays_near_the_picture_and_is_not_it(picture, allowed) -> None:
    difference = np.abs(grey_after(picture, allowed, jpeg=60) - picture / 255)
    assert 0.001 < difference.mean() < 0.05


def test_equalising_spreads_the_greys(picture, allowed) -> None:
    flat = (picture // 4 + 100).astype(np.uint8)
    assert grey_after(flat, allowed, equalise=4.0).std() > 1.5 * (flat / 255).std()


def test_occlusions_are_painted_in_order_after_the_mirror(picture, allowed) -> None:
    class Recorder:
        def paint(self, grey, lungs, rng):
            seen.append(lungs)
            return np.full_like(grey, 0.25 * len(seen))

    seen: list[dict[str, np.ndarray]] = []
    grey, sets = changed(
        picture, allowed, replace(NEUTRAL, mirror=True, occlusions=(Recorder(), Recorder())), SIZE
    )
    np.testing.assert_allclose(grey, 0.5, atol=1e-6)
    assert len(seen) == 2
    for lungs in seen:
        np.testing.assert_array_equal(lungs["right"], (allowed[:, ::-1] & LEFT) > 0)
        np.testing.assert_array_equal(lungs["left"], (sets & LEFT) > 0)


def test_parameters_written_as_json_give_the_same_sample_to_the_last_bit(picture, allowed) -> None:
    kinds: set[str] = set()
    for seed in range(120):
        parameters = sample_parameters(
            np.random.default_rng(seed), AugmentationSettings(flip=0.5, weak=0.1, effusion=0.2)
        )
        again = AugmentationParameters.from_json(parameters.to_json())
        for a, b in zip(
            changed(picture, allowed, parameters, SIZE),
            changed(picture, allowed, again, SIZE),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)
        assert again.to_json() == parameters.to_json()
        kinds |= {type(thing).__name__ for thing in again.occlusions}
    assert len(kinds) == 8


def test_without_augmentation_nothing_happens(picture, allowed) -> None:
    for seed in range(20):
        grey, sets = changed(
            picture, allowed, sample_parameters(np.random.default_rng(seed), NO_AUGMENTATION), SIZE
        )
        np.testing.assert_allclose(grey, picture / 255, atol=1e-6)
        np.testing.assert_array_equal(sets, allowed)


def test_a_flip_turns_the_picture_upside_down_and_keeps_the_sides(picture, allowed) -> None:
    grey, sets = changed(picture, allowed, replace(NEUTRAL, flip=True), SIZE)
    np.testing.assert_allclose(grey, picture[::-1] / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed[::-1])


def test_a_rotation_by_180_degrees_takes_the_labels_along(picture, allowed) -> None:
    grey, sets = changed(picture, allowed, replace(NEUTRAL, rotate_180=True), SIZE)
    np.testing.assert_allclose(grey, picture[::-1, ::-1] / 255, atol=1e-6)
    np.testing.assert_array_equal(sets, allowed[::-1, ::-1])


def test_it_is_open_whether_an_opacity_is_where_one_was_painted() -> None:
    phantom = radiograph_phantom((96, 96), seed=1)
    picture, labels = phantom.image.array, phantom.ground_truth.labels
    layers = layer_classes((LUNGS, ("opacity",)))
    sets = allowed_sets(labels, layers, decides=LUNGS, lung_extent="field")
    sets[1] = 1  # known to have none
    white = Effusion("right", 1.2, 0.0, 0.1, 0.9)
    for thing, is_opened in ((white, True), (Gas(0.5, 0.05, 1.0), False)):
        _, changed_sets = apply_parameters(
            picture, sets, replace(NEUTRAL, occlusions=(thing,)), picture.shape, layers
        )
        np.testing.assert_array_equal(changed_sets[0], sets[0])
        opened = changed_sets[1] == 3
        assert opened[labels == 1].mean() > (0.9 if is_opened else -1)
        assert opened[labels == 2].mean() < 0.1
        assert opened.any() == is_opened
