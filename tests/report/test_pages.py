"""Each page as a whole: what it consists of, tag by tag, is written down in `pages/`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from html_pages import outline
from lungseg.evaluate.page import Section, distributions, every_metric, page
from lungseg.evaluate.summary import summaries
from lungseg.evaluate.tables import Table
from lungseg.report import content_of, html_page, to_html, write_index
from lungseg.result import Result
from lungseg.verdict import Verdict
from lungseg.writers import versions
from made_up_records import measured
from made_up_scores import PLAIN, THROUGH_HEART, scored
from report.test_index import entry

PAGES = Path(__file__).parent / "pages"


def refused(film: Result, *, skip_refused: bool) -> str:
    result = dataclasses.replace(
        film, verdict=Verdict("refused", ("not_frontal", "small"), ("this is a <hand>", "and odd"))
    )
    return html_page(content_of(result, skip_refused=skip_refused))


def index(tmp_path: Path) -> str:
    """Of films, a scan, and one that failed."""
    (tmp_path / "report_thumbnails").mkdir()
    (tmp_path / "report_thumbnails" / "fair.jpg").write_bytes(b"")
    (tmp_path / "gone.png").write_bytes(b"")
    volume = [
        measured(name, value, unit)
        for name, value, unit in (("volume", 4000.0, "mL"), ("asymmetry", -0.03, "percent"))
    ]
    records = [
        entry("fair", dice=0.91),
        entry("hand", "refused", dice=0.99, reasons=["this is a <hand>", "it is odd"]),
        entry("dim", "review", dice=0.8),
        entry("scan", modality="ct", measurements=volume, outputs={}),
        entry("gone", "failed", input=str(tmp_path / "gone.png"), reasons=["the file is empty"]),
    ]
    return write_index(records, tmp_path).read_text(encoding="utf-8")


def evaluation() -> str:
    scores = [PLAIN, scored("<s>", 0.5, source="south"), THROUGH_HEART]
    tile = np.full((32, 24, 3), 120, np.uint8)
    sections = [
        Section("Left out", "one & another"),
        Section("m: Scores", table=Table(("a", "b"), [("<c>", "**0.9**, n=2")]), caption="Scores"),
        Section("Distributions", "Of what shows something.", charts=distributions({"m": scores})),
        Section("The worst", "By", pictures=[("0.5 <s>", tile), ("0.9 t", tile)], caption="Lungs"),
        every_metric("Every metric of m", summaries([PLAIN])[:2]),
    ]
    return page("Evaluation of m", sections, "How to read it.")


def made(name: str, film: Result, scan: Result, tmp_path: Path) -> str:
    """The page of that name."""
    return {
        "radiograph": lambda: to_html(film),
        "identified": lambda: to_html(film, show_identity=True),
        "ct": lambda: to_html(scan, name="scan"),
        "refused": lambda: refused(film, skip_refused=False),
        "refused_strictly": lambda: refused(film, skip_refused=True),
        "index": lambda: index(tmp_path),
        "evaluation": evaluation,
    }[name]()


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.txt")))
def test_a_page_consists_of_what_is_written_down(
    name: str, film: Result, scan: Result, tmp_path: Path
) -> None:
    text = outline(made(name, film, scan, tmp_path))
    text = text.replace(f"lungseg {versions()['lungseg']}\n", "lungseg VERSION\n")
    found = tmp_path / f"{name}.txt"
    found.write_text(text, encoding="utf-8")
    expected = (PAGES / f"{name}.txt").read_text(encoding="utf-8")
    assert text == expected, f"where the new page is the right one: cp {found} {PAGES}"
