"""Paired differences of models."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest

from lungseg.errors import UsageError
from lungseg.evaluate import CaseScore
from lungseg.evaluate.compare import compare_table, differences
from made_up_scores import MASK, THROUGH_HEART, scored, with_scores

scipy_stats = pytest.importorskip("scipy.stats")

FIRST = [scored(str(i), 0.90, 20.0) for i in range(8)]
SECOND = [scored(str(i), 0.91 + i / 1000, 20.0 - i) for i in range(8)]


def infinitely_far(score: CaseScore) -> CaseScore:
    return with_scores(score, lungs=replace(score.first, hd95_at_1024=math.inf))


def test_a_model_that_is_better_on_every_patient() -> None:
    dice, hd95 = differences({"old": FIRST, "new": SECOND})
    assert (dice.cases, dice.metric, dice.first, dice.second) == ("north", "dice", "old", "new")
    assert (dice.n, dice.patients, dice.mean_first) == (8, 8, pytest.approx(0.9))
    assert dice.difference == pytest.approx(0.0135)
    assert 0.0115 < dice.low < 0.0135 < dice.high < 0.0155
    assert dice.p == pytest.approx(
        2 / 2**8
    )  # of all signs, this and its mirror image are as extreme
    assert (hd95.structure, hd95.metric, hd95.difference) == ("lungs", "hd95_at_1024", -3.5)
    assert hd95.p == pytest.approx(scipy_stats.wilcoxon([-float(i) for i in range(8)]).pvalue)


def test_only_cases_of_both_are_compared_and_in_pairs() -> None:
    dice, _ = differences({"old": FIRST[2:], "new": SECOND[::-1][:6]})
    assert (dice.n, dice.mean_second) == (6, pytest.approx(0.9145))


def test_images_of_one_patient_count_once_in_the_test() -> None:
    first = [replace(score, patient=f"p{i // 4}") for i, score in enumerate(FIRST)]
    dice, _ = differences({"old": first, "new": SECOND})
    assert (dice.n, dice.patients, dice.p) == (8, 2, 0.5)


def test_models_that_do_not_differ() -> None:
    dice, hd95 = differences({"old": FIRST, "new": FIRST})
    assert (dice.difference, dice.low, dice.high, dice.p) == (0, 0, 0, 1)
    assert (hd95.difference, hd95.p) == (0, 1)


def test_a_lung_that_one_model_does_not_find_is_an_infinite_difference_and_no_error() -> None:
    second = [infinitely_far(FIRST[0]), *SECOND[1:]]
    _, hd95 = differences({"old": FIRST, "new": second})
    assert hd95.difference == math.inf
    assert 0 < hd95.p < 1
    _, hd95 = differences({"old": second, "new": second})
    assert (hd95.difference, hd95.p) == (0, 1)


@pytest.mark.parametrize("patient", ["0", "7"])
def test_where_each_model_misses_a_lung_nobody_knows_the_mean_difference(patient) -> None:
    first = [infinitely_far(FIRST[0]), *FIRST[1:]]
    second = [*SECOND[:-1], infinitely_far(SECOND[-1])]
    same = [
        [replace(score, patient=patient if score.case == "7" else score.case) for score in scores]
        for scores in (first, second)
    ]
    _, hd95 = found = differences({"old": same[0], "new": same[1]})
    assert all(map(math.isnan, (hd95.difference, hd95.low, hd95.high)))
    assert 0 < hd95.p < 1
    assert compare_table(found).rows[1][-4:-1] == ["inf", "inf", "-"]


def test_what_a_ground_truth_does_not_say_is_not_compared() -> None:
    other = with_scores(THROUGH_HEART, lungs=replace(MASK, dice=0.8))
    (dice,) = differences({"old": [THROUGH_HEART], "new": [other]})
    assert (dice.cases, dice.metric, dice.difference, dice.p) == (
        "adults",
        "dice",
        pytest.approx(-0.1),
        1.0,
    )
    assert math.isnan(dice.low)


def test_of_three_models_every_pair_is_compared() -> None:
    found = differences({"a": FIRST, "b": SECOND, "c": FIRST})
    assert [(d.first, d.second) for d in found if d.metric == "dice"] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]


def test_the_table_to_paste() -> None:
    table = compare_table(differences({"old": FIRST, "new": SECOND}))
    assert table.markdown().splitlines()[:2] == [
        (
            "| cases | metric | n | patients | first | second | first's mean | second's mean "
            "| difference (95 % interval) | p |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    name, metric, n, patients, first, second, mean_first, mean_second, difference, p = table.rows[0]
    assert [name, metric, n, patients, first, second] == ["north", "Dice", "8", "8", "old", "new"]
    assert [mean_first, mean_second, p] == ["0.9000", "0.9135", "0.0078"]
    assert difference.startswith("+0.0135 (+0.01")


def test_without_scipy_it_is_said_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(UsageError) as refused:
        differences({"old": FIRST, "new": SECOND})
    assert str(refused.value) == (
        "comparing models needs the library scipy; install it with `pip install 'lungseg[train]'`."
    )
