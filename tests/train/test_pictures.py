"""Curves and sheets of cases: what is read, what is drawn where, and what is missing."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.draw.picture import CAPTION, GAP, coloured, grey, thumbnail
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.train.pictures import RED, TILE, case_row, draw_curves, read_metrics, write_sheet
from tiny_model import write_tiny_model

BLUE, ORANGE = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
WHOLE = """epoch,train_loss,val_loss,train_dice,val_dice,train_iou,val_iou,\
train_accuracy,val_accuracy,learning_rate
0,0.9,0.8,0.2,0.3,0.1,0.2,0.5,0.6,0.001
1,0.5,0.6,0.6,0.7,0.5,0.5,0.8,0.8,0.002
2,0.4,0.6,0.7,0.65,0.6,0.5,0.9,0.8,0.001
"""


def draw(folder: Path, text: str) -> np.ndarray:
    """The curves of a table: (rows, columns, 3), red, green, blue."""
    (folder / "metrics.csv").write_text(text)
    draw_curves(folder / "metrics.csv", folder / "curves.png")
    return cv2.imread(str(folder / "curves.png"))[..., ::-1]


def has_colour(picture: np.ndarray) -> list[list[bool]]:
    """Whether each panel, in the order of reading, has a line of training, and one of
    validation."""
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
    panels = [picture[r : r + rows, c : c + columns] for r in (0, rows) for c in (0, columns)]
    return [
        [bool((panel == colour).all(axis=2).any()) for colour in (BLUE, ORANGE)] for panel in panels
    ]


@pytest.mark.slow
def test_every_panel_has_both_lines(tmp_path) -> None:
    picture = draw(tmp_path, WHOLE)
    assert picture.shape == (1400, 2000, 3)
    assert has_colour(picture) == [[True, True]] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curves.png",
        "metrics.csv",
    ]  # no half a file


@pytest.mark.slow
def test_what_the_table_lacks_is_left_out(tmp_path) -> None:
    older = (
        "epoch,train_loss,val_dice,val_dice_north,val_loss\n0,0.9,0.1,0.1,0.8\n1,0.5,nan,0.2,inf\n"
    )
    assert has_colour(draw(tmp_path, older)) == [
        [True, True],
        [False, True],
        [False, False],
        [False, False],
    ]
    assert has_colour(draw(tmp_path, "epoch,train_loss\n0,0.9\n")) == [
        [True, False],
        *([[False, False]] * 3),
    ]
    assert has_colour(draw(tmp_path, "epoch,train_loss,val_dice\n0,nan,\n")) == [[False, False]] * 4


@pytest.mark.parametrize("text", ["", "epoch,train_loss\n", "epoch,train_loss\n,0.5\n"])
def test_of_an_empty_table_nothing_is_drawn(tmp_path, text) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    draw_curves(tmp_path / "nowhere.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_an_epoch_on_several_lines_is_one(tmp_path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "epoch,train_loss,val_dice\n0,,0.1\n0,0.9,\n1,0.7,0.2\n1,0.6,0.3,extra\n2,0.5\n2"
    )
    table = read_metrics(tmp_path / "metrics.csv")
    assert {name: values[:2] for name, values in table.items()} == {
        "epoch": [0, 1],
        "train_loss": [0.9, 0.6],
        "val_dice": [0.1, 0.3],
    }
    assert (table["epoch"][2], table["train_loss"][2]) == (2, 0.5)
    assert math.isnan(table["val_dice"][2])


@pytest.mark.slow
def test_drawing_curves_needs_neither_pyplot_nor_a_screen(tmp_path) -> None:
    (tmp_path / "metrics.csv").write_text(WHOLE)
    code = (
        "import sys; from pathlib import Path; from lungseg.train.pictures import draw_curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "draw_curves(Path('metrics.csv'), Path('curves.png'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code],
        check=True,
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path)},
    )
    assert (tmp_path / "curves.png").is_file()


def test_a_row_shows_image_ground_truth_prediction_and_the_prediction_in_red(tmp_path) -> None:
    phantom = radiograph_phantom((128, 96))
    result = RadiographSegmenter(write_tiny_model(tmp_path))(phantom.image)
    row = case_row("p0_a", result, phantom.ground_truth.labels, "Dice 0.912")
    assert [caption for _, caption in row] == ["p0_a", "ground truth", "prediction", "Dice 0.912"]
    assert [tile.shape for tile, _ in row] == [(TILE, 192, 3)] * 4
    for (tile, _), expected in zip(
        row,
        (grey(result.image), coloured(phantom.ground_truth.labels), coloured(result.mask)),
        strict=False,
    ):
        np.testing.assert_array_equal(tile, thumbnail(expected, TILE))
    red = row[3][0].astype(int)
    tinted = (red[..., 0] > red[..., 1] + 20) & (red[..., 1] == red[..., 2])
    lungs = thumbnail(coloured(result.mask), TILE).any(axis=2)
    assert lungs.any()
    assert (tinted == lungs).mean() > 0.98
    assert (red == RED.colour).all(axis=2).any()  # the outline
    assert [caption for _, caption in case_row("p0_a", result, None, "ok")] == [
        "p0_a",
        "prediction",
        "ok",
    ]


def test_a_sheet_has_two_cases_in_a_line(tmp_path) -> None:
    tile = np.full((TILE, TILE, 3), (10, 20, 30), np.uint8)
    write_sheet([[(tile, "a"), (tile, "b"), (tile, "c")]] * 3, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (GAP + 2 * (TILE + CAPTION + GAP), GAP + 6 * (TILE + GAP), 3)
    assert sheet[GAP, GAP].tolist() == [30, 20, 10]
