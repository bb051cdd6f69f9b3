"""The command that fits what judges a model's masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import lungseg
from ellipse_radiographs import write_ellipse_radiographs
from lungseg.calibrate import run
from lungseg.datasets import write_manifest
from phantom_radiographs import write_radiographs
from tiny_model import write_tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def few_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lungseg.calibrate.out_of_distribution.DRAWINGS", 1)
    monkeypatch.setattr(run, "MAX_DEGRADED", 2)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    path = tmp_path / "cases.csv"
    write_manifest(write_ellipse_radiographs(folder), path)
    return path


def test_it_says_what_it_was_fitted_to_and_what_it_wrote(cases: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    done = lungseg("calibrate", model, cases, "--workers", 2)
    assert done.exit_code == 0, done.output
    first, second, third, *notes = done.stdout.splitlines()
    assert first == "Cases: 10 (splits test, validation)"
    assert second == "Fitted to 30 masks of 5 patients, and 5 of inputs that are no chest"
    assert third == f"Written: {tmp_path / 'tiny.judge.json'}"
    assert notes[0] == "Note: 5 patients are few: the intervals of the expected Dice are rough"
    assert done.stderr == ""
    assert (tmp_path / "tiny.judge.json").is_file()


@pytest.mark.slow
def test_splits_are_chosen_and_a_folder_of_cases_has_none(cases: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    done = lungseg("calibrate", model, cases, "--split", "test", "--split", "train")
    assert done.stdout.startswith("Cases: 6 (splits test, train)\n")
    write_radiographs(tmp_path / "folder" / "north", count=2)
    done = lungseg("calibrate", model, tmp_path / "folder")
    assert done.stdout == "Cases: 2 (no split, so all are taken for unseen)\n"
    assert done.stderr.startswith("Error: 6 masks of 1 patients are too few to calibrate ")


def test_too_few_cases_are_one_sentence(cases: Path, tmp_path: Path) -> None:
    done = lungseg("calibrate", write_tiny_model(tmp_path), cases, "--split", "train")
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: 6 masks of 1 patients are too few to calibrate radiographs with, which needs 20 "
        "of 2; give more cases that the model has not seen.\n"
    )


def test_a_case_that_cannot_be_used_is_named(cases: Path, tmp_path: Path) -> None:
    broken = tmp_path / "films" / "5.png"
    broken.write_bytes(b"no picture")
    done = lungseg("calibrate", write_tiny_model(tmp_path), cases)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Left out: north 5: {broken}: ")
    assert (tmp_path / "tiny.judge.json").is_file()


def test_stopping_it_says_how_to_go_on(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "calibrate", stopped)
    done = lungseg("calibrate", write_tiny_model(tmp_path), cases)
    assert done.exit_code == 130
    assert done.stderr == "Stopped. The same command goes on where it stopped.\n"


def test_progress_is_shown_to_a_person_only(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []

    def stopped(*_: object, progress: object, **__: object) -> None:
        shown.append(progress)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "calibrate", stopped)
    model = write_tiny_model(tmp_path)
    lungseg("calibrate", model, cases)
    monkeypatch.setattr("lungseg.cli.calibrate._is_watched", lambda: True)
    lungseg("calibrate", model, cases)
    lungseg("calibrate", model, cases, "-q")
    assert [progress is None for progress in shown] == [True, False, True]
