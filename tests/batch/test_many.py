from __future__ import annotations

import csv
import errno
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lungseg.batch import Outcome, segment_many
from lungseg.errors import OutputError, UsageError
from lungseg.writers import atomic

Draw = Callable[..., Path]


def run(files: list[Path], folder: Path, segmenter: Any, **settings: Any) -> list[Outcome]:
    return list(segment_many(files, folder, segmenter, **settings))


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_files_are_written_and_recorded(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    x, y = draw("x.png", 100), draw("y.png", 50)
    out = tmp_path / "out"
    outcomes = run(
        [x, y], out, segmenter, spacing=(0.5, 0.25), page=2, series="1", skip_damaged=True, dilate=3
    )
    assert outcomes[0] == Outcome(
        x, "done", "ok", (), {"mask": out / "x_mask.png", "overlay": out / "x_overlay.png"}
    )
    assert pictures(out) == ["x_mask.png", "x_overlay.png", "y_mask.png", "y_overlay.png"]
    asked = {
        "spacing": (0.5, 0.25),
        "page": 2,
        "series": "1",
        "skip_damaged": True,
        "dilate": 3,
        "hull": False,
        "quick": False,
    }
    assert sorted(segmenter.calls) == [(path, asked) for path in (x, y)]
    assert [
        (row["input"], row["name"], row["verdict"], row["lungs_area_pixels"]) for row in table(out)
    ] == [
        (str(x), "x", "ok", "100"),
        (str(y), "y", "ok", "50"),
    ]
    record = records(out)[1]
    assert record["outputs"] == {"mask": "y_mask.png", "overlay": "y_overlay.png"}
    settings = {
        "model": "f00d",
        "spacing": [0.5, 0.25],
        "page": 2,
        "dilate": 3.0,
        "hull": False,
        "binary": False,
    }
    assert record["settings"] == settings
    assert list(record["seconds"]) == ["read", "write"]


def test_order_is_that_of_the_files_whoever_is_done_first(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    files = [draw(f"{name}.png") for name in "zyxwvutsr"]
    segmenter.before = lambda path: time.sleep(0.05 if path.stem == "z" else 0)
    outcomes = run(files, tmp_path / "out", segmenter, workers=3)
    assert [outcome.source for outcome in outcomes] == files
    assert [record["name"] for record in records(tmp_path / "out")] == list("zyxwvutsr")


def test_files_are_worked_on_side_by_side(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    # Each waits for the other one: where they came one after the other, both would fail.
    together = threading.Barrier(2, timeout=10)
    segmenter.before = lambda path: together.wait()
    assert statuses(
        run([draw("x.png"), draw("y.png")], tmp_path / "out", segmenter, workers=2)
    ) == ["done", "done"]


def test_no_more_is_begun_than_the_reader_of_the_outcomes_can_follow(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    outcomes = segment_many(
        [draw(f"{number}.png") for number in range(40)], tmp_path / "out", segmenter, workers=2
    )
    next(outcomes)
    outcomes.close()
    assert len(segmenter.calls) <= 5
    assert len(records(tmp_path / "out")) == len(segmenter.calls)


def test_a_bad_file_does_not_stop_the_others(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    x, y = draw("x.png"), draw("y.png")
    outcomes = run([x, bad, y], tmp_path / "out", segmenter)
    assert outcomes[1] == Outcome(bad, "failed", reasons=(f"{bad}: is no image; export it again.",))
    assert statuses(outcomes) == ["done", "failed", "done"]
    assert [(row["verdict"], row["reasons"]) for row in table(tmp_path / "out")] == [
        ("ok", ""),
        ("failed", f"{bad}: is no image; export it again."),
        ("ok", ""),
    ]
    assert pictures(tmp_path / "out") == [
        "x_mask.png",
        "x_overlay.png",
        "y_mask.png",
        "y_overlay.png",
    ]


def test_what_nobody_foresaw_is_a_failure_of_that_file_alone(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    def before(path: Path) -> None:
        if path.stem != "y":
            raise MemoryError if path.stem == "x" else ZeroDivisionError("oh")

    segmenter.before = before
    outcomes = run([draw(f"{name}.png") for name in "xyz"], tmp_path / "out", segmenter)
    assert statuses(outcomes) == ["failed", "done", "failed"]
    assert outcomes[0].reasons == (
        f"{tmp_path / 'x.png'}: there is not enough memory for it; use fewer workers.",
    )
    assert outcomes[2].reasons == (
        f"{tmp_path / 'z.png'}: unexpected ZeroDivisionError: oh; report this, if you can with "
        "the file.",
    )


def test_two_inputs_of_one_name_keep_apart(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    files = [draw("a/x.png", 10), draw("b/x.png", 20)]
    run(files, tmp_path / "out", segmenter, outputs=["masked"])
    assert pictures(tmp_path / "out") == ["a_x_masked.png", "b_x_masked.png"]
    assert [row["name"] for row in table(tmp_path / "out")] == ["a_x", "b_x"]


def test_an_input_of_a_later_run_does_not_take_the_name_of_an_earlier_one(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = draw("a/x.png"), draw("b/x.png")
    run([first], out, segmenter)
    before = (out / "x_mask.png").stat().st_mtime_ns
    assert statuses(run([second], out, segmenter)) == ["done"]
    assert statuses(run([second, first], out, segmenter)) == ["skipped", "skipped"]
    assert (out / "x_mask.png").stat().st_mtime_ns == before
    assert pictures(out) == ["b_x_mask.png", "b_x_overlay.png", "x_mask.png", "x_overlay.png"]


def test_what_is_done_is_left_alone_and_only_the_new_is_done(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, y = draw("x.png"), draw("y.png")
    run([x], tmp_path / "out", segmenter)
    outcomes = run([x, y, x], tmp_path / "out", segmenter)
    assert outcomes[0] == Outcome(x, "skipped", reasons=("done already",))
    assert statuses(outcomes) == ["skipped", "done"]
    assert segmenter.names == ["x.png", "y.png"]
    assert [row["input"] for row in table(tmp_path / "out")] == [str(x), str(y)]


def test_overwrite_does_it_again_and_replaces_the_row(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, y = draw("x.png", 10), draw("y.png", 20)
    run([x, y], tmp_path / "out", segmenter)
    draw("x.png", 99)
    assert statuses(run([x], tmp_path / "out", segmenter, overwrite=True, binary=True)) == ["done"]
    assert [(row["name"], row["lungs_area_pixels"]) for row in table(tmp_path / "out")] == [
        ("x", "99"),
        ("y", "20"),
    ]
    assert len(records(tmp_path / "out")) == 2
    assert set(
        np.unique(cv2.imread(str(tmp_path / "out" / "x_mask.png"), cv2.IMREAD_UNCHANGED))
    ) == {0, 255}


def test_a_missing_output_is_added_and_the_others_are_left_alone(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out, segmenter)
    (out / "x_mask.png").write_bytes(b"touched by the user")
    outcomes = run([x], out, segmenter, outputs=["mask", "crop"])
    assert outcomes == [Outcome(x, "done", "ok", (), {"crop": out / "x_crop.png"})]
    assert (out / "x_mask.png").read_bytes() == b"touched by the user"
    assert records(out)[0]["outputs"] == {
        "mask": "x_mask.png",
        "overlay": "x_overlay.png",
        "crop": "x_crop.png",
    }


def test_other_settings_do_not_mix_with_what_is_there(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out, segmenter)
    outcomes = run([x], out, segmenter, outputs=["crop"], dilate=2)
    assert outcomes == [
        Outcome(
            x, "skipped", reasons=("done already, with other settings; --overwrite does it again",)
        )
    ]
    assert pictures(out) == ["x_mask.png", "x_overlay.png"]


def test_a_file_that_no_record_knows_is_left_alone(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    mine = draw("out/x_mask.png").read_bytes()
    outcomes = run([x], out, segmenter)
    assert outcomes[0].reasons == (
        "x_mask.png is there already and results.jsonl does not know it; --overwrite replaces it",
    )
    assert (pictures(out), (out / "x_mask.png").read_bytes()) == (["x_mask.png"], mine)
    assert statuses(run([x], out, segmenter, overwrite=True)) == ["done"]
    assert (out / "x_mask.png").read_bytes() != mine


def test_overwrite_never_replaces_an_input(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    x, mask = draw("d/x.png", 10), draw("d/x_mask.png", 20)
    before = mask.read_bytes()
    assert statuses(run([x, mask], tmp_path / "d", segmenter, overwrite=True)) == ["done", "done"]
    assert mask.read_bytes() == before
    assert "d_x_mask.png" in pictures(tmp_path / "d")


def test_a_failed_one_is_tried_again(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    x, out = tmp_path / "x.png", tmp_path / "out"
    x.write_bytes(b"")
    assert statuses(run([x], out, segmenter)) == ["failed"]
    draw("x.png")
    assert statuses(run([x], out, segmenter)) == ["done"]
    assert [row["verdict"] for row in table(out)] == ["ok"]


def test_after_a_disk_was_full_half_written_results_are_done_again(
    segmenter: Any, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    plain = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == "x_overlay.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(self, target)

    monkeypatch.setattr(atomic.Path, "replace", replace)
    outcomes = run([x], out, segmenter)
    assert (
        outcomes[0]
        .reasons[0]
        .startswith(f"{out / 'x_overlay.png'}: cannot be written (no space left on device)")
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "results.jsonl",
        "summary.csv",
        "x_mask.png",
    ]
    monkeypatch.undo()
    assert statuses(run([x], out, segmenter)) == ["done"]
    assert pictures(out) == ["x_mask.png", "x_overlay.png"]


def test_an_interruption_keeps_what_was_done_and_the_next_run_goes_on(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    files = [draw(f"{number}.png") for number in range(12)]
    out = tmp_path / "out"
    outcomes = segment_many(files, out, segmenter, workers=1)
    for _ in range(4):
        next(outcomes)
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt())
    done = [row["name"] for row in table(out)]
    assert 4 <= len(done) < 12
    assert done == [str(number) for number in range(len(done))]
    assert pictures(out) == sorted(
        f"{name}_{output}.png" for name in done for output in ("mask", "overlay")
    )
    assert statuses(run(files, out, segmenter)) == ["skipped"] * len(done) + ["done"] * (
        12 - len(done)
    )
    assert len(table(out)) == len(records(out)) == 12


def test_an_interruption_while_waiting_loses_no_record(
    segmenter: Any, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lungseg.writers import Ledger

    plain, calls = Ledger.add, []

    def add(self: Ledger, entry: dict[str, Any]) -> None:
        calls.append(entry)
        if len(calls) == 2:
            raise KeyboardInterrupt
        plain(self, entry)

    monkeypatch.setattr(Ledger, "add", add)
    with pytest.raises(KeyboardInterrupt):
        run([draw(f"{number}.png") for number in range(3)], tmp_path / "out", segmenter, workers=3)
    assert [row["name"] for row in table(tmp_path / "out")] == sorted(
        Path(name).stem for name in segmenter.names
    )


def test_a_folder_that_cannot_be_written_to_is_one_error(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        OutputError, match=r"out: is a file, and results need a folder; name another output folder"
    ):
        run([draw("x.png")], tmp_path / "out", segmenter)


def test_wrong_settings_are_told_before_anything_is_done(segmenter: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no output called 'maks'"):
        segment_many([], tmp_path / "out", segmenter, outputs=["maks"])
    with pytest.raises(UsageError, match="at least one worker is needed, not 0"):
        segment_many([], tmp_path / "out", segmenter, workers=0)
    assert not (tmp_path / "out").exists()
