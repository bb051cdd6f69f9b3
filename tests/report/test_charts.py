"""Charts as SVG."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from lungseg.report import html
from lungseg.report.charts import (
    Axis,
    Chart,
    bars,
    columns,
    curves,
    densities,
    on_white,
    round_values,
    strips,
)
from lungseg.structures import RIGHT_LUNG, STRUCTURES, Structure

EVIL = '<script>alert("x")</script>&'
AXIS = Axis("Dice <of> each", 0.5, 1.0, (0.9, "human & human"))


def tree(chart: Chart) -> ET.Element:
    """As it stands in a page; whatever is not closed or not escaped is an error."""
    return ET.fromstring(html._environment().get_template("parts.html").module.chart(chart))


@pytest.mark.parametrize(
    ("ends", "values"),
    [
        ((0, 7487), [0, 2000, 4000, 6000]),
        ((0.85, 1), [0.85, 0.875, 0.9, 0.925, 0.95, 0.975, 1]),
        ((-1050, 150), [-1000, -800, -600, -400, -200, 0]),
        ((0, 100), [0, 20, 40, 60, 80, 100]),
        ((0, 0.003), [0, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003]),
    ],
)
def test_ticks_are_at_round_values(ends: tuple[float, float], values: list[float]) -> None:
    assert round_values(*ends) == values


def test_a_chart_has_every_value_at_its_place() -> None:
    chart = tree(strips({"a": [0.5, 0.75, 1.0], EVIL: [0.2]}, AXIS))
    assert chart.attrib["role"] == "img"
    assert chart.attrib["aria-label"] == chart.findtext("title") == "Dice <of> each"
    dots = [float(dot.attrib["cx"]) for dot in chart.findall("circle")]
    left, right = AXIS.at(0.5), AXIS.at(1.0)
    assert dots == pytest.approx(
        [left, (left + right) / 2, right, left], abs=0.06
    )  # what lies below the axis stands at its end
    assert len(chart.findall("rect")) == 2
    words = [text.text for text in chart.findall("text")]
    assert "human & human" in words
    assert EVIL in words
    assert f"{EVIL[:27]}…" in [
        text.text for text in tree(strips({f"{EVIL} and more": [0.6]}, AXIS)).findall("text")
    ]
    (mark,) = (path for path in chart.findall("path") if path.attrib["class"] == "mark")
    assert mark.attrib["d"].startswith(f"M{AXIS.at(0.9):.1f} ")


def test_a_curve_climbs_by_one_step_for_each_value() -> None:
    chart = tree(curves({"a": [1.0, 0.75, math.inf, 0.5], "none": []}, AXIS))
    legend_a, curve, legend_none = (
        path.attrib["d"] for path in chart.findall("path") if "curve" in path.attrib["class"]
    )
    steps = [(float(x), float(y)) for x, y in re.findall(r"H([\d.]+)V([\d.]+)", curve)]
    bottom, height = 26 + 240, 240
    expected = [
        (AXIS.at(value), bottom - height * share)
        for value, share in ((0.5, 0.25), (0.75, 0.5), (1.0, 0.75))
    ]
    np.testing.assert_allclose(steps, expected, atol=0.06)
    assert "H" not in legend_a + legend_none


def test_infinite_values_stand_at_the_end_of_their_strip() -> None:
    chart = tree(strips({"a": [0.6, 0.8, math.inf, math.inf]}, AXIS))
    (median,) = (
        path.attrib["d"] for path in chart.findall("path") if path.attrib["class"] == "median"
    )
    assert float(re.findall(r"M([\d.]+)", median)[0]) == pytest.approx(AXIS.at(0.9), abs=0.06)


def test_densities_are_drawn_up_to_the_highest() -> None:
    axis = Axis("HU", 0.0, 30.0)
    series = {"right lung": np.array([25.0, 50.0, 25.0]), "none": np.array([0.0, 0.0, 0.0])}
    colours = {"right lung": RIGHT_LUNG.colour, "none": (255, 255, 0)}
    chart = tree(densities(series, np.array([0, 10, 20, 30]), axis, colours))
    _, first, _, second = (
        path.attrib for path in chart.findall("path") if "curve" in path.attrib["class"]
    )
    # Bottom 266, top 26; the highest, 50 %, reaches the top.
    assert first["d"] == "M210.0 266V146.0H362.0V26.0H514.0V146.0H666.0V266"
    assert second["d"] == "M210.0 266V266.0H362.0V266.0H514.0V266.0H666.0V266"
    assert (first["class"], second["class"]) == ("curve c0 coloured", "curve c1 coloured")
    assert first["style"] == "--on-white:#008662;--on-black:#009e73"
    assert "50.0" in [text.text for text in chart.findall("text")]


@pytest.mark.parametrize("structure", STRUCTURES[1:], ids=lambda structure: structure.name)
def test_the_colour_of_every_structure_is_made_legible_on_white(structure: Structure) -> None:
    dark = on_white(structure.colour)
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in np.array(dark) / 255
    ]
    contrast = 1.05 / (np.dot((0.2126, 0.7152, 0.0722), linear) + 0.05)
    assert 4.4 < contrast < 5
    assert on_white(dark) == pytest.approx(dark, abs=3)
    assert on_white((0, 0, 0)) == (0, 0, 0)


def test_columns_count_values_and_those_beyond_the_ends() -> None:
    chart = tree(columns([0.5, 0.51, 0.2, 0.99], AXIS))
    rects = [rect for rect in chart.findall("rect") if float(rect.attrib["height"]) > 0]
    assert [rect.findtext("title") for rect in rects] == ["0.5 to 0.5167: 3", "0.9833 to 1: 1"]
    assert [float(rect.attrib["height"]) for rect in rects] == [240.0, 80.0]


def test_a_figure_has_the_title_below_its_chart() -> None:
    charts = [columns([0.5], AXIS), bars({EVIL: 1}, AXIS.title, {})]
    figures = html._environment().get_template("parts.html").module.figures(charts)
    found = ET.fromstring(f"<p>{figures}</p>")
    assert [figure[0].attrib["aria-label"] for figure in found] == ["Dice <of> each"] * 2
    assert [(figure[1].tag, figure[1].text) for figure in found] == [
        ("figcaption", "Dice <of> each")
    ] * 2


def test_bars_name_and_number_every_count() -> None:
    chart = tree(bars({"refused": 3, EVIL: 6}, "by <verdict>", {"refused": "refused"}))
    assert [text.text for text in chart.findall("text")] == ["refused", "3", EVIL, "6"]
    assert [
        (rect.attrib["class"], float(rect.attrib["width"])) for rect in chart.findall("rect")
    ] == [
        ("bar refused", 310.0),
        ("bar", 620.0),
    ]
    assert chart.attrib["aria-label"] == "by <verdict>"


def test_long_names_of_bars_go_on_in_the_next_line() -> None:
    name = "slices are not evenly spaced: each counts with the space that it stands for, and files "
    chart = tree(bars({name * 2: 3, "refused": 1}, "by reason", {}))
    texts = [text.text for text in chart.findall("text")]
    assert " ".join(texts[:2]) == (name * 2).strip()
    assert texts[2:] == ["3", "refused", "1"]
    assert max(map(len, texts)) <= 90
    heights = [float(rect.attrib["y"]) for rect in chart.findall("rect")]
    assert heights[1] - heights[0] == 38
