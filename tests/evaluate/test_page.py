"""The report as a page."""

from __future__ import annotations

import re

import numpy as np

from html_pages import EVIL, Page
from lungseg.evaluate.page import Section, distributions, every_metric, page
from lungseg.evaluate.summary import summaries
from lungseg.evaluate.tables import Table
from made_up_scores import PLAIN, THROUGH_HEART, scored


def test_a_table_names_its_rows_and_columns_and_escapes_what_is_in_it() -> None:
    table = Table(("cases", "Dice"), [(EVIL, "**0.9**, n=2"), ("b", "-")])
    text = page("m", [Section("Scores", table=table, caption=f"of {EVIL}")])
    found = Page(text)
    assert found.all("div", "wide")[0]["aria-label"] == f"of {EVIL}"
    assert [th["scope"] for th in found.all("th")] == ["col", "col", "row", "row"]
    assert [td.get("class") for td in found.all("td")] == ["strong", None]
    assert f"of {EVIL}\ncasesDice\n" in found.text
    assert f"{EVIL}0.9, n=2\nb-\n" in found.text


def test_pictures_lie_in_the_page_and_say_what_they_show() -> None:
    picture = np.full((32, 24, 3), 120, np.uint8)
    text = page("m", [Section("The worst", pictures=[(f"0.9 {EVIL}", picture)], caption="Lungs")])
    (shown,) = Page(text).all("img")
    assert (shown["width"], shown["height"], shown["alt"]) == ("24", "32", f"Lungs: 0.9 {EVIL}")
    assert shown["src"].startswith("data:image/jpeg;base64,/9j/")
    assert "style" not in Page(text).all("div", "tiles")[0]


def test_planes_side_by_side_get_the_whole_width() -> None:
    planes = np.zeros((32, 96, 3), np.uint8)
    text = page("m", [Section("The worst", pictures=[("0.9", planes)], caption="Lungs")])
    assert Page(text).all("div", "tiles")[0]["style"] == "grid-template-columns:1fr"


def names(models: dict[str, list]) -> set[str]:
    """All that is written into the charts of these models."""
    return {
        shape.text for chart in distributions(models) for shape in chart.shapes if shape.text != ""
    }


def test_one_model_is_drawn_by_source_and_several_by_model() -> None:
    one = {"m": [PLAIN, scored("s", 0.5, source="south"), THROUGH_HEART]}
    assert len(distributions(one)) == 4
    groups = {"adults", "north", "south", "all lung fields"}
    assert {*groups, "human against human, 0.973"} <= names(one)
    assert "m" not in names(one)
    several = names({"m": [PLAIN], "n": [scored("s", 0.5)]})
    assert {"m", "n"} <= several
    assert "north" not in several
    assert len(distributions({"m": [THROUGH_HEART]})) == 2  # no distances


def test_a_page_needs_nothing_from_elsewhere() -> None:
    sections = [
        Section(EVIL, EVIL),
        Section("Distributions", charts=distributions({"m": [PLAIN]})),
        every_metric("Every metric", summaries([PLAIN])),
    ]
    text = page(EVIL, sections, EVIL)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert "<script" not in text
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert "prefers-color-scheme:dark" in text
    assert text.count('<th scope="row">lungs</th>') == 16 + 15
    assert Page(text).text.count(EVIL) == 5  # title, heading, introduction, section and its text
