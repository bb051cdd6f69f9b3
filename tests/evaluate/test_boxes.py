"""How much of marked boxes a mask keeps."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.card import read_card
from lungseg.datasets import Case, OpacityBox, discover, read_boxes
from lungseg.errors import InputError, UsageError
from lungseg.evaluate import boxes, evaluate_boxes
from lungseg.evaluate.boxes import BoxScore, fraction_inside, summarise_boxes
from lungseg.radiograph.segment import RadiographSegmenter
from tiny_model import dark_ellipses, write_tiny_model

INSIDE, BESIDE, HALF = (
    OpacityBox(46, 70, 20, 20),
    OpacityBox(95, 70, 10, 20),
    OpacityBox(100, 60, 80, 40),
)


def test_the_fraction_of_a_box_counts_its_pixels_in_the_image() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:20] = 2
    assert fraction_inside(mask, OpacityBox(10, 5, 10, 10)) == 1
    assert fraction_inside(mask, OpacityBox(15, 5, 10, 10)) == 0.5
    assert fraction_inside(mask, OpacityBox(15, 10, 10, 10)) == 0.25
    assert fraction_inside(mask, OpacityBox(0, 0, 5, 5)) == 0
    mask[:, :2] = 1
    assert (
        fraction_inside(mask, OpacityBox(-8, 5, 10, 10)) == 1
    )  # what lies beyond the image is not asked for
    assert fraction_inside(mask, OpacityBox(28.4, 18.4, 9, 9)) == 0
    assert math.isnan(fraction_inside(mask, OpacityBox(40, 5, 3, 3)))


@pytest.fixture
def films() -> list[Case]:
    return [Case(name, name, Path(f"{name}.png"), None, "rsna") for name in ("a", "b", "c")]


def write(folder: Path, films: list[Case]) -> list[Case]:
    for film in films:
        cv2.imwrite(str(folder / film.image), dark_ellipses())
    return [Case(f.case, f.patient, folder / f.image, None, f.source) for f in films]


def test_boxes_are_scored_with_and_without_a_margin(films, tmp_path) -> None:
    model = write_tiny_model(tmp_path)
    boxes = {"a": [INSIDE, BESIDE], "b": [HALF], "c": []}
    evaluation = evaluate_boxes(
        model, write(tmp_path, films), boxes, tmp_path / "out", radius=12, workers=2
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "boxes.csv",
        "report.html",
        "scores.md",
        "worst.png",
    ]
    with (tmp_path / "out" / "boxes.csv").open(newline="") as stream:
        found = {(line["case"], line["box"]): line for line in csv.DictReader(stream)}
    assert set(found) == {("a", "1"), ("a", "2"), ("b", "1")}
    assert (found["a", "1"]["inside"], found["a", "1"]["inside_dilated"]) == ("1.0000", "1.0000")
    assert (found["a", "2"]["inside"], found["a", "2"]["dilated_by"]) == ("0.0000", "12 pixels")
    assert 0.2 < float(found["a", "2"]["inside_dilated"]) < 0.9
    assert 0.3 < float(found["b", "1"]["inside"]) < float(found["b", "1"]["inside_dilated"]) < 1
    as_it_is, widened, of_hull = (line.split(" | ") for line in evaluation.text.splitlines()[2:])
    assert as_it_is[:4] == ["| as it is", "3", "2", "2"]
    assert widened[:4] == ["| widened by 12 pixels", "3", "2", "2"]
    assert of_hull[:5] == [
        "| hull of both lungs, widened by 12 pixels",
        "3",
        "2",
        "2",
        "1.0000 (1.0000 to 1.0000)",
    ]
    mean = np.mean([float(line["inside_dilated"]) for line in found.values()])
    assert float(widened[4].split()[0]) == pytest.approx(mean, abs=2e-4)
    sheet = cv2.imread(str(tmp_path / "out" / "worst.png"))
    assert sheet.shape[1] == 4 + 2 * (320 + 4)  # two images have boxes
    assert (
        "Marked opacities in the lung masks of tiny"
        in (tmp_path / "out" / "report.html").read_text()
    )


def test_only_lungs_keep_a_box(films, tmp_path) -> None:
    cases, boxes = write(tmp_path, films), {"a": [INSIDE, OpacityBox(90, 85, 20, 40)]}
    inside = {}
    for name, heart in (("lungs", False), ("three", True)):
        model = write_tiny_model(tmp_path, name=name, heart=heart)
        evaluate_boxes(model, cases, boxes, tmp_path / "out", radius=3)
        with (tmp_path / "out" / "boxes.csv").open(newline="") as stream:
            inside[name] = sorted((line["box"], line["inside"]) for line in csv.DictReader(stream))
    assert RadiographSegmenter(model)(cases[0].image).segmentation.mask("heart")[85:125].any()
    assert inside["three"] == inside["lungs"] == [("1", "1.0000"), ("2", "0.0000")]


def test_a_model_without_lungs_is_refused(films, tmp_path) -> None:
    model = write_tiny_model(tmp_path)
    card = read_card(model.with_suffix(".json"))
    outputs = ("background", "heart", "trachea")
    replace(card, layers=(outputs[1:],), outputs=outputs).write(model.with_suffix(".json"))
    with pytest.raises(
        UsageError,
        match="boxes are scored by the lungs, which the model does not predict; give another model",
    ):
        evaluate_boxes(model, write(tmp_path, films), {"a": [INSIDE]}, tmp_path / "out")


def test_with_a_spacing_the_margin_is_in_millimetres(films, tmp_path) -> None:
    model, cases = write_tiny_model(tmp_path), write(tmp_path, films)
    pixels, millimetres = (
        evaluate_boxes(
            model, cases, {"a": [HALF]}, tmp_path / "out", radius=radius, spacing=spacing
        )
        for radius, spacing in ((12, None), (6, (0.5, 0.5)))
    )
    table, doubt = millimetres.text.split("\n\n")
    assert pixels.text.replace("12 pixels", "6 mm") == table
    assert doubt == (
        "Of 1 image the pixel spacing seems wrong, and so are millimetres (boxes.csv "
        "says why); `spacing` states it."
    )


def test_boxes_beside_their_picture_and_of_unknown_patients_are_said(films, tmp_path) -> None:
    boxes = {"a": [INSIDE, OpacityBox(500, 10, 20, 20)], "unknown": [INSIDE], "no box": []}
    evaluation = evaluate_boxes(
        write_tiny_model(tmp_path), write(tmp_path, films), boxes, tmp_path / "out"
    )
    assert evaluation.text.split("\n\n")[1:] == [
        "There is no image of 1 patient with marked opacities.",
        "These boxes lie beside their pictures and are not counted: a: box 2; correct the list.",
    ]
    assert "| as it is | 1 | 1 | 1 |" in evaluation.text


def test_where_all_boxes_lie_beside_their_pictures_it_is_said(films, tmp_path) -> None:
    boxes = {"a": [OpacityBox(500, 10, 20, 20)]}
    with pytest.raises(
        InputError, match="all boxes of 1 images lie beside their pictures; correct"
    ):
        evaluate_boxes(write_tiny_model(tmp_path), write(tmp_path, films), boxes, tmp_path / "out")


def test_means_over_boxes_and_over_images_are_two_things() -> None:
    fractions = [("a", 1, 0.4), ("a", 2, 0.6), ("b", 1, 1.0)]
    scores = [
        BoxScore(case, case, box, fraction / 2, fraction, 1.0, "10 mm", "ok", "")
        for case, box, fraction in fractions
    ]
    as_it_is, widened, of_hull = summarise_boxes(scores).rows
    assert (as_it_is[4].split()[0], as_it_is[5], as_it_is[7]) == ("0.3333", "0.3750", "2")
    assert (widened[0], widened[4].split()[0], widened[5], widened[7]) == (
        "widened by 10 mm",
        "0.6667",
        "0.7500",
        "1",
    )
    assert (of_hull[0], of_hull[4].split()[0]) == ("hull of both lungs, widened by 10 mm", "1.0000")
    mixed = summarise_boxes(
        [*scores, BoxScore("c", "c", 1, 0.0, 0.2, 0.2, "10 pixels", "ok", "")]
    ).rows
    assert [row[:2] for row in mixed] == [
        ["as it is", "4"],
        ["widened by 10 mm", "3"],
        ["hull of both lungs, widened by 10 mm", "3"],
        ["widened by 10 pixels", "1"],
        ["hull of both lungs, widened by 10 pixels", "1"],
    ]


def test_an_image_that_cannot_be_read_is_named(films, tmp_path) -> None:
    cases = write(tmp_path, films)
    cases[0].image.write_bytes(b"no image")
    evaluation = evaluate_boxes(
        write_tiny_model(tmp_path), cases, {"a": [HALF], "b": [HALF]}, tmp_path / "out"
    )
    (why,) = evaluation.failures
    assert why.startswith(f"{cases[0].image}: ")
    assert evaluation.text.endswith(f"1 of 2 images could not be read and are left out: {why}")
    with pytest.raises(InputError, match="no box of 1 images could be looked at"):
        evaluate_boxes(write_tiny_model(tmp_path), cases, {"a": [HALF]}, tmp_path / "out")


def test_there_must_be_a_box_and_a_margin(films, tmp_path) -> None:
    with pytest.raises(
        InputError,
        match="none of the 3 images has a box; give the folder with images and list of boxes",
    ):
        evaluate_boxes(write_tiny_model(tmp_path), films, {"z": [HALF]}, tmp_path / "out")
    with pytest.raises(UsageError, match="a finite radius of at least 0, not by -1"):
        evaluate_boxes(
            write_tiny_model(tmp_path), films, {"a": [HALF]}, tmp_path / "out", radius=-1
        )


@pytest.mark.slow
@pytest.mark.data
def test_the_embedded_model_keeps_most_of_what_was_marked_in_rsna_films(
    data_folder, tmp_path
) -> None:
    (found,) = discover(data_folder / "cxr" / "rsna")
    boxes = read_boxes(data_folder / "cxr" / "rsna" / "stage_2_train_labels.csv")
    evaluation = evaluate_boxes("cxr", found.cases, boxes, tmp_path, workers=2)
    widened = evaluation.text.splitlines()[3].split(" | ")
    assert widened[:3] == ["| widened by 10 mm", "86", "55"]
    assert float(widened[4].split()[0]) > 0.9
    assert float(evaluation.text.splitlines()[4].split(" | ")[4].split()[0]) > 0.95


def test_boxes_beside_their_picture_come_last() -> None:
    kept = [0.9, math.nan, 0.1, math.nan, 0.05]
    scores = [
        BoxScore(f"c{i}", f"c{i}", 1, value, value, value, "10 mm", "ok", "")
        for i, value in enumerate(kept)
    ]
    in_order = [score.inside_dilated for score in sorted(scores, key=boxes._kept)]
    assert in_order[:3] == [0.05, 0.1, 0.9]
    assert all(map(math.isnan, in_order[3:]))
