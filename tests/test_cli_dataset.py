"""The command that gathers data, on folders written here."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from empty_files import touch
from lungseg import cli, cli_dataset
from lungseg.datasets import read_manifest
from phantom_films import write_films

app = typer.Typer(cls=cli._Commands, pretty_exceptions_enable=False)
app.command("version")(lambda: None)
cli_dataset.add_to(app)


def dataset(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty films of ten patients in `north`, six of three in `south`, one of them without a mask, and a folder of letters."""
    folder = tmp_path_factory.mktemp("films")
    write_films(folder / "north", count=20)
    write_films(folder / "south", count=6)
    (folder / "south" / "masks" / "p0_b.png").unlink()
    touch(folder, "letters/one.txt")
    return folder


def test_it_says_what_it_recognised_and_leaves_a_list(films, tmp_path) -> None:
    path = tmp_path / "new" / "cases.csv"
    ran = dataset(films, "-o", path, "--split", "70/10/20", "--seed", "3", "--no-check")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"{films / 'north'}: images and masks, in two folders",
        "  north: 20 images, 20 with a mask, 10 patients",
        f"{films / 'south'}: images and masks, in two folders",
        "  south: 6 images, 5 with a mask, 3 patients",
        f"Not recognised: {films / 'letters'}",
        f"{path}: 26 cases, split 70/10/20 by patient and source, seed 3",
        "                               train  validation        test",
        "north                             14           2           4",
        "south                              4           0           2",
    ]
    assert path.read_text().startswith("# lungseg dataset: split 70/10/20 by patient and source, seed 3\ncase,patient,image,mask,source,")
    assert len(read_manifest(path)) == 26
    assert [file.name for file in path.parent.iterdir()] == ["cases.csv"]


def test_what_should_be_looked_at_is_said_listed_and_drawn(films, tmp_path) -> None:
    copies = tmp_path / "again"
    touch(copies, "images/odd.png", "masks/odd.png")
    for kind in ("images", "masks"):
        for i in range(4):
            (copies / kind / f"c{i}.png").write_bytes((films / "north" / kind / f"p{i}_a.png").read_bytes())
    cv2.imwrite(str(copies / "masks" / "c0.png"), np.zeros((64, 64), np.uint8))
    path = tmp_path / "cases.csv"
    ran = dataset(films / "north", copies, "-o", path, "--split", "50/50", "--sheet", tmp_path / "sheet.png")
    assert ran.exit_code == 0
    assert "Looking at 25 cases ..." in ran.stderr
    with (tmp_path / "cases.findings.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["source"], row["case"]) for row in rows} >= {("again", "odd"), ("again", "c0")}
    assert any(row["problem"].startswith("leak, same file: ") for row in rows)
    assert f"leaks: {tmp_path / 'cases.findings.csv'}" in ran.stdout
    assert "leak, same file: " in ran.stdout
    assert f"Picture: {tmp_path / 'sheet.png'}" in ran.stdout
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[2] == 3


def test_folds_are_one_list_each(films, tmp_path) -> None:
    ran = dataset(films, "-o", tmp_path / "cases.csv", "--folds", "3", "--no-check")
    assert ran.exit_code == 0
    names = ["cases-fold1.csv", "cases-fold2.csv", "cases-fold3.csv"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    folds = [read_manifest(tmp_path / name) for name in names]
    validated = [{case.patient for case in fold if (case.source, case.split) == ("north", "validation")} for fold in folds]
    assert sorted(map(len, validated)) == [3, 3, 4]
    assert len(set.union(*validated)) == 10


def test_a_given_split_is_kept_unless_it_is_to_be_forgotten(tmp_path) -> None:
    touch(
        tmp_path / "set",
        *(f"{split}/{kind}/{split}_{i}.png" for split in ("train", "test") for kind in ("images", "masks") for i in range(5)),
    )
    dataset(tmp_path / "set", "-o", tmp_path / "kept.csv", "--split", "60/20/20", "--no-check")
    kept = {case.case: case.split for case in read_manifest(tmp_path / "kept.csv")}
    assert {split for name, split in kept.items() if name.startswith("test")} == {"test"}
    # Testing is given, so that of the others a quarter (20 of 80) is for validation.
    assert sorted(split for name, split in kept.items() if name.startswith("train")) == ["train"] * 4 + ["validation"]
    dataset(tmp_path / "set", "-o", tmp_path / "none.csv", "--split", "none", "--no-check")
    assert {case.split for case in read_manifest(tmp_path / "none.csv")} == {"", "test"}
    dataset(tmp_path / "set", "-o", tmp_path / "new.csv", "--split", "60/20/20", "--redraw", "--no-check")
    assert sorted(case.split for case in read_manifest(tmp_path / "new.csv")) == ["test"] * 2 + ["train"] * 6 + ["validation"] * 2


def test_a_split_that_parts_a_patient_is_told(tmp_path) -> None:
    touch(
        tmp_path / "set",
        *(f"{split}/{kind}/{name}.png" for split, name in (("train", "p7_a"), ("val", "p7_b")) for kind in ("images", "masks")),
    )
    ran = dataset(tmp_path / "set", "-o", tmp_path / "cases.csv", "--no-check")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines() == [
        "Images of patient p7 of source set are in different splits: train and validation.",
        f"Correct {tmp_path / 'cases.csv'} before training, or draw the split anew with --redraw.",
    ]
    assert (tmp_path / "cases.csv").is_file()
    assert dataset(tmp_path / "set", "-o", tmp_path / "new.csv", "--redraw", "--no-check").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--split", "80/10"),
            "--split 80/10 is no split; give per cent that add up to 100, as 85/15 for training and validation or",
        ),
        (("--split", "half"), "--split half is no split; "),
        (("--split", "0/100"), "--split 0/100 is no split; "),
        (("--split", "120/-20"), "--split 120/-20 is no split; "),
        (("--folds", "30"), "30 folds cannot be made of 10 patients with a mask; "),
        (("--no-check", "--sheet", "x.png"), "--sheet draws what the checks find, and --no-check leaves them out; drop one of the two."),
    ],
)
def test_wrong_use_is_told_before_anything_is_written(films, tmp_path, arguments, words) -> None:
    ran = dataset(films, "-o", tmp_path / "cases.csv", *arguments)
    assert ran.exit_code == 2
    assert words in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_list_is_replaced_only_when_asked(films, tmp_path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("mine")
    ran = dataset(films, "-o", path, "--no-check")
    assert (ran.exit_code, path.read_text()) == (2, "mine")
    assert ran.stderr == f"Error: {path}: there is such a list already; choose another name, or give --overwrite.\n"
    assert dataset(films, "-o", path, "--no-check", "--overwrite").exit_code == 0
    assert len(read_manifest(path)) == 26
    assert dataset(films, "-o", tmp_path / "cases.txt").stderr.endswith("cases.txt: the list of cases is a CSV; name it cases.csv.\n")


def test_a_folder_with_nothing_in_it_is_told(tmp_path) -> None:
    ran = dataset(tmp_path, "-o", tmp_path / "cases.csv")
    assert ran.exit_code == 1
    assert "no image with a mask was found" in ran.stderr
