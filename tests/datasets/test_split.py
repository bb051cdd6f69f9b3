"""Splits by patient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lungseg.datasets import Case, split_by_patient, split_into_folds
from lungseg.datasets.split import count_pairs, on_one_side
from lungseg.errors import UsageError


def case(source: str, patient: int, image: int, **changes: str) -> Case:
    name = f"p{patient}_{image}"
    return replace(
        Case(name, f"p{patient}", Path(f"{name}.png"), Path(f"{name}_mask.png"), source), **changes
    )


CASES = [
    case(source, patient, image)
    for source, patients in (("a", 20), ("b", 7))
    for patient in range(patients)
    for image in range(3)
]


def sides(cases: list[Case], source: str) -> dict[str, set[str]]:
    return {
        split: {c.patient for c in cases if (c.source, c.split) == (source, split)}
        for split in ("train", "validation")
    }


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
    alone = split_by_patient(
        [c for c in reversed(CASES) if c.source == "b"], validation=0.25, seed=3
    )
    assert sides(alone, "b") == sides(whole, "b")


def test_seeds_split_differently() -> None:
    assert (
        len(
            {
                frozenset(
                    sides(split_by_patient(CASES, validation=0.25, seed=seed), "a")["validation"]
                )
                for seed in range(10)
            }
        )
        > 5
    )


def test_a_split_that_is_given_is_kept() -> None:
    given = [replace(c, split="test" if c.patient == "p1" else "train") for c in CASES]
    assert split_by_patient(given, validation=0.25, seed=0) == given


def test_training_validation_and_testing_share_the_patients_of_each_source() -> None:
    done = split_by_patient(CASES, validation=0.1, test=0.25, seed=1)
    for source, sizes in (("a", (13, 2, 5)), ("b", (4, 1, 2))):
        patients = [
            {c.patient for c in done if (c.source, c.split) == (source, split)}
            for split in ("train", "validation", "test")
        ]
        assert tuple(map(len, patients)) == sizes
        assert len(set.union(*patients)) == sum(sizes)
    # Drawing for testing as well leaves the validation as it was.
    assert (
        sides(done, "a")["validation"]
        == sides(split_by_patient(CASES, validation=0.1, seed=1), "a")["validation"]
    )


def test_a_split_that_is_given_for_some_is_kept_for_their_patients_and_the_rest_is_drawn() -> None:
    some = [
        replace(c, split="test") if (c.source, c.patient, c.case) == ("a", "p1", "p1_0") else c
        for c in CASES
    ]
    done = split_by_patient(some, validation=0.25, seed=0)
    assert {c.split for c in done if (c.source, c.patient) == ("a", "p1")} == {"test"}
    assert {c.patient for c in done if (c.source, c.split) == ("a", "test")} == {"p1"}
    assert len(sides(done, "a")["validation"]) == 5  # a quarter of 19
    assert [c for c in done if c.source == "b"] == [
        c for c in split_by_patient(CASES, validation=0.25, seed=0) if c.source == "b"
    ]


def test_where_testing_is_given_the_others_share_the_rest_as_before() -> None:
    some = [replace(c, split="test") if c.patient in ("p0", "p1", "p2", "p3") else c for c in CASES]
    done = split_by_patient(some, validation=0.25, test=0.5, seed=0)
    assert {c.patient for c in done if (c.source, c.split) == ("a", "test")} == {
        "p0",
        "p1",
        "p2",
        "p3",
    }
    assert [len(group) for group in sides(done, "a").values()] == [8, 8]


def test_what_has_no_mask_is_for_testing_and_changes_nothing_for_the_others() -> None:
    bare = [replace(case("a", 100 + i, 0), mask=None) for i in range(5)]
    done = split_by_patient(
        [*bare, *CASES, replace(case("a", 1, 9), mask=None)], validation=0.25, seed=0
    )
    assert [c.split for c in done[:5]] == ["test"] * 5
    assert done[5:-1] == split_by_patient(CASES, validation=0.25, seed=0)
    assert done[-1].split == next(c.split for c in done if (c.source, c.patient) == ("a", "p1"))


def test_folds_deal_out_the_patients_and_leave_those_for_testing() -> None:
    given = [replace(c, split="test" if c.patient == "p1" else "train") for c in CASES]
    folds = split_into_folds(given, 3, seed=0)
    assert len(folds) == 3
    for source, sizes in (("a", [7, 6, 6]), ("b", [2, 2, 2])):
        validated = [sides(fold, source)["validation"] for fold in folds]
        assert [len(group) for group in validated] == sizes
        assert set.union(*validated) == {c.patient for c in CASES if c.source == source} - {"p1"}
    for fold in folds:
        assert [replace(c, split="") for c in fold] == CASES
        assert {c.patient for c in fold if c.split == "test"} == {"p1"}
        assert all(
            not group & sides(fold, "a")["train"] for group in [sides(fold, "a")["validation"]]
        )


@pytest.mark.parametrize("count", [1, 21])
def test_folds_need_patients(count) -> None:
    with pytest.raises(UsageError) as refused:
        split_into_folds(CASES, count, seed=0)
    words = (
        f"{count} folds cannot be made of 20 patients with a mask; choose at least 2, and "
        "not more than there are patients."
    )
    assert str(refused.value) == words


def test_the_draw_of_the_shipped_model_never_changes() -> None:
    cases = [case("a", patient, 0) for patient in range(20)]
    done = split_by_patient(cases, validation=0.15, seed=0)
    assert [c.patient for c in done if c.split == "validation"] == ["p9", "p12", "p14"]


def test_one_film_under_two_names_stays_in_the_split_that_gives_nothing_away() -> None:
    cases = [
        case("a", 1, 0, split="train"),
        case("a", 1, 1, split="train"),
        case("b", 2, 0, split="validation"),
        case("c", 3, 0, split="test"),
        case("c", 4, 0),
        case("c", 5, 0, split="train"),
    ]
    alike = [("p1_0", "p2_0"), ("p2_0", "p4_0"), ("p9_9", "p5_0")]
    assert [c.split for c in on_one_side(cases, alike)] == [
        "validation",
        "validation",
        "validation",
        "test",
        "validation",
        "train",
    ]
    named = [replace(c, case=f"case {i}") for i, c in enumerate(cases)]
    assert [c.split for c in on_one_side(named, alike)][:3] == ["validation"] * 3
    assert (count_pairs(named, alike), count_pairs(cases, alike)) == (2, 2)
    tied = on_one_side(cases, [*alike, ("p3_0", "p1_1")])
    assert [c.split for c in tied] == ["test"] * 5 + ["train"]
    assert [c.split for c in on_one_side([cases[4]], [("p4_0", "p5_0")])] == [""]
