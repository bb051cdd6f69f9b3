"""What a quality model computes, and what none can be made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lungseg.quality.model import (
    CalibrationCurve,
    ExpectedDice,
    FrontalModel,
    QuadraticModel,
    QualityModel,
)

SCORE = QuadraticModel(
    features=("confidence", "contrast"),
    mean=(1.0, 0.0),
    std=(2.0, 0.5),
    weights=(3.0, -1.0),
    squares=(0.0, 0.25),
    offset=10.0,
)
SLICE = CalibrationCurve((0.0, 20.0), expected=(0.2, 0.8), low=(0.0, 0.4), high=(0.6, 1.0))
VOLUME = CalibrationCurve(
    (0.0, 10.0, 20.0), expected=(0.5, 0.9, 1.0), low=(0.0, 0.8, 0.9), high=(0.7, 1.0, 1.0)
)
QUALITY = QualityModel("0" * 64, SCORE, {"slice": SLICE, "volume": VOLUME}, uncertain=0.9)


def test_features_and_their_squares_are_weighed() -> None:
    assert SCORE({"confidence": 3.0, "contrast": 1.0}) == 10 + 3 * 1 - 2 + 0.25 * 4


def test_an_absent_feature_counts_as_its_mean_and_a_far_one_as_four_standard_deviations() -> None:
    assert SCORE({}) == 10
    assert SCORE({"confidence": 1e9}) == 10 + 3 * 4
    assert SCORE({"contrast": -7.0}) == 10 + 4 + 0.25 * 16


def test_between_scores_it_is_interpolated_and_beyond_them_it_stays() -> None:
    assert SLICE(5.0) == ExpectedDice(pytest.approx(0.35), pytest.approx(0.1), pytest.approx(0.7))
    assert SLICE(-7.0) == ExpectedDice(0.2, 0.0, 0.6)
    assert SLICE(29.0) == ExpectedDice(0.8, 0.4, 1.0)


def test_each_scope_has_its_own_curve() -> None:
    features = {"confidence": 1.0 + 2 * 5 / 3}  # a score of 15
    assert QUALITY.expected_dice(features, "slice") == ExpectedDice(
        pytest.approx(0.65), pytest.approx(0.3), pytest.approx(0.9)
    )
    assert QUALITY.expected_dice(features, "volume") == ExpectedDice(
        pytest.approx(0.95), pytest.approx(0.85), pytest.approx(1.0)
    )
    assert QUALITY.expected_dice(features, "radiograph") is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"weights": (1.0,)},
            "there are 2 features, 2 mean, 2 std, 1 weights, 2 squares, which should be equally "
            "many",
        ),
        ({"mean": (0.0, float("nan"))}, "mean holds what is no finite number, or one above 1e9"),
        ({"offset": float("inf")}, "offset holds what is no finite number, or one above 1e9"),
        ({"std": (1.0, 0.0)}, "a standard deviation is not above 0"),
    ],
)
def test_what_is_no_quadratic_model(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        replace(SCORE, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"low": (0.0,)}, "there are 2 scores, 2 expected, 1 low, 2 high, which should be .*"),
        (
            {"scores": (0.0, float("nan"))},
            "scores holds what is no finite number, or one above 1e9",
        ),
        ({"scores": (1.0, 0.0)}, "scores is not in ascending order"),
        ({"expected": (0.5, 0.4)}, "expected is not in ascending order"),
        ({"high": (0.9, 1.1)}, "high leaves 0 to 1"),
        ({"low": (-0.1, 0.4)}, "low leaves 0 to 1"),
        ({"low": (0.3, 0.4)}, "an expected Dice lies outside of its interval"),
        (dict.fromkeys(("scores", "expected", "low", "high"), ()), ".* has no scores"),
    ],
)
def test_what_is_no_calibration_curve(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        replace(SLICE, **changes)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ((1.0, 0.0, 2.0), "refuse, doubt and clear are not in ascending order"),
        ((0.0, 2.0, 1.0), "refuse, doubt and clear are not in ascending order"),
        ((0.0, float("nan"), 1.0), "doubt holds what is no finite number, or one above 1e9"),
    ],
)
def test_limits_that_are_none(limits: tuple[float, float, float], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        FrontalModel(SCORE, *limits)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"curves": {}}, "there is no calibration curve"),
        ({"curves": {"film": SLICE}}, "there is a calibration curve of the unknown scope 'film'"),
        ({"uncertain": 1.5}, "uncertain leaves 0 to 1"),
        ({"uncertain": float("nan")}, "uncertain holds what is no finite number, or one .*"),
    ],
)
def test_what_is_no_quality_model(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        replace(QUALITY, **changes)
