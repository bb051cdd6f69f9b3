"""The file of a quality model: what is written, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lungseg.card import read_card
from lungseg.errors import ModelError
from lungseg.predict import embedded_models, find_model
from lungseg.quality.features import AGREEMENT_FEATURES, CERTAINTY_FEATURES, SHAPE_FEATURES
from lungseg.quality.files import (
    decode_quality_model,
    encode_quality_model,
    quality_model_path,
    read_quality_model,
)
from lungseg.quality.model import CalibrationCurve, FrontalModel, QuadraticModel, QualityModel

SCORE = QuadraticModel(("confidence",), (0.9,), (0.05,), weights=(1.0,), squares=(0.5,), offset=2.0)
CURVE = CalibrationCurve((0.0, 4.0), expected=(0.2, 0.8), low=(0.0, 0.4), high=(0.6, 1.0))
FRONTAL = FrontalModel(SCORE, refuse=-3.0, doubt=1.0, clear=4.0)
QUALITY = QualityModel("abc", SCORE, {"radiograph": CURVE}, uncertain=0.9, frontal=FRONTAL)


def test_it_lies_beside_the_model() -> None:
    assert quality_model_path(Path("models/cxr.onnx")) == Path("models/cxr.judge.json")


@pytest.mark.parametrize(
    "quality", [QUALITY, replace(QUALITY, frontal=None, curves={"slice": CURVE, "volume": CURVE})]
)
def test_it_is_read_as_it_was_written(quality: QualityModel, tmp_path: Path) -> None:
    quality_model_path(tmp_path / "my.onnx").write_bytes(encode_quality_model(quality))
    assert read_quality_model(tmp_path / "my.onnx", "abc") == quality


def test_numbers_are_written_with_five_digits() -> None:
    entries = json.loads(encode_quality_model(replace(QUALITY, uncertain=0.123456789)))
    assert entries["uncertain"] == 0.12346


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    assert read_quality_model(tmp_path / "my.onnx", "abc") is None


def test_that_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.judge.json").write_bytes(encode_quality_model(QUALITY))
    with pytest.raises(
        ModelError,
        match=r"my\.judge\.json: the quality model belongs to another model than the one beside "
        r"it; fit it again with `lungseg calibrate`, or delete it\.$",
    ):
        read_quality_model(tmp_path / "my.onnx", "abcd")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no JSON", r"Expecting value: line 1 column 1 \(char 0\)"),
        ("[1]", "the file is no JSON object"),
        ("[" * 100_000, "its lists and objects lie too deep in one another"),
        ("{}", "dice is no JSON object"),
        ('{"dice": {}}', "dice has no entry 'features'"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "my.judge.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        ModelError,
        match=rf"my\.judge\.json: the quality model cannot be used \({problem}\); fit it again "
        r"with `lungseg calibrate`, or delete it\.$",
    ):
        read_quality_model(tmp_path / "my.onnx", "abc")


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        (("uncertain",), "low",
         "in the file, uncertain holds what is no finite number, or one above 1e9"),
        (("uncertain",), 2, "in the file, uncertain leaves 0 to 1"),
        (("more",), 1, "the file has the unknown entry 'more'"),
        (("curves",), {}, "in the file, there is no calibration curve"),
        (("curves", "film"), json.loads(encode_quality_model(QUALITY))["curves"]["radiograph"],
         "in the file, there is a calibration curve of the unknown scope 'film'"),
        (("curves", "radiograph", "low"), [0.0],
         "in the curve of radiograph, there are 2 scores, 2 expected, 1 low, 2 high, which should "
         "be equally many"),
        (("curves", "radiograph", "low"), 0.5,
         "the curve of radiograph has an entry of a wrong type"),
        (("curves", "radiograph", "high"), [0.6, 1.2],
         "in the curve of radiograph, high leaves 0 to 1"),
        (("curves", "radiograph", "scores"), ["a", "b"],
         "in the curve of radiograph, scores holds what is no finite number, or one above 1e9"),
        (("dice", "weights"), [1.0, 2.0],
         "in dice, there are 1 features, 1 mean, 1 std, 2 weights, 1 squares, which should be "
         "equally many"),
        (("dice", "offset"), float("nan"), "it has a number that is not finite"),
        (("dice", "offset"), 1e300,
         "in dice, offset holds what is no finite number, or one above 1e9"),
        (("frontal", "refuse"), float("nan"), "it has a number that is not finite"),
        (("uncertain",), float("nan"), "it has a number that is not finite"),
        (("uncertain",), True,
         "in the file, uncertain holds what is no finite number, or one above 1e9"),
        (("curves", "radiograph", "expected"), [0.2, 5],
         "in the curve of radiograph, expected leaves 0 to 1"),
        (("dice", "features"), ["fill"], "dice weighs the unknown feature 'fill'"),
        (("dice", "signs"), ["fill"], "dice has the unknown entry 'signs'"),
        (("frontal",), 3, "frontal is no JSON object"),
        (("frontal", "refuse"), 7.0,
         "in frontal, refuse, doubt and clear are not in ascending order"),
        (("frontal", "log_odds"), None, "log_odds is no JSON object"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(
    where: tuple[str, ...], value: Any, problem: str
) -> None:
    entries = json.loads(encode_quality_model(QUALITY))
    inner = entries
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    with pytest.raises(ValueError, match=f"^{problem}$"):
        decode_quality_model(json.dumps(entries))


@pytest.mark.parametrize("name", embedded_models())
def test_those_of_the_embedded_models_belong_to_them(name: str) -> None:
    model = find_model(name)
    quality = read_quality_model(model, read_card(model.with_suffix(".json")).sha256)
    assert quality is not None
    of_dice, scopes = {
        "cxr": (CERTAINTY_FEATURES, {"radiograph"}),
        "ct": (CERTAINTY_FEATURES + AGREEMENT_FEATURES + SHAPE_FEATURES, {"slice", "volume"}),
    }[name]
    assert quality.dice.features == of_dice
    assert set(quality.curves) == scopes
    assert (quality.frontal is not None) == (name == "cxr")
    if quality.frontal is not None:
        assert quality.frontal.log_odds.features == CERTAINTY_FEATURES + SHAPE_FEATURES
    assert encode_quality_model(quality) == quality_model_path(model).read_bytes()
