"""Parameters of the augmentation: each setting decides what it says and no more, and the order in
which they are sampled stays."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lungseg.augment.parameters import (
    NO_AUGMENTATION,
    WEAK_FACTOR,
    AugmentationParameters,
    AugmentationSettings,
    sample_parameters,
)
from lungseg.errors import UsageError


def test_a_weakly_augmented_sample_is_moved_little_and_not_disguised() -> None:
    wild, weak = (
        sample_parameters(np.random.default_rng(5), AugmentationSettings(weak=fraction))
        for fraction in (0.0, 1.0)
    )
    still = np.eye(2, 3)
    assert np.allclose(weak.matrix - still, WEAK_FACTOR * (wild.matrix - still), atol=1e-6)
    assert weak.mirror == wild.mirror
    assert (weak.occlusions, weak.bias_field, weak.equalise, weak.jpeg) == ((), None, None, None)
    assert (weak.blur, weak.noise, weak.downsampling, weak.negative) == (0.0, 0.0, 1.0, False)


def test_a_degraded_sample_differs_in_one_or_two_things_from_what_it_would_have_been() -> None:
    seen: set[str] = set()
    for seed in range(40):
        fresh, degraded = (
            json.loads(
                sample_parameters(
                    np.random.default_rng(seed), AugmentationSettings(degradation=fraction)
                ).to_json()
            )
            for fraction in (0.0, 1.0)
        )
        differ = {name for name in fresh if fresh[name] != degraded[name]}
        assert 1 <= len(differ) <= 2
        seen |= differ
        assert degraded["blur"] >= 1.4 or "blur" not in differ
        assert degraded["downsampling"] >= 3.0 or "downsampling" not in differ
        assert degraded["noise"] >= 0.08 or "noise" not in differ
        covers = degraded["occlusions"][len(fresh["occlusions"]) :]
        assert {thing["type"] for thing in covers} == (
            {"Block"} if "occlusions" in differ else set()
        )
    assert seen == {"blur", "downsampling", "bias_field", "noise", "occlusions"}


def test_an_effusion_is_added_to_what_would_have_been_sampled() -> None:
    for seed in range(20):
        fresh, hidden = (
            sample_parameters(
                np.random.default_rng(seed),
                AugmentationSettings(degradation=0.5, weak=0.5, effusion=fraction),
            )
            for fraction in (0.0, 1.0)
        )
        assert type(hidden.occlusions[0]).__name__ == "BasalEffusion"
        assert replace(hidden, occlusions=hidden.occlusions[1:]).to_json() == fresh.to_json()


def only(**settings: float) -> list[AugmentationParameters]:
    """What is sampled where nothing else is."""
    return [
        sample_parameters(np.random.default_rng(seed), replace(NO_AUGMENTATION, **settings))
        for seed in range(400)
    ]


def test_rotation_is_in_degrees_and_nothing_else() -> None:
    turns = [parameters.matrix for parameters in only(rotation=10)]
    for matrix in turns:
        np.testing.assert_allclose(matrix[:, :2] @ matrix[:, :2].T, np.eye(2), atol=1e-6)
        np.testing.assert_array_equal(matrix[:, 2], 0)
    calm = 0.25**2 / 8 + 7 / 8
    degrees = [np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) for matrix in turns]
    assert np.std(degrees) == pytest.approx(10 * calm**0.5, rel=0.1)


@pytest.mark.parametrize(("name", "row"), [("shift_x", 0), ("shift_y", 1)])
def test_shifts_are_along_their_own_axis(name, row) -> None:
    shifts = np.array([parameters.matrix - np.eye(2, 3) for parameters in only(**{name: 0.1})])
    assert shifts[:, row, 2].std() == pytest.approx(0.1 * (7 / 8 + 1 / 128) ** 0.5, rel=0.1)
    shifts[:, row, 2] = 0
    assert (shifts == 0).all()


def test_zoom_keeps_proportions_and_warp_does_not() -> None:
    for parameters in only(zoom=0.2):
        assert parameters.matrix[0, 0] == parameters.matrix[1, 1]
        assert parameters.matrix[0, 1] == parameters.matrix[1, 0] == 0
        assert not parameters.elastic.any()
    logs = [np.log(parameters.matrix[0, 0]) for parameters in only(zoom=0.2)]
    assert np.std(logs) == pytest.approx(0.2 * (0.25**2 / 8 + 7 / 8) ** 0.5, rel=0.1)
    warped = only(warp=2)
    assert any(parameters.elastic.any() for parameters in warped)
    assert any(
        abs(parameters.matrix[0, 0] - parameters.matrix[1, 1]) > 0.1 for parameters in warped
    )


def test_padding_sets_the_picture_in_a_frame() -> None:
    assert all((np.diag(parameters.matrix[:, :2]) > 1.0).any() for parameters in only(padding=1))
    assert np.mean(
        [(parameters.matrix != np.eye(2, 3)).any() for parameters in only(padding=0.25)]
    ) == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("name", ["mirror", "flip", "rotate_180"])
def test_probabilities_of_mirror_flip_and_rotation_by_180_degrees(name) -> None:
    others = {"mirror", "flip", "rotate_180"} - {name}
    for probability in (0.0, 0.3, 1.0):
        parameters = only(**{name: probability})
        assert np.mean([getattr(d, name) for d in parameters]) == pytest.approx(
            probability, abs=0.07 if probability == 0.3 else 0
        )
        assert not any(getattr(d, other) for d in parameters for other in others)


def test_how_often_and_how_far_greys_are_equalised_windowed_and_inverted_can_be_set() -> None:
    parameters = only(intensity=1, gamma=0.1, equalise=0.4, window=0.5, cut=0.4, negative=0.3)
    logs = [np.log(d.gamma) for d in parameters if d.gamma != 1]
    assert np.std(logs) == pytest.approx(0.1, abs=0.02)
    cuts = [fraction for d in parameters for fraction in d.window if fraction]
    assert len(cuts) / 2 / len(parameters) == pytest.approx(0.5, abs=0.07)
    assert 0.35 < max(cuts) < 0.4
    equalised = [d.equalise is not None for d in parameters]
    assert np.mean(equalised) == pytest.approx(0.4, abs=0.07)
    assert np.mean([d.negative for d in parameters]) == pytest.approx(0.3, abs=0.07)
    still = only(intensity=1)
    assert {d.gamma for d in still} == {1.0}
    assert not any(d.negative or d.equalise or any(d.window) for d in still)


def test_more_may_be_cut_off_at_the_dark_end_as_in_a_window_for_soft_tissue() -> None:
    lows, highs = zip(
        *(d.window for d in only(intensity=1, window=1, cut=0.3, cut_dark=0.8)), strict=True
    )
    assert 0.7 < max(lows) < 0.8
    assert 0.25 < max(highs) < 0.3
    assert max(low + high for low, high in zip(lows, highs, strict=True)) < 0.97
    assert max(low for d in only(intensity=1, window=1, cut=0.3) for low in d.window) < 0.3


def test_intensity_and_occlusion_have_probabilities_of_their_own() -> None:
    neutral = {
        "gamma": 1.0,
        "contrast": 1.0,
        "brightness": 0.0,
        "blur": 0.0,
        "downsampling": 1.0,
        "noise": 0.0,
        "window": (0.0, 0.0),
        "negative": False,
        "fill": 0.0,
    }
    for parameters in only(occlusion=1):
        assert {f: getattr(parameters, f) for f in neutral} == neutral
        assert (parameters.bias_field, parameters.equalise, parameters.jpeg) == (None, None, None)
    assert any(parameters.occlusions for parameters in only(occlusion=1))
    assert not any(parameters.occlusions for parameters in only(intensity=1))
    assert np.mean(
        [parameters.contrast != 1 for parameters in only(intensity=0.4)]
    ) == pytest.approx(0.4, abs=0.07)


def test_one_setting_does_not_change_what_another_samples() -> None:
    for seed in range(50):
        usual, still = (
            sample_parameters(np.random.default_rng(seed), settings)
            for settings in (
                AugmentationSettings(),
                AugmentationSettings(rotation=0, shift_x=0, zoom=0),
            )
        )
        assert (usual.mirror, usual.gamma, usual.seed) == (still.mirror, still.gamma, still.seed)
        assert usual.matrix[1, 2] == still.matrix[1, 2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cut": 0.46}, "cut is a fraction, 0 to 0.45, not 0.46"),
        ({"window": 1.1}, "window is a probability, 0 to 1, not 1.1"),
        ({"gamma": -1.0}, "gamma is a number from 0 on, not -1.0"),
        ({"mirror": 1.5}, "mirror is a probability, 0 to 1, not 1.5"),
        ({"rotation": -1}, "rotation is a number from 0 on, not -1"),
        ({"zoom": float("inf")}, "zoom is a number from 0 on, not inf"),
        ({"intensity": float("nan")}, "intensity is a probability, 0 to 1, not nan"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words) -> None:
    with pytest.raises(UsageError, match=words):
        AugmentationSettings(**settings)


def test_the_shipped_models_parameters_are_still_sampled() -> None:
    # Numbers of the first release: a change of order would make another training of the same
    # settings.
    parameters = sample_parameters(np.random.default_rng((0, 3, 7)))
    assert (parameters.mirror, parameters.seed) == (False, 1861232562)
    np.testing.assert_allclose(
        parameters.matrix,
        [[0.899115, -0.00651984, 0.019553], [-0.0256714, 1.0718075, -0.028818]],
        rtol=1e-5,
    )
