"""Inputs that lie elsewhere than when they were done, and paths that results state in short."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lungseg.errors import UnreadableError, UsageError
from lungseg.runner import Outcome

Draw = Callable[..., Path]
Run = Callable[..., list[Outcome]]


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def inputs(folder: Path) -> list[str]:
    """Of the records, which the table has in the same order."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    found = [json.loads(line)["input"] for line in lines]
    with (folder / "summary.csv").open(newline="") as stream:
        assert [row["input"] for row in csv.DictReader(stream)] == found
    return found


def test_a_record_follows_its_input(run: Run, segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    out, moved = tmp_path / "out", tmp_path / "elsewhere"
    run([draw("a/x.png", 100), draw("a/y.png", 50)], out)
    (tmp_path / "a").rename(moved)
    (moved / "x.png").rename(moved / "z.png")
    assert statuses(run([moved / "z.png", moved / "y.png"], out)) == ["skipped", "skipped"]
    assert inputs(out) == [str(moved / "z.png"), str(moved / "y.png")]
    assert len(segmenter.calls) == 2
    record = json.loads((out / "results.jsonl").read_text().splitlines()[0])
    assert (record["name"], record["outputs"]["mask"]) == ("x", "x_mask.png")


def test_twins_that_moved_keep_a_record_each(run: Run, draw: Draw, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run([draw("a/x.png"), draw("a/y.png")], out)
    (tmp_path / "a").rename(tmp_path / "b")
    files = [tmp_path / "b" / f"{name}.png" for name in "xy"]
    assert statuses(run(files, out)) == ["skipped", "skipped"]
    assert inputs(out) == [str(file) for file in files]


def test_a_copy_of_what_is_still_there_is_an_input_of_its_own(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    x, copy = draw("x.png"), tmp_path / "copy.png"
    run([x], tmp_path / "out")
    shutil.copy(x, copy)
    assert statuses(run([copy], tmp_path / "out")) == ["done"]
    assert inputs(tmp_path / "out") == [str(x), str(copy)]


def test_what_has_other_content_is_done(run: Run, draw: Draw, tmp_path: Path) -> None:
    x = draw("x.png", 100)
    run([x], tmp_path / "out")
    x.unlink()
    assert statuses(run([draw("y.png", 50)], tmp_path / "out")) == ["done"]


def test_what_cannot_be_read_stops_no_other(
    run: Run, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = draw("x.png", 100)
    run([x], tmp_path / "out")
    x.unlink()
    y = draw("y.png", 100)

    def denied(*parts: Path) -> str:
        raise UnreadableError("permission to read it was denied", where=parts[0], cure="change it")

    monkeypatch.setattr("lungseg.readers.check_sum.sha256", denied)
    assert statuses(run([y], tmp_path / "out")) == ["done"]


def test_paths_are_kept_short(run: Run, draw: Draw, tmp_path: Path) -> None:
    out, films, other = tmp_path / "out", tmp_path / "films", draw("other.png", 20)
    x, bad = draw("films/a/x.png"), films / "bad.png"
    bad.write_text("no image")
    outcomes = run([x, bad, other], out, relative_to=films)
    assert inputs(out) == ["a/x.png", "bad.png", str(other)]
    assert outcomes[1].reasons == ("bad.png: is no image; export it again.",)
    records = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [record.get("relative_to") for record in records] == [str(films), str(films), None]
    assert statuses(run([x, other], out, relative_to=films)) == ["skipped", "skipped"]
    films.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    assert statuses(run([moved / "a/x.png"], out, relative_to=moved)) == ["skipped"]
    assert inputs(out) == ["a/x.png", "bad.png", str(other)]
    # Without the option the same input has its whole path again, and one record.
    assert statuses(run([moved / "a/x.png"], out)) == ["skipped"]
    assert inputs(out) == [str(moved / "a/x.png"), "bad.png", str(other)]


def test_two_folders_with_the_same_names_do_not_share_records(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    first, second = draw("first/x.png", 100), draw("second/x.png", 50)
    run([first], tmp_path / "out", relative_to=tmp_path / "first")
    with pytest.raises(UsageError, match=r"x\.png stands in the results already, as /.*choose"):
        run([second], tmp_path / "out", relative_to=tmp_path / "second")
    files = [first, second]
    assert statuses(run(files, tmp_path / "out", relative_to=tmp_path)) == ["skipped", "done"]
    assert inputs(tmp_path / "out") == ["first/x.png", "second/x.png"]
