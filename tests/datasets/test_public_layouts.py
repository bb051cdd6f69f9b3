"""Public data sets are recognised by their own names."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from empty_files import touch
from layout_folders import draw, one, rows
from lungseg.datasets import discover, discover_cases, read_labels, split_by_patient
from lungseg.errors import InputError


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
