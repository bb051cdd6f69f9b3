"""Files that are found beside the inputs: each has a row, which never hides a result."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lungseg.batch import segment_many, without_own_outputs
from lungseg.options import SegmentOptions
from lungseg.readers import LeftOut
from lungseg.runner import RunOptions
from lungseg.writers import left_out, read_records


def others(folder: Path, *names: str) -> list[LeftOut]:
    return [LeftOut(folder / name, "localizer", "a localizer") for name in names]


def test_each_has_a_row_behind_those_of_the_inputs(
    tmp_path: Path, draw: Callable[..., Path], segmenter: Any
) -> None:
    films, out = [draw("in/b.png"), draw("in/a.png")], tmp_path / "out"
    options, run = SegmentOptions(), RunOptions(out)
    for _ in range(2):  # the second time nothing is added
        list(
            segment_many(
                films,
                options,
                run,
                1,
                segmenter=segmenter,
                left_out=others(tmp_path / "in", "x.dcm", "y.dcm"),
            )
        )
        with (out / "summary.csv").open(newline="") as stream:
            rows = [(Path(row["input"]).name, row["verdict"]) for row in csv.DictReader(stream)]
        assert rows == [
            ("b.png", "ok"),
            ("a.png", "ok"),
            ("x.dcm", "left_out"),
            ("y.dcm", "left_out"),
        ]
    record = json.loads((out / "results.jsonl").read_text().splitlines()[2])
    assert (record["codes"], record["reasons"]) == (
        ["localizer"],
        ["a localizer: neither a slice of CT nor a radiograph"],
    )


def test_a_result_replaces_it_and_is_never_replaced_by_it(
    tmp_path: Path, draw: Callable[..., Path], segmenter: Any
) -> None:
    film, other, out = draw("in/a.png"), draw("in/b.png"), tmp_path / "out"
    options, run = SegmentOptions(), RunOptions(out)

    def verdicts(*films: Path, left_out: list[LeftOut]) -> dict[str, str]:
        list(segment_many(films, options, run, 1, segmenter=segmenter, left_out=left_out))
        return {
            Path(entry["input"]).name: entry["verdict"]
            for entry in read_records(out / "results.jsonl")
        }

    assert verdicts(film, left_out=others(other.parent, "b.png")) == {
        "a.png": "ok",
        "b.png": "left_out",
    }
    assert verdicts(other, left_out=[]) == {"a.png": "ok", "b.png": "ok"}
    assert verdicts(film, left_out=others(other.parent, "b.png")) == {"a.png": "ok", "b.png": "ok"}


def test_the_table_and_the_record_of_an_earlier_run_are_no_files_that_were_found(
    tmp_path: Path,
) -> None:
    (tmp_path / "results.jsonl").write_text(json.dumps(left_out("/x", "archive", "why")) + "\n")
    names = ["results.jsonl", "summary.csv", "report.html", "notes.txt"]
    assert without_own_outputs(tmp_path / name for name in names) == [tmp_path / "notes.txt"]
    (tmp_path / "results.jsonl").unlink()
    assert len(without_own_outputs(tmp_path / name for name in names)) == 4
