"""The index of a folder of results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from html_pages import EVIL, Page, outside
from lungseg.errors import OutputError
from lungseg.report import write_index
from lungseg.report.index import AT_FIRST, IndexRow, index_page, rows_of
from made_up_records import failed, made_up, measured
from phantom_volumes import CHEST, ct_slice


def entry(name: str, verdict: str = "ok", dice: float | None = None, **more: Any) -> dict[str, Any]:
    """A record as the ledger has it."""
    found = [("area", 5000.0, "mm2"), ("confidence", 0.97, "1"), ("asymmetry", 4.26, "percent")]
    found += [] if dice is None else [("expected_dice", dice, "1")]
    source, more = f"/data/secret/{name}.png", {"name": name} | more
    if verdict == "failed":
        return failed(source) | more
    reasons = {} if verdict == "ok" else {"codes": ["small"], "reasons": ["it is odd"]}
    known = {
        "verdict": verdict,
        "measurements": [measured(*each) for each in found],
        "outputs": {"report": f"{name}_report.html"},
    }
    return made_up(source, **(known | reasons | more))


def data_of(text: str) -> dict[str, Any]:
    return json.loads(
        re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[0]
    )


def test_the_worst_come_first(tmp_path: Path) -> None:
    empty = tmp_path / "gone.png"
    empty.write_bytes(b"")
    records = [
        entry("good", dice=0.98),
        entry("fair", dice=0.91),
        entry("hand", "refused", dice=0.99),
        entry("dim", "review", dice=0.8),
        entry("bad", "review", dice=0.7),
        entry(
            "gone",
            "failed",
            input=str(empty),
            reasons=[f"{empty}: the file is empty; export it again."],
        ),
    ]
    rows = rows_of(records, tmp_path)
    assert [row.title for row in rows] == ["gone", "hand", "bad", "dim", "fair", "good"]
    assert rows[0].reasons == ("the file is empty; export it again.",)
    assert rows[-1] == IndexRow(
        "good", True, False, "radiograph", "ok", 0.98, 0.97, 5000.0, "mm²", 4.26, (), ""
    )
    text = index_page(rows)
    found = Page(text)
    assert "secret" not in text
    assert str(tmp_path) not in text
    assert outside(text) == []
    assert [row[0] for row in data_of(text)["rows"]] == [
        "gone",
        "hand",
        "bad",
        "dim",
        "fair",
        "good",
    ]
    for number, what in (
        ("6", "inputs"),
        ("1", "failed"),
        ("1", "refused"),
        ("2", "review"),
        ("2", "ok"),
        ("0.855", "median expected Dice, without refused ones"),
    ):
        assert f"{number}{what}" in found.text
    assert len(found.all("svg")) == 4  # verdicts, reasons, expected Dice, sizes
    assert [of["href"] for of in found.all("a")][-1] == "good_report.html"


def test_lungs_that_are_nearly_equal_differ_by_no_minus_zero(tmp_path: Path) -> None:
    equal = entry("equal", measurements=[measured("asymmetry", -0.03, "percent")])
    text = index_page(rows_of([equal], tmp_path))
    assert text.count('<td class="n">0.0</td>') == 1
    assert ",0.0,[]]" in text.partition('id="data"')[2]


def test_names_of_any_kind_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "report_thumbnails").mkdir()
    (tmp_path / "bad.png").write_bytes(b"")
    name = EVIL.replace("/", "")
    (tmp_path / "report_thumbnails" / f"{name}.jpg").write_bytes(b"")
    records = [
        entry(name, "review", reasons=[EVIL]),
        entry('"onload="alert(1)', "ok"),
        entry("bad", "failed", input=str(tmp_path / "bad.png"), reasons=[f"{EVIL}</script>"]),
    ]
    text = write_index(records, tmp_path).read_text(encoding="utf-8")
    assert text.count("<script") == 2  # the data and the program
    assert "</script>'" not in text
    found = Page(text)
    assert name in found.text
    (picture,) = found.all("img")
    assert picture["loading"] == "lazy"
    assert picture["alt"] == f"Lungs of {name}"
    assert (
        picture["src"]
        == "report_thumbnails/%3Cscript%3Ealert%28%22x%22%29%3Cscript%3E%27%26%F0%9F%AB%81.jpg"
    )
    assert all("onload" not in of for of in found.all("a"))
    data = data_of(text)
    assert [row[0] for row in data["rows"]] == ["bad", name, '"onload="alert(1)']
    assert data["reasons"] == [f"{EVIL}</script>", EVIL]


@pytest.mark.slow
def test_ten_thousand_inputs_are_a_small_page(tmp_path: Path) -> None:
    names = [f"study-0123456789-{number:05d}-of-a-long-name" for number in range(10_000)]
    verdicts = ("ok", "ok", "ok", "review", "refused")
    records = (entry(name, verdicts[i % 5], dice=0.9 + i / 1e6) for i, name in enumerate(names))
    path = write_index(records, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2_000_000
    assert len(data_of(text)["rows"]) == 10_000
    found = Page(text)
    assert len(found.all("td", "n")) == 4 * AT_FIRST
    assert f"The first {AT_FIRST} of 10000" in found.text


def test_paths_and_patients_are_shown_only_where_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "Doe.dcm"
    ct_slice(CHEST[10], (0, 0, 0), PatientName="Doe^Jane").save_as(file, enforce_file_format=True)
    records = [
        entry("Doe", input=str(file), format="DICOM", outputs={}),
        entry("Doe_2", "failed", input=str(file), reasons=["Doe is odd"]),
    ]
    text = write_index(records, tmp_path).read_text(encoding="utf-8")
    assert "Doe" not in text
    assert len(re.findall(r"<td>image-[0-9a-f]{12}</td>", text)) == 2
    shown = write_index(records, tmp_path, show_identity=True).read_text(encoding="utf-8")
    assert f"<td>Doe<br><small>{file}</small></td>" in shown
    assert "Doe is odd" in shown


def test_an_input_of_which_nobody_knows_whose_it_is_gets_a_code(tmp_path: Path) -> None:
    records = [
        entry("gone", "failed", reasons=["/data/secret/gone.png: there is no such file."]),
        entry("x", format="DICOM", outputs={}),
    ]
    rows = rows_of(records, tmp_path)
    assert [re.sub("[0-9a-f]{12}", "CODE", row.title) for row in rows] == [
        "image-CODE",
        "image-CODE",
    ]
    assert [row.title for row in rows_of(records, tmp_path, show_identity=True)] == ["gone", "x"]


def test_sizes_that_cannot_be_true_are_summed_up_by_their_number_alone(tmp_path: Path) -> None:
    area = measured("area", 4734.0, "mm2", restriction="implausible spacing")
    records = [entry("x"), *(entry(name, measurements=[area]) for name in ("y", "z"))]
    text = Page(index_page(rows_of(records, tmp_path))).text
    assert "2of implausible spacing: sizes in doubt" in text
    assert "5\N{NO-BREAK SPACE}000 mm²median size" in text
    assert "4\N{NO-BREAK SPACE}734 mm², implausible spacingmedian" not in text


def test_sizes_of_what_was_refused_mean_nothing(tmp_path: Path) -> None:
    hand = entry("hand", verdict="refused", measurements=[measured("area", 900.0, "mm2")])
    rows = rows_of([entry("x"), hand, {**hand, "input": "/data/foot.png"}], tmp_path)
    assert "5\N{NO-BREAK SPACE}000 mm²median size" in Page(index_page(rows)).text
    hidden = {**hand, "options": {"skip_refused": True}}
    assert [row.size for row in rows_of([hand, hidden], tmp_path)] == [900.0, None]


def test_volumes_and_areas_are_told_apart(tmp_path: Path) -> None:
    volume = [measured("volume", 4000.0, "mL")]
    rows = rows_of([entry("scan", modality="ct", measurements=volume), entry("film")], tmp_path)
    assert [(row.modality, row.size, row.unit) for row in rows] == [
        ("CT", 4000.0, "mL"),
        ("radiograph", 5000.0, "mm²"),
    ]
    text = Page(index_page(rows)).text
    assert "4\N{NO-BREAK SPACE}000 mLmedian size" in text
    assert "Size of the lungs in mm²" in text


def test_reports_that_hide_a_name_are_still_led_to_where_names_are_shown(tmp_path: Path) -> None:
    (row,) = rows_of(
        [entry("Doe", outputs={"report": "image-0123456789ab_report.html"})],
        tmp_path,
        show_identity=True,
    )
    assert (row.title, row.report, row.source) == (
        "image-0123456789ab",
        True,
        "/data/secret/Doe.png",
    )


def test_a_page_that_is_no_index_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<title>My thesis</title>", encoding="utf-8")
    with pytest.raises(
        OutputError, match=r"report\.html: is there already, and is no index of results; move it"
    ):
        write_index([entry("x")], tmp_path)
    assert page.read_text(encoding="utf-8") == "<title>My thesis</title>"
    page.unlink()
    for _ in range(2):
        write_index([entry("x")], tmp_path)
    assert "Lungs in a folder of images" in page.read_text(encoding="utf-8")
