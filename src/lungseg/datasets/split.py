"""Splits that keep every patient on one side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lungseg.datasets.cases import Case
from lungseg.datasets.folders import name_of
from lungseg.errors import UsageError


def split_by_patient(
    cases: Sequence[Case], *, validation: float, test: float = 0.0, seed: int
) -> list[Case]:
    """The cases, each with its split filled in: of every source the given fractions of patients are
    for validation and for testing.

    A split that is given is kept, for all images of its patient. Where the masks of a source have
    one of the two given already, no more are drawn for it, and the others share the rest of the
    patients in the same proportion. Patients without any mask are for testing: nothing can be
    learnt from them.

    Args:
        cases: of any number of sources.
        validation: fraction of the patients of each source, 0 to 1.
        test: likewise; the rest is for training.
        seed: the split depends on it and on the names of the patients of one source alone, so that
            leaving one source out does not change the split of another.
    """
    splits: dict[tuple[str, str], str] = {}
    for source, free in _free_patients(cases).items():
        given = {case.split for case in cases if case.source == source and case.mask is not None}
        fractions = [
            0.0 if name in given else fraction
            for name, fraction in (("validation", validation), ("test", test))
        ]
        lost = (validation + test) - sum(fractions)
        if lost:
            fractions = [fraction / (1 - lost) for fraction in fractions]
        order = np.random.default_rng(seed).permutation(len(free))
        first = round(fractions[0] * len(free))
        last = first + round(fractions[1] * len(free))
        for place, i in enumerate(order):
            splits[source, free[i]] = (
                "validation" if place < first else "test" if place < last else "train"
            )
    return _assigned(cases, splits)


def names_of(case: Case) -> set[str]:
    """What a pair may call it: its name, or that of its image."""
    return {case.case, name_of(case.image)}


def count_pairs(cases: Sequence[Case], alike: Sequence[tuple[str, str]]) -> int:
    """How many pairs of names are both among the cases."""
    known = set[str]().union(*map(names_of, cases))
    return sum(known.issuperset(pair) for pair in alike)


STRICTEST: Final = ("test", "validation", "train")


def on_one_side(cases: Sequence[Case], alike: Sequence[tuple[str, str]]) -> list[Case]:
    """The cases, those of one patient or film under several names all in one split: of the splits
    that they have, the one that gives nothing away (testing before validation before training).
    Where none of them has a split they stay without.

    Args:
        cases: of any number of sources.
        alike: pairs of names of cases, of any source; of those that are not among the cases nothing
            is said.
    """
    patients: dict[str, set[tuple[str, str]]] = {}
    for case in cases:
        for name in names_of(case):
            patients.setdefault(name, set()).add((case.source, case.patient))
    groups: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for pair in alike:
        joined = set().union(*(patients.get(name, set()) for name in pair))
        for patient in tuple(joined):
            joined |= groups.get(patient, set())
        groups |= dict.fromkeys(joined, joined)
    splits: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        splits.setdefault((case.source, case.patient), set()).add(case.split)
    found = []
    for case in cases:
        group = groups.get((case.source, case.patient), ())
        there = set().union(*(splits[patient] for patient in group)) if group else ()
        split = next((name for name in STRICTEST if name in there), case.split)
        found.append(replace(case, split=split))
    return found


def split_into_folds(cases: Sequence[Case], count: int, *, seed: int) -> list[list[Case]]:
    """As many lists of the same cases as there are folds; in each, the patients of one fold are for
    validation, the others for training.

    Patients of every source are dealt out evenly. Cases that are given for testing stay so; other
    splits are not heeded.

    Args:
        cases: of any number of sources.
        count: folds, at least 2.
        seed: as for `split_by_patient`.

    Raises:
        UsageError: there are fewer than two folds, or more than patients in the largest source.
    """
    cases = [case if case.split == "test" else replace(case, split="") for case in cases]
    free = _free_patients(cases)
    most = max((len(patients) for patients in free.values()), default=0)
    if not 2 <= count <= most:
        cure = "choose at least 2, and not more than there are patients"
        raise UsageError(f"{count} folds cannot be made of {most} patients with a mask", cure=cure)
    orders = {
        source: np.random.default_rng(seed).permutation(len(patients))
        for source, patients in free.items()
    }
    folds: list[list[Case]] = []
    for fold in range(count):
        splits = {
            (source, patients[i]): "validation" if place % count == fold else "train"
            for source, patients in free.items()
            for place, i in enumerate(orders[source])
        }
        folds.append(_assigned(cases, splits))
    return folds


def _free_patients(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Of each source, the sorted patients who have a mask and no split yet."""
    bound = {(case.source, case.patient) for case in cases if case.split}
    free = {(case.source, case.patient) for case in cases if case.mask is not None} - bound
    return {
        source: sorted(p for s, p in free if s == source)
        for source in sorted({source for source, _ in free})
    }


def _assigned(cases: Sequence[Case], sampled: dict[tuple[str, str], str]) -> list[Case]:
    """The cases with the split that was given or sampled for their patient, and "test" where
    neither was.
    """
    given = {(case.source, case.patient): case.split for case in cases if case.split}
    splits = sampled | given
    return [
        case if case.split else replace(case, split=splits.get((case.source, case.patient), "test"))
        for case in cases
    ]
