"""Regression and curves, on samples that are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lungseg.calibrate.fit import (
    MIN_FRONTAL_SAMPLES,
    MIN_OF_SOURCE,
    Sample,
    SampleKind,
    calibration_curve,
    check_enough,
    fit_dice,
    fit_frontal,
    isotonic,
    left_out_scores,
    review_limit,
    widening_for_strangers,
)
from lungseg.errors import InputError
from lungseg.quality.features import CERTAINTY_FEATURES
from lungseg.quality.files import as_stored


def sample(dice: float, patient: int = 0, confidence: float | None = None) -> Sample:
    """Of a mask whose confidence says its Dice, but for what was asked for."""
    features = {"confidence": dice if confidence is None else confidence}
    return Sample("as_is", "north", f"north/p{patient}", "radiograph", features, dice)


def test_values_that_fall_are_pooled_by_their_weights() -> None:
    assert isotonic([1.0, 2.0, 3.0], [1, 1, 1]) == [1.0, 2.0, 3.0]
    assert isotonic([3.0, 1.0, 4.0], [1, 3, 1]) == [1.5, 1.5, 4.0]
    assert isotonic([4.0, 3.0, 2.0, 9.0], [1, 1, 1, 1]) == [3.0, 3.0, 3.0, 9.0]
    assert isotonic([], []) == []


def test_isotonic_regression_is_that_of_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    values, weights = np.arange(50) / 20 + rng.normal(0, 1, 50), rng.uniform(1, 9, 50)
    expected = optimize.isotonic_regression(values, weights=weights).x
    np.testing.assert_allclose(isotonic(values.tolist(), weights.tolist()), expected)


def test_a_curve_holds_mean_and_quantiles_of_bins() -> None:
    scores = np.arange(40.0)
    dice = np.repeat([0.2, 0.5, 0.8, 0.9], 10)
    dice[5:10] = 0.3
    curve = calibration_curve(scores, dice, bin_size=10)
    assert curve.scores == (4.5, 14.5, 24.5, 34.5)
    assert curve.expected == pytest.approx((0.25, 0.5, 0.8, 0.9))
    assert curve.low == pytest.approx((0.2, 0.5, 0.8, 0.9))
    assert curve.high == pytest.approx((0.3, 0.5, 0.8, 0.9))


def test_few_masks_have_four_bins_all_the_same() -> None:
    curve = calibration_curve(np.arange(8.0), np.linspace(0.1, 0.8, 8), bin_size=100)
    assert curve.scores == (0.5, 2.5, 4.5, 6.5)


def test_intervals_are_widened_by_what_lacks_to_1_and_hold_the_mean() -> None:
    scores, dice = np.arange(40.0), np.tile([0.6, 0.8, 0.9, 0.9], 10)
    plain, wide = (
        calibration_curve(scores, dice, bin_size=10, widening=widening) for widening in (1.0, 1.5)
    )
    for low, wider in zip(plain.low, wide.low, strict=True):
        assert 1 - wider == pytest.approx(1.5 * (1 - low))
    for high, wider in zip(plain.high, wide.high, strict=True):
        assert 1 - wider == pytest.approx((1 - high) / 1.5)
    # The mean of a bin with one mask that failed lies below nineteen in twenty of the others.
    one_failed = np.full(400, 0.9)
    one_failed[::100] = 0.0
    curve = calibration_curve(scores.repeat(10), one_failed, bin_size=100)
    assert curve.low == curve.expected == pytest.approx((0.891,) * 4)


def test_the_expected_dice_follows_the_feature_that_says_it() -> None:
    rng = np.random.default_rng(1)
    samples = [sample(float(d), i % 7) for i, d in enumerate(rng.uniform(0.3, 0.99, 400))]
    model, curve = fit_dice(samples, CERTAINTY_FEATURES, bin_size=20)
    for dice in (0.5, 0.7, 0.9):
        expected = curve(model({"confidence": dice}))
        assert expected.value == pytest.approx(dice, abs=0.02)
        assert expected.low <= dice <= expected.high
        assert expected.high - expected.low < 0.1
    # No mask had the others, which then say nothing.
    assert model.weights[1:] == (0.0,) * (len(CERTAINTY_FEATURES) - 1)
    assert model({"confidence": 0.7, "contrast": 5.0}) == model({"confidence": 0.7})


def test_a_curve_is_measured_on_patients_left_out() -> None:
    """Each patient has masks of one Dice and one confidence, and what says it differs from patient
    to patient: so of a patient left out nothing is known."""
    rng = np.random.default_rng(2)
    dice = rng.uniform(0.2, 0.95, 5)
    samples = [
        sample(float(dice[p]), p, confidence=float(c))
        for p, c in enumerate(rng.permutation(5))
        for _ in range(40)
    ]
    model, curve = fit_dice(samples, CERTAINTY_FEATURES, bin_size=40)
    fitted = [curve(model(one.features)).value for one in samples]
    assert np.corrcoef(fitted, [one.dice for one in samples])[0, 1] < 0.9


def test_left_out_scores_are_by_other_patients() -> None:
    samples = [sample(0.5 + i / 200, patient=i % 20) for i in range(100)]
    scores = left_out_scores(samples, CERTAINTY_FEATURES)
    changed = [replace(s, dice=0.1) if s.patient.endswith("/p0") else s for s in samples]
    again = left_out_scores(changed, CERTAINTY_FEATURES)
    own = [i for i, one in enumerate(samples) if one.patient.endswith("/p0")]
    np.testing.assert_allclose(again[own], scores[own])
    assert not np.allclose(again, scores)


def test_intervals_are_widened_as_far_as_a_source_needs_that_was_left_out() -> None:
    rng = np.random.default_rng(3)
    lacking = rng.uniform(0.02, 0.3, 300)

    def of(group: str, factor: float) -> list[Sample]:
        """Of a reader who finds what the confidence lacks to 1 so many times."""
        return [
            replace(sample(1 - factor * one, i, confidence=1 - one), group=group)
            for i, one in enumerate(lacking.tolist())
        ]

    alike = [*of("north", 1.0), *of("south", 1.0)]
    assert widening_for_strangers(alike, CERTAINTY_FEATURES, bin_size=30) < 1.2
    stricter = [*alike, *of("west", 2.0)]
    assert widening_for_strangers(stricter, CERTAINTY_FEATURES, bin_size=30) > 1.6
    milder = [*alike, *of("west", 0.5)]
    assert widening_for_strangers(milder, CERTAINTY_FEATURES, bin_size=30) > 1.6
    assert widening_for_strangers(of("west", 2.0), CERTAINTY_FEATURES, bin_size=30) == 1
    few = [*alike, *of("west", 2.0)[: MIN_OF_SOURCE - 1]]
    assert widening_for_strangers(few, CERTAINTY_FEATURES, bin_size=30) < 1.2


def test_the_limit_for_review_finds_the_bad_masks_at_what_may_be_spent() -> None:
    good, bad = np.linspace(0.9, 0.99, 100), np.linspace(0.6, 0.8, 20)
    dice = [0.95] * 100 + [0.7] * 20
    limit = review_limit([*good, *bad], dice)  # apart, so nothing is spent
    assert 0.77 < limit < 0.8
    assert (bad < limit).mean() == pytest.approx(0.9)
    mixed = np.linspace(0.6, 0.99, 20)
    limit = review_limit([*good, *mixed], dice)  # all that may be spent does not find enough
    assert (good < limit).mean() == pytest.approx(0.1)
    assert (mixed < limit).mean() < 0.9


def test_all_masks_on_a_step_of_the_curve_are_looked_at_or_none() -> None:
    """Also once the numbers have the five digits of a file."""
    step, above = 0.8212734567, [0.9] * 60 + [0.97] * 40
    dice = [0.7] * 12 + [0.95] * 102
    limit = review_limit([step] * 14 + above, dice)
    assert limit == 0.9
    assert as_stored(step) < as_stored(limit)
    # A step with more good masks than may be spent is left alone, unless it is the lowest.
    assert review_limit([step] * 6 + [0.85] * 36 + [0.97] * 72, [0.7] * 12 + [0.95] * 102) == 0.85
    assert review_limit([step] * 42 + [0.97] * 72, dice) == 0.97
    assert review_limit([step] * 114, dice) == 1.0


def test_from_few_bad_masks_no_limit_is_taken() -> None:
    assert review_limit([0.99] * 50 + [0.5] * 9, [0.95] * 50 + [0.5] * 9) == 0.9
    assert review_limit([0.5] * 50, [0.5] * 50) == 0.9


@pytest.mark.parametrize(
    ("number", "patients", "said"),
    [
        (19, 19, "19 masks of 19 patients are too few to calibrate radiographs with, which needs"),
        (40, 1, "40 masks of 1 patients are too few to calibrate radiographs with, which needs"),
    ],
)
def test_too_few_masks_are_refused(number: int, patients: int, said: str) -> None:
    samples = [sample(0.9, i % patients) for i in range(number)]
    with pytest.raises(InputError, match=rf"^{said} 20 of 2; give more cases that the model has "):
        check_enough(samples, "radiographs")
    check_enough([sample(0.9, i % 2) for i in range(20)], "radiographs")


def pictures(kind: SampleKind, number: int, area: float, group: str = "north") -> list[Sample]:
    """Their lungs have about that area."""
    rng = np.random.default_rng(len(kind) + number)
    return [
        replace(
            sample(0.9, i),
            kind=kind,
            group=group,
            first_features={"area": area + float(rng.normal(0, 0.02))},
        )
        for i in range(number)
    ]


def test_other_pictures_are_told_by_what_sets_them_apart() -> None:
    chests = pictures("as_is", 60, 0.5) + pictures("degraded", 60, 0.45)
    others = pictures("rotated", 30, 0.2) + pictures("out_of_distribution", 30, 0.2, "noise")
    frontal = fit_frontal(chests + others)
    assert frontal is not None
    assert frontal.refuse <= frontal.doubt < frontal.clear
    odds = {area: frontal.log_odds({"area": area}) for area in (0.2, 0.45, 0.5)}
    assert odds[0.2] < frontal.refuse
    assert odds[0.5] > frontal.doubt
    assert odds[0.45] > frontal.refuse


def test_limits_stay_in_order_where_nothing_sets_them_apart() -> None:
    chests = pictures("as_is", 30, 0.3) + pictures("degraded", 30, 0.3)
    frontal = fit_frontal(chests + pictures("out_of_distribution", 30, 0.3, "noise"))
    assert frontal is not None
    assert frontal.refuse <= frontal.doubt <= frontal.clear


@pytest.mark.parametrize("missing", ["as_is", "degraded", "out_of_distribution"])
def test_from_too_few_pictures_with_both_lungs_no_limit_is_taken(missing: SampleKind) -> None:
    kinds: tuple[SampleKind, ...] = ("as_is", "degraded", "out_of_distribution")
    enough = {
        kind: pictures(kind, MIN_FRONTAL_SAMPLES, 0.5 - i / 10) for i, kind in enumerate(kinds)
    }
    assert fit_frontal([one for some in enough.values() for one in some]) is not None
    enough[missing] = [
        *enough[missing][1:],
        replace(enough[missing][0], first_features={"confidence": 0.3}),  # a lung is missing
    ]
    assert fit_frontal([one for some in enough.values() for one in some]) is None
