"""Numbers of a report as values."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungseg.report.tables import SHOWN, densities_of, in_order, measurement_table
from lungseg.report.texts import NONE_PUBLISHED
from lungseg.result import Result
from made_up_records import measured


def test_structures_come_in_the_order_of_their_table_and_a_pair_behind_its_halves() -> None:
    labels = ["lungs", "odd", "heart", "left lung", "lungs", "opacity", "right lung"]
    assert in_order(labels) == ["right lung", "left lung", "lungs", "heart", "opacity", "odd"]
    assert in_order(["lungs"]) == ["lungs"]


def with_heart(record: dict[str, Any]) -> dict[str, Any]:
    heart = measured("area", 12345.0, "mm2", "heart")
    return record | {"measurements": [heart, *record["measurements"]]}


def test_what_was_measured_decides_the_columns(film: Result) -> None:
    table = measurement_table(with_heart(film.record()))
    assert table.heads == ("Measurement", "Right lung", "Left lung", "Lungs", "Heart", "Unit")
    area, fraction, *_ = table.rows
    assert (area.title, area.values[3], area.unit) == ("Area", "12\N{NO-BREAK SPACE}345", "mm²")
    assert (fraction.title, fraction.values[3]) == ("Fraction of the image", "")
    assert all(len(row.values) == 4 for row in table.rows)
    assert (table.remark, table.sources) == (NONE_PUBLISHED, ())


def test_densities_are_those_of_structures_not_of_pairs() -> None:
    counts = np.zeros(1 << 16, np.int64)
    counts[(1 << 15) - 800] = 3
    counts[0] = 1  # -32768 HU
    found = densities_of({"right lung": counts, "lungs": counts, "heart": 2 * counts})
    assert list(found.counts) == ["right lung", "heart"]
    steps = found.counts["heart"]
    assert (steps.sum(), steps[0], steps[25]) == (8, 2, 6)
    assert (found.edges[0], found.edges[25], found.edges[-1]) == (SHOWN[0], -800, SHOWN[1])
    np.testing.assert_array_equal(found.percent["heart"][[0, 25]], [25.0, 75.0])
