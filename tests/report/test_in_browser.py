"""Reports in a real browser: what their scripts do, and that they load nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lungseg.report import to_html, write_index
from lungseg.result import Result
from report.test_index import entry
from serve.browser import chromium

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page that must neither complain nor ask for more than files."""
    complaints: list[str] = []
    with chromium() as browser:
        shown = browser.new_page()
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:")) or complaints.append(request.url)
            ),
        )
        yield shown
    assert complaints == []


def names(page: Any) -> list[str]:
    return page.locator(".cases tbody tr td:nth-child(2)").all_inner_texts()


@pytest.mark.slow
def test_the_index_is_sorted_filtered_and_turned_page_by_page(page: Any, tmp_path: Path) -> None:
    records = [entry(f"n{number}", dice=0.9 + number / 2000) for number in range(103)] + [
        entry("bad", "refused", reasons=["it is <odd>"])
    ]
    page.goto(write_index(records, tmp_path).as_uri())
    assert (names(page)[:3], len(names(page))) == (["bad", "n0", "n1"], 100)
    page.get_by_role("button", name="Next").click()
    assert names(page) == ["n99", "n100", "n101", "n102"]
    assert page.inner_text("#shown") == "101 to 104 of 104"
    page.get_by_role("button", name="Expected Dice").click()
    page.get_by_role("button", name="Expected Dice").click()
    assert names(page)[:2] == ["n102", "n101"]
    assert page.get_attribute("th[aria-sort]", "aria-sort") == "descending"
    page.get_by_role("button", name="Input").click()
    assert names(page)[:4] == ["bad", "n0", "n1", "n2"]
    page.get_by_label("Name holds").fill("N10")
    assert names(page) == ["n10", "n100", "n101", "n102"]
    page.get_by_label("Name holds").fill("")
    page.locator("#reason").select_option("it is <odd>")
    assert names(page) == ["bad"]
    page.locator("#verdict").select_option("ok")
    assert (names(page), page.inner_text("#shown")) == ([], "none")


def test_the_slider_uncovers_what_is_marked(page: Any, film: Result, tmp_path: Path) -> None:
    path = tmp_path / "film.html"
    path.write_text(to_html(film), encoding="utf-8")
    page.goto(path.as_uri())
    slider = page.get_by_role("slider")
    for key, covered in (("Home", "0%"), ("ArrowRight", "1%"), ("End", "100%")):
        slider.press(key)
        assert (
            page.eval_on_selector(".after", "(image) => getComputedStyle(image).clipPath")
            == f"inset(0px 0px 0px {covered})"
        )
    assert slider.get_attribute("aria-valuetext") == "0 percent of the marked picture"
