"""The command that gathers data, on folders written here."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from command_line import lungseg
from empty_files import touch
from lungseg.datasets import read_manifest
from lungseg.geometry import VolumeGeometry
from lungseg.phantom.ct import ct_phantom
from lungseg.volume import Volume
from lungseg.writers import volume_nifti
from phantom_radiographs import write_radiographs


def dataset(*arguments: str | Path) -> Any:
    return lungseg("dataset", *arguments)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty films of ten patients in `north`, six of three in `south`, one of them without a mask,
    and a folder of letters."""
    folder = tmp_path_factory.mktemp("films")
    write_radiographs(folder / "north", count=20)
    write_radiographs(folder / "south", count=6)
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
    assert path.read_text().startswith(
        "# lungseg dataset: split 70/10/20 by patient and source, seed "
        "3\ncase,patient,image,mask,source,"
    )
    assert len(read_manifest(path)) == 26
    assert [file.name for file in path.parent.iterdir()] == ["cases.csv"]


def test_a_folder_given_twice_is_gathered_once_and_no_finding_is_no_picture(
    films, tmp_path
) -> None:
    path = tmp_path / "cases.csv"
    ran = dataset(
        films / "north", f"{films}/south/../north", "-o", path, "--sheet", tmp_path / "sheet.png"
    )
    assert ran.exit_code == 0, ran.output
    assert len(read_manifest(path)) == 20
    assert "Not recognised" not in ran.stdout
    assert (
        ran.stdout.splitlines()[-1]
        == f"No picture {tmp_path / 'sheet.png'}: there is nothing to look at."
    )
    assert not (tmp_path / "sheet.png").exists()


def test_what_should_be_looked_at_is_said_listed_and_drawn(films, tmp_path) -> None:
    copies = tmp_path / "again"
    touch(copies, "images/odd.png", "masks/odd.png")
    for kind in ("images", "masks"):
        for i in range(4):
            (copies / kind / f"c{i}.png").write_bytes(
                (films / "north" / kind / f"p{i}_a.png").read_bytes()
            )
    cv2.imwrite(str(copies / "masks" / "c0.png"), np.zeros((64, 64), np.uint8))
    path = tmp_path / "cases.csv"
    ran = dataset(
        films / "north", copies, "-o", path, "--split", "50/50", "--sheet", tmp_path / "sheet.png"
    )
    assert ran.exit_code == 0
    assert "Looking at 25 cases ..." in ran.stderr
    with (tmp_path / "cases.problems.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["source"], row["case"]) for row in rows} >= {("again", "odd"), ("again", "c0")}
    assert any(row["problem"].startswith("leak, same file: ") for row in rows)
    assert f"leaks: {tmp_path / 'cases.problems.csv'}" in ran.stdout
    assert "leak, same file: " in ran.stdout
    assert f"Picture: {tmp_path / 'sheet.png'}" in ran.stdout
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[2] == 3


def test_folds_are_one_list_each(films, tmp_path) -> None:
    ran = dataset(films, "-o", tmp_path / "cases.csv", "--folds", "3", "--no-check")
    assert ran.exit_code == 0
    names = ["cases-fold1.csv", "cases-fold2.csv", "cases-fold3.csv"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    folds = [read_manifest(tmp_path / name) for name in names]
    validated = [
        {case.patient for case in fold if (case.source, case.split) == ("north", "validation")}
        for fold in folds
    ]
    assert sorted(map(len, validated)) == [3, 3, 4]
    assert len(set.union(*validated)) == 10


def test_a_given_split_is_kept_unless_it_is_to_be_forgotten(tmp_path) -> None:
    touch(
        tmp_path / "set",
        *(
            f"{split}/{kind}/{split}_{i}.png"
            for split in ("train", "test")
            for kind in ("images", "masks")
            for i in range(5)
        ),
    )
    dataset(tmp_path / "set", "-o", tmp_path / "kept.csv", "--split", "60/20/20", "--no-check")
    kept = {case.case: case.split for case in read_manifest(tmp_path / "kept.csv")}
    assert {split for name, split in kept.items() if name.startswith("test")} == {"test"}
    # Testing is given, so that of the others a quarter (20 of 80) is for validation.
    assert sorted(split for name, split in kept.items() if name.startswith("train")) == [
        "train"
    ] * 4 + ["validation"]
    dataset(tmp_path / "set", "-o", tmp_path / "none.csv", "--split", "none", "--no-check")
    assert {case.split for case in read_manifest(tmp_path / "none.csv")} == {"", "test"}
    dataset(
        tmp_path / "set",
        "-o",
        tmp_path / "new.csv",
        "--split",
        "60/20/20",
        "--resplit",
        "--no-check",
    )
    assert (
        sorted(case.split for case in read_manifest(tmp_path / "new.csv"))
        == ["test"] * 2 + ["train"] * 6 + ["validation"] * 2
    )


def test_near_copies_are_kept_on_one_side(tmp_path) -> None:
    touch(
        tmp_path / "given",
        *(
            f"{split}/{kind}/a{i}.png"
            for i, split in enumerate(("train", "val", "test"))
            for kind in ("images", "masks")
        ),
    )
    touch(
        tmp_path / "free", *(f"{kind}/b{i}.png" for kind in ("images", "masks") for i in range(3))
    )
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("set_a,file_a,file_b\n" + "".join(f"x,a{i}.jpg,b{i}.png\n" for i in (1, 2)))
    output = tmp_path / "cases.csv"
    ran = dataset(tmp_path, "-o", output, "--no-check", "--near-copies", pairs, "--seed", 1)
    assert ran.exit_code == 0, ran.stderr
    splits = {case.case: case.split for case in read_manifest(output)}
    assert [splits[f"a{i}"] for i in range(3)] == ["train", "validation", "test"]
    assert [splits[f"b{i}"] for i in (1, 2)] == ["validation", "test"]
    assert "2 of 2 pairs of near copies are both among the cases.\n" in ran.stdout
    pairs.write_text("a,b\nx,y\n")
    ran = dataset(tmp_path, "-o", tmp_path / "new.csv", "--no-check", "--near-copies", pairs)
    assert "pairs.csv: the list of pairs lacks the columns file_a and file_b" in ran.stderr


def test_a_list_that_parts_a_patient_can_be_split_anew(films, tmp_path) -> None:
    first = tmp_path / "cases.csv"
    dataset(films, "-o", first, "--no-check")
    cases = read_manifest(first)
    image = next(case.image for case in cases if case.split == "validation")
    with first.open("a") as stream:
        patient = next(case.patient for case in cases if case.image == image)
        stream.write(f"again,{patient},{image},{image},{cases[0].source},train,,,,,\n")
    ran = dataset(first, "-o", tmp_path / "new.csv", "--no-check")
    assert "are in different splits" in ran.stderr
    ran = dataset(first, "-o", tmp_path / "new.csv", "--no-check", "--resplit")
    assert ran.exit_code == 0, ran.stderr
    assert len(read_manifest(tmp_path / "new.csv")) == len(cases) + 1


def test_a_split_that_parts_a_patient_is_told(tmp_path) -> None:
    touch(
        tmp_path / "set",
        *(
            f"{split}/{kind}/{name}.png"
            for split, name in (("train", "p7_a"), ("val", "p7_b"))
            for kind in ("images", "masks")
        ),
    )
    ran = dataset(tmp_path / "set", "-o", tmp_path / "cases.csv", "--no-check")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines() == [
        "Images of patient p7 of source set are in different splits: train and validation.",
        f"Correct {tmp_path / 'cases.csv'} before training, or draw the split anew with --resplit.",
    ]
    assert (tmp_path / "cases.csv").is_file()
    assert (
        dataset(tmp_path / "set", "-o", tmp_path / "new.csv", "--resplit", "--no-check").exit_code
        == 0
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--split", "80/10"),
            "--split 80/10 is no split; give per cent that add up to 100, as 85/15 for training "
            "and validation or",
        ),
        (("--split", "half"), "--split half is no split; "),
        (("--split", "0/100"), "--split 0/100 is no split; "),
        (("--split", "120/-20"), "--split 120/-20 is no split; "),
        (
            ("--folds", "3", "--split", "80/0/20"),
            "--folds deals out all patients but those that are given for testing; leave --split",
        ),
        (("--folds", "30"), "30 folds cannot be made of 10 patients with a mask; "),
        (
            ("--no-check", "--drop-unusable"),
            "--drop-unusable leaves out what the checks find, and --no-check leaves them out; "
            "drop one",
        ),
        (
            ("--every", "2"),
            "--every chooses among the slices that --slices writes; give --slices FOLDER, too.",
        ),
        (
            ("--no-check", "--sheet", "x.png"),
            "--sheet draws what the checks find, and --no-check leaves them out; drop one of the "
            "two.",
        ),
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
    assert ran.stderr == (
        f"Error: {path}: there is such a list already; choose another name, or give --overwrite.\n"
    )
    assert dataset(films, "-o", path, "--no-check", "--overwrite").exit_code == 0
    assert len(read_manifest(path)) == 26
    assert dataset(films, "-o", tmp_path / "cases.txt").stderr.endswith(
        "cases.txt: the list of cases is a CSV; name it cases.csv.\n"
    )


def test_a_folder_with_nothing_in_it_is_told(tmp_path) -> None:
    ran = dataset(tmp_path, "-o", tmp_path / "cases.csv")
    assert ran.exit_code == 1
    assert "no image with a mask was found" in ran.stderr


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four volumes side by side with their labels; those of p3 lack a slice."""
    folder = tmp_path_factory.mktemp("scans") / "east"
    folder.mkdir()
    phantom = ct_phantom((12, 64, 64), seed=3)
    for i in range(4):
        (folder / f"p{i}_ct.nii.gz").write_bytes(volume_nifti(phantom.volume))
        end = 11 if i == 3 else 12
        labels = Volume(
            phantom.ground_truth.labels[:end],
            VolumeGeometry((end, 64, 64), phantom.volume.geometry.affine),
            hounsfield=False,
        )
        (folder / f"p{i}_lung.nii.gz").write_bytes(volume_nifti(labels))
    return folder


def test_volumes_become_slices_that_training_reads(scans, tmp_path) -> None:
    path, folder = tmp_path / "cases.csv", tmp_path / "slices"
    ran = dataset(
        scans,
        "-o",
        path,
        "--slices",
        folder,
        "--every",
        "2",
        "--split",
        "67/33",
        "--sheet",
        tmp_path / "sheet.png",
    )
    assert ran.exit_code == 0
    problem = (
        "left out: the labels have 11 x 64 x 64 voxels in axial order, their image has 12 x 64 x 64"
    )
    assert ran.stderr.splitlines() == [
        f"Writing slices to {folder} ...",
        f"{scans / 'p3_lung.nii.gz'}: {problem}.",
        "Looking at 18 cases ...",
    ]
    cases = read_manifest(path)
    splits = {
        case.patient: {other.split for other in cases if other.patient == case.patient}
        for case in cases
    }
    assert sorted(map(sorted, splits.values())) == [["train"], ["train"], ["validation"]]
    assert {case.image.parent for case in cases} == {folder / "east" / "images"}
    with (tmp_path / "cases.problems.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if not row["problem"].startswith("leak")]
    assert rows == [
        {"source": "east", "case": "p3", "problem": problem}
    ]  # slices with one lung or none are no problems
    assert not (tmp_path / "sheet.png").exists()
    again = dataset(scans, "-o", tmp_path / "other.csv", "--slices", folder)
    assert again.stderr == (
        f"Error: {folder}: the folder for slices is not empty; choose another name, or "
        "give --overwrite.\n"
    )
    assert (
        dataset(scans, "-o", path, "--slices", folder, "--overwrite", "--no-check").exit_code == 0
    )


def test_volumes_are_listed_checked_and_split_by_patient(scans, tmp_path) -> None:
    path = tmp_path / "volumes.csv"
    ran = dataset(scans, "-o", path, "--split", "50/25/25", "--sheet", tmp_path / "sheet.png")
    assert ran.exit_code == 0
    assert ran.stdout.startswith(
        f"{scans}: volumes and label volumes, side by side\n  east: 4 images, 4 with a mask, 4 "
        "patients\n"
    )
    cases = read_manifest(path)
    assert sorted(case.split for case in cases) == ["test", "train", "train", "validation"]
    assert cases[1].image == scans / "p1_ct.nii.gz"
    assert cases[1].mask == scans / "p1_lung.nii.gz"
    with (tmp_path / "volumes.problems.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if not row["problem"].startswith("leak")]
    problem = (
        "masks do not fit: the labels have 11 x 64 x 64 voxels in axial order, their image "
        "has 12 x 64 x 64"
    )
    assert rows == [{"source": "east", "case": "p3", "problem": problem}]
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 320 + 2 * 4
    ran = dataset(scans, "-o", path, "--overwrite", "--drop-unusable")
    assert [case.case for case in read_manifest(path)] == ["p0", "p1", "p2"]


def test_where_nothing_can_be_cut_it_is_said(scans, tmp_path) -> None:
    for name in ("p3_ct.nii.gz", "p3_lung.nii.gz"):
        (tmp_path / "west").mkdir(exist_ok=True)
        (tmp_path / "west" / name).write_bytes((scans / name).read_bytes())
    ran = dataset(tmp_path / "west", "-o", tmp_path / "cases.csv", "--slices", tmp_path / "slices")
    assert ran.exit_code == 1
    assert "not one case could be cut into slices; correct what is said above." in ran.stderr
    assert not (tmp_path / "cases.csv").exists()


def test_what_is_unusable_can_be_left_out(films, tmp_path) -> None:
    copies = tmp_path / "again"
    for kind in ("images", "masks"):
        (copies / kind).mkdir(parents=True)
        for i in range(4):
            (copies / kind / f"c{i}.png").write_bytes(
                (films / "north" / kind / f"p{i}_a.png").read_bytes()
            )
    ground_truth = cv2.imread(str(copies / "masks" / "c0.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(copies / "masks" / "c0.png"), np.zeros_like(ground_truth))
    cv2.imwrite(
        str(copies / "masks" / "c1.png"),
        np.where(ground_truth > 0, 200 + np.arange(ground_truth.shape[1]) % 9, 0),
    )
    path = tmp_path / "cases.csv"
    ran = dataset(copies, "-o", path, "--drop-unusable", "--sheet", tmp_path / "sheet.png")
    assert "Left out for what was found: 1 cases" in ran.stdout
    assert [case.case for case in read_manifest(path)] == ["c1", "c2", "c3"]
    with (tmp_path / "cases.problems.csv").open(newline="") as stream:
        kinds = {row["case"]: row["problem"].partition(":")[0] for row in csv.DictReader(stream)}
    assert kinds == {"c0": "mask empty, or nearly", "c1": "mask not binary"}
    assert (tmp_path / "sheet.png").is_file()
