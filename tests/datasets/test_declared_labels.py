"""What a data set says its masks' values are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from empty_files import touch
from lungseg.datasets import Case
from lungseg.datasets.declared_labels import (
    declared_of,
    read_declared,
    structure_called,
    with_declared_labels,
    written,
)
from lungseg.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("right lung", "right lung"),
        ("Left_Lung", "left lung"),
        ("lung_upper_lobe_right", "right lung"),
        ("L-lung", "left lung"),
        ("Lung", "lungs"),
        ("lung mask", "lungs"),
        ("lungs", "lungs"),
        ("Heart", "heart"),
        ("trachea", "trachea"),
        ("ground-glass opacity", "opacity"),
        ("background", "background"),
        ("left lung nodule", None),
        ("lung_vessels", None),
        ("left ventricle", None),
        ("liver", None),
        ("right left lung", None),
        ("", None),
    ],
)
def test_names_that_people_give_structures(name, structure) -> None:
    assert structure_called(name) == structure


def test_what_flags_and_columns_say() -> None:
    said = read_declared("127=\"right lung\",255='left lung'")
    assert said == {127: "right lung", 255: "left lung"}
    assert read_declared(written(said)) == said
    assert written(said) == "127=right lung; 255=left lung"
    colours = read_declared("#ff0000=Right_Lung; #00FF00=left lung")
    assert written(colours) == "#00ff00=left lung; #ff0000=right lung"
    assert read_declared(written(colours)) == colours
    assert read_declared("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("127", "'127' does not say which structure a value of the masks is"),
        ("127=nodule", "'127=nodule' does not say"),
        ("red=right lung", "'red=right lung' does not say"),
        ("1=right lung,1=left lung", "the value 1 is said to be right lung and left lung"),
    ],
)
def test_what_cannot_be_understood_is_refused(text, words) -> None:
    with pytest.raises(UsageError, match=words):
        read_declared(text)


def one(folder: Path, **more: object) -> Case:
    touch(folder, "labelsTr/x.png")
    return replace(Case("x", "x", folder / "x.png", folder / "labelsTr/x.png", "s"), **more)


@pytest.mark.parametrize(
    ("labels", "written_so", "decides"),
    [
        (
            {"background": 0, "left_lung": 1, "right_lung": 2},
            "0=background; 1=left lung; 2=right lung",
            ("right lung", "left lung"),
        ),
        (
            {"0": "background", "1": "lung", "2": "heart", "3": "tumour"},
            "0=background; 1=lungs; 2=heart; 3=?",
            ("right lung", "left lung", "heart"),
        ),
        (
            {"background": 0, "lungs": [1, 2], "opacity": 2},
            "0=background; 1=lungs; 2=opacity",
            ("right lung", "left lung", "opacity"),
        ),
        ({"background": 0, "heart": 1}, "0=background; 1=heart", ("heart",)),
    ],
)
def test_what_a_dataset_json_says(tmp_path, labels, written_so, decides) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    (case,) = with_declared_labels([one(tmp_path)])
    assert (case.labels, case.decides) == (written_so, decides)
    assert with_declared_labels([case]) == [case]
    assert written(declared_of(case)) == written_so


def test_a_flag_overrules_a_dataset_json_and_a_column_that(tmp_path) -> None:
    (tmp_path / "dataset.json").write_text('{"labels": {"1": "lung", "2": "tumour"}}')
    (case,) = with_declared_labels([one(tmp_path)], "2=background")
    assert case.labels == "1=lungs; 2=background"
    own = one(tmp_path, labels="7=lungs")
    assert with_declared_labels([own]) == [own]
    kept = one(tmp_path, decides=("right lung", "left lung", "trachea"))
    assert with_declared_labels([kept])[0].decides == kept.decides
    none = replace(own, mask=None)
    assert with_declared_labels([none], "2=background") == [none]


def test_a_dataset_json_that_cannot_be_read_is_refused(tmp_path) -> None:
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="what the data set declares cannot be read"):
        with_declared_labels([one(tmp_path)])


def test_a_column_that_cannot_be_understood_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="the labels of case x cannot be understood: '5=wing' do"):
        declared_of(one(tmp_path, labels="5=wing"))
