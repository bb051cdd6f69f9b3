"""The leak guard: files, patients and pictures on two sides of a split are found, everything else
is left in peace."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.datasets import Case, discover_cases
from lungseg.datasets import leaks as module
from lungseg.datasets.leaks import Leak, find_leaks
from phantom_radiographs import write_radiographs


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> list[Case]:
    """Eight films of eight patients."""
    folder = tmp_path_factory.mktemp("films") / "north"
    return [
        replace(case, patient=case.case)
        for case in discover_cases(write_radiographs(folder, count=8, side=128))
    ]


def on(split: str, *cases: Case) -> list[Case]:
    return [replace(case, split=split) for case in cases]


def changed(case: Case, folder: Path, name: str, change) -> Case:
    """The case of another patient and source, with a changed picture."""
    cv2.imwrite(str(folder / name), change(cv2.imread(str(case.image), cv2.IMREAD_UNCHANGED)))
    return Case(name, name, folder / name, None, "south")


def test_a_clean_split_has_no_leaks(films) -> None:
    assert (
        find_leaks(on("train", *films[:4]) + on("validation", *films[4:6]) + on("test", *films[6:]))
        == []
    )


def test_a_patient_on_two_sides_is_told_once(films) -> None:
    train = on("train", replace(films[0], patient="p"), replace(films[1], patient="p"), films[2])
    test = on("test", replace(films[3], patient="p"), replace(films[4], patient="p"), films[5])
    assert find_leaks(test + train) == [Leak(train[0], test[0], "same patient")]


def test_patients_of_two_sources_may_have_one_name(films) -> None:
    assert (
        find_leaks(
            on("train", films[0])
            + on("test", replace(films[1], patient=films[0].patient, source="south"))
        )
        == []
    )


def test_the_same_file_is_told_across_sources_and_before_the_patient(films, tmp_path) -> None:
    shutil.copy(films[0].image, tmp_path / "copy.png")
    (first,) = on("validation", films[0])
    (second,) = on(
        "test", replace(films[0], image=tmp_path / "copy.png", source="south", patient="q")
    )
    assert find_leaks([first, second]) == [Leak(first, second, "same file")]
    (same,) = on("test", films[0])
    assert find_leaks([first, same]) == [Leak(first, same, "same file")]


@pytest.mark.parametrize(
    ("ending", "change"),
    [
        (".jpg", lambda p: p),
        (
            ".png",
            lambda p: cv2.imdecode(
                cv2.imencode(".jpg", p, (cv2.IMWRITE_JPEG_QUALITY, 50))[1], cv2.IMREAD_GRAYSCALE
            ),
        ),
        (".png", lambda p: cv2.resize(p, (64, 64), interpolation=cv2.INTER_AREA)),
        (".png", lambda p: np.clip((p.astype(float) - 128) * 1.3 + 128, 0, 255).astype(np.uint8)),
        (".png", lambda p: p.astype(np.uint16) * 257),
        (".png", lambda p: p[:, ::-1]),
        (".png", lambda p: 255 - p),
        (".png", lambda p: 255 - p[:, ::-1]),
    ],
    ids=[
        "JPEG",
        "JPEG 50",
        "half",
        "contrast",
        "16 bit",
        "mirrored",
        "negative",
        "mirrored negative",
    ],
)
def test_copies_of_a_picture_are_found(films, tmp_path, ending, change) -> None:
    train, test = (
        on("train", *films),
        on("test", changed(films[3], tmp_path, f"copy{ending}", change)),
    )
    assert find_leaks(train + test) == [Leak(train[3], test[0], "nearly the same picture")]


def test_every_pair_of_sides_is_looked_at_and_cases_without_one_are_not(films, tmp_path) -> None:
    copies = [
        changed(films[0], tmp_path, f"copy{i}.png", lambda p, i=i: p // 2 + i) for i in range(3)
    ]
    train, validation, test, none = (
        on(split, case)[0]
        for split, case in zip(
            ("train", "validation", "test", ""), (films[0], *copies), strict=True
        )
    )
    found = find_leaks([none, test, validation, train])
    assert [(leak.first, leak.second) for leak in found] == [
        (train, validation),
        (train, test),
        (validation, test),
    ]


def test_what_cannot_be_read_is_skipped(films, tmp_path) -> None:
    (tmp_path / "broken.png").write_bytes(b"broken")
    lost = [
        replace(films[i], image=tmp_path / name, patient=name)
        for i, name in enumerate(("broken.png", "gone.png"))
    ]
    assert find_leaks(on("train", *lost, films[3]) + on("test", films[4])) == []
    copies = on("train", lost[0]) + on("test", replace(lost[0], patient="q"))
    assert find_leaks(copies) == [Leak(copies[0], copies[1], "same file")]


def test_more_cases_than_are_compared_at_once(films, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 3)
    train, test = (
        on("train", *films),
        on("test", changed(films[7], tmp_path, "copy.png", lambda p: p // 2)),
    )
    assert find_leaks(train + test) == [Leak(train[7], test[0], "nearly the same picture")]


@pytest.mark.slow
@pytest.mark.data
def test_different_patients_of_real_sets_do_not_match(data_folder) -> None:
    cases = discover_cases(data_folder / "cxr")
    patients = sorted({(case.source, case.patient) for case in cases})
    test = {("diseased_adults", "p202"), *patients[::2]} - {("diseased_adults", "p137")}
    sides = {True: "test", False: "train"}
    found = find_leaks(
        [replace(case, split=sides[(case.source, case.patient) in test]) for case in cases]
    )
    told = [(leak.first.patient, leak.second.patient, leak.reason) for leak in found]
    assert told == [("p137", "p202", "nearly the same picture")]  # one film under two names
