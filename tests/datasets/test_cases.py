"""Folders in public layouts, and manifests."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lungseg.datasets import Case, read_manifest, recognise, split_by_patient, write_manifest
from lungseg.errors import InputError


def touch(folder: Path, *names: str) -> None:
    """Empty files: recognising looks at names only."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three data sets and something else."""
    kaggle = tmp_path / "masks_and_labels"
    touch(kaggle, "CXR_png/MCUCXR_0001_0.png", "CXR_png/CHNCXR_0002_1.png", "CXR_png/CHNCXR_0003_1.png", "CXR_png/CHNCXR_0004_1.png")
    touch(kaggle, "CXR_png/readme.txt", "test/CHNCXR_0009_0.png", "masks/MCUCXR_0001_0.png")
    touch(kaggle, "masks/CHNCXR_0002_1_mask.png", "masks/CHNCXR_0003_1_mask.png")
    flags = {"heart_shadow_inside_mask": ["CHNCXR_0002_1"], "aerated_or_partial_lung_only": ["CHNCXR_0003_1"]}
    (kaggle / "questionable_masks.json").write_text(json.dumps(flags))
    touch(tmp_path / "diseased_adults", "images/p7_day2.jpg", "images/p7_day1.JPG", "masks/p7_day1.png", "masks/p7_day2.png")
    touch(tmp_path / "mine", "images/x.tif", "images/y.bmp", "masks/x_mask.tif")
    touch(tmp_path / "dicom", "a.dcm")
    return tmp_path


def test_known_layouts_are_recognised(folder) -> None:
    adults, kaggle, mine = folder / "diseased_adults", folder / "masks_and_labels", folder / "mine"
    assert recognise(folder) == [
        Case("p7_day1", "p7", adults / "images/p7_day1.JPG", adults / "masks/p7_day1.png", "diseased_adults", convention="lung and heart"),
        Case("p7_day2", "p7", adults / "images/p7_day2.jpg", adults / "masks/p7_day2.png", "diseased_adults", convention="lung and heart"),
        Case("x", "x", mine / "images/x.tif", mine / "masks/x_mask.tif", "mine", convention="lung"),
        Case("MCUCXR_0001_0", "MCUCXR_0001_0", kaggle / "CXR_png/MCUCXR_0001_0.png", kaggle / "masks/MCUCXR_0001_0.png", "montgomery"),
        *(
            Case(name, name, kaggle / f"CXR_png/{name}.png", kaggle / f"masks/{name}_mask.png", "shenzhen", "", convention, "questionable")
            for name, convention in (("CHNCXR_0002_1", "lung and heart"), ("CHNCXR_0003_1", "partial"))
        ),
    ]


def test_one_data_set_may_be_named_itself(folder) -> None:
    assert [case.case for case in recognise(folder / "mine")] == ["x"]
    assert {case.source for case in recognise(folder / "masks_and_labels")} == {"montgomery", "shenzhen"}


def test_without_a_list_of_questionable_masks_none_is(folder) -> None:
    (folder / "masks_and_labels" / "questionable_masks.json").unlink()
    assert {(case.convention, case.notes) for case in recognise(folder / "masks_and_labels")} == {("lung", "")}


def test_a_mask_of_the_very_name_comes_first(folder) -> None:
    touch(folder / "mine", "masks/x.png")
    assert recognise(folder / "mine")[0].mask == folder / "mine/masks/x.png"


def test_a_folder_without_cases_is_refused(folder, tmp_path) -> None:
    with pytest.raises(InputError) as refused:
        recognise(folder / "dicom")
    assert str(refused.value) == (
        f"{folder / 'dicom'}: no image with a mask was found; expected are folders with CXR_png and masks, or with images and masks, "
        "or a CSV of cases."
    )
    with pytest.raises(InputError) as refused:
        recognise(tmp_path / "nowhere")
    assert str(refused.value) == f"{tmp_path / 'nowhere'}: no such folder; give the folder that holds the data sets, or a CSV of cases."


def test_the_same_set_twice_is_refused(folder) -> None:
    touch(folder / "again", "CXR_png/MCUCXR_0001_0.png", "masks/MCUCXR_0001_0.png")
    with pytest.raises(InputError, match="two data sets have the same name; rename one folder"):
        recognise(folder)


def test_a_manifest_comes_back_as_it_was(folder) -> None:
    cases = [replace(case, split="test", notes='a, "b"') for case in recognise(folder)]
    write_manifest(cases, folder / "mine" / "cases.csv")
    assert read_manifest(folder / "mine" / "cases.csv") == cases
    with (folder / "mine" / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["case", "patient", "image", "mask", "source", "split", "convention", "notes"]
    assert {row["image"] for row in rows} >= {"images/x.tif", "../diseased_adults/images/p7_day2.jpg"}


def test_a_manifest_needs_five_columns_only_and_may_have_more(folder) -> None:
    path = folder / "mine" / "cases.csv"
    path.write_text("mask,image,age,case,patient,source\nmasks/x_mask.tif,images/x.tif,50,x,7,here\n")
    mine = folder / "mine"
    assert read_manifest(path) == [Case("x", "7", mine / "images/x.tif", mine / "masks/x_mask.tif", "here")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cases.csv: the list of cases is empty."),
        ("case,patient,image,mask,source\n", "cases.csv: the list of cases is empty."),
        ("case,image,mask\nx,images/x.tif,masks/x_mask.tif\n", "cases.csv: the list of cases lacks the columns patient, source."),
        (
            "case,patient,image,mask,source,convention\nx,x,images/x.tif,masks/x_mask.tif,s,heart\n",
            "cases.csv: case x has the unknown convention 'heart'; known are lung, lung and heart, partial.",
        ),
        (
            "case,patient,image,mask,source,split\nx,x,images/x.tif,masks/x_mask.tif,s,val\n",
            "cases.csv: case x has the unknown split 'val'; known are train, validation, test.",
        ),
        (
            "case,patient,image,mask,source\nx,,images/x.tif,masks/x_mask.tif,s\n",
            "cases.csv: a case (images/x.tif) has no patient; fill in its patient.",
        ),
        ("case,patient,image,mask,source\nx,x,images/z.tif,masks/x_mask.tif,s\n", "cases.csv: case x names a missing image, "),
        ("case,patient,image,mask,source\nx,x,images/x.tif,,s\n", "cases.csv: case x names a missing mask, "),
        ("case,patient,image,mask,source\nx,x,images/x.tif\n", "cases.csv: a case (images/x.tif) has no source; fill in its source."),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_in_words(folder, text, words) -> None:
    path = folder / "mine" / "cases.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_manifest(path)
    assert words in str(refused.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00case"])
def test_a_manifest_that_cannot_be_read_is_named(tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "cases.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"cases\.csv: the list of cases cannot be read"):
        read_manifest(tmp_path / "cases.csv")


@pytest.mark.data
def test_real_data_sets_are_recognised_and_split_by_patient(data_folder) -> None:
    cases = recognise(data_folder / "cxr")
    assert Counter(case.source for case in cases) == {"montgomery": 106, "shenzhen": 448, "diseased_adults": 257, "paediatric": 250}
    assert Counter((case.source, case.convention) for case in cases if case.notes) == {
        ("shenzhen", "lung and heart"): 38,
        ("shenzhen", "partial"): 7,
    }
    done = split_by_patient(cases, validation=0.15, seed=0)
    of_patient: dict[tuple[str, str], set[str]] = {}
    for case in done:
        of_patient.setdefault((case.source, case.patient), set()).add(case.split)
    assert set(map(len, of_patient.values())) == {1}
    assert len(of_patient) < len(cases)
