"""What `dataset`, `train` and `evaluate` say of masks of which nobody knows what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from command_line import lungseg
from lungseg.datasets import read_labels, read_manifest
from phantom_radiographs import write_radiographs

LABELS = '127="right lung",255="left lung"'
CURE = "--labels '127=right lung,255=left lung'"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label maps of ten films."""
    films = tmp_path_factory.mktemp("films") / "north"
    return write_radiographs(films, count=10, structures=("right lung", "left lung"))


@pytest.fixture
def films(plain, tmp_path) -> Path:
    """The same films with a grey for each lung."""
    return changed(plain, tmp_path, np.array([0, 127, 255], np.uint8).__getitem__)


def changed(plain: Path, tmp_path: Path, change) -> Path:
    folder = tmp_path / "set" / "north"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
        for path in (plain / name).iterdir():
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            done = change(pixels) if name == "masks" else pixels
            cv2.imwrite(str(folder / name / path.name), done)
    return folder


def test_a_list_of_greys_is_made_with_what_they_are(films, plain, tmp_path) -> None:
    path = tmp_path / "cases.csv"
    ran = lungseg("dataset", films, "-o", path)
    assert ran.exit_code == 0
    assert "    10  labels not known: north/p0_a, north/p0_b, north/p1_a, ...\n" in ran.stdout
    assert "north/p0_a: the mask has the greys 0 (" in ran.stdout
    assert CURE in ran.stdout
    ran = lungseg("dataset", films, "-o", path, "--overwrite", "--labels", LABELS)
    assert ran.exit_code == 0
    assert "  north: labels 127=right lung; 255=left lung\n" in ran.stdout
    assert "0 problems and 0 leaks" in ran.stdout
    cases = read_manifest(path)
    assert {case.labels for case in cases} == {"127=right lung; 255=left lung"}
    for case in cases:
        truth = cv2.imread(str(plain / "masks" / case.mask.name), cv2.IMREAD_UNCHANGED)
        assert_array_equal(read_labels(case), truth)


def test_a_dataset_json_says_it_too(films, tmp_path) -> None:
    declared = {"labels": {"background": 0, "lung_right": 127, "lung_left": 255}}
    (films / "dataset.json").write_text(json.dumps(declared))
    ran = lungseg("dataset", films, "-o", tmp_path / "cases.csv")
    assert "  north: labels 0=background; 127=right lung; 255=left lung\n" in ran.stdout
    assert "0 problems and 0 leaks" in ran.stdout


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_training_and_evaluation_stop(films, tmp_path, command) -> None:
    out = tmp_path / "out"
    given = ["cxr", films, "--split", "all"] if command == "evaluate" else [films]
    ran = lungseg(command, *given, "-o", out)
    assert ran.exit_code == 1
    assert "10  labels not known: north/p0_a" in ran.stderr
    assert CURE in ran.stderr
    assert "10 of 10 cases with a mask are not to be learnt from or judged by" in ran.stderr
    assert "--drop-unusable" in ran.stderr
    assert not out.exists()


@pytest.mark.parametrize("command", ["dataset", "train", "evaluate"])
def test_what_no_structure_is_called_is_refused(films, tmp_path, command) -> None:
    given = ["cxr", films] if command == "evaluate" else [films]
    ran = lungseg(command, *given, "-o", tmp_path / "o.csv", "--labels", "127=wing")
    assert ran.exit_code == 2
    assert "'127=wing' does not say which structure a value of the masks is" in ran.stderr


@pytest.mark.slow
def test_evaluation_reads_labels_that_are_declared(films, tmp_path) -> None:
    ran = lungseg(
        *("evaluate", "cxr", films, "-o", tmp_path / "out", "--labels", LABELS),
        *("--split", "all", "--workers", 1),
    )
    assert ran.exit_code == 0, ran.output


def test_one_film_in_ten_may_show_one_lung(plain, tmp_path) -> None:
    films = changed(plain, tmp_path, np.asarray)
    one = films / "masks" / "p0_a.png"
    mask = cv2.imread(str(one), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(one), mask * (mask == 1))
    run = lungseg("train", films, "-o", tmp_path / "out", "--show-augmented", "1")
    assert run.exit_code == 0, run.output
    assert "     1  one lung only: north/p0_a\n" in run.stderr
    other = films / "masks" / "p0_b.png"
    mask = cv2.imread(str(other), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(other), mask * (mask == 2))
    run = lungseg("train", films, "-o", tmp_path / "more", "--show-augmented", "1")
    assert run.exit_code == 1
    assert "2 of 10 cases with a mask are not to be learnt from" in run.stderr
    unchecked = ("--show-augmented", "1", "--no-check")
    assert lungseg("train", films, "-o", tmp_path / "more", *unchecked).exit_code == 0


def test_rims_are_named_and_stop_nothing(plain, tmp_path) -> None:
    films = changed(
        plain, tmp_path, lambda mask: cv2.resize(mask, (192, 192), interpolation=cv2.INTER_LINEAR)
    )
    for image in (films / "images").iterdir():
        cv2.imwrite(str(image), cv2.resize(cv2.imread(str(image), 0), (192, 192)))
    ran = lungseg("dataset", films, "-o", tmp_path / "cases.csv")
    assert "    10  interpolated edges: north/p0_a, north/p0_b, north/p1_a, ...\n" in ran.stdout
    assert "north/p0_a: label 1 forms a rim round label 2, " in ran.stdout
