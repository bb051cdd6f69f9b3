"""The report as a page."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from lungseg.evaluate.charts import Axis, curves, strips
from lungseg.evaluate.page import distributions, every_metric, gallery, page, section, table_of
from lungseg.evaluate.summary import summaries
from lungseg.evaluate.tables import Table
from made_up_scores import HEART, PLAIN, scored

EVIL = '<script>alert("x")</script>&'
AXIS = Axis("Dice <of> each", 0.5, 1.0, (0.9, "human & human"))


def tree(text: str) -> ET.Element:
    return ET.fromstring(text)  # whatever is not closed or not escaped is an error


def test_a_chart_has_every_value_at_its_place() -> None:
    chart = tree(strips({"a": [0.5, 0.75, 1.0], EVIL: [0.2]}, AXIS))
    assert chart.attrib["role"] == "img"
    assert chart.attrib["aria-label"] == chart.findtext("title") == "Dice <of> each"
    dots = [float(dot.attrib["cx"]) for dot in chart.findall("circle")]
    left, right = AXIS.at(0.5), AXIS.at(1.0)
    assert dots == pytest.approx([left, (left + right) / 2, right, left], abs=0.06)  # what lies below the axis stands at its end
    assert len(chart.findall("rect")) == 2
    words = [text.text for text in chart.findall("text")]
    assert "human & human" in words
    assert EVIL in words
    assert f"{EVIL[:27]}…" in strips({f"{EVIL} and more": [0.6]}, AXIS).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    (mark,) = (path for path in chart.findall("path") if path.attrib["class"] == "mark")
    assert mark.attrib["d"].startswith(f"M{AXIS.at(0.9):.1f} ")


def test_a_curve_climbs_by_one_step_for_each_value() -> None:
    chart = tree(curves({"a": [1.0, 0.75, math.inf, 0.5], "none": []}, AXIS))
    legend_a, curve, legend_none = (path.attrib["d"] for path in chart.findall("path") if "curve" in path.attrib["class"])
    steps = [(float(x), float(y)) for x, y in re.findall(r"H([\d.]+)V([\d.]+)", curve)]
    bottom, height = 26 + 240, 240
    expected = [(AXIS.at(value), bottom - height * share) for value, share in ((0.5, 0.25), (0.75, 0.5), (1.0, 0.75))]
    np.testing.assert_allclose(steps, expected, atol=0.06)
    assert "H" not in legend_a + legend_none


def test_a_table_names_its_rows_and_columns_and_escapes_what_is_in_it() -> None:
    text = table_of(Table(("cases", "Dice"), [(EVIL, "**0.9**, n=2"), ("b", "-")]), f"of {EVIL}")
    table = tree(text).find("table")
    assert table is not None
    assert table.findtext("caption") == f"of {EVIL}"
    assert [(th.text, th.attrib["scope"]) for th in table.iter("th")] == [
        ("cases", "col"),
        ("Dice", "col"),
        (EVIL, "row"),
        ("b", "row"),
    ]
    assert [(td.text, td.get("class")) for td in table.iter("td")] == [("0.9, n=2", "strong"), ("-", None)]


def test_pictures_lie_in_the_page_and_say_what_they_show() -> None:
    picture = np.full((32, 24, 3), 120, np.uint8)
    text = gallery([(f"0.9 {EVIL}", picture)], "Lungs")
    assert "<script>" not in text
    assert 'width="24" height="32" alt="Lungs: 0.9 &lt;script&gt;' in text
    assert text.count('src="data:image/jpeg;base64,/9j/') == 1


def test_one_model_is_drawn_by_source_and_several_by_model() -> None:
    one = distributions({"m": [PLAIN, scored("s", 0.5, source="south"), HEART]})
    assert one.count("<svg") == 4
    assert [name in one for name in (">adults<", ">north<", ">south<", ">all that leave the heart out<", ">m<")] == [True] * 4 + [False]
    assert "human against human, 0.973" in one
    several = distributions({"m": [PLAIN], "n": [scored("s", 0.5)]})
    assert [name in several for name in (">m<", ">n<", ">north<")] == [True, True, False]
    assert distributions({"m": [HEART]}).count("<svg") == 2  # no distances


def test_a_page_needs_nothing_from_elsewhere() -> None:
    parts = [section(EVIL, every_metric(summaries([PLAIN])), text=EVIL), distributions({"m": [PLAIN]})]
    text = page(EVIL, parts)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert "<script" not in text
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert "prefers-color-scheme:dark" in text
    assert text.count('<th scope="row">lungs</th>') == 15
