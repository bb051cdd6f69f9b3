"""What scores come to, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lungseg.evaluate.intervals import mean_intervals, percentile
from lungseg.evaluate.summary import Summary, group, structures_of, summaries
from made_up_scores import MASK, NAN, PLAIN, scored, with_scores


def test_intervals_of_independent_values_are_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(5, 2, (400, 1))
    ((low,), (high,)) = mean_intervals(values, [str(i) for i in range(400)])
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)
    assert mean_intervals(values, [str(i) for i in range(400)])[0] == low  # the same again


def test_images_of_one_patient_are_no_further_evidence() -> None:
    values = np.random.default_rng(1).normal(5, 2, (100, 1))
    patients = [str(i) for i in range(100)]
    once = mean_intervals(values, patients)
    again = mean_intervals(np.repeat(values, 4, axis=0), [p for p in patients for _ in range(4)])
    np.testing.assert_allclose(again, once)


def test_intervals_leave_unknown_values_out_and_keep_infinite_ones() -> None:
    values = np.array(
        [
            [1.0, NAN, math.inf, NAN],
            [1.0, 2.0, 1.0, NAN],
            [1.0, 4.0, 1.0, 7.0],
            [1.0, 6.0, 1.0, NAN],
        ]
    )
    low, high = mean_intervals(values, list("abcd"))
    assert (low[0], high[0]) == (1, 1)
    assert (low[1], high[1]) == (2, 6)
    assert (low[2], high[2]) == (1, math.inf)
    assert math.isnan(low[3])
    assert math.isnan(high[3])


def test_a_percentile_among_infinite_values_is_one_of_them() -> None:
    assert percentile(np.array([1.0, 2.0]), 50) == 1.5
    assert percentile(np.array([1.0, math.inf, math.inf]), 95) == math.inf
    assert percentile(np.array([1.0, math.inf]), 5) == 1.0
    assert math.isnan(percentile(np.array([]), 50))


def of(found: list[Summary], structure: str, metric: str, stage: str = "final") -> Summary:
    (one,) = [s for s in found if (s.structure, s.metric, s.stage) == (structure, metric, stage)]
    return one


def test_every_metric_is_summed_up_from_its_bad_end() -> None:
    scores = [scored(str(i), 0.90 + i / 1000, 10.0 + i) for i in range(21)]
    found = summaries(scores)
    dice, hd95 = of(found, "lungs", "dice"), of(found, "lungs", "hd95_at_1024")
    assert (dice.n, dice.patients, dice.unit) == (21, 21, "")
    assert (dice.mean, dice.median, dice.p05, dice.worst) == pytest.approx((0.91, 0.91, 0.901, 0.9))
    assert dice.low < 0.91 < dice.high
    assert hd95.unit == "pixels of 1024"
    assert (hd95.mean, hd95.median, hd95.p05, hd95.worst) == (20, 20, 29, 30)
    assert of(found, "right lung", "dice").mean == pytest.approx(0.97)
    assert of(found, "lungs", "dice", "raw").mean == pytest.approx(0.94)
    assert len(found) == 4 * 15 + 1  # of `MASK`'s metrics, and one of 1024 pixels


def test_questionable_masks_stand_apart_in_every_group() -> None:
    scores = [
        scored("a", 0.9),
        scored("b", 0.8, source="south"),
        scored("c", 0.1, source="south", notes="questionable"),
    ]
    assert {name: [score.case for score in members] for name, members in group(scores).items()} == {
        "all lung fields": ["a", "b"],
        "north": ["a"],
        "south": ["b"],
        "south, questionable masks": ["c"],
    }


def test_of_an_area_error_the_size_is_what_is_bad() -> None:
    errors = [-0.5, 0.1, 0.2]
    found = summaries(
        [
            with_scores(
                replace(PLAIN, case=str(e), patient=str(e)),
                lungs=replace(MASK, relative_area_error=e),
            )
            for e in errors
        ]
    )
    error = of(found, "lungs", "relative_area_error")
    assert error.mean == pytest.approx(-0.2 / 3)
    assert (error.median, error.p05, error.worst) == pytest.approx((0.1, 0.47, -0.5))


def test_millimetres_and_pixels_have_no_mean() -> None:
    found = summaries([PLAIN, replace(PLAIN, case="y", patient="py", unit="mm")])
    metrics = {s.metric for s in found if s.structure == "lungs"}
    assert not metrics & {"hd", "hd95", "hd95_pooled", "assd", "nsd_1", "nsd_2", "nsd_3"}
    assert {"dice", "hd95_at_1024", "relative_area_error"} <= metrics
    assert of(summaries([replace(PLAIN, unit="mm")]), "lungs", "nsd_1").unit == "mm"


def test_each_structure_is_summed_up_where_it_has_a_score() -> None:
    heart = replace(MASK, dice=0.7)
    first = replace(
        PLAIN,
        scores={"lungs": MASK, "heart": heart},
        raw={"lungs": MASK, "heart": replace(heart, dice=0.6)},
    )
    found = summaries([first, replace(PLAIN, case="y", patient="py")])
    assert structures_of([PLAIN, first]) == ["lungs", "heart"]
    assert (of(found, "heart", "dice").n, of(found, "heart", "dice").mean) == (1, 0.7)
    assert of(found, "heart", "dice", "raw").mean == 0.6
    assert of(found, "lungs", "dice").n == 2
