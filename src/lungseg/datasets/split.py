"""Splits that keep every patient on one side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lungseg.datasets.cases import Case


def split_by_patient(cases: Sequence[Case], *, validation: float, seed: int) -> list[Case]:
    """The cases, each with its split filled in: of every source the given share of patients is for validation, the rest for training.

    Cases whose split is given already keep it, if all cases have one.

    Args:
        cases: of any number of sources.
        validation: share of the patients of each source, 0 to 1.
        seed: the split depends on it and on the names of the patients of one source alone, so that leaving one source out does not
            change the split of another.
    """
    if all(case.split for case in cases):
        return list(cases)
    chosen: set[tuple[str, str]] = set()
    for source in sorted({case.source for case in cases}):
        patients = sorted({case.patient for case in cases if case.source == source})
        order = np.random.default_rng(seed).permutation(len(patients))
        chosen |= {(source, patients[i]) for i in order[: round(validation * len(patients))]}
    return [replace(case, split="validation" if (case.source, case.patient) in chosen else "train") for case in cases]
