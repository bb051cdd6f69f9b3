"""What a mask's features are worth: the numbers that `lungseg calibrate` fits for one model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, get_args

import numpy as np

from lungseg.measurement import Measurement, Measurements
from lungseg.quality.features import Features
from lungseg.structures import PLURAL

MAX_STD: Final = 4.0
"""Standard deviations; a feature that lies farther from its mean counts as this far, so that no
single one outvotes all others."""

MAX_NUMBER: Final = 1e9
"""What no number of a quality model exceeds; the sum of any such is finite."""

Scope = Literal["radiograph", "slice", "volume"]
"""What an expected Dice is of: a radiograph; a single slice of CT; several slices of CT."""


@dataclass(frozen=True, slots=True)
class QuadraticModel:
    """A weighted sum of features and of their squares. A feature that is absent counts as its mean.

    Attributes:
        features: their names.
        mean, std: of each feature, among the masks it was fitted to.
        weights, squares: of each feature, measured in its standard deviations, and of the square.
        offset: what is added.

    Raises:
        ValueError: a number is not finite or exceeds `MAX_NUMBER`, a standard deviation is not
            above 0, or the lists are not of one length.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: tuple[float, ...]
    squares: tuple[float, ...]
    offset: float

    def __post_init__(self) -> None:
        """Checks what was given."""
        numbers = {"mean": self.mean, "std": self.std}
        numbers |= {"weights": self.weights, "squares": self.squares}
        _check_lengths({"features": self.features, **numbers})
        _check_finite(numbers | {"offset": (self.offset,)})
        if any(value <= 0 for value in self.std):
            raise ValueError("a standard deviation is not above 0")

    def __call__(self, features: Mapping[str, float]) -> float:
        """The sum."""
        values = np.array(
            [features.get(name, mean) for name, mean in zip(self.features, self.mean, strict=True)]
        )
        distance = np.clip((values - self.mean) / self.std, -MAX_STD, MAX_STD)
        return float(distance @ self.weights + distance**2 @ self.squares) + self.offset


@dataclass(frozen=True, slots=True)
class ExpectedDice:
    """The Dice coefficient to be expected between a mask and the ground truth.

    Attributes:
        value: the mean of masks with such features, 0 to 1.
        low, high: nine in ten masks with such features lie between them.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """What a score is worth.

    Attributes:
        scores: ascending; at each of them the others hold the expected Dice and the ends of its
            interval, between them it is interpolated.
        expected, low, high: 0 to 1, none of them falling, low <= expected <= high.

    Raises:
        ValueError: they are not.
    """

    scores: tuple[float, ...]
    expected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """Checks what was given."""
        dice = {"expected": self.expected, "low": self.low, "high": self.high}
        columns = {"scores": self.scores} | dice
        _check_lengths(columns)
        _check_finite(columns)
        if not self.scores:
            raise ValueError("a calibration curve has no scores")
        for name, values in columns.items():
            if any(before > after for before, after in pairwise(values)):
                raise ValueError(f"{name} is not in ascending order")
        for name, values in dice.items():
            if not all(0 <= value <= 1 for value in values):
                raise ValueError(f"{name} leaves 0 to 1")
        if any(
            not low <= value <= high
            for low, value, high in zip(self.low, self.expected, self.high, strict=True)
        ):
            raise ValueError("an expected Dice lies outside of its interval")

    def __call__(self, score: float) -> ExpectedDice:
        """The Dice coefficient to be expected of masks with that score."""
        return ExpectedDice(
            *(
                float(np.interp(score, self.scores, values))
                for values in (self.expected, self.low, self.high)
            )
        )


@dataclass(frozen=True, slots=True)
class FrontalModel:
    """Whether a picture is a frontal chest radiograph.

    Attributes:
        log_odds: that it is one, from the features of the first forward pass.
        refuse: below this it is refused.
        doubt: below this it is doubtful.
        clear: from this on, of a rotated picture, it is certain.

    Raises:
        ValueError: the three limits are not finite, or not in ascending order.
    """

    log_odds: QuadraticModel
    refuse: float
    doubt: float
    clear: float

    def __post_init__(self) -> None:
        """Checks what was given."""
        limits = {"refuse": self.refuse, "doubt": self.doubt, "clear": self.clear}
        _check_finite({name: (value,) for name, value in limits.items()})
        if not self.refuse <= self.doubt <= self.clear:
            raise ValueError("refuse, doubt and clear are not in ascending order")


@dataclass(frozen=True, slots=True)
class QualityModel:
    """What was fitted for one model; `lungseg calibrate` fits it again.

    Attributes:
        model: SHA-256 of the model's file, in hexadecimal.
        dice: a score of the mask; of a volume from means of features over slices.
        curves: what a score is worth, of at least one scope.
        uncertain: below this expected Dice a reader should look, 0 to 1.
        frontal: of models for radiographs only, and only where there was enough to fit it to.

    Raises:
        ValueError: there is no curve, or one of an unknown scope, or `uncertain` leaves 0 to 1.
    """

    model: str
    dice: QuadraticModel
    curves: Mapping[Scope, CalibrationCurve]
    uncertain: float
    frontal: FrontalModel | None = None

    def __post_init__(self) -> None:
        """Checks what was given."""
        if not self.curves:
            raise ValueError("there is no calibration curve")
        unknown = sorted(set(self.curves) - set(get_args(Scope)))
        if unknown:
            raise ValueError(f"there is a calibration curve of the unknown scope {unknown[0]!r}")
        _check_finite({"uncertain": (self.uncertain,)})
        if not 0 <= self.uncertain <= 1:
            raise ValueError("uncertain leaves 0 to 1")

    def expected_dice(self, features: Features, scope: Scope) -> ExpectedDice | None:
        """Of a mask with these features; None where no curve was fitted for that scope."""
        curve = self.curves.get(scope)
        return None if curve is None else curve(self.dice(features))


def as_measurements(expected: ExpectedDice | None) -> Measurements:
    """The expected Dice and the ends of its interval, of both lungs; none where it is not known."""
    if expected is None:
        return Measurements()
    values = {
        "expected_dice": expected.value,
        "expected_dice_low": expected.low,
        "expected_dice_high": expected.high,
    }
    return Measurements(Measurement(name, PLURAL, v, "1") for name, v in values.items())


def _check_lengths(columns: Mapping[str, Collection[object]]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{number} {name}" for name, number in lengths.items())
        raise ValueError(f"there are {counts}, which should be equally many")


def _check_finite(columns: Mapping[str, Sequence[float]]) -> None:
    for name, values in columns.items():
        if not all(type(value) in (int, float) and abs(value) <= MAX_NUMBER for value in values):
            raise ValueError(f"{name} holds what is no finite number, or one above 1e9")
