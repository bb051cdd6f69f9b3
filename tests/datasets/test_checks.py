"""Checks of pairs: each thing that is wrong with one is found and named, and sound pairs are left
in peace."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lungseg.datasets import Case, discover_cases
from lungseg.datasets.checks import TILE, DataProblem, check_cases, suspicious_sheet
from lungseg.draw.picture import CAPTION, GAP
from lungseg.errors import UsageError
from lungseg.phantom.ct import ct_phantom
from phantom_radiographs import write_radiographs

SIDE = 96


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> list[Case]:
    folder = tmp_path_factory.mktemp("films") / "north"
    return discover_cases(write_radiographs(folder, count=6, side=SIDE))


@pytest.fixture
def problems(films, tmp_path):
    """The problems of the first film with another mask, without its name."""

    def told(mask: np.ndarray, **changes) -> list[str]:
        cv2.imwrite(str(tmp_path / "mask.png"), mask)
        return [
            problem.message
            for problem in check_cases([replace(films[0], mask=tmp_path / "mask.png", **changes)])
        ]

    return told


def ground_truth(films) -> np.ndarray:
    return cv2.imread(str(films[0].mask), cv2.IMREAD_UNCHANGED)


def lungs(
    right: tuple[int, int], left: tuple[int, int], rows: tuple[int, int] = (20, 80)
) -> np.ndarray:
    """Two upright bars between the given columns."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for first, last in (right, left):
        mask[rows[0] : rows[1], first:last] = 255
    return mask


def test_sound_pairs_have_no_problems(films) -> None:
    assert check_cases(films) == []


def test_a_problem_names_its_case_and_its_file(films, tmp_path) -> None:
    mask = tmp_path / "other.png"
    cv2.imwrite(str(mask), np.zeros((SIDE, SIDE), np.uint8))
    sick = replace(films[1], mask=mask)
    problem = "mask empty, or nearly: it covers 0.00% of the picture"
    assert check_cases([films[0], sick, films[2]]) == [
        DataProblem(films[1].case, "north", mask, problem)
    ]


def test_masks_of_other_structures_are_looked_at_for_being_empty(problems) -> None:
    heart = np.zeros((SIDE, SIDE), np.uint8)
    assert problems(heart, decides=("heart",)) == ["mask empty: there is no heart in it"]
    heart[40:60, 40:60] = 3
    assert problems(heart, decides=("heart",)) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "mask empty, or nearly: it covers 0.00%"), (255, "mask full, or nearly: it covers 100%")],
)
def test_empty_and_full_masks(problems, value, expected) -> None:
    assert problems(np.full((SIDE, SIDE), value, np.uint8)) == [f"{expected} of the picture"]


def test_a_speck_is_nearly_empty(problems) -> None:
    speck = np.zeros((SIDE, SIDE), np.uint8)
    speck[40:46, 40:46] = 255
    assert problems(speck) == ["mask empty, or nearly: it covers 0.39% of the picture"]


def test_sizes_that_differ(problems, films) -> None:
    twice = cv2.resize(ground_truth(films), (SIDE, 2 * SIDE), interpolation=cv2.INTER_NEAREST)
    assert problems(twice) == ["sizes differ: 96 x 96 in the image, 192 x 96 in the mask"]


def test_the_outside_of_a_round_picture_labelled(problems, films) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(y, x)
    body = np.zeros((SIDE, SIDE), np.uint8)
    body[(radius < 47) & (radius > 40)] = 255
    small = cv2.resize(ground_truth(films), (48, 48), interpolation=cv2.INTER_NEAREST)
    body[24:72, 24:72] = small
    assert problems(body) == ["outside labelled as lung: one part of the mask surrounds the other"]


def test_a_mask_the_wrong_way_round(problems, films) -> None:
    assert problems(255 - ground_truth(films)) == [
        "outside labelled as lung: the mask takes up 100% of the picture's border"
    ]


def test_one_lung_only(problems) -> None:
    assert problems(lungs((15, 40), (0, 0))) == ["one lung only: the left one has 0% of the mask"]
    assert problems(lungs((0, 0), (60, 85))) == ["one lung only: the right one has 0% of the mask"]


def test_a_mask_of_several_components(problems) -> None:
    mask = lungs((10, 30), (66, 86))
    mask[85:93, 10:60] = 255
    assert problems(mask) == []
    mask[85:95, 10:60] = 255
    assert problems(mask) == [
        (
            "mask of more than two components: beside the two largest there is one with 17% of it, "
            "perhaps a "
            "labelled outside"
        )
    ]


def test_greys_of_a_lossy_mask(problems, films) -> None:
    grey = ground_truth(films)
    grey[5, :6] = [1, 3, 2, 7, 250, 254]
    assert problems(grey) == ["mask not binary: it has 8 values, 0, 1, 2, 3, ..."]
    body = cv2.dilate(ground_truth(films), np.ones((15, 15), np.uint8))
    body[ground_truth(films) == 0] //= 3
    assert problems(body) == ["mask not binary: it has 3 values, 0, 85, 255"]


def test_labels_of_the_lungs_are_no_greys_and_have_their_sides(problems, films) -> None:
    labels = np.where(
        ground_truth(films) > 0, np.where(np.arange(SIDE) < SIDE // 2, 1, 2), 0
    ).astype(np.uint8)
    assert problems(labels) == []
    assert problems(np.where(labels > 0, 3 - labels, 0)) == [
        "lungs on the wrong sides: the right one lies on the right of the picture"
    ]


@pytest.mark.parametrize(("gap", "found"), [(28, False), (18, False), (16, True), (0, True)])
def test_the_heart_is_inside_where_the_lungs_are_close_at_mid_height(problems, gap, found) -> None:
    # 64 columns from side to side: the limit of 27 % lies at 17.3.
    mask = lungs((16, 48 - gap // 2), (48 + gap // 2, 80))
    expected = (
        [f"heart inside the mask: the lungs are at most {gap / 64:.0%} of their width apart"]
        if found
        else []
    )
    assert problems(mask) == expected
    assert problems(mask, lung_extent="through-heart") == []
    assert problems(mask, lung_extent="aerated") == []


def test_a_heart_that_bears_the_name_of_a_lung_is_found(problems, tmp_path) -> None:
    mask, path = lungs((16, 36), (56, 80)), tmp_path / "heart.png"

    def told(heart: np.ndarray) -> list[str]:
        cv2.imwrite(str(path), heart)
        return problems(mask, other_masks=(("heart", path), ("opacity", None)))

    assert told(lungs((36, 56), (36, 56), (50, 70))) == []
    assert told(np.zeros_like(mask)) == []
    assert told(lungs((58, 80), (58, 80))) == [
        "masks may be exchanged: the middle of the heart lies at 83% of the width of the lungs, as "
        "where its mask is that of a lung"
    ]
    assert told(mask[:50]) == [
        f"masks do not fit: the mask of the heart has shape (50, {SIDE}), its image {mask.shape}"
    ]


def test_the_widest_gap_counts_and_only_at_mid_height(problems) -> None:
    mask = lungs((16, 43), (53, 80))
    mask[50:56, 38:58] = 0
    assert problems(mask) == []
    mask = lungs((16, 43), (53, 80))
    mask[70:80, 30:66] = 0  # below the middle
    assert problems(mask) == [
        "heart inside the mask: the lungs are at most 16% of their width apart"
    ]


def test_unreadable_files_are_told_apart(films, tmp_path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    image, mask = check_cases([replace(films[0], image=broken), replace(films[1], mask=broken)])
    assert (image.path, image.message) == (broken, "image cannot be used: the file is empty")
    assert (mask.path, mask.message) == (broken, "mask cannot be used: the file is empty")


def test_an_image_of_one_grey(films, tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((SIDE, SIDE), 7, np.uint8))
    (problem,) = check_cases([replace(films[0], image=tmp_path / "flat.png")])
    assert (
        problem.message
        == "image cannot be used: every pixel has the same value (7), so there is nothing to see"
    )


def test_masks_of_each_lung(films, tmp_path) -> None:
    whole = ground_truth(films)
    right, left = (
        np.where(side, whole, 0).astype(np.uint8)
        for side in (np.arange(SIDE) < SIDE // 2, np.arange(SIDE) >= SIDE // 2)
    )
    for name, mask in (("right", right), ("left", left), ("short", left[:-2]), ("none", left * 0)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), mask)
    pair = replace(films[0], mask=tmp_path / "right.png", mask_left=tmp_path / "left.png")
    assert check_cases([pair]) == []
    (short,) = check_cases([replace(pair, mask_left=tmp_path / "short.png")])
    assert short.message == (
        "masks do not fit: the mask of the left lung has shape (94, 96), that of the right (96, 96)"
    )
    (none,) = check_cases([replace(pair, mask_left=tmp_path / "none.png")])
    assert none.message == "one lung only: the left one has 0% of the mask"


def test_without_a_mask_only_the_image_is_checked(films, tmp_path) -> None:
    assert check_cases([replace(films[0], mask=None)]) == []
    gone = [
        replace(films[0], image=tmp_path / f"gone{ending}", mask=None)
        for ending in (".png", ".nii.gz", ".nrrd", ".MHA")
    ]
    problems = check_cases(gone)
    assert [(problem.path, problem.message) for problem in problems] == [
        (case.image, "image cannot be used: there is no such file") for case in gone
    ]


def test_a_heart_inside_is_no_question_of_ct_slices(films, tmp_path) -> None:
    phantom = ct_phantom((1, SIDE, SIDE), seed=3, touching=True)
    lungs = np.full((SIDE, SIDE), 0, np.uint8)
    lungs[20:70, 15:47], lungs[20:70, 49:80] = 1, 2
    cv2.imwrite(str(tmp_path / "mask.png"), lungs)
    cv2.imwrite(
        str(tmp_path / "slice.png"),
        np.clip((phantom.volume.array[0] + 1024) / 6.4, 0, 255).astype(np.uint8),
    )
    film, ct = (
        replace(films[0], image=image, mask=tmp_path / "mask.png")
        for image in (films[0].image, tmp_path / "slice.png")
    )
    assert [problem.kind for problem in check_cases([film])] == ["heart inside the mask"]
    assert check_cases([ct]) == []


def test_the_sheet_shows_each_suspicious_case_once(films, tmp_path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    cases = [films[0], replace(films[1], image=broken), replace(films[2], mask=broken), films[3]]
    problems = [
        *check_cases(cases),
        DataProblem(films[3].case, "north", films[3].image, "odd: a"),
        DataProblem(films[3].case, "north", films[3].image, "b"),
    ]
    sheet = suspicious_sheet(cases, problems)
    assert sheet.shape == (TILE + CAPTION + 2 * GAP, 3 * TILE + 4 * GAP, 3)
    tiles = [sheet[GAP : GAP + TILE, GAP + i * (TILE + GAP) :][:, :TILE] for i in range(3)]
    coloured = [bool((tile.max(axis=2) != tile.min(axis=2)).any()) for tile in tiles]
    assert coloured == [False, False, True]  # no image, no mask, both
    assert (tiles[0] == 0).all()
    assert tiles[1].any()
    assert suspicious_sheet(cases, problems, most=1).shape[1] == TILE + 2 * GAP
    with pytest.raises(UsageError, match="a montage needs tiles"):
        suspicious_sheet(cases, [])


@pytest.mark.slow
@pytest.mark.data
def test_the_wrong_mask_of_a_public_set_is_found(data_folder) -> None:
    folder = data_folder / "ct" / "finding_lungs"
    cases = [
        Case(p.stem, p.stem, p, folder / "2d_masks" / p.name, "ct")
        for p in sorted((folder / "2d_images").iterdir())
    ]
    found = {problem.case: problem.message for problem in check_cases(cases)}
    assert (
        found["ID_0254_Z_0075"]
        == "outside labelled as lung: one part of the mask surrounds the other"
    )
    assert found["ID_0052_Z_0108"] == (
        "mask of more than two components: beside the two largest there is one with 24% of it, "
        "perhaps a "
        "labelled outside"
    )
    assert found["ID_0079_Z_0072"].startswith("one lung only: the right one")
    assert len(found) <= 5


@pytest.mark.slow
@pytest.mark.data
def test_hearts_inside_masks_are_found(data_folder) -> None:
    cases = discover_cases(data_folder / "cxr")
    as_lung = [
        replace(case, lung_extent="field")
        for case in cases
        if case.lung_extent != "aerated" and case.mask is not None
    ]
    found = {(problem.source, problem.case) for problem in check_cases(as_lung)}
    hearts = {(case.source, case.case) for case in cases if case.lung_extent == "through-heart"}
    sound = [case for case in cases if case.lung_extent == "field" and case.mask is not None]
    assert len(hearts) == 545
    assert len(found & hearts) >= 0.94 * len(hearts)
    assert sum((case.source, case.case) in found for case in sound) <= 0.015 * len(sound)
