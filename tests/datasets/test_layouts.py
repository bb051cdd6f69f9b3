"""Folders in public layouts, told by names alone."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from empty_files import touch
from lungseg.datasets import Case, discover, discover_cases, read_labels, split_by_patient
from lungseg.errors import InputError


def draw(path: Path, *columns: int) -> None:
    """A mask of 40 x 40 that is white in the given columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, list(columns)] = 255
    cv2.imwrite(str(path), mask)


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


def one(folder: Path) -> tuple[str, list[Case]]:
    """The layout and the cases of a folder that holds one data set."""
    (found,) = discover(folder)
    assert found.place == folder
    return found.layout, list(found.cases)


def rows(cases: list[Case]) -> list[tuple[str, str, str, str]]:
    """Case, patient, source and split of each."""
    return [(case.case, case.patient, case.source, case.split) for case in cases]


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
    ("left", "right", "swapped"), [(30, 8, False), (8, 30, True)], ids=["patient's", "picture's"]
)
def test_montgomery_keeps_right_and_left_whichever_the_folders_mean(
    tmp_path, left, right, swapped
) -> None:
    touch(
        tmp_path,
        "CXR_png/MCUCXR_0001_0.png",
        "CXR_png/MCUCXR_0002_0.png",
        "ClinicalReadings/MCUCXR_0001_0.txt",
    )
    for name in ("MCUCXR_0001_0", "MCUCXR_0002_0"):
        draw(tmp_path / "ManualMask" / "leftMask" / f"{name}.png", left, left + 1)
        draw(tmp_path / "ManualMask" / "rightMask" / f"{name}.png", right)
    layout, cases = one(tmp_path)
    assert layout == "Montgomery, as the NLM ships it" + (
        ", its left and right being the picture's" if swapped else ""
    )
    assert rows(cases) == [
        (name, name, "montgomery", "") for name in ("MCUCXR_0001_0", "MCUCXR_0002_0")
    ]
    labels = read_labels(cases[0])
    assert np.flatnonzero(labels[20] == 1).tolist() == ([8, 9] if swapped else [8])
    assert np.flatnonzero(labels[20] == 2).tolist() == ([30] if swapped else [30, 31])
    assert np.flatnonzero(labels[20] > 0).tolist() == ([8, 9, 30] if swapped else [8, 30, 31])


def test_a_mask_of_one_lung_alone_is_none(tmp_path) -> None:
    touch(tmp_path, "CXR_png/MCUCXR_0001_0.png", "CXR_png/MCUCXR_0002_0.png")
    touch(
        tmp_path,
        "ManualMask/leftMask/MCUCXR_0001_0.png",
        "ManualMask/rightMask/MCUCXR_0001_0.png",
        "ManualMask/leftMask/MCUCXR_0002_0.png",
    )
    assert [(case.mask is None, case.mask_left is None) for case in one(tmp_path)[1]] == [
        (False, False),
        (True, True),
    ]


@pytest.mark.parametrize(
    ("images", "masks"),
    [("CXR_png", "mask"), ("CXR_png", "masks"), ("CXR_png", "mask/mask"),
    ("ChinaSet_AllFiles/CXR_png", "mask"),
     ("ChinaSet_AllFiles/ChinaSet_AllFiles/CXR_png", "mask/mask")],
)  # fmt: skip
def test_shenzhen(tmp_path, images, masks) -> None:
    touch(
        tmp_path,
        f"{images}/CHNCXR_0001_0.png",
        f"{images}/CHNCXR_0002_0.png",
        f"{masks}/CHNCXR_0001_0_mask.png",
    )
    layout, cases = one(tmp_path)
    assert layout == "Shenzhen, as the NLM ships it"
    assert rows(cases) == [
        (name, name, "shenzhen", "") for name in ("CHNCXR_0001_0", "CHNCXR_0002_0")
    ]
    assert [case.mask for case in cases] == [tmp_path / masks / "CHNCXR_0001_0_mask.png", None]


def test_chest_x_ray_lungs_segmentation(tmp_path) -> None:
    place = tmp_path / "Chest-X-Ray" / "Chest-X-Ray"
    touch(place, "image/1000.png", "image/1001.png", "mask/1000.png", "mask/1001.png")
    (tmp_path / "MetaData.csv").write_text(
        "id,gender,age,county,ptb,remarks\n1000,Male,30,Montgomery,0,normal\n1001,Female,4,Shenzhen,1,\n"
    )
    (found,) = discover(tmp_path)
    assert (found.layout, found.place) == ("Chest X-ray Lungs Segmentation", place)
    assert rows(list(found.cases)) == [
        ("1000", "1000", "montgomery", ""),
        ("1001", "1001", "shenzhen", ""),
    ]


@pytest.mark.parametrize("place", ["", "scratch/", "scr/scratch/"])
@pytest.mark.parametrize("film", ["All247images/{}.IMG", "images/{}.png", "{}.png"])
def test_jsrt_with_the_masks_of_scr(tmp_path, place, film) -> None:
    touch(
        tmp_path,
        *(film.format(name) for name in ("JPCLN001", "JPCNN002", "JPCLN003")),
        "readme.txt",
        f"{place}fold1/landmarks/JPCLN001.pfs",
    )
    for fold, name in ((1, "JPCLN001"), (2, "JPCNN002")):
        touch(
            tmp_path,
            *(
                f"{place}fold{fold}/masks/{organ}/{name}.gif"
                for organ in ("left lung", "right lung", "heart")
            ),
        )
    layout, cases = one(tmp_path)
    assert layout == "JSRT with the masks of SCR"
    masks = tmp_path / place
    assert [(case.case, case.source, case.notes, case.mask, case.mask_left) for case in cases] == [
        ("JPCLN001", "jsrt", "SCR fold 1", masks / "fold1/masks/right lung/JPCLN001.gif",
        masks / ("fold1/masks/left "
                                                                                                  "lung/JPCLN001.gif")),
        ("JPCLN003", "jsrt", "", None, None),
        ("JPCNN002", "jsrt", "SCR fold 2", masks / "fold2/masks/right lung/JPCNN002.gif",
        masks / ("fold2/masks/left "
                                                                                                  "lung/JPCNN002.gif")),
    ]  # fmt: skip


def test_jsrt_with_masks_in_one_folder_and_films_twice(tmp_path) -> None:
    touch(
        tmp_path,
        "All247images/JPCLN001.IMG",
        "png/JPCLN001.png",
        "masks/left_lung/JPCLN001.gif",
        "masks/right_lung/JPCLN001.gif",
    )
    (case,) = one(tmp_path)[1]
    assert (case.image, case.mask, case.notes) == (
        tmp_path / "All247images/JPCLN001.IMG",
        tmp_path / "masks/right_lung/JPCLN001.gif",
        "",
    )


def test_finding_lungs(tmp_path) -> None:
    names = ("ID_0000_Z_0142.tif", "ID_0036_Z_0060.tif")
    touch(
        tmp_path,
        *(f"{kind}/{name}" for kind in ("2d_images", "2d_masks") for name in names),
        "lung_stats.csv",
    )
    layout, cases = one(tmp_path)
    assert layout == "Finding and Measuring Lungs in CT Data"
    assert [case.patient for case in cases] == ["ID_0000", "ID_0036"]


def test_rsna_has_boxes_and_no_masks(tmp_path) -> None:
    touch(
        tmp_path,
        "stage_2_train_images/0a-1.dcm",
        "stage_2_test_images/0b-2.dcm",
        "stage_2_train_labels.csv",
    )
    layout, cases = one(tmp_path)
    assert layout == "RSNA Pneumonia Detection Challenge"
    assert [
        (*row, case.mask, case.notes) for row, case in zip(rows(cases), cases, strict=True)
    ] == [
        ("0a-1", "0a-1", "rsna", "test", None, "boxes in stage_2_train_labels.csv"),
        ("0b-2", "0b-2", "rsna", "test", None, ""),
    ]


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


@pytest.mark.data
def test_real_data_sets_are_recognised_and_split_by_patient(data_folder) -> None:
    cases = discover_cases(data_folder / "cxr")
    assert Counter(case.source for case in cases) == {
        "montgomery": 106,
        "shenzhen": 448,
        "diseased_adults": 257,
        "paediatric": 250,
    }
    assert Counter((case.source, case.lung_extent) for case in cases if case.notes) == {
        ("shenzhen", "through-heart"): 38,
        ("shenzhen", "aerated"): 7,
    }
    done = split_by_patient(cases, validation=0.15, seed=0)
    of_patient: dict[tuple[str, str], set[str]] = {}
    for case in done:
        of_patient.setdefault((case.source, case.patient), set()).add(case.split)
    assert set(map(len, of_patient.values())) == {1}
    assert len(of_patient) < len(cases)
    # What has no mask changes nothing for what has.
    all_cases = [case for found in discover(data_folder / "cxr") for case in found.cases]
    everything = split_by_patient(all_cases, validation=0.15, seed=0)
    assert {case for case in everything if case.mask} == set(done)


@pytest.mark.data
def test_real_ct_is_recognised(data_folder) -> None:
    found = {data_set.place.name: data_set for data_set in discover(data_folder / "ct")}
    assert {
        name: (len(data_set.cases), len({case.patient for case in data_set.cases}))
        for name, data_set in found.items()
    } == {
        "bmp": (4, 4),
        "covid19": (80, 1),
        "finding_lungs": (186, 186),
        "lctsc": (5, 5),
        "small_volumes": (3, 3),
    }
    assert all(case.mask for data_set in found.values() for case in data_set.cases)


def test_a_folder_of_hearts_beside_the_masks_of_the_lungs(tmp_path) -> None:
    touch(tmp_path, "images/x.png", "images/y.png", "masks/x.png", "masks/y.png", "heart/y.png")
    reasons = {"x": ["left lung drawn through the heart: 5% of the heart"], "y": ["low contrast"]}
    (tmp_path / "questionable.json").write_text(json.dumps(reasons))
    assert [(case.case, case.other_masks, case.lung_extent) for case in one(tmp_path)[1]] == [
        ("x", (), "through-heart"),
        ("y", (("heart", tmp_path / "heart/y.png"),), "field"),
    ]


def covid_qu_ex(folder: Path) -> Path:
    """Its three parts, with a film of each group in the first."""
    for name in ("COVID-19/{}/covid_1.png", "Non-COVID/{}/non_COVID (1).png", "Normal/{}/n.png"):
        touch(folder, *(f"Train/{name.format(kind)}" for kind in ("images", "lung masks")))
    touch(folder, "Train/COVID-19/infection masks/covid_1.png")
    for part, name in (("Val", "covid_2.png"), ("Test", "covid_3.png")):
        places = ("images", "lung masks", "infection masks")
        touch(folder, *(f"{part}/COVID-19/{place}/{name}" for place in places))
    return folder


def test_covid_qu_ex_with_its_splits_and_infections(tmp_path) -> None:
    folder = covid_qu_ex(tmp_path / "anything")
    reasons = {
        "Train/Normal/n": ["area outlier: 0.5"],
        "Val/COVID-19/covid_2": ["seen: mask is a guess"],
    }
    (folder / "questionable.json").write_text(json.dumps(reasons))
    layout, cases = one(folder)
    assert layout == "COVID-QU-Ex with infection masks"
    assert {case.source for case in cases} == {"covid_qu_ex"}
    infection = folder / "Train/COVID-19/infection masks/covid_1.png"
    test = folder / "Test/COVID-19/infection masks/covid_3.png"
    assert [(c.case, c.split, c.notes, c.mask is None, c.other_masks) for c in cases] == [
        ("covid_1", "train", "COVID-19", False, (("opacity", infection),)),
        ("non_COVID (1)", "train", "Non-COVID", False, ()),
        ("n", "train", "questionable", False, (("opacity", None),)),
        ("covid_2", "validation", "questionable", True, ()),
        ("covid_3", "test", "COVID-19", False, (("opacity", test),)),
    ]


@pytest.mark.parametrize("content", ["[]", '{"x": "wrong"}', "{"])
def test_masks_in_question_that_are_no_lists_of_reasons(tmp_path, content) -> None:
    folder = covid_qu_ex(tmp_path)
    (folder / "questionable.json").write_text(content)
    with pytest.raises(InputError, match=r"questionable\.json"):
        discover(folder)
