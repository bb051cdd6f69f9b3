"""The report as a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np

from lungseg.evaluate.page import distributions, every_metric, gallery, page, section, table_of
from lungseg.evaluate.summary import summaries
from lungseg.evaluate.tables import Table
from made_up_scores import HEART, PLAIN, scored

EVIL = '<script>alert("x")</script>&'


def tree(text: str) -> ET.Element:
    return ET.fromstring(text)  # whatever is not closed or not escaped is an error


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
    assert [(td.text, td.get("class")) for td in table.iter("td")] == [
        ("0.9, n=2", "strong"),
        ("-", None),
    ]


def test_pictures_lie_in_the_page_and_say_what_they_show() -> None:
    picture = np.full((32, 24, 3), 120, np.uint8)
    text = gallery([(f"0.9 {EVIL}", picture)], "Lungs")
    assert "<script>" not in text
    assert 'width="24" height="32" alt="Lungs: 0.9 &lt;script&gt;' in text
    assert text.count('src="data:image/jpeg;base64,/9j/') == 1


def test_one_model_is_drawn_by_source_and_several_by_model() -> None:
    one = distributions({"m": [PLAIN, scored("s", 0.5, source="south"), HEART]})
    assert one.count("<svg") == 4
    assert [
        name in one
        for name in (">adults<", ">north<", ">south<", ">all that leave the heart out<", ">m<")
    ] == [True] * 4 + [False]
    assert "human against human, 0.973" in one
    several = distributions({"m": [PLAIN], "n": [scored("s", 0.5)]})
    assert [name in several for name in (">m<", ">n<", ">north<")] == [True, True, False]
    assert distributions({"m": [HEART]}).count("<svg") == 2  # no distances


def test_a_page_needs_nothing_from_elsewhere() -> None:
    parts = [
        section(EVIL, every_metric(summaries([PLAIN])), text=EVIL),
        distributions({"m": [PLAIN]}),
    ]
    text = page(EVIL, parts)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert "<script" not in text
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert "prefers-color-scheme:dark" in text
    assert text.count('<th scope="row">lungs</th>') == 16
