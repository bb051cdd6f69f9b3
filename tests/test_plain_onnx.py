"""The page on running a model without lungseg: its lines give lungseg's mask, and the models carry
what they need."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

import lungseg
from lungseg.card import read_card
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.predict import embedded_models, find_model
from lungseg.preprocess import steps

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "onnx.md").read_text(encoding="utf-8")
LINES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(512, 480), (300, 200)], ids=str)
def test_the_lines_give_the_mask_of_lungseg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(find_model("cxr"), "cxr.onnx")
    film = radiograph_phantom(shape).image.array
    cv2.imwrite("film.png", film)
    exec(compile(LINES[0], "docs/onnx.md", "exec"), {})
    mask = cv2.imread("lungs.png", cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 1, 2}
    assert np.array_equal(mask, lungseg.segment("film.png", lungseg.SegmentOptions()).mask)


@pytest.mark.parametrize("name", embedded_models())
def test_embedded_models_carry_what_their_cards_say(name: str) -> None:
    path = find_model(name)
    card = read_card(path.with_suffix(".json"))
    carried = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    carried.pop("learnt", None)  # of the head, for those who train on; ct 1.0 does not say it
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.M)
    assert sorted(carried) == sorted(re.findall(r"`(\w+)`", " ".join(rows)))
    facts = json.loads(json.dumps(asdict(card)))
    assert {
        key: text if isinstance(facts[key], str) else json.loads(text)
        for key, text in carried.items()
    } == {key: facts[key] for key in carried}
    assert card.steps == steps(card.modality)
