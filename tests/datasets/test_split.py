"""Splits by patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lungseg.datasets import Case, split_by_patient


def case(source: str, patient: int, image: int, **changes: str) -> Case:
    name = f"p{patient}_{image}"
    return replace(Case(name, f"p{patient}", Path(f"{name}.png"), Path(f"{name}_mask.png"), source), **changes)


CASES = [case(source, patient, image) for source, patients in (("a", 20), ("b", 7)) for patient in range(patients) for image in range(3)]


def sides(cases: list[Case], source: str) -> dict[str, set[str]]:
    return {split: {c.patient for c in cases if (c.source, c.split) == (source, split)} for split in ("train", "validation")}


@pytest.mark.parametrize("seed", range(5))
def test_patients_stay_together_and_every_source_gives_its_share(seed) -> None:
    done = split_by_patient(CASES, validation=0.25, seed=seed)
    assert [replace(c, split="") for c in done] == CASES
    for source, total, share in (("a", 20, 5), ("b", 7, 2)):
        split = sides(done, source)
        assert split["train"] & split["validation"] == set()
        assert (len(split["train"]), len(split["validation"])) == (total - share, share)


def test_the_split_of_one_source_knows_nothing_of_the_others_nor_of_the_order() -> None:
    whole = split_by_patient(CASES, validation=0.25, seed=3)
    alone = split_by_patient([c for c in reversed(CASES) if c.source == "b"], validation=0.25, seed=3)
    assert sides(alone, "b") == sides(whole, "b")


def test_seeds_split_differently() -> None:
    assert len({frozenset(sides(split_by_patient(CASES, validation=0.25, seed=seed), "a")["validation"]) for seed in range(10)}) > 5


def test_a_split_that_is_given_is_kept() -> None:
    given = [replace(c, split="test" if c.patient == "p1" else "train") for c in CASES]
    assert split_by_patient(given, validation=0.25, seed=0) == given


def test_a_split_that_is_given_for_some_only_is_drawn_anew() -> None:
    some = [replace(c, split="test") if c.patient == "p1" else c for c in CASES]
    assert split_by_patient(some, validation=0.25, seed=0) == split_by_patient(CASES, validation=0.25, seed=0)
