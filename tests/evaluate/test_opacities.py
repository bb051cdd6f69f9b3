"""How well opacities are found, and the boxes around what was found."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from lungseg.card import read_card
from lungseg.datasets import Case, OpacityBox
from lungseg.errors import UsageError
from lungseg.evaluate import evaluate_boxes
from lungseg.evaluate.opacities import (
    OpacityScore,
    area_under_roc,
    found_boxes,
    score_opacities,
    summarise_opacities,
    write_submission,
)
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.segmentation import Probabilities
from lungseg.structures import LUNGS, OPACITY
from tiny_model import dark_ellipses, write_tiny_model

FILM = Case("a", "p", Path("a.png"), None, "rsna")


@pytest.fixture
def result() -> Any:
    """Two lungs of 40 x 20, the upper half of the right one and 5 x 4 pixels of the left opaque."""
    labels, opacity = np.zeros((2, 60, 60), np.uint8)
    labels[10:50, 5:25], labels[10:50, 35:55] = 1, 2
    opacity[10:30, 5:25], opacity[40:45, 40:44] = 5, 5
    probability = np.where(opacity > 0, 0.8, 0.2).astype(np.float32)
    probability[40:45, 40:44] = 0.6
    image = Image(np.arange(3600, dtype=np.uint16).reshape(60, 60), ImageGeometry((60, 60)))
    return SimpleNamespace(
        segmentation=image.with_layers([labels, opacity], [LUNGS, [OPACITY]]),
        probabilities=Probabilities(("opacity",), probability[np.newaxis], image.geometry),
    )


def test_boxes_are_covered_hit_or_missed_and_the_rest_is_outside(result: Any) -> None:
    half, beside, missed = OpacityBox(5, 20, 20, 20), OpacityBox(25, 10, 10, 10), (35, 10, 5, 5)
    score = score_opacities(result, FILM, [half, beside, OpacityBox(*missed)])
    assert (score.case, score.patient, score.boxes, score.hit) == ("a", "p", 3, 1)
    assert score.covered == pytest.approx(200 / (400 + 100 + 25))
    assert score.outside == pytest.approx((200 + 20) / 1600)
    assert score.score == pytest.approx(0.8)


def test_boxes_that_overlap_are_counted_once(result: Any) -> None:
    boxes = [OpacityBox(5, 10, 20, 20), OpacityBox(5, 10, 20, 10)]
    score = score_opacities(result, FILM, boxes)
    assert (score.covered, score.hit, score.outside) == pytest.approx((1, 2, 20 / 1600))


def test_a_box_beside_the_picture_cannot_be_hit(result: Any) -> None:
    score = score_opacities(result, FILM, [OpacityBox(5, 10, 20, 20), OpacityBox(900, 10, 20, 20)])
    assert (score.boxes, score.measured, score.hit) == (2, 1, 1)
    assert summarise_opacities([score]).rows[3][1] == "1 of 1"


def test_without_a_box_nothing_is_covered(result: Any) -> None:
    score = score_opacities(result, FILM, [])
    assert math.isnan(score.covered)
    assert (score.boxes, score.hit, score.outside) == pytest.approx((0, 0, 420 / 1600))


def test_the_area_under_the_curve_is_the_chance_of_the_right_order() -> None:
    scores, positive = [0.1, 0.4, 0.4, 0.9], [False, True, False, True]
    assert area_under_roc(scores, positive) == pytest.approx(3.5 / 4)
    assert math.isnan(area_under_roc([0.1], [True]))


def test_a_table_over_films() -> None:
    scores = [
        OpacityScore("a", "a", 2, 2, 0.9, 0.5, 1, 0.1),
        OpacityScore("b", "b", 1, 1, 0.3, 0.0, 0, 0.0),
        OpacityScore("c", "c", 0, 0, 0.4, float("nan"), 0, 0.2),
    ]
    assert [row[1] for row in summarise_opacities(scores).rows] == [
        "2, 1", "0.5000", "0.2500", "1 of 3", "0.0500", "0.2000",
    ]  # fmt: skip
    assert [row[1] for row in summarise_opacities(scores[:1]).rows][1:] == [
        "-", "0.5000", "1 of 2", "0.1000", "-",
    ]  # fmt: skip


def test_each_opacity_has_a_box_and_the_most_certain_one_comes_first(result: Any) -> None:
    (first, box), (second, small) = found_boxes(result)
    assert (first, second) == pytest.approx((0.8, 0.6))
    assert box == OpacityBox(5, 10, 20, 20)
    assert small == OpacityBox(40, 40, 4, 5)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Takes what is bright between the lungs for an opacity."""
    path = write_tiny_model(tmp_path, heart=True)
    card = read_card(path.with_suffix(".json"))
    layer = ("right lung", "left lung", "opacity")
    replace(card, layers=(layer,), outputs=("background", *layer)).write(path.with_suffix(".json"))
    return path


def write(folder: Path, *names: str) -> list[Case]:
    for name in names:
        cv2.imwrite(str(folder / f"{name}.png"), dark_ellipses())
    return [Case(name, name, folder / f"{name}.png", None, "rsna") for name in names]


def test_films_with_and_without_boxes_are_scored_for_opacities(model: Path, tmp_path: Path) -> None:
    boxes = {"a": [OpacityBox(90, 85, 20, 40)], "b": []}
    cases = write(tmp_path, "a", "b", "not listed")
    evaluation = evaluate_boxes(model, cases, boxes, tmp_path / "out")
    with (tmp_path / "out" / "opacities.csv").open(newline="") as stream:
        found = {line["case"]: line for line in csv.DictReader(stream)}
    assert set(found) == {"a", "b"}
    assert float(found["a"]["covered"]) > 0.5
    assert found["b"]["covered"] == "nan"
    assert "| films with boxes, without | 1, 1 |" in evaluation.text
    assert "How well opacities are found" in (tmp_path / "out" / "report.html").read_text()


def test_a_submission_has_a_line_for_each_patient(model: Path, tmp_path: Path) -> None:
    cases = write(tmp_path, "a", "b")
    (tmp_path / "b.png").write_bytes(b"no picture")
    problems = write_submission(model, cases, tmp_path / "boxes.csv", workers=2)
    assert len(problems) == 1
    assert "b.png" in problems[0]
    header, first, second = (tmp_path / "boxes.csv").read_text().splitlines()
    assert (header, second) == ("patientId,PredictionString", "b,")
    patient, text = first.split(",")
    confidence, x, y, width, height = (float(word) for word in text.split())
    assert patient == "a"
    assert 0.5 <= confidence <= 1
    assert 80 < x < x + width < 130
    assert 75 < y < y + height < 140


def test_a_model_without_opacities_submits_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the model tiny predicts no opacities in lungs; give one"):
        write_submission(write_tiny_model(tmp_path), [], tmp_path / "boxes.csv")
