"""Lists of cases as CSV files that people read and edit."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from empty_files import touch
from lungseg.datasets import Case, read_manifest, write_manifest
from lungseg.errors import InputError, OutputError

HEADER = "case,patient,image,mask,source"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    touch(tmp_path / "mine", "images/x.tif", "images/y.tif", "masks/x_mask.tif", "masks/left.tif")
    return tmp_path / "mine"


@pytest.fixture
def case(mine: Path) -> Case:
    return Case("x", "7", mine / "images/x.tif", mine / "masks/x_mask.tif", "here")


def test_a_manifest_in_a_folder_that_a_link_leads_to_names_the_same_files(mine, case) -> None:
    (mine.parent / "deep" / "er").mkdir(parents=True)
    (mine.parent / "link").symlink_to(mine.parent / "deep" / "er")
    path = mine.parent / "link" / "cases.csv"
    write_manifest([case], path)
    (found,) = read_manifest(path)
    assert found.image.samefile(case.image)
    assert found.mask.samefile(case.mask)


def test_a_manifest_comes_back_as_it_was(mine, case) -> None:
    cases = [
        replace(
            case,
            split="test",
            notes='a, "b"',
            lung_extent="aerated",
            mask_left=mine / "masks/left.tif",
        ),
        replace(
            case,
            case="y",
            image=mine / "images/y.tif",
            mask=None,
            decides=("right lung", "left lung", "heart"),
        ),
    ]
    path = mine.parent / "cases.csv"
    write_manifest(cases, path, comment="drawn, with seed 3")
    assert read_manifest(path) == cases
    with path.open(newline="") as stream:
        assert stream.readline() == "# drawn, with seed 3\n"
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        "case",
        "patient",
        "image",
        "mask",
        "source",
        "split",
        "lung_extent",
        "notes",
        "mask_left",
        "decides",
        "labels",
    ]
    assert [row["decides"] for row in rows] == ["lungs", "lungs; heart"]
    assert [row["mask"] for row in rows] == ["mine/masks/x_mask.tif", ""]
    write_manifest(cases[:1], path)
    assert path.read_text().startswith("case,patient")
    assert read_manifest(path) == cases[:1]


@pytest.mark.parametrize(
    "mark", ["\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_only_the_end_of_a_line_ends_a_line(mine, case, mark) -> None:
    cases = [replace(case, notes=f"one{mark}two")]
    write_manifest(cases, mine / "cases.csv", comment="by\u2028seed")
    assert read_manifest(mine / "cases.csv") == cases


def test_a_manifest_is_written_as_a_whole(mine, case) -> None:
    with pytest.raises(OutputError, match=r"cases\.csv: cannot be written"):
        write_manifest([case], mine / "nowhere" / "cases.csv")


@pytest.mark.parametrize(
    "text",
    [
        "mask,image,age,case,patient,source\nmasks/x_mask.tif,images/x.tif,50,x,7,here\n",
        "\ufeffcase;patient;image;mask;source\nx;7;images/x.tif;masks/x_mask.tif;here\n",
        (
            '"# a comment, as a spreadsheet saves '
            'it",,,,\ncase,patient,image,mask,source\nx,7,images/x.tif,masks/x_mask.tif,here\n'
        ),
    ],
    ids=["other columns", "semicolons", "comment"],
)
def test_a_manifest_may_have_gone_through_other_hands(mine, case, text) -> None:
    (mine / "cases.csv").write_text(text, encoding="utf-8")
    assert read_manifest(mine / "cases.csv") == [case]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cases.csv: the list of cases is empty."),
        (f"{HEADER}\n", "cases.csv: the list of cases is empty."),
        ("# nothing but a comment\n", "cases.csv: the list of cases is empty."),
        (
            "case,image,mask\nx,images/x.tif,masks/x_mask.tif\n",
            "cases.csv: the list of cases lacks the columns patient, source; fill them in, or "
            "let `lungseg dataset` do it.",
        ),
        (
            f"{HEADER},lung_extent\nx,x,images/x.tif,masks/x_mask.tif,s,heart\n",
            "cases.csv: case x has the unknown lung_extent 'heart'; known are field, through-"
            "heart, aerated.",
        ),
        (
            f"{HEADER},decides\nx,x,images/x.tif,masks/x_mask.tif,s,lungs; liver\n",
            "cases.csv: case x decides what cannot be decided: 'liver' is no structure; there are "
            "right lung, left lung, heart, trachea, opacity, lungs.",
        ),
        (
            f"{HEADER},split\nx,x,images/x.tif,masks/x_mask.tif,s,val\n",
            "cases.csv: case x has the unknown split 'val'; known are train, validation, test.",
        ),
        (
            f"{HEADER}\nx,,images/x.tif,masks/x_mask.tif,s\n",
            "cases.csv: a case (x) has no patient; fill in its patient.",
        ),
        (
            f"{HEADER}\nx,x,images/z.tif,masks/x_mask.tif,s\n",
            "cases.csv: case x names a missing image, ",
        ),
        (f"{HEADER}\nx,x,images/x.tif,masks/z.tif,s\n", "cases.csv: case x names a missing mask, "),
        (f"{HEADER}\nx,x,{'a' * 300},,s\n", "cases.csv: case x names a missing image, "),
        (f"{HEADER}\nx,x,a\0b,,s\n", "cases.csv: case x names a missing image, "),
        (
            f"{HEADER},mask_left\nx,x,images/x.tif,masks/x_mask.tif,s,z.tif\n",
            "cases.csv: case x names a missing mask_left, ",
        ),
        (
            f"{HEADER},mask_left\nx,x,images/x.tif,,s,masks/left.tif\n",
            "cases.csv: case x has a mask of the left lung only; give the right lung's as mask, "
            "or none.",
        ),
        (
            f"{HEADER}\nx,x,images/x.tif\n",
            "cases.csv: a case (x) has no source; fill in its source.",
        ),
        (
            f"{HEADER}\nx,x,images/x.tif,,s\nx,y,images/y.tif,,s\n",
            "cases.csv: case x of source s is there twice; leave one out, or give it another "
            "name or source.",
        ),
        (
            f"{HEADER},split\nx,7,images/x.tif,,s,test\ny,7,images/y.tif,,s,train\n",
            "images of patient 7 of source s are in different splits: train and test; give all "
            "images of a patient the same split.",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_in_words(mine, text, words) -> None:
    path = mine / "cases.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_manifest(path)
    assert words in str(refused.value)


def test_patients_of_one_name_in_two_sources_are_two_patients(mine) -> None:
    path = mine / "cases.csv"
    path.write_text(f"{HEADER},split\nx,7,images/x.tif,,s,test\ny,7,images/y.tif,,t,train\n")
    assert [case.split for case in read_manifest(path)] == ["test", "train"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00case", b'case,patient\n"' + bytes(200_000)])
def test_a_manifest_that_cannot_be_read_is_named(tmp_path, content) -> None:
    (tmp_path / "cases.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"cases\.csv: the list of cases cannot be read"):
        read_manifest(tmp_path / "cases.csv")


def test_of_a_manifest_that_is_not_there_it_is_said_how_one_is_made(tmp_path) -> None:
    with pytest.raises(InputError) as refused:
        read_manifest(tmp_path / "cases.csv")
    assert str(refused.value) == (
        f"{tmp_path / 'cases.csv'}: there is no such list of cases; check the name, or make the "
        "list with `lungseg dataset FOLDER -o CASES.csv`."
    )


def test_masks_of_further_structures_have_columns_of_their_own(mine, case) -> None:
    touch(mine, "masks/heart.tif")
    with_heart = replace(case, other_masks=(("heart", mine / "masks/heart.tif"),))
    healthy = replace(case, case="y", image=mine / "images/y.tif", other_masks=(("opacity", None),))
    path = mine.parent / "cases.csv"
    write_manifest([case, with_heart, healthy][1:], path)
    assert read_manifest(path) == [with_heart, healthy]
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["mask_heart"], row["mask_opacity"]) for row in rows] == [
        ("mine/masks/heart.tif", ""),
        ("", "none"),
    ]
    assert with_heart.decided == ("right lung", "left lung", "heart")
    assert with_heart.mask_files == (mine / "masks/x_mask.tif", mine / "masks/heart.tif")


def test_a_structure_is_decided_by_one_mask_of_a_case_alone(mine) -> None:
    path = mine / "cases.csv"
    path.write_text(
        f"{HEADER},decides,mask_heart\n"
        "x,x,images/x.tif,masks/x_mask.tif,s,lungs; heart,masks/left.tif\n"
    )
    with pytest.raises(InputError, match=r"case x has a mask of its own for heart, which its"):
        read_manifest(path)
    path.write_text(f"{HEADER},mask_heart\nx,x,images/x.tif,masks/x_mask.tif,s,masks/z.tif\n")
    with pytest.raises(InputError, match="case x names a missing mask_heart, "):
        read_manifest(path)
