"""Reports beside the other outputs, and what becomes of refused inputs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from lungseg.errors import UsageError
from lungseg.runner import Outcome, RunOptions
from lungseg.verdict import Verdict

Draw = Callable[..., Path]
Run = Callable[..., list[Outcome]]
REFUSED = Verdict("refused", ("not_frontal",), ("this is a hand",))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_reports_and_their_index_are_written(run: Run, draw: Draw, tmp_path: Path) -> None:
    out, x = tmp_path / "out", draw("x.png")
    (outcome,) = run([x], out, outputs=["mask"], reports=["report", "pdf"])
    assert outcome.outputs == {
        "mask": out / "x_mask.png",
        "report": out / "x_report.html",
        "pdf": out / "x_report.pdf",
    }
    expected = [
        "report.html",
        "report_thumbnails/x.jpg",
        "results.jsonl",
        "summary.csv",
        "x_mask.png",
        "x_report.html",
        "x_report.pdf",
    ]
    assert files(out) == expected
    assert (out / "x_report.pdf").read_bytes().startswith(b"%PDF")
    assert records(out)[0]["outputs"] == {
        "mask": "x_mask.png",
        "report": "x_report.html",
        "pdf": "x_report.pdf",
    }
    assert 'href="x_report.html"' in (out / "report.html").read_text(encoding="utf-8")
    assert cv2.imread(str(out / "report_thumbnails" / "x.jpg")).shape == (192, 192, 3)


def test_a_report_that_is_missing_is_added_and_masks_stay(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    out, x = tmp_path / "out", draw("x.png")
    run([x], out, outputs=["mask"])
    (out / "x_mask.png").write_bytes(b"as it was")
    assert [outcome.status for outcome in run([x], out, outputs=["mask"], reports=["report"])] == [
        "done"
    ]
    assert (out / "x_mask.png").read_bytes() == b"as it was"
    assert records(out)[0]["outputs"] == {"mask": "x_mask.png", "report": "x_report.html"}
    assert [outcome.reasons for outcome in run([x], out, outputs=["mask"], reports=["report"])] == [
        ("done already",)
    ]
    assert len(segmenter.calls) == 2


def test_a_report_that_no_record_knows_is_left_alone(run: Run, draw: Draw, tmp_path: Path) -> None:
    out, x = tmp_path / "out", draw("x.png")
    out.mkdir()
    (out / "x_report.html").write_text("mine")
    (outcome,) = run([x], out, reports=["report"])
    assert outcome.reasons == (
        "x_report.html is there already and results.jsonl does not know it; `overwrite` replaces "
        "it",
    )
    assert (out / "x_report.html").read_text() == "mine"


def test_refused_inputs_are_written_and_marked(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    out, segmenter.verdict = tmp_path / "out", REFUSED
    (outcome,) = run([draw("x.png")], out)
    assert (outcome.status, outcome.verdict, outcome.reasons) == (
        "done",
        "refused",
        ("this is a hand",),
    )
    assert sorted(outcome.outputs) == ["mask", "overlay"]
    assert cv2.imread(str(out / "x_overlay.png"))[0, 39].tolist() == [
        0,
        94,
        213,
    ]  # blue, green, red
    assert "refused,not_frontal,this is a hand" in (out / "summary.csv").read_text()


def test_skip_refused_writes_record_and_report_of_refused_inputs_and_no_mask(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    out, x, segmenter.verdict = tmp_path / "out", draw("x.png"), REFUSED
    (outcome,) = run(
        [x], out, skip_refused=True, outputs=["mask", "overlay", "crop"], reports=["report"]
    )
    assert outcome.outputs == {"report": out / "x_report.html"}
    assert files(out) == [
        "report.html",
        "report_thumbnails/x.jpg",
        "results.jsonl",
        "summary.csv",
        "x_report.html",
    ]
    assert "refused,not_frontal,this is a hand" in (out / "summary.csv").read_text()
    assert "no mask and no numbers are shown" in (out / "x_report.html").read_text(encoding="utf-8")
    assert records(out)[0]["options"]["skip_refused"] is True
    again = run(
        [x], out, skip_refused=True, outputs=["mask", "overlay", "crop"], reports=["report"]
    )
    assert [outcome.reasons for outcome in again] == [("done already",)]
    (loose,) = run([x], out, outputs=["mask"])
    assert loose.reasons == ("done already, with other options; `overwrite` does it again",)


def test_skip_refused_takes_back_what_an_earlier_run_wrote(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    out, x, segmenter.verdict = tmp_path / "out", draw("x.png"), REFUSED
    run([x], out)
    assert files(out) == ["results.jsonl", "summary.csv", "x_mask.png", "x_overlay.png"]
    run([x], out, skip_refused=True, overwrite=True)
    assert files(out) == ["results.jsonl", "summary.csv"]
    assert records(out)[0]["outputs"] == {}


def test_skip_refused_changes_nothing_for_the_others(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    (outcome,) = run([x], out, skip_refused=True)
    assert sorted(outcome.outputs) == ["mask", "overlay"]
    (again,) = run([x], out)
    assert again.why == "done already"


def test_pdf_without_its_library_is_told_before_anything_is_done(
    segmenter: Any, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="PDF needs reportlab"):
        RunOptions(tmp_path / "out", reports=("pdf",))
    assert not (tmp_path / "out").exists()


def test_a_report_does_not_outlive_the_result_it_is_of(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    out, x = tmp_path / "out", draw("x.png")
    run([x], out, outputs=["mask"], reports=["report"])
    (out / "x_report.html").write_text("old")
    (outcome,) = run([x], out, outputs=["mask"], overwrite=True)
    assert outcome.outputs["report"] == out / "x_report.html"
    assert (out / "x_report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
