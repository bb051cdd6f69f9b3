"""A whole evaluation, with a network of a few weights on a few phantoms."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lungseg.datasets import Case, recognise
from lungseg.errors import OutputError
from lungseg.evaluate import evaluate
from lungseg.evaluate import run as module
from lungseg.predict import Predictor
from phantom_films import write_films
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("films")
    write_films(folder / "north", count=6, side=96)
    write_films(folder / "diseased_adults", count=2, side=96)
    return recognise(folder)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path)


def test_it_leaves_scores_a_table_and_a_sheet_of_the_worst(cases, model, tmp_path) -> None:
    text = evaluate(model, cases, tmp_path / "deep" / "out")
    out = tmp_path / "deep" / "out"
    assert sorted(path.name for path in out.iterdir()) == ["scores.csv", "scores.md", "worst.png"]
    assert (out / "scores.md").read_text() == text + "\n"
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == ["diseased_adults", "north"]
    with (out / "scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert {(line["source"], line["case"]) for line in lines} == {(case.source, case.case) for case in cases}
    assert json.loads(model.with_suffix(".json").read_text())["scores"] == {}
    sheet = cv2.imread(str(out / "worst.png"))
    assert sheet.shape == (4 + 2 * (320 + 22 + 4), 4 + 5 * (320 + 4), 3)


def test_the_sheet_shows_the_worst_in_order_with_the_truth_in_yellow(cases, model, tmp_path, monkeypatch) -> None:
    shown: list[tuple[list[np.ndarray], list[str]]] = []

    def montage(tiles, columns, captions):
        shown.append((tiles, captions))
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(module, "WORST", 3)
    monkeypatch.setattr(module, "montage", montage)
    evaluate(model, cases, tmp_path / "out")
    with (tmp_path / "out" / "scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    ((tiles, captions),) = shown
    assert [caption.split()[1] for caption in captions] == [line["case"] for line in lines[:3]]
    assert [float(caption.split()[0]) for caption in captions] == pytest.approx([float(line["dice"]) for line in lines[:3]], abs=6e-4)
    for tile in tiles:
        assert tile.shape == (320, 320, 3)
        assert (np.abs(tile.astype(int) - module.TRUTH_COLOUR).max(axis=2) < 20).sum() > 200


def test_changes_are_measured_when_asked_for(cases, model, tmp_path) -> None:
    text = evaluate(model, cases[-2:], tmp_path / "out", changed=True)
    table, changes = text.split("\n\n")
    assert len(table.splitlines()) == 2 + 1
    means = {name.strip(): float(mean) for _, name, mean, *_ in (line.split("|") for line in changes.splitlines()[2:])}
    assert len(means) == 11
    assert means["mirrored"] > 0.95
    assert (tmp_path / "out" / "scores.md").read_text() == text + "\n"


def test_deep_pictures_are_changed_as_they_are_shown(cases, model, tmp_path, monkeypatch) -> None:
    def steadiness(segmenter, pictures):
        given.extend(pictures)
        return {"none": [1.0]}

    given: list[np.ndarray] = []
    monkeypatch.setattr(module, "steadiness", steadiness)
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), cv2.imread(str(cases[-1].image), cv2.IMREAD_UNCHANGED).astype(np.uint16) * 257)
    evaluate(model, [replace(cases[-1], image=deep)], tmp_path / "out", changed=True)
    (picture,) = given
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)


def test_scores_are_entered_into_the_card_and_questionable_masks_are_not(cases, model, tmp_path) -> None:
    questionable = replace(cases[-1], source="south", notes="questionable")
    evaluate(model, [*cases[:-1], replace(cases[-1], notes="questionable"), questionable], tmp_path / "out", enter=True)
    scores = Predictor(model).card.scores
    assert set(scores) == {"diseased_adults", "north"}
    assert {name: entry["cases"] for name, entry in scores.items()} == {"diseased_adults": 2, "north": 5}
    assert set(scores["diseased_adults"]) == {"cases", "truth", "dice", "dice_5th_percentile"}
    assert set(scores["north"]) == {"cases", "truth", "dice", "dice_5th_percentile", "hd95_of_1024_pixels"}
    assert scores["diseased_adults"]["truth"] == "lung and heart"
    with (tmp_path / "out" / "scores.csv").open(newline="") as stream:
        dice = [float(line["dice"]) for line in csv.DictReader(stream) if line["source"] == "north" and not line["notes"]]
    assert scores["north"]["dice"] == pytest.approx(np.mean(dice), abs=1e-4)


def test_a_file_in_place_of_the_folder_is_named(cases, model, tmp_path) -> None:
    taken = tmp_path / "out"
    taken.write_text("mine")
    with pytest.raises(OutputError, match="is a file, and results need a folder"):
        evaluate(model, cases, taken)
    assert taken.read_text() == "mine"
