"""Any CSV with images and masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from empty_files import touch
from lungseg.datasets import Case, discover, write_manifest
from lungseg.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    touch(tmp_path / "set", "p1_a.png", "p1_a_m.png", "images/p2.png", "masks/p2_m.png", "left.png")
    return tmp_path / "set"


def read(folder: Path, text: str) -> list[Case]:
    (folder / "list.csv").write_text(text)
    (found,) = discover(folder / "list.csv")
    assert found.layout == "a list of cases"
    return list(found.cases)


@pytest.mark.parametrize(
    "header", ["image,mask", "Filename,Mask Path", "img_path,segmentation", "file,label"]
)
def test_what_is_missing_is_filled_in(folder, header) -> None:
    assert read(folder, f"{header}\np1_a.png,p1_a_m.png\n") == [
        Case("p1_a", "p1", folder / "p1_a.png", folder / "p1_a_m.png", "set")
    ]


def test_columns_are_told_by_their_names(folder) -> None:
    header = "id,Image,Right-Mask,left_mask,Subject,dataset,subset,remarks,lung_extent,age"
    line = "7,p1_a.png,p1_a_m.png,left.png,Ann,there,VAL,odd,aerated,50"
    image, mask, left = (folder / name for name in ("p1_a.png", "p1_a_m.png", "left.png"))
    assert read(folder, f"{header}\n{line}\n") == [
        Case("7", "Ann", image, mask, "there", "validation", "aerated", "odd", left)
    ]


def test_a_number_of_its_own_makes_no_image_a_patient(folder) -> None:
    (case,) = read(folder, "id,image,mask\n0,p1_a.png,p1_a_m.png\n")
    assert (case.case, case.patient) == ("0", "p1")


def test_a_column_says_what_the_masks_decide(folder) -> None:
    (case,) = read(folder, "image,mask,structures\np1_a.png,p1_a_m.png,lungs; heart\n")
    assert case.decides == ("right lung", "left lung", "heart")
    (case,) = read(folder, "image,mask,decides\np1_a.png,p1_a_m.png,\n")
    assert case.decides == ("right lung", "left lung")
    with pytest.raises(InputError, match="decides what cannot be decided: 'rib' is no structure"):
        read(folder, "image,mask,decides\np1_a.png,p1_a_m.png,rib\n")


def test_images_and_masks_may_lie_in_folders_of_that_name(folder) -> None:
    cases = read(folder, "image,mask\np2.png,p2_m.png\np1_a.png,\n")
    assert [(case.image, case.mask) for case in cases] == [
        (folder / "images/p2.png", folder / "masks/p2_m.png"),
        (folder / "p1_a.png", None),
    ]


def test_a_manifest_is_read_as_one(folder) -> None:
    case = Case("a", "b", folder / "p1_a.png", folder / "p1_a_m.png", "c", "test")
    write_manifest([case], folder / "cases.csv")
    assert discover(folder / "cases.csv")[0].cases == (case,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "image,age\np1_a.png,3\n",
            "list.csv: the list of cases lacks a column of masks; name it mask; there are image, "
            "age.",
        ),
        (
            "mask,age\np1_a_m.png,3\n",
            "list.csv: the list of cases lacks a column of images; name it image; there are "
            "mask, age.",
        ),
        (
            "image,age\np1_a.png,3,4,5\n",
            "list.csv: the list of cases lacks a column of masks; name it mask; there are image, "
            "age.",
        ),
        ("image,label\np1_a.png,pneumonia\n", "the list of cases lacks a column of masks"),
        ("image,mask\np1_a.png,no.png\n", "the list of cases names a missing mask, "),
        ("image,mask\nno.png,p1_a_m.png\n", "the list of cases names a missing image, "),
        (f"image,mask\n{'a' * 300},p1_a_m.png\n", "the list of cases names a missing image, "),
        ("image,mask\na\0b,p1_a_m.png\n", "the list of cases names a missing image, "),
        ("image,mask,id\n,p1_a_m.png,7\n", "list.csv: a case (7) has no image; fill in its image."),
        (
            "image,mask,split\np1_a.png,p1_a_m.png,fold\n",
            "case p1_a has the unknown split 'fold'; known are training, val, valid, testing, "
            "train, validation, test.",
        ),
        (
            "image,mask,lung_extent\np1_a.png,p1_a_m.png,all\n",
            "case p1_a has the unknown lung_extent 'all'; known are field, through-heart, aerated.",
        ),
        (
            "image,mask\np1_a.png,p1_a_m.png\np1_a.png,p1_a_m.png\n",
            "case p1_a of source set is there twice",
        ),
        ("", "list.csv: the list of cases is empty."),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_in_words(folder, text, words) -> None:
    with pytest.raises(InputError) as refused:
        read(folder, text)
    assert words in str(refused.value)
