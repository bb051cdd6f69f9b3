"""Learning what signs say: logistic and ridge regression, in closed form or by Newton's method. For
`benchmarks/judge.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from lungseg.quality.model import FARTHEST, Learned, Line

Array = NDArray[Any]
Row = dict[str, Any]

DECIDED = (
    "confidence",
    "lower confidence",
    "undecided",
    "both sides",
    "dropped",
    "contrast",
    "edge",
    "roughness",
    "steepness",
    "spread",
)
"""How decided the network was, and the greys."""

SHAPE = (
    "area", "top", "bottom", "height", "width", "solidity", "length", "taper", "stretch", "fill",
    "x", "lower solidity", "slenderness",
    "apart", "gap", "outward lean", "common lean", "unequal areas", "unequal heights",
    "unequal tops", "unequal tapers",
    "unequal solidities",
)  # fmt: skip

FRONTAL_RIDGE, DICE_RIDGE = 3.0, 20.0
"""Penalties of squared weights, of signs in standard deviations."""

FLOOR = 0.01
"""Added to what a Dice lacks to 1 before its logarithm is taken, so that good masks do not lie
apart for nothing."""

FOLDS = 5
BIN = 60
"""Masks in a bin of the calibration."""

UNCERTAIN = 0.9


def learn(rows: list[Row], model: str) -> Learned:
    """What is learned from rows of `benchmarks/judge.py --fit`.

    Args:
        rows: of training films, plain, hard and turned, and of strangers.
        model: SHA-256 of the model's file.
    """
    films = [row for row in rows if row["kind"] in ("plain", "hard")]
    two = [row for row in films if "area" in row["first"]]
    others = [
        row for row in rows if row["kind"] in ("turned", "stranger") and "area" in row["first"]
    ]
    frontal = _learn_frontal(two, others)
    of = {
        kind: np.array([frontal(row["first"]) for row in two if row["kind"] == kind])
        for kind in ("plain", "hard")
    }
    strange = np.array([frontal(row["first"]) for row in others if row["kind"] == "stranger"])
    line, knots = learn_dice(films)
    return Learned(
        model=model,
        frontal=frontal,
        # Whoever refuses must be sure: below it lies one in a hundred of the films that were made
        # hard, and none as it was.
        refuse=float(np.quantile(of["hard"], 0.01)),
        # Halfway between the strangers and the films as they are.
        doubt=float(np.quantile(strange, 0.98) + np.quantile(of["plain"], 0.005)) / 2,
        # As clear as 49 in 50 films as they are.
        clear=float(np.quantile(of["plain"], 0.02)),
        dice=line,
        scores=knots[0],
        expected=knots[1],
        low=knots[2],
        high=knots[3],
        uncertain=UNCERTAIN,
    )


def _scale(rows: list[dict[str, float]], names: tuple[str, ...]) -> tuple[Array, Array, Array]:
    """Signs in standard deviations, as `Line` measures them, means and deviations."""
    values = np.array([[signs.get(name, np.nan) for name in names] for signs in rows])
    mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0) + 1e-9
    apart = np.where(np.isnan(values), 0.0, (values - mean) / deviation)
    return np.clip(apart, -FARTHEST, FARTHEST), mean, deviation


def _with_squares(apart: Array) -> Array:
    return np.hstack([apart, apart**2, np.ones((len(apart), 1))])


def _line(names: tuple[str, ...], mean: Array, deviation: Array, weights: Array) -> Line:
    n = len(names)
    parts = (mean, deviation, weights[:n], weights[n : 2 * n])
    return Line(names, *(tuple(part.tolist()) for part in parts), offset=float(weights[-1]))


def _learn_frontal(films: list[Row], others: list[Row]) -> Line:
    """Logistic regression; films and others weigh the same, and so do the groups of others among
    themselves.
    """
    names = DECIDED + SHAPE
    apart, mean, deviation = _scale([row["first"] for row in films + others], names)
    is_film = np.repeat([1.0, 0.0], [len(films), len(others)])
    sizes = {
        group: sum(row["group"] == group for row in others)
        for group in {row["group"] for row in others}
    }
    weight = np.concatenate(
        [
            np.full(len(films), 1 / len(films)),
            [1 / sizes[row["group"]] / len(sizes) for row in others],
        ]
    )
    weight *= len(is_film) / 2
    return _line(names, mean, deviation, _logistic(_with_squares(apart), is_film, weight))


def _penalty(columns: Array, ridge: float) -> Array:
    """Of each column's weight; the last one is the offset, which is not penalised."""
    return np.append(np.full(columns.shape[1] - 1, ridge), 0.0)


def _logistic(columns: Array, truth: Array, weight: Array) -> Array:
    """Newton's method."""
    penalty = _penalty(columns, FRONTAL_RIDGE)
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (weight * (chance - truth)) + penalty * weights
        curvature = (columns.T * (weight * chance * (1 - chance) + 1e-9)) @ columns + np.diag(
            penalty
        )
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def learn_dice(
    films: list[Row], names: tuple[str, ...] = DECIDED, size: int = BIN
) -> tuple[Line, tuple[tuple[float, ...], ...]]:
    """Ridge regression of the logarithm of what the Dice lacks; scores of films left out, fold by
    fold, say what each score is worth.
    """
    apart, mean, deviation = _scale([row["signs"] for row in films], names)
    columns = _with_squares(apart)
    dice = np.array([row["dice"] for row in films])
    lacks = -np.log(1 - dice + FLOOR)
    patients = sorted({row["patient"] for row in films})
    fold = np.array([patients.index(row["patient"]) % FOLDS for row in films])
    scores = np.empty(len(films))
    for one in range(FOLDS):
        scores[fold == one] = columns[fold == one] @ _ridge(
            columns[fold != one], lacks[fold != one]
        )
    return _line(names, mean, deviation, _ridge(columns, lacks)), calibration(scores, dice, size)


def _ridge(columns: Array, target: Array) -> Array:
    return np.linalg.solve(
        columns.T @ columns + np.diag(_penalty(columns, DICE_RIDGE)), columns.T @ target
    )


def calibration(scores: Array, dice: Array, size: int = BIN) -> tuple[tuple[float, ...], ...]:
    """Of bins of ascending scores the mean score, and mean, 5th and 95th percentile of the Dice,
    made to rise by isotonic regression.
    """
    order = np.argsort(scores)
    bins = np.array_split(order, max(4, len(order) // size))
    centre = np.array([scores[b].mean() for b in bins])
    curves = [
        np.array([f(dice[b]) for b in bins])
        for f in (np.mean, lambda d: np.quantile(d, 0.05), lambda d: np.quantile(d, 0.95))
    ]
    sizes = np.array([len(b) for b in bins], float)
    return tuple(
        tuple(curve.tolist())
        for curve in (centre, *(isotonic_regression(curve, weights=sizes).x for curve in curves))
    )
