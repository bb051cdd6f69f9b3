"""The numbers of a quality model from samples: ridge and logistic regression, isotonic regression.

Nothing here knows an image or a network; all of it is closed form or a few steps of Newton's
method, and random nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import InputError
from lungseg.quality.features import CERTAINTY_FEATURES, SHAPE_FEATURES, Features
from lungseg.quality.files import as_stored
from lungseg.quality.model import (
    MAX_STD,
    CalibrationCurve,
    ExpectedDice,
    FrontalModel,
    QuadraticModel,
    Scope,
)

Array = NDArray[Any]

FRONTAL_RIDGE, DICE_RIDGE = 3.0, 20.0
"""Penalties of squared weights, of features in standard deviations."""

DICE_FLOOR = 0.01
"""Added to what a Dice lacks to 1 before its logarithm is taken, so that good masks do not lie
apart for nothing."""

FOLDS = 5
"""Of patients; each is scored by weights that were fitted to the others."""

MIN_BINS = 4
"""Of a calibration curve."""

MIN_PATIENTS, MIN_MASKS = 2, 20
"""Fewer have nothing to leave out, and too little for the bins of a curve."""

UNCERTAIN = 0.9
"""Expected Dice below which a reader should look; and the Dice from which on a mask is good."""

RECALL, FALSE_ALARMS = 0.9, 0.1
"""What a limit for review is to find of the masks that are not good, and the fraction of the good
ones that it may send to review at most."""

HELD, MIN_OF_SOURCE = 0.9, 10
"""The fraction of masks that an interval promises to hold for, also of a source that nothing was
fitted to; and of a source that is left out to measure that, masks as they are."""

MIN_BAD_MASKS = 10
"""With fewer that are not good, nothing is said of what a limit finds."""

MIN_FRONTAL_SAMPLES = 10
"""With both lungs, of frontal radiographs and of other pictures; from fewer no limit is taken."""

SampleKind = Literal["as_is", "degraded", "rotated", "out_of_distribution"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found of one input.

    Attributes:
        kind: what was done to the input, or that it is no chest.
        group: the source of the case, or what the input shows.
        patient: shared by the samples of one patient, and by no others.
        scope: what the mask is of.
        features: of the mask.
        dice: of the mask, 0 to 1; None where nothing is known; of CT that is no chest 0.
        first_features: of the first forward pass on a radiograph; empty for CT.
    """

    kind: SampleKind
    group: str
    patient: str
    scope: Scope
    features: Features
    dice: float | None = None
    first_features: Features | None = None


def of_cases(samples: Sequence[Sample]) -> list[Sample]:
    """Those of cases as they are and degraded, whose Dice is known."""
    return [sample for sample in samples if sample.kind in ("as_is", "degraded")]


def is_enough(samples: Sequence[Sample]) -> bool:
    """Whether there are `MIN_MASKS` of `MIN_PATIENTS`."""
    return len(samples) >= MIN_MASKS and len({one.patient for one in samples}) >= MIN_PATIENTS


def check_enough(samples: Sequence[Sample], what: str) -> None:
    """That there are masks enough to fit to.

    Raises:
        InputError: there are not (see `is_enough`).
    """
    if not is_enough(samples):
        patients = len({sample.patient for sample in samples})
        raise InputError(
            f"{len(samples)} masks of {patients} patients are too few to calibrate {what} "
            f"with, which needs {MIN_MASKS} of {MIN_PATIENTS}",
            cure="give more cases that the model has not seen",
        )


def fit_dice(
    samples: Sequence[Sample],
    names: tuple[str, ...],
    *,
    bin_size: int,
    widening: float = 1.0,
) -> tuple[QuadraticModel, CalibrationCurve]:
    """A score by ridge regression of the logarithm of what the Dice lacks to 1, and what a score is
    worth, measured on patients left out, fold by fold.

    Args:
        samples: with Dice, of several patients (see `check_enough`).
        names: of the features that are weighed.
        bin_size: samples in a bin of the curve.
        widening: see `calibration_curve`.
    """
    scores = left_out_scores(samples, names)
    curve = calibration_curve(scores, dice_of(samples), bin_size=bin_size, widening=widening)
    return fit_score(samples, names), curve


def left_out_scores(samples: Sequence[Sample], names: tuple[str, ...]) -> Array:
    """The score of each sample, by weights that were fitted to other patients; arguments as for
    `fit_dice`.
    """
    _, columns, target = _fit_score(samples, names)
    patients = {patient: i for i, patient in enumerate(sorted({s.patient for s in samples}))}
    fold = np.array([patients[sample.patient] % FOLDS for sample in samples])
    scores = np.empty(len(samples))
    for one in range(min(FOLDS, len(patients))):
        weights = _ridge(columns[fold != one], target[fold != one])
        scores[fold == one] = columns[fold == one] @ weights
    return scores


def review_limit(expected: Sequence[float], dice: Sequence[float]) -> float:
    """The expected Dice below which a reader should look: low enough to send at most
    `FALSE_ALARMS` of the good masks to review, but for those with the lowest that there is, and no
    higher than finds `RECALL` of the others; `UNCERTAIN` where fewer than `MIN_BAD_MASKS` are of
    either kind.

    Many masks share one expected Dice, on a step of the curve; the limit is the next higher one, as
    the file has them.

    Args:
        expected: of each mask, by a score that was fitted to other patients.
        dice: that it really has.
    """
    good = np.asarray(dice) >= UNCERTAIN
    if min(np.count_nonzero(good), np.count_nonzero(~good)) < MIN_BAD_MASKS:
        return UNCERTAIN
    values = np.array([as_stored(value) for value in expected])
    steps = np.unique(values)
    spent, found = (
        np.searchsorted(np.sort(own), steps, side="right") / len(own)
        for own in (values[good], values[~good])
    )
    affordable = max(1, int(np.count_nonzero(spent <= FALSE_ALARMS)))
    limit = min(affordable, int(np.argmax(found >= RECALL)) + 1)
    return float(steps[limit]) if limit < len(steps) else 1.0


def widening_for_strangers(
    samples: Sequence[Sample], names: tuple[str, ...], *, bin_size: int
) -> float:
    """How much intervals have to be widened to hold for `HELD` of the masks of a source that
    nothing was fitted to: the most that any source needs which is left out, of those with
    `MIN_OF_SOURCE` masks as they are; 1 where none can be left out. Each source has readers of its
    own, and a cohort tells nothing of those of another.

    Args:
        samples: with Dice, of several sources.
        names: of the features that are weighed.
        bin_size: samples in a bin of the curve.
    """
    needed = [1.0]
    for group in sorted({sample.group for sample in samples}):
        others = [sample for sample in samples if sample.group != group]
        own = [one for one in samples if one.group == group and one.kind == "as_is"]
        if len(own) < MIN_OF_SOURCE or not is_enough(others):
            continue
        score, curve = fit_dice(others, names, bin_size=bin_size)
        found = [_widening_of(curve(score(one.features)), one.dice or 0.0) for one in own]
        needed.append(float(np.quantile(found, HELD, method="higher")))
    return max(needed)


def _widening_of(expected: ExpectedDice, dice: float) -> float:
    """That with which the interval just reaches a Dice; see `calibration_curve`."""
    lacking = max(1 - dice, DICE_FLOOR / 10)
    below = lacking / max(1 - expected.low, DICE_FLOOR / 10)
    return max(1.0, below, (1 - expected.high) / lacking)


def fit_score(samples: Sequence[Sample], names: tuple[str, ...]) -> QuadraticModel:
    """The score alone; see `fit_dice`."""
    return _fit_score(samples, names)[0]


def calibration_curve(
    scores: Array, dice: Array, *, bin_size: int, widening: float = 1.0
) -> CalibrationCurve:
    """Of bins of ascending scores the mean score, and mean, 5th and 95th percentile of the Dice,
    made to rise by isotonic regression.

    Args:
        scores: one of each mask.
        dice: of each mask.
        bin_size: masks in a bin; there are at least `MIN_BINS` bins all the same.
        widening: how much farther what a Dice lacks to 1 is taken at both ends of the interval;
            above 1 where the masks are of patients that the network has learned from, or of fewer
            sources than it will meet.
    """
    order = np.argsort(scores)
    bins = np.array_split(order, max(MIN_BINS, len(order) // bin_size))
    weights = [float(len(one)) for one in bins]
    expected, low, high = (
        isotonic(values, weights)
        for values in (
            [float(np.mean(dice[one])) for one in bins],
            [float(np.quantile(dice[one], 0.05)) for one in bins],
            [float(np.quantile(dice[one], 0.95)) for one in bins],
        )
    )
    # A mean of few may lie outside of the quantiles of most.
    low = [
        max(0.0, min(1 - widening * (1 - value), mean))
        for value, mean in zip(low, expected, strict=True)
    ]
    high = [
        max(1 - (1 - value) / widening, mean) for value, mean in zip(high, expected, strict=True)
    ]
    centres = [float(scores[one].mean()) for one in bins]
    return CalibrationCurve(tuple(centres), tuple(expected), tuple(low), tuple(high))


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The ascending values nearest to those given, by weighted squares: pool adjacent violators (M.
    Ayer et al., Annals of Mathematical Statistics 26, 1955).
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        block = value, weight, 1
        while blocks and blocks[-1][0] > block[0]:
            before = blocks.pop()
            together = before[1] + block[1]
            mean = (before[0] * before[1] + block[0] * block[1]) / together
            block = mean, together, before[2] + block[2]
        blocks.append(block)
    return [mean for mean, _, count in blocks for _ in range(count)]


def fit_frontal(samples: Sequence[Sample]) -> FrontalModel | None:
    """Tells frontal radiographs from other pictures, by logistic regression on the features of the
    first forward pass; None where fewer than `MIN_FRONTAL_SAMPLES` of either show both lungs.

    Frontal radiographs and others weigh the same, and so do the groups of others among themselves.
    """
    both = [sample for sample in samples if "area" in (sample.first_features or {})]
    frontal = of_cases(both)
    others = [sample for sample in both if sample.kind in ("rotated", "out_of_distribution")]
    as_is = [sample for sample in frontal if sample.kind == "as_is"]
    degraded = [sample for sample in frontal if sample.kind == "degraded"]
    no_chests = [sample for sample in others if sample.kind == "out_of_distribution"] or others
    if min(len(as_is), len(degraded), len(no_chests)) < MIN_FRONTAL_SAMPLES:
        return None
    log_odds = _fit_log_odds(frontal, others)

    def quantile(of: list[Sample], where: float) -> float:
        return float(np.quantile([log_odds(sample.first_features or {}) for sample in of], where))

    # Halfway between what is no chest and films as they are.
    doubt = (quantile(no_chests, 0.98) + quantile(as_is, 0.005)) / 2
    return FrontalModel(
        log_odds,
        # Whoever refuses must be sure: below it lies one in a hundred of the degraded films, and
        # none as it is.
        refuse=min(doubt, quantile(degraded, 0.01), quantile(as_is, 0.0)),
        doubt=doubt,
        # As clear as 49 in 50 films as they are.
        clear=max(doubt, quantile(as_is, 0.02)),
    )


def _fit_log_odds(frontal: list[Sample], others: list[Sample]) -> QuadraticModel:
    names = CERTAINTY_FEATURES + SHAPE_FEATURES
    distance, mean, std = _standardise(
        [sample.first_features or {} for sample in frontal + others], names
    )
    is_frontal = np.repeat([1.0, 0.0], [len(frontal), len(others)])
    groups = [sample.group for sample in others]
    sizes = {group: groups.count(group) for group in set(groups)}
    weight = np.concatenate(
        [
            np.full(len(frontal), 1 / len(frontal)),
            [1 / sizes[group] / len(sizes) for group in groups],
        ]
    )
    weight *= len(is_frontal) / 2
    return _quadratic(names, mean, std, _logistic(_with_squares(distance), is_frontal, weight))


def _fit_score(
    samples: Sequence[Sample], names: tuple[str, ...]
) -> tuple[QuadraticModel, Array, Array]:
    """The model, and the columns and the target that it was fitted to."""
    distance, mean, std = _standardise([sample.features for sample in samples], names)
    columns, target = _with_squares(distance), -np.log(1 - dice_of(samples) + DICE_FLOOR)
    return _quadratic(names, mean, std, _ridge(columns, target)), columns, target


def dice_of(samples: Sequence[Sample]) -> Array:
    """Of each mask; nan where nothing is known."""
    return np.array([sample.dice for sample in samples], float)


def _standardise(
    rows: Sequence[Mapping[str, float]], names: tuple[str, ...]
) -> tuple[Array, Array, Array]:
    """Features in standard deviations, as `QuadraticModel` measures them, means and standard
    deviations; of a feature that no row has 0, 0 and 1.
    """
    values = np.array([[features.get(name, np.nan) for name in names] for features in rows])
    present = ~np.isnan(values).all(axis=0)
    mean, std = np.zeros(len(names)), np.ones(len(names))
    mean[present] = np.nanmean(values[:, present], axis=0)
    std[present] = np.nanstd(values[:, present], axis=0) + 1e-9
    distance = np.where(np.isnan(values), 0.0, (values - mean) / std)
    return np.clip(distance, -MAX_STD, MAX_STD), mean, std


def _with_squares(distance: Array) -> Array:
    return np.hstack([distance, distance**2, np.ones((len(distance), 1))])


def _quadratic(names: tuple[str, ...], mean: Array, std: Array, weights: Array) -> QuadraticModel:
    n = len(names)
    means, stds, linear, squares = (
        tuple(part.tolist()) for part in (mean, std, weights[:n], weights[n : 2 * n])
    )
    return QuadraticModel(names, means, stds, linear, squares, offset=float(weights[-1]))


def _penalty(columns: Array, ridge: float) -> Array:
    """Of each column's weight; the last one is the offset, which is not penalised."""
    return np.append(np.full(columns.shape[1] - 1, ridge), 0.0)


def _ridge(columns: Array, target: Array) -> Array:
    return np.linalg.solve(
        columns.T @ columns + np.diag(_penalty(columns, DICE_RIDGE)), columns.T @ target
    )


def _logistic(columns: Array, ground_truth: Array, weight: Array) -> Array:
    """Newton's method."""
    penalty = _penalty(columns, FRONTAL_RIDGE)
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(columns @ weights, -500, 500)))
        slope = columns.T @ (weight * (chance - ground_truth)) + penalty * weights
        curvature = (columns.T * (weight * chance * (1 - chance) + 1e-9)) @ columns + np.diag(
            penalty
        )
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return weights
