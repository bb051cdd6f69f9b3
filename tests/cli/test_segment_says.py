"""What `lungseg segment` says at its end, and how names stand in it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest

from command_line import lungseg
from lungseg.cli.main import build
from lungseg.cli.segment import _report
from lungseg.runner import Outcome
from tiny_model import dark_ellipses, write_tiny_model


def _outcomes(folder: Path, verdicts: list[str], **more: Any) -> Generator[Outcome, None, None]:
    for number, verdict in enumerate(verdicts):
        record = {"verdict": verdict, "reasons": ["a reason"] if verdict != "ok" else []}
        yield Outcome(folder / f"{number}.png", "done", record | more)


def test_what_is_to_be_reviewed_is_listed_after_a_bar_and_where_it_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = ["ok", "review", "refused"] + ["ok"] * 3
    command = SimpleNamespace(command=build("segment"))
    _report(command, _outcomes(tmp_path, verdicts), 6, 0, tmp_path, quiet=True)
    listed = [
        f"{tmp_path / '1.png'}: review (a reason)",
        f"{tmp_path / '2.png'}: refused (a reason)",
    ]
    assert capsys.readouterr().err.splitlines() == listed
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("lungseg.cli.segment.with_bar", lambda items, total: items)
    _report(command, _outcomes(tmp_path, verdicts), 6, 0, tmp_path, quiet=False)
    assert capsys.readouterr().err.splitlines() == listed
    _report(command, _outcomes(tmp_path, ["review"] * 13), 13, 0, tmp_path, quiet=False)
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 11
    assert said.err.splitlines()[-1] == (
        f"3 more to review or refused: see the column verdict of {tmp_path / 'summary.csv'}"
    )
    assert said.out.startswith("13 of 13 segmented, 13 of them to review, in ")


def test_what_holds_for_many_is_said_in_the_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = SimpleNamespace(command=build("segment"))
    doubted = {
        "measurements": [{"restriction": "implausible spacing"}, {"restriction": None}],
        "notes": ["nothing is stated", "the lungs would be 43 mm high"],
    }
    _report(command, _outcomes(tmp_path, ["ok"] * 4, **doubted), 4, 0, tmp_path, quiet=False)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "4 of 4: nothing is stated",
        "4 of 4: implausible pixel spacing, see --spacing",
    ]
    _report(command, _outcomes(tmp_path, ["ok"], **doubted), 1, 0, tmp_path, quiet=False)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "1 of 1: implausible pixel spacing, see --spacing"
    ]


def test_a_name_breaks_no_line_of_the_terminal(tmp_path: Path) -> None:
    films, model = tmp_path / "films", write_tiny_model(tmp_path)
    films.mkdir()
    odd = films / "line\nbreak\x1b[31m.png"
    odd.write_bytes(cv2.imencode(".png", dark_ellipses())[1].tobytes())
    ran = lungseg("segment", odd, films / "no\nfile.png", "-o", tmp_path / "out", "--model", model)
    assert ran.exit_code == 1
    shown = str(odd).replace("\n", "\\n").replace("\x1b", "\\x1b")
    assert len(ran.stderr.splitlines()) == 2
    assert f"{shown}: " in ran.stderr
    assert "no\\nfile.png: there is no such file or folder" in ran.stderr
