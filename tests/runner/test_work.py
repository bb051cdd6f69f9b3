"""One job the whole way, with a tiny network."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lungseg.batch import segment_many
from lungseg.draw import picture
from lungseg.errors import ModelError, UsageError
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.result import Result
from lungseg.runner import Job, Outcome, RunOptions, failed
from lungseg.runner import work as work_module
from lungseg.runner.executors import ProcessExecutor
from lungseg.runner.work import work
from lungseg.segmenter import Segmenter
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return Segmenter(write_tiny_model(tmp_path_factory.mktemp("model")), threads=1)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "in" / "film.png"
    source.parent.mkdir()
    (tmp_path / "out").mkdir()
    cv2.imwrite(str(source), radiograph_phantom((128, 128)).image.array)
    return Job(source, "film", DEFAULTS, RunOptions(tmp_path / "out"))


def test_a_job_is_read_segmented_written_and_recorded(job: Job, segmenter: Segmenter) -> None:
    steps: list[tuple[float, str]] = []
    outcome = work(job, segmenter, lambda fraction, step: steps.append((fraction, step)))
    assert (outcome.source, outcome.status) == (job.source, "done")
    assert outcome.outputs == {
        name: job.run.folder / f"film_{name}.png" for name in ("mask", "overlay")
    }
    assert all(path.is_file() for path in outcome.outputs.values())
    record = outcome.record
    assert record is not None
    assert (record["input"], record["name"]) == (str(job.source), "film")
    assert record["outputs"] == {"mask": "film_mask.png", "overlay": "film_overlay.png"}
    assert record["options"] == DEFAULTS.record() | {
        "model": "tiny.onnx",
        "modality": "radiograph",
    }
    assert (outcome.verdict, list(outcome.reasons)) == (record["verdict"], record["reasons"])
    assert [step for _, step in steps] == ["reading", "finding the lungs", "writing"]
    assert [fraction for fraction, _ in steps] == pytest.approx([0.0, 0.08, 0.8])


def test_the_record_says_where_a_crop_lies(job: Job, segmenter: Segmenter) -> None:
    run = replace(job.run, outputs=("mask", "crop"))
    record = work(replace(job, run=run), segmenter).record
    assert record is not None
    (top, bottom), (left, right) = record["boxes"]["crop"]
    whole = cv2.imread(str(job.source), cv2.IMREAD_UNCHANGED)
    crop = cv2.imread(str(run.folder / "film_crop.png"), cv2.IMREAD_UNCHANGED)
    assert crop.size < whole.size
    np.testing.assert_array_equal(crop, whole[top:bottom, left:right])


def test_without_a_crop_there_is_no_box(job: Job, segmenter: Segmenter) -> None:
    record = work(job, segmenter).record
    assert record is not None
    assert "boxes" not in record


def test_a_number_that_json_lacks_is_a_failure_without_files(
    job: Job, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Result.record
    for number in (math.nan, math.inf):
        monkeypatch.setattr(
            Result, "record", lambda result, _=number: whole(result) | {"seconds": {"read": _}}
        )
        outcome = work(job, segmenter)
        assert outcome.status == "failed"
        assert outcome.record is not None
        assert outcome.record["codes"] == ["unexpected"]
        assert list(job.run.folder.iterdir()) == []


def test_an_overlay_is_painted_once_for_its_file_and_the_report(
    job: Job, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    paint = picture.paint

    def counted(grey: Any, labels: Any, style: Any) -> Any:
        sizes.append(labels.shape)
        return paint(grey, labels, style)

    monkeypatch.setattr(picture, "paint", counted)
    run = replace(job.run, reports=("report",))
    outcome = work(replace(job, run=run), segmenter)
    assert sorted(outcome.outputs) == ["mask", "overlay", "report"]
    assert sizes == [(128, 128)]
    painted = cv2.imread(str(outcome.outputs["overlay"]))[..., ::-1]
    monkeypatch.undo()
    np.testing.assert_array_equal(painted, segmenter(job.source).overlay())


def test_a_report_has_the_usual_colours_whatever_the_overlay_has(
    job: Job, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    content_of = work_module.content_of

    def watched(*what: Any, overlay: Any, **more: Any) -> Any:
        given.append(overlay)
        return content_of(*what, overlay=overlay, **more)

    monkeypatch.setattr(work_module, "content_of", watched)
    run = replace(job.run, reports=("report",))
    options = replace(job.options, overlay_style="colour=#ff8800")
    work(replace(job, run=run, options=options), segmenter)
    assert given == [None]


def test_all_that_travels_pickles(job: Job, segmenter: Segmenter) -> None:
    outcome = work(job, segmenter)
    for value in (job, job.run, job.options, outcome):
        assert pickle.loads(pickle.dumps(value)) == value


def test_files_that_are_not_ours_are_not_replaced(job: Job, segmenter: Segmenter) -> None:
    work(job, segmenter)
    again = work(job, segmenter)
    assert again.status == "failed"
    assert again.reasons == (
        f"{job.run.folder / 'film_mask.png'}: exists already, and was left as it is; choose "
        "another folder or name, or overwrite it.",
    )
    assert work(replace(job, replace=True), segmenter).status == "done"


def test_a_name_for_display_stands_for_the_path_everywhere(
    job: Job, segmenter: Segmenter, tmp_path: Path
) -> None:
    shown = replace(job, display_name="yours.png")
    outcome = work(shown, segmenter)
    assert outcome.record is not None
    assert outcome.record["input"] == "yours.png"
    assert str(tmp_path) not in str(outcome.record)
    job.source.write_bytes(b"")
    outcome = work(replace(shown, replace=True), segmenter)
    assert outcome.reasons == ("yours.png: the file is empty; copy or export it again.",)
    assert outcome.record is not None
    assert str(tmp_path) not in str(outcome.record)


@pytest.mark.parametrize(
    ("problem", "sentence", "shown", "why"),
    [
        (
            MemoryError(),
            "{film}: there is not enough memory for it; use fewer workers.",
            "yours.png: there is not enough memory for it; use fewer workers.",
            "{film}: there is not enough memory for it; use fewer workers.",
        ),
        (
            ValueError("patient 7"),
            "{film}: unexpected ValueError; report this, if you can with the file.",
            "yours.png: unexpected ValueError; report this, if you can with the file.",
            "{film}: unexpected ValueError: patient 7; report this, if you can with the file.",
        ),
        (
            ModelError("it is broken"),
            "it is broken.",
            "it is broken.",
            "it is broken.",
        ),
    ],
)
def test_whatever_goes_wrong_becomes_a_sentence(
    job: Job,
    problem: Exception,
    sentence: str,
    shown: str,
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*arguments: Any, **more: Any) -> None:
        raise problem

    outcome = work(job, broken)  # type: ignore[arg-type]
    assert outcome.status == "failed"
    assert (outcome.verdict, outcome.reasons) == ("", (sentence.format(film=job.source),))
    assert outcome.why == why.format(film=job.source)
    identified = replace(job, run=replace(job.run, show_identity=True))
    assert failed(identified, problem).reasons == (outcome.why,)
    assert failed(replace(job, display_name="yours.png"), problem).reasons == (shown,)
    assert "patient" not in caplog.text  # where it arose is logged, and no text that names anything
    assert ("in broken" in caplog.text) == isinstance(problem, ValueError)


def test_a_run_says_at_once_what_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no output called 'maks'"):
        RunOptions(tmp_path, ("maks",))
    run = RunOptions(tmp_path / ".." / "out", ("overlay", "mask", "mask"))
    assert run.folder == tmp_path.parent / "out"
    assert run.outputs == ("mask", "overlay")
    assert RunOptions(tmp_path, (), ("report",)).outputs == ()


@pytest.mark.slow
def test_a_batch_in_processes_gives_what_threads_give(
    job: Job, segmenter: Segmenter, tmp_path: Path
) -> None:
    def run(folder: str, executor: Any) -> list[Outcome]:
        options, run = SegmentOptions(binary=True), RunOptions(tmp_path / folder)
        return list(segment_many([job.source], options, run, executor, segmenter=segmenter))

    with ProcessExecutor(1) as pool:
        (outcome,) = run("processes", pool)
        assert pool.submit(len, "it is left open").result() == 15
    run("threads", 1)
    assert outcome.status == "done"
    assert (tmp_path / "processes" / "film_mask.png").read_bytes() == (
        tmp_path / "threads" / "film_mask.png"
    ).read_bytes()
