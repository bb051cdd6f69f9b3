"""What was learned of CT: its arithmetic, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lungseg.card import read_card
from lungseg.errors import ModelError
from lungseg.predict import find_model
from lungseg.quality.model import Calibration, ExpectedDice, Line, learned_path
from lungseg.quality.model_ct import LearnedVolume

LINE = Line(
    ("confidence",), mean=(0.9,), deviation=(0.05,), weights=(1.0,), squares=(0.5,), offset=2.0
)
SLICES = Calibration((0.0, 4.0), expected=(0.2, 0.8), low=(0.0, 0.4), high=(0.6, 1.0))
VOLUMES = Calibration((0.0, 4.0), expected=(0.4, 0.9), low=(0.3, 0.8), high=(0.5, 0.98))
LEARNED = LearnedVolume("abc", LINE, SLICES, VOLUMES, uncertain=0.9)


def test_between_scores_it_is_interpolated_and_beyond_them_it_stays():
    assert SLICES(1.0) == ExpectedDice(pytest.approx(0.35), pytest.approx(0.1), pytest.approx(0.7))
    assert SLICES(-7.0) == ExpectedDice(0.2, 0.0, 0.6)
    assert SLICES(9.0) == ExpectedDice(0.8, 0.4, 1.0)


def test_slices_and_volumes_each_have_their_own_worth():
    # One deviation above the mean: 2 + 1 + 0.5.
    assert LEARNED.expected_dice({"confidence": 0.95}, single=True).value == pytest.approx(
        0.2 + 0.6 * 3.5 / 4
    )
    assert LEARNED.expected_dice({"confidence": 0.95}, single=False).value == pytest.approx(
        0.4 + 0.5 * 3.5 / 4
    )
    assert LEARNED.expected_dice({}, single=True).value == pytest.approx(0.5)


def test_it_is_written_and_read(tmp_path: Path):
    path = tmp_path / "ct.judge.json"
    LEARNED.write(path)
    assert LearnedVolume.read(path) == LEARNED


def test_numbers_are_written_with_five_digits(tmp_path: Path):
    path = tmp_path / "ct.judge.json"
    LearnedVolume("abc", LINE, SLICES, VOLUMES, uncertain=0.123456789).write(path)
    assert json.loads(path.read_text())["uncertain"] == 0.12346


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"model": "abc", "dice": {}, "slices": {}, "volumes": {}, "uncertain": 0.9}',
    ],
)
def test_what_cannot_be_read_says_how_to_make_it_again(tmp_path: Path, text: str):
    path = tmp_path / "ct.judge.json"
    path.write_text(text)
    with pytest.raises(
        ModelError, match=r"this model's masks cannot be read .*python benchmarks/judge_ct.py --fit"
    ):
        LearnedVolume.read(path)
    with pytest.raises(ModelError, match="cannot be read"):
        LearnedVolume.read(tmp_path / "none.judge.json")


def test_numbers_that_nothing_can_be_computed_from_are_refused(tmp_path: Path):
    path = tmp_path / "ct.judge.json"
    LearnedVolume("abc", LINE, SLICES, VOLUMES, uncertain=0.9).write(path)
    entries = json.loads(path.read_text())
    entries["slices"][next(iter(entries["slices"]))] = ["word"]
    path.write_text(json.dumps(entries))
    with pytest.raises(ModelError, match="cannot be read"):
        LearnedVolume.read(path)


def test_the_embedded_model_is_the_one_that_it_was_learned_for():
    model = find_model("ct")
    learned = LearnedVolume.read(learned_path(model))
    assert learned.model == read_card(model.with_suffix(".json")).sha256
    for worth in (learned.slices, learned.volumes):
        assert all(
            list(values) == sorted(values)
            for values in (worth.scores, worth.expected, worth.low, worth.high)
        )
        assert all(
            low <= value <= high
            for low, value, high in zip(worth.low, worth.expected, worth.high, strict=True)
        )
