"""Confidence intervals of means, by resampling patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPLICATES = 2000
SEED = 0
"""Of the resampling, so that the same scores always have the same interval."""


def mean_intervals(
    values: NDArray[Any], patients: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper end of a 95 % interval of the mean of each column.

    The percentile bootstrap (B. Efron, Annals of Statistics 7, 1979), in which patients are
    sampled, with all their images, since images of one patient are no independent evidence. A
    replicate that has an infinite value has an infinite mean.

    Args:
        values: (images, columns); NaN where an image has no value.
        patients: whose each image is.

    Returns:
        Two arrays (columns,); NaN where fewer than two patients have a value.
    """
    number = {patient: i for i, patient in enumerate(dict.fromkeys(patients))}
    rows = np.array([number[patient] for patient in patients])
    sums, counts, infinite = np.zeros((3, len(number), values.shape[1]))
    np.add.at(sums, rows, np.where(np.isfinite(values), values, 0.0))
    np.add.at(counts, rows, ~np.isnan(values))
    np.add.at(infinite, rows, np.isinf(values) * np.sign(np.nan_to_num(values)))
    generator = np.random.default_rng(SEED)
    sampled = generator.multinomial(
        len(number), np.full(len(number), 1 / len(number)), size=REPLICATES
    ).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sampled @ sums) / (sampled @ counts)
    beyond = sampled @ infinite
    means[beyond > 0], means[beyond < 0] = np.inf, -np.inf
    ends = np.array(
        [[percentile(column[~np.isnan(column)], q) for column in means.T] for q in (2.5, 97.5)]
    )
    ends[:, (counts > 0).sum(axis=0) < 2] = np.nan
    return ends[0], ends[1]


def percentile(values: NDArray[Any], percent: float) -> float:
    """Linearly interpolated; where a value is infinite, the nearest value that is there. NaN of no
    values.
    """
    if values.size == 0:
        return float("nan")
    return float(
        np.percentile(values, percent, method="linear" if np.isfinite(values).all() else "nearest")
    )
