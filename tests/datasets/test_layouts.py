"""Folders in public layouts, told by names alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from empty_files import touch
from layout_folders import draw, one, rows
from lungseg.datasets import Case, discover, discover_cases
from lungseg.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three data sets and something else."""
    kaggle = tmp_path / "masks_and_labels"
    touch(
        kaggle,
        "CXR_png/MCUCXR_0001_0.png",
        "CXR_png/CHNCXR_0002_1.png",
        "CXR_png/CHNCXR_0003_1.png",
        "CXR_png/CHNCXR_0004_1.png",
    )
    touch(kaggle, "CXR_png/readme.txt", "test/CHNCXR_0009_0.png", "masks/MCUCXR_0001_0.png")
    touch(kaggle, "masks/CHNCXR_0002_1_mask.png", "masks/CHNCXR_0003_1_mask.png")
    flags = {
        "heart_shadow_inside_mask": ["CHNCXR_0002_1"],
        "aerated_or_partial_lung_only": ["CHNCXR_0003_1"],
    }
    (kaggle / "questionable_masks.json").write_text(json.dumps(flags))
    touch(
        tmp_path / "diseased_adults",
        "images/p7_day2.jpg",
        "images/p7_day1.JPG",
        "masks/p7_day1.png",
        "masks/p7_day2.png",
    )
    touch(tmp_path / "mine", "images/x.tif", "images/y.bmp", "masks/x_mask.tif")
    touch(tmp_path / "dicom", "a.dcm")
    return tmp_path


def test_cases_with_a_mask_are_recognised_wherever_they_are(folder) -> None:
    adults, kaggle, mine = folder / "diseased_adults", folder / "masks_and_labels", folder / "mine"
    assert discover_cases(folder) == [
        Case(
            "p7_day1",
            "p7",
            adults / "images/p7_day1.JPG",
            adults / "masks/p7_day1.png",
            "diseased_adults",
            lung_extent="through-heart",
        ),
        Case(
            "p7_day2",
            "p7",
            adults / "images/p7_day2.jpg",
            adults / "masks/p7_day2.png",
            "diseased_adults",
            lung_extent="through-heart",
        ),
        Case(
            "x", "x", mine / "images/x.tif", mine / "masks/x_mask.tif", "mine", lung_extent="field"
        ),
        Case(
            "MCUCXR_0001_0",
            "MCUCXR_0001_0",
            kaggle / "CXR_png/MCUCXR_0001_0.png",
            kaggle / "masks/MCUCXR_0001_0.png",
            "montgomery",
        ),
        *(
            Case(
                name,
                name,
                kaggle / f"CXR_png/{name}.png",
                kaggle / f"masks/{name}_mask.png",
                "shenzhen",
                "",
                lung_extent,
                "questionable",
            )
            for name, lung_extent in (
                ("CHNCXR_0002_1", "through-heart"),
                ("CHNCXR_0003_1", "aerated"),
            )
        ),
    ]


def test_discover_names_the_layouts_and_keeps_what_has_no_mask(folder) -> None:
    found = {data_set.place.name: data_set for data_set in discover(folder)}
    assert {name: data_set.layout for name, data_set in found.items()} == {
        "diseased_adults": "images and masks with the heart inside, in two folders",
        "masks_and_labels": "Chest Xray Masks and Labels",
        "mine": "images and masks, in two folders",
    }
    assert [
        (case.case, case.mask, case.split)
        for case in found["masks_and_labels"].cases
        if case.mask is None
    ] == [
        ("CHNCXR_0004_1", None, ""),
        ("CHNCXR_0009_0", None, "test"),
    ]
    assert [case.case for case in found["mine"].cases if case.mask is None] == ["y"]


def test_one_data_set_may_be_named_itself(folder) -> None:
    assert [case.case for case in discover_cases(folder / "mine")] == ["x"]
    assert {case.source for case in discover_cases(folder / "masks_and_labels")} == {
        "montgomery",
        "shenzhen",
    }


def test_without_a_list_of_questionable_masks_none_is(folder) -> None:
    (folder / "masks_and_labels" / "questionable_masks.json").unlink()
    assert {
        (case.lung_extent, case.notes) for case in discover_cases(folder / "masks_and_labels")
    } == {("field", "")}


def test_a_list_of_questionable_masks_that_is_broken_is_named(folder) -> None:
    (folder / "masks_and_labels" / "questionable_masks.json").write_text("{")
    with pytest.raises(
        InputError,
        match=r"masks\.json: the lists of masks in question are no JSON .*; correct or remove it",
    ):
        discover(folder)


@pytest.mark.parametrize(
    "content",
    ["[]", "7", '{"heart_shadow_inside_mask": "a"}', '{"aerated_or_partial_lung_only": null}'],
)
def test_what_holds_no_lists_of_questionable_masks_is_named(folder, content) -> None:
    path = folder / "masks_and_labels" / "questionable_masks.json"
    path.write_text(content)
    with pytest.raises(InputError) as refused:
        discover(folder)
    assert str(refused.value) == (
        f"{path}: this should hold lists of masks in question by why they are; correct "
        "or remove it."
    )


def test_a_mask_of_the_very_name_comes_first(folder) -> None:
    touch(folder / "mine", "masks/x.png")
    assert discover_cases(folder / "mine")[0].mask == folder / "mine/masks/x.png"


def test_a_folder_without_cases_is_refused(folder, tmp_path) -> None:
    with pytest.raises(InputError) as refused:
        discover_cases(folder / "dicom")
    assert str(refused.value) == (
        f"{folder / 'dicom'}: no image with a mask was found; expected are folders with CXR_png "
        "and masks, or with images and masks, "
        "or a CSV of cases."
    )
    with pytest.raises(InputError) as refused:
        discover_cases(tmp_path / "nowhere")
    assert str(refused.value) == (
        f"{tmp_path / 'nowhere'}: no such folder or list; give the folder that holds the "
        "data sets, or a CSV of cases."
    )
    touch(tmp_path / "r", "stage_2_train_images/a.dcm")
    with pytest.raises(
        InputError, match="there are images, but none with a mask; give a folder with masks, too"
    ):
        discover_cases(tmp_path / "r")


def test_the_same_set_twice_is_refused(folder) -> None:
    touch(folder / "again", "CXR_png/MCUCXR_0001_0.png", "masks/MCUCXR_0001_0.png")
    words = (
        "two data sets have the same name: case MCUCXR_0001_0 of source montgomery is also "
        ".*; rename one folder, or leave one out"
    )
    with pytest.raises(InputError, match=words):
        discover_cases(folder)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("image/a_1.png", "mask/a_1.png"),
        ("imgs/a_1.png", "lungs/a_1_lung.bmp"),
        ("Images/a_1.dcm", "Labels/a_1.png"),
        ("images/a_1", "masks/a_1.png"),
        ("CXR_png/a_1.png", "labels/a_1_label.png"),
        ("ct/a_1.png", "lungs/a_1.png"),
        ("images/a_1.png", "masks/mask_a_1.png"),
        ("images/img_a_1.png", "masks/mask_a_1.png"),
        ("imagesTr/a_1_0000.nii.gz", "labelsTr/a_1.nii.gz"),
        ("images/a_1.nrrd", "masks/a_1.nrrd"),
        ("images/a_1.png", "masks/a_1-Segmentation.png"),
    ],
)
def test_pairs_in_two_folders(tmp_path, image, mask) -> None:
    touch(tmp_path, image, mask)
    if "." not in image:
        (tmp_path / image).write_bytes(
            bytes(128) + b"DICM"
        )  # without an ending, the first bytes tell
    (case,) = one(tmp_path)[1]
    assert (case.image, case.mask, case.source) == (
        tmp_path / image,
        tmp_path / mask,
        tmp_path.name,
    )


def test_volumes_in_two_folders_are_named_without_both_endings(tmp_path) -> None:
    touch(tmp_path, "images/p3_scan.nii.gz", "masks/p3_scan.nii.gz")
    layout, cases = one(tmp_path)
    assert (layout, rows(cases)) == (
        "volumes and label volumes, in two folders",
        [("p3_scan", "p3", tmp_path.name, "")],
    )


def test_masks_of_each_lung_in_one_folder(tmp_path) -> None:
    touch(tmp_path, "images/a.png", "images/bright.png", "masks/bright.png")
    draw(tmp_path / "masks" / "a_left.png", 30)
    draw(tmp_path / "masks" / "a_right_lung.png", 8)
    assert [(case.case, case.mask, case.mask_left) for case in one(tmp_path)[1]] == [
        ("a", tmp_path / "masks/a_right_lung.png", tmp_path / "masks/a_left.png"),
        ("bright", tmp_path / "masks/bright.png", None),
    ]


@pytest.mark.parametrize(
    ("files", "layout", "cases"),
    [
        (
            ("case0_ct.nii.gz", "case0_lung.nii.gz"),
            "volumes and label volumes, side by side",
            {"case0": "case0_lung.nii.gz"},
        ),
        (
            (
                "ct-64.nrrd",
                "lm-64.nrrd",
                "crop_ct.nrrd",
                "crop_ct_dcnnLungSegmentationLabelmap.nrrd",
            ),
            "volumes and label volumes, side by side",
            {"crop": "crop_ct_dcnnLungSegmentationLabelmap.nrrd", "ct-64": "lm-64.nrrd"},
        ),
        (
            ("x.png", "x_mask.png", "x_overlay.png", "y.png"),
            "images and masks, side by side",
            {"x": "x_mask.png"},
        ),
    ],
)
def test_pairs_side_by_side(tmp_path, files, layout, cases) -> None:
    touch(tmp_path, *files)
    found, listed = one(tmp_path)
    assert found == layout
    assert {case.case: case.mask.name for case in listed if case.mask} == cases


def test_folders_for_training_validation_and_testing(tmp_path) -> None:
    touch(
        tmp_path / "set",
        "Train/images/p1_a.dcm",
        "Train/masks/p1_a.png",
        "val/images/p2.dcm",
        "val/masks/p2.png",
    )
    touch(tmp_path / "set", "test/images/p3.dcm", "test/images/p4.dcm", "test/masks/p3.png")
    layout, cases = one(tmp_path / "set")
    assert layout == "folders for training, validation and testing"
    assert sorted(rows(cases)) == [
        ("p1_a", "p1", "set", "train"),
        ("p2", "p2", "set", "validation"),
        ("p3", "p3", "set", "test"),
        ("p4", "p4", "set", "test"),
    ]


def test_without_a_folder_for_validation_the_training_images_are_left_to_be_drawn_from(
    tmp_path,
) -> None:
    touch(tmp_path / "set", "training/x.png", "training/x_mask.png", "test/y.png")
    assert rows(one(tmp_path / "set")[1]) == [("y", "y", "set", "test"), ("x", "x", "set", "")]


def test_images_that_are_numbered_alike_in_each_folder_are_told_apart(tmp_path) -> None:
    touch(
        tmp_path / "set",
        *(
            f"{kind}/{split}/1.png"
            for kind in ("images", "masks")
            for split in ("train", "valid", "test")
        ),
    )
    assert rows(one(tmp_path / "set")[1]) == [
        ("test-1", "test-1", "set", "test"),
        ("train-1", "train-1", "set", "train"),
        ("validation-1", "validation-1", "set", "validation"),
    ]


def test_only_what_is_numbered_alike_loses_its_patient(tmp_path) -> None:
    touch(
        tmp_path / "set",
        *(
            f"{kind}/{split}/{name}.png"
            for kind in ("images", "masks")
            for split in ("train", "test")
            for name in (f"p0_{split}", "scout")
        ),
    )
    found = rows(one(tmp_path / "set")[1])
    assert [(case, patient) for case, patient, *_ in found] == [
        ("p0_test", "p0"),
        ("test-scout", "test-scout"),
        ("p0_train", "p0"),
        ("train-scout", "train-scout"),
    ]


def test_splits_above_folders_of_classes_are_kept(tmp_path) -> None:
    for classes in ("covid", "normal"):
        touch(
            tmp_path / "set",
            *(
                f"{split}/{classes}/{kind}/{classes}_{split}.png"
                for split in ("train", "val", "test")
                for kind in ("images", "masks")
            ),
        )
    cases = [case for found in discover(tmp_path / "set") for case in found.cases]
    assert {(case.source, case.case, case.split) for case in cases} == {
        (classes, f"{classes}_{split}", name)
        for classes in ("covid", "normal")
        for split, name in (("train", "train"), ("val", "validation"), ("test", "test"))
    }


def test_two_images_of_one_name_are_named(tmp_path) -> None:
    touch(tmp_path / "set", "images/p0.png", "images/p0.jpg", "masks/p0.png")
    with pytest.raises(InputError, match=r"p0\.png and p0\.jpg have the same name; rename one"):
        discover(tmp_path / "set")


def test_a_mask_of_something_else_is_none_of_the_lungs(tmp_path) -> None:
    touch(tmp_path / "set", *(f"p1{end}.png" for end in ("", "_heartmask", "_lungmask")))
    (case,) = one(tmp_path / "set")[1]
    assert case.mask is not None
    assert case.mask.name == "p1_lungmask.png"


def test_a_set_of_the_heart_in_folders_of_splits_keeps_its_name_and_convention(tmp_path) -> None:
    place = tmp_path / "paediatric"
    touch(place, "train/images/a.png", "train/masks/a.png", "val/images/b.png", "val/masks/b.png")
    assert {(case.source, case.lung_extent) for case in one(place)[1]} == {
        ("paediatric", "through-heart")
    }


def test_a_csv_is_taken_only_where_folders_say_nothing(folder, tmp_path) -> None:
    (folder / "cases.csv").write_text("image,mask\nmissing.png,missing_mask.png\n")
    assert len(discover(folder)) == 3
    touch(tmp_path / "listed", "a.png", "b.png")
    (tmp_path / "listed" / "pairs.csv").write_text("image,mask\na.png,b.png\n")
    (found,) = discover(tmp_path / "listed")
    assert (found.layout, found.place.name, [case.case for case in found.cases]) == (
        "a list of cases",
        "pairs.csv",
        ["a"],
    )


def test_data_sets_may_lie_three_levels_down_and_hidden_ones_are_left_alone(tmp_path) -> None:
    touch(
        tmp_path,
        "a/b/c/images/x.png",
        "a/b/c/masks/x.png",
        ".trash/images/x.png",
        ".trash/masks/x.png",
        "a/b/c/images/.x.png",
    )
    assert [(case.source, case.case) for case in discover_cases(tmp_path)] == [("c", "x")]
    touch(tmp_path, "z/b/c/d/images/x.png", "z/b/c/d/masks/x.png")
    assert len(discover_cases(tmp_path)) == 1


def test_a_folder_of_hearts_beside_the_masks_of_the_lungs(tmp_path) -> None:
    touch(tmp_path, "images/x.png", "images/y.png", "masks/x.png", "masks/y.png", "heart/y.png")
    reasons = {"x": ["left lung drawn through the heart: 5% of the heart"], "y": ["low contrast"]}
    (tmp_path / "questionable.json").write_text(json.dumps(reasons))
    assert [(case.case, case.other_masks, case.lung_extent) for case in one(tmp_path)[1]] == [
        ("x", (), "through-heart"),
        ("y", (("heart", tmp_path / "heart/y.png"),), "field"),
    ]
