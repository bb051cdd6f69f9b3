from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lungseg.batch import segment_many
from lungseg.errors import OutputError, UsageError
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.runner import Outcome, RunOptions
from lungseg.writers import Ledger, atomic
from lungseg.writers.lock import LOCK

Draw = Callable[..., Path]
Run = Callable[..., list[Outcome]]


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_files_are_written_and_recorded(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, y = draw("x.png", 100), draw("y.png", 50)
    out = tmp_path / "out"
    options = SegmentOptions(spacing=(0.5, 0.25), frame=2, dilate=3)
    outcomes = list(segment_many([x, y], options, RunOptions(out), segmenter=segmenter))
    outcomes.sort(key=lambda outcome: outcome.source)
    assert [outcome.source for outcome in outcomes] == [x, y]
    assert (outcomes[0].status, outcomes[0].verdict, outcomes[0].reasons) == ("done", "ok", ())
    assert outcomes[0].outputs == {"mask": out / "x_mask.png", "overlay": out / "x_overlay.png"}
    assert pictures(out) == ["x_mask.png", "x_overlay.png", "y_mask.png", "y_overlay.png"]
    assert sorted(segmenter.calls, key=str) == [(path, options) for path in (x, y)]
    assert [
        (row["input"], row["name"], row["verdict"], row["lungs_area_pixels"]) for row in table(out)
    ] == [
        (str(x), "x", "ok", "100"),
        (str(y), "y", "ok", "50"),
    ]
    record = records(out)[1]
    assert record == outcomes[1].record
    assert record["outputs"] == {"mask": "y_mask.png", "overlay": "y_overlay.png"}
    assert record["options"] == options.record()
    assert list(record["seconds"]) == ["read", "write"]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_input_needs_no_list(segmenter: Any, draw: Draw, tmp_path: Path, kind: Any) -> None:
    out = RunOptions(tmp_path / "out", outputs="mask", reports="report")  # type: ignore[arg-type]
    alone = kind(draw("x.png"))
    outcomes = list(segment_many(alone, DEFAULTS, out, np.int64(1), segmenter=segmenter))
    assert [(outcome.source.name, outcome.status) for outcome in outcomes] == [("x.png", "done")]
    assert pictures(tmp_path / "out") == ["x_mask.png"]


def test_outcomes_come_as_they_are_done_and_records_in_the_order_of_the_inputs(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    files = [draw(f"{name}.png") for name in "zyxwvutsr"]
    others_done = threading.Semaphore(0)
    segmenter.before = lambda path: path.stem == "z" and others_done.acquire(timeout=10)
    outcomes = segment_many(files, DEFAULTS, RunOptions(tmp_path / "out"), 3, segmenter=segmenter)
    first = [next(outcomes) for _ in files[1:]]
    assert files[0] not in [outcome.source for outcome in first]
    assert len(records(tmp_path / "out")) == len(files) - 1
    others_done.release()
    assert [outcome.source for outcome in outcomes] == files[:1]
    assert [record["name"] for record in records(tmp_path / "out")] == list("zyxwvutsr")
    assert [row["name"] for row in table(tmp_path / "out")] == list("zyxwvutsr")


def test_records_of_other_inputs_stay_where_they_are(run: Run, draw: Draw, tmp_path: Path) -> None:
    a, b, c, d = (draw(f"{name}.png") for name in "abcd")
    run([c, d], tmp_path / "out")
    run([d, b, a], tmp_path / "out", overwrite=True)
    assert [row["name"] for row in table(tmp_path / "out")] == ["c", "d", "b", "a"]
    run([b, d], tmp_path / "out", overwrite=True)
    assert [row["name"] for row in table(tmp_path / "out")] == ["c", "b", "d", "a"]


def test_files_are_worked_on_side_by_side(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    # Each waits for the other one: where they came one after the other, both would fail.
    together = threading.Barrier(2, timeout=10)
    segmenter.before = lambda path: together.wait()
    assert statuses(run([draw("x.png"), draw("y.png")], tmp_path / "out", threads=2)) == [
        "done",
        "done",
    ]


def test_no_more_is_begun_than_the_reader_of_the_outcomes_can_follow(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    files = [draw(f"{number}.png") for number in range(40)]
    outcomes = segment_many(files, DEFAULTS, RunOptions(tmp_path / "out"), 2, segmenter=segmenter)
    next(outcomes)
    outcomes.close()
    assert len(segmenter.calls) <= 5
    assert len(records(tmp_path / "out")) == len(segmenter.calls)


def test_a_bad_file_does_not_stop_the_others(run: Run, draw: Draw, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    x, y = draw("x.png"), draw("y.png")
    outcomes = run([x, bad, y], tmp_path / "out")
    assert outcomes[1].reasons == (f"{bad}: is no image; export it again.",)
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
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    def before(path: Path) -> None:
        if path.stem != "y":
            raise MemoryError if path.stem == "x" else ZeroDivisionError("oh")

    segmenter.before = before
    outcomes = run([draw(f"{name}.png") for name in "xyz"], tmp_path / "out")
    assert statuses(outcomes) == ["failed", "done", "failed"]
    assert outcomes[0].reasons == (
        f"{tmp_path / 'x.png'}: there is not enough memory for it; use fewer workers.",
    )
    assert outcomes[2].reasons == (
        f"{tmp_path / 'z.png'}: unexpected ZeroDivisionError; report this, if you can with "
        "the file.",
    )


def test_two_inputs_of_one_name_keep_apart(run: Run, draw: Draw, tmp_path: Path) -> None:
    files = [draw("a/x.png", 10), draw("b/x.png", 20)]
    run(files, tmp_path / "out", outputs=["masked"])
    assert pictures(tmp_path / "out") == ["a_x_masked.png", "b_x_masked.png"]
    assert [row["name"] for row in table(tmp_path / "out")] == ["a_x", "b_x"]


def test_an_input_of_a_later_run_does_not_take_the_name_of_an_earlier_one(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, second = draw("a/x.png"), draw("b/x.png")
    run([first], out)
    before = (out / "x_mask.png").stat().st_mtime_ns
    assert statuses(run([second], out)) == ["done"]
    assert statuses(run([second, first], out)) == ["skipped", "skipped"]
    assert (out / "x_mask.png").stat().st_mtime_ns == before
    assert pictures(out) == ["b_x_mask.png", "b_x_overlay.png", "x_mask.png", "x_overlay.png"]


def test_what_is_done_is_left_alone_and_only_the_new_is_done(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, y = draw("x.png"), draw("y.png")
    run([x], tmp_path / "out")
    outcomes = run([x, y, x], tmp_path / "out")
    assert outcomes[0] == Outcome(x, "skipped", why="done already")
    assert statuses(outcomes) == ["skipped", "done"]
    assert segmenter.names == ["x.png", "y.png"]
    assert [row["input"] for row in table(tmp_path / "out")] == [str(x), str(y)]


def test_overwrite_does_it_again_and_replaces_the_row(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, y = draw("x.png", 10), draw("y.png", 20)
    run([x, y], tmp_path / "out")
    draw("x.png", 99)
    assert statuses(run([x], tmp_path / "out", overwrite=True, binary=True)) == ["done"]
    assert [(row["name"], row["lungs_area_pixels"]) for row in table(tmp_path / "out")] == [
        ("x", "99"),
        ("y", "20"),
    ]
    assert len(records(tmp_path / "out")) == 2
    assert set(
        np.unique(cv2.imread(str(tmp_path / "out" / "x_mask.png"), cv2.IMREAD_UNCHANGED))
    ) == {0, 255}


def test_a_missing_output_is_added_and_the_others_are_left_alone(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out)
    (out / "x_mask.png").write_bytes(b"touched by the user")
    outcomes = run([x], out, outputs=["mask", "crop"])
    assert [(outcome.status, outcome.outputs) for outcome in outcomes] == [
        ("done", {"crop": out / "x_crop.png"})
    ]
    assert (out / "x_mask.png").read_bytes() == b"touched by the user"
    assert records(out)[0]["outputs"] == {
        "mask": "x_mask.png",
        "overlay": "x_overlay.png",
        "crop": "x_crop.png",
    }


def test_other_settings_do_not_mix_with_what_is_there(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out)
    outcomes = run([x], out, outputs=["crop"], dilate=2)
    why = "done already, with other options; `overwrite` does it again"
    assert outcomes == [Outcome(x, "skipped", why=why)]
    assert pictures(out) == ["x_mask.png", "x_overlay.png"]


def test_a_file_that_no_record_knows_is_left_alone(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    mine = draw("out/x_mask.png").read_bytes()
    outcomes = run([x], out)
    assert statuses(outcomes) == ["failed"]
    assert outcomes[0].reasons == (
        "x_mask.png is there already and results.jsonl does not know it; `overwrite` replaces it",
    )
    assert (pictures(out), (out / "x_mask.png").read_bytes()) == (["x_mask.png"], mine)
    assert statuses(run([x], out, overwrite=True)) == ["done"]
    assert (out / "x_mask.png").read_bytes() != mine


def test_overwrite_never_replaces_an_input(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, mask = draw("d/x.png", 10), draw("d/x_mask.png", 20)
    before = mask.read_bytes()
    assert statuses(run([x, mask], tmp_path / "d", overwrite=True)) == ["done", "done"]
    assert mask.read_bytes() == before
    assert "d_x_mask.png" in pictures(tmp_path / "d")


def test_a_failed_one_is_tried_again(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, out = tmp_path / "x.png", tmp_path / "out"
    x.write_bytes(b"")
    assert statuses(run([x], out)) == ["failed"]
    draw("x.png")
    assert statuses(run([x], out)) == ["done"]
    assert [row["verdict"] for row in table(out)] == ["ok"]


def test_after_a_disk_was_full_half_written_results_are_done_again(
    run: Run, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    plain = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == "x_overlay.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(self, target)

    monkeypatch.setattr(atomic.Path, "replace", replace)
    outcomes = run([x], out)
    assert (
        outcomes[0]
        .reasons[0]
        .startswith(f"{out / 'x_overlay.png'}: cannot be written (no space left on device)")
    )
    assert sorted(path.name for path in out.iterdir()) == [
        LOCK,  # which knows that the mask is nobody else's
        "results.jsonl",
        "summary.csv",
        "x_mask.png",
    ]
    monkeypatch.undo()
    assert statuses(run([x], out)) == ["done"]
    assert pictures(out) == ["x_mask.png", "x_overlay.png"]


def test_an_interruption_keeps_what_was_done_and_the_next_run_goes_on(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    files = [draw(f"{number}.png") for number in range(12)]
    out = tmp_path / "out"
    outcomes = segment_many(files, DEFAULTS, RunOptions(out), 1, segmenter=segmenter)
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
    assert statuses(run(files, out)) == ["skipped"] * len(done) + ["done"] * (12 - len(done))
    assert len(table(out)) == len(records(out)) == 12


def test_an_interruption_while_waiting_loses_no_record(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        run([draw(f"{number}.png") for number in range(3)], tmp_path / "out", threads=3)
    assert [row["name"] for row in table(tmp_path / "out")] == sorted(
        Path(name).stem for name in segmenter.names
    )


def test_a_folder_that_cannot_be_written_to_is_one_error(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        OutputError, match=r"out: is a file, and results need a folder; name another output folder"
    ):
        run([draw("x.png")], tmp_path / "out")


def test_wrong_settings_are_told_before_anything_is_done(segmenter: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no output called 'maks'"):
        RunOptions(tmp_path / "out", outputs=("maks",))
    with pytest.raises(UsageError, match="no output was asked for"):
        RunOptions(tmp_path / "out", outputs=())
    with pytest.raises(
        UsageError, match="there is no report called 'doc'; choose from report, pdf"
    ):
        RunOptions(tmp_path / "out", reports=("doc",))  # type: ignore[arg-type]
    run = RunOptions(tmp_path / "out")
    with pytest.raises(UsageError, match="at least one worker is needed, not 0"):
        segment_many([], DEFAULTS, run, 0, segmenter=segmenter)
    with pytest.raises(UsageError, match="cxr: the model is for radiograph, not for ct"):
        segment_many([], SegmentOptions(model="cxr", modality="ct"), run)
    assert not (tmp_path / "out").exists()


def test_any_executor_may_do_it(segmenter: Any, draw: Draw, tmp_path: Path) -> None:
    files = [draw(f"{number}.png") for number in range(7)]
    with ThreadPoolExecutor(2) as pool:
        outcomes = segment_many(
            files, DEFAULTS, RunOptions(tmp_path / "out"), pool, segmenter=segmenter
        )
        assert {outcome.source for outcome in outcomes} == set(files)
        assert pool.submit(int, "3").result() == 3  # it is left open


def test_what_ends_a_worker_is_a_failure_of_its_input(
    segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    class Broken(ThreadPoolExecutor):
        """Whose first call comes to nothing, as where a process is killed."""

        calls = 0

        def submit(self, *what: Any, **more: Any) -> Future[Any]:
            self.calls += 1
            if self.calls > 1:
                return super().submit(*what, **more)
            future: Future[Any] = Future()
            future.set_exception(EOFError("gone"))
            return future

    x, y = draw("x.png"), draw("y.png")
    with Broken(1) as pool:
        outcomes = list(
            segment_many([x, y], DEFAULTS, RunOptions(tmp_path / "out"), pool, segmenter=segmenter)
        )
    assert [(outcome.source, outcome.status, outcome.reasons) for outcome in outcomes] == [
        (x, "failed", (f"{x}: unexpected EOFError; report this, if you can with the file.",)),
        (y, "done", ()),
    ]


def test_a_kill_between_files_and_record_loses_nothing(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, out = draw("x.png"), draw("y.png"), tmp_path / "out"

    def killed(self: Ledger, entry: dict[str, Any]) -> None:
        if entry["name"] == "y":
            raise SystemExit  # and nothing of what would follow is done, as in a kill

    monkeypatch.setattr(Ledger, "add", killed)
    monkeypatch.setattr(Ledger, "__exit__", lambda self, *_: self._lock._file.close())
    monkeypatch.setattr(Ledger, "give_up", lambda *_: None)
    with pytest.raises(SystemExit):
        run([x, y], out, threads=1)
    monkeypatch.undo()
    assert pictures(out) == ["x_mask.png", "x_overlay.png", "y_mask.png", "y_overlay.png"]
    assert not (out / "results.jsonl").exists()
    (out / "y_overlay.png").write_bytes(b"half")
    assert statuses(run([x, y], out)) == ["done", "done"]
    assert [record["outputs"] for record in records(out)] == [
        {"mask": f"{name}_mask.png", "overlay": f"{name}_overlay.png"} for name in "xy"
    ]
    assert (out / "y_overlay.png").read_bytes() != b"half"
    assert not (out / LOCK).exists()
    assert statuses(run([x, y], out)) == ["skipped", "skipped"]


def test_a_second_run_in_a_folder_is_refused_while_the_first_one_writes(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, y, out = draw("x.png"), draw("y.png"), tmp_path / "out"
    outcomes = segment_many([x, y], DEFAULTS, RunOptions(out), 1, segmenter=segmenter)
    next(outcomes)
    with pytest.raises(
        OutputError,
        match=rf"out: another program writes here \(process {os.getpid()} on .+, since 2.+Z\); "
        r"wait until it has ended, or choose another output folder\.$",
    ):
        run([y], out)
    assert [outcome.status for outcome in outcomes] == ["done"]
    assert [record["name"] for record in records(out)] == ["x", "y"]
    assert sorted(path.name for path in out.iterdir() if path.suffix != ".png") == [
        "results.jsonl",
        "summary.csv",
    ]


@pytest.mark.parametrize("gone", ["removed", "moved", "replaced"])
def test_a_folder_that_goes_meanwhile_is_one_error(
    segmenter: Any, draw: Draw, tmp_path: Path, gone: str
) -> None:
    out = tmp_path / "out"

    def before(path: Path) -> None:
        if path.stem == "1":
            if gone == "removed":
                while out.exists():  # while the batch notes what it begins there
                    shutil.rmtree(out, ignore_errors=True)
            else:
                out.rename(tmp_path / "moved")
            if gone == "replaced":
                out.mkdir()

    segmenter.before = before
    files = [draw(f"{number}.png") for number in range(3)]
    outcomes = segment_many(files, DEFAULTS, RunOptions(out), 1, segmenter=segmenter)
    with pytest.raises(
        OutputError, match=r"out: was removed or moved while results were written into it; run the"
    ):
        list(outcomes)
    assert not (out / "summary.csv").exists()
    # What was just being appended may be the first line in the new folder.
    assert gone == "replaced" or not (out / "results.jsonl").exists()
    segmenter.before = lambda path: None
    again = list(segment_many(files, DEFAULTS, RunOptions(out), 1, segmenter=segmenter))
    assert gone == "replaced" or statuses(again) == ["done"] * 3
