"""What the network will see: one row for each case, and parameters that give each sample again."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from lungseg.augment.parameters import AugmentationSettings
from lungseg.draw.picture import CAPTION, GAP
from lungseg.errors import UsageError
from lungseg.structures import LUNGS
from lungseg.train.data import CaseArrays
from lungseg.train.preview import EPOCHS, augmented_lines, augmented_sheet, replay, write_augmented

SIDE = 32
CLIP = (0.5, 99.5)


@pytest.fixture(scope="module")
def data(cases) -> CaseArrays:
    return CaseArrays(cases, (SIDE, SIDE), CLIP, seed=4)


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = GAP + row * (SIDE + CAPTION + GAP), GAP + column * (SIDE + GAP)
    return sheet[top : top + SIDE, left : left + SIDE]


def test_a_row_for_each_case_spread_over_all(data) -> None:
    sheet = augmented_sheet(data, 3)
    assert sheet.shape == (GAP + 3 * (SIDE + CAPTION + GAP), GAP + (1 + EPOCHS) * (SIDE + GAP), 3)
    entries = [json.loads(line) for line in augmented_lines(data, 3)]
    assert [(entry["index"], entry["epoch"]) for entry in entries] == [
        (i, epoch + 1) for i in (0, 6, 11) for epoch in range(EPOCHS)
    ]
    assert [entry["case"] for entry in entries[::EPOCHS]] == [
        data.cases[i].case for i in (0, 6, 11)
    ]
    assert len(augmented_lines(data, 100)) == len(data) * EPOCHS


def test_without_augmentation_a_row_is_one_picture(cases) -> None:
    nothing = AugmentationSettings(**dict.fromkeys(AugmentationSettings.__slots__, 0))
    sheet = augmented_sheet(
        CaseArrays(cases[:1], (SIDE, SIDE), CLIP, seed=4, augmentation=nothing), 1
    )
    for column in range(1, 1 + EPOCHS):
        np.testing.assert_array_equal(tile(sheet, 0, column), tile(sheet, 0, 0))


def test_both_lungs_are_outlined_in_their_colours(data) -> None:
    first = tile(augmented_sheet(data, 1), 0, 0)
    right, left = (np.argwhere((first == label.colour).all(axis=2)) for label in LUNGS)
    assert min(len(right), len(left)) > 20
    assert right[:, 1].max() < left[:, 1].min()
    elsewhere = first[~np.isin(first.max(axis=2), [max(label.colour) for label in LUNGS])]
    assert (elsewhere.max(axis=1) == elsewhere.min(axis=1)).all()


def test_every_line_gives_its_sample_again(data, cases) -> None:
    other = CaseArrays(cases, (SIDE, SIDE), CLIP, seed=99)
    for line in augmented_lines(data, 6):
        entry = json.loads(line)
        expected = data.augmented(
            entry["index"], data.parameters(entry["index"], entry["epoch"] - 1)
        )
        for found, wanted in zip(replay(line, other), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_a_line_of_other_cases_is_refused(data, cases) -> None:
    line = augmented_lines(data, 2)[-1]
    for others in (cases[:2], [cases[0]] * len(cases)):
        with pytest.raises(
            UsageError,
            match="case p1_b of south is not number 11 of these; give the cases that the "
            "parameters were sampled for",
        ):
            replay(line, CaseArrays(others, (SIDE, SIDE), CLIP, seed=4))


def test_picture_and_parameters_are_written_side_by_side(data, tmp_path) -> None:
    write_augmented(data, 2, tmp_path / "seen.png")
    np.testing.assert_array_equal(
        cv2.imread(str(tmp_path / "seen.png"))[..., ::-1], augmented_sheet(data, 2)
    )
    assert (tmp_path / "seen.jsonl").read_text().splitlines() == augmented_lines(data, 2)


def test_nothing_to_show_is_said(data, cases, tmp_path) -> None:
    with pytest.raises(UsageError, match="at least 1 case can be shown, not 0"):
        write_augmented(data, 0, tmp_path / "new" / "seen.png")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="at least 1 case can be shown, not 0"):
        augmented_sheet(data, 0)
    with pytest.raises(UsageError, match="these cases are not augmented; show training cases"):
        augmented_sheet(CaseArrays(cases[:1], (SIDE, SIDE), CLIP, seed=None), 1)
