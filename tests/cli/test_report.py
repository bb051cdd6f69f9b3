"""The report command, and the options of segment that are about reports."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from command_line import lungseg
from lungseg.cli import report as cli_report
from lungseg.errors import UsageError
from tiny_model import dark_ellipses, write_tiny_model

WRITTEN = [
    "report.html",
    "report_thumbnails",
    "results.jsonl",
    "summary.csv",
    "x_mask.png",
    "x_overlay.png",
    "x_report.html",
]
"""Of a folder in which x.png was segmented, with reports."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder with x.png and broken.png."""
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "x.png").write_bytes(cv2.imencode(".png", dark_ellipses())[1].tobytes())
    (folder / "broken.png").write_bytes(b"")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_segment_with_report_and_pdf(films: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = lungseg(
        "segment", films / "x.png", "-o", out, "--pdf", "--skip-refused", "--model", model
    )
    assert ran.exit_code == 0, ran.stderr
    assert names(out) == [*WRITTEN, "x_report.pdf"]


def test_strict_writes_no_mask_of_what_is_refused(model: Path, tmp_path: Path) -> None:
    bright = np.full((160, 200), 200, np.uint8)
    bright[60:100, 80:120] = 255
    cv2.imwrite(str(tmp_path / "bright.png"), bright)
    ran = lungseg(
        "segment",
        tmp_path / "bright.png",
        "-o",
        tmp_path / "out",
        "--skip-refused",
        "--model",
        model,
    )
    assert ran.exit_code == 0, ran.stderr
    assert names(tmp_path / "out") == ["results.jsonl", "summary.csv"]
    record = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    assert (record["verdict"], record["options"]["skip_refused"]) == ("refused", True)


def test_report_of_a_folder(films: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert lungseg("segment", films, "-o", out, "--model", model).exit_code == 1
    ran = lungseg("report", out)
    assert ran.exit_code == 0
    assert ran.stdout == (
        f"1 report, 1 input without, as it could not be segmented. Index: {out / 'report.html'}\n"
    )
    assert f"{films / 'x.png'}: {out / 'x_report.html'}\n" in ran.stderr
    assert f"{films / 'broken.png'}: no report, as it could not be segmented\n" in ran.stderr
    assert names(out) == WRITTEN
    again = lungseg("report", out / "results.jsonl", "--show-identity", "--quiet")
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "")
    assert str(films / "x.png") in (out / "x_report.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_named(films: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lungseg("segment", films / "x.png", "-o", out, "--model", model)
    (out / "x_report.html").mkdir()
    ran = lungseg("report", out, "-q")
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"{films / 'x.png'}: {out / 'x_report.html'}: cannot be written")


def test_no_results_are_one_sentence(tmp_path: Path) -> None:
    ran = lungseg("report", tmp_path)
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"Error: {tmp_path}: there are no results here; name a folder in which lungseg segment "
        "left results.jsonl.\n"
    )


def test_show_identity_alone_is_wrong_use(films: Path, tmp_path: Path) -> None:
    ran = lungseg("segment", films, "-o", tmp_path / "out", "--show-identity")
    assert ran.exit_code == 2
    assert ran.stderr == (
        "Error: --show-identity is about reports, and none was asked for; add --report, or "
        "leave it out.\n"
    )
    with pytest.raises(UsageError):
        cli_report.formats_of(report=False, pdf=False, show_identity=True)


@pytest.mark.parametrize(
    ("report", "pdf", "formats"),
    [
        (False, False, ()),
        (True, False, ("report",)),
        (False, True, ("report", "pdf")),
        (True, True, ("report", "pdf")),
    ],
)
def test_pdf_adds_to_the_page(report: bool, pdf: bool, formats: tuple[str, ...]) -> None:
    assert cli_report.formats_of(report=report, pdf=pdf, show_identity=False) == formats
