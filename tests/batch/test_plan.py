"""What stands for what: files that hold, files that do not, and files of nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lungseg.batch.inputs import name_inputs
from lungseg.batch.plan import layers_outputs
from lungseg.card import ModelCard
from lungseg.options import SegmentOptions
from lungseg.result import Result
from lungseg.runner import Outcome
from lungseg.segmenter import Segmenter
from lungseg.structures import LUNGS, OPACITY
from lungseg.verdict import Verdict
from lungseg.writers import MASK, OUTPUTS

Draw = Callable[..., Path]
Run = Callable[..., list[Outcome]]


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


def outputs_of(folder: Path, source: Path) -> dict[str, str]:
    for line in (folder / "results.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["input"] == str(source):
            named: dict[str, str] = record.get("outputs", {})
            return named
    return {}


def lung_pixels(path: Path) -> int:
    return int((cv2.imread(str(path), cv2.IMREAD_UNCHANGED) > 0).sum())


@pytest.fixture
def layered(segmenter: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same segmenter with a model that predicts opacities, too."""
    kind = type(segmenter)
    card, segment = kind.card, kind.__call__

    def with_opacity(self: Any, modality: Any, options: SegmentOptions) -> ModelCard:
        layers = (("right lung", "left lung"), ("opacity",))
        return replace(card(self, modality, options), layers=layers)

    def both(self: Any, source: Path, options: SegmentOptions, **more: Any) -> Result[Any]:
        result = segment(self, source, options, **more)
        layers = [result.segmentation.labels, np.zeros_like(result.segmentation.labels)]
        found = result.image.with_layers(layers, [LUNGS, [OPACITY]])
        return replace(result, segmentation=found, probabilities=None)

    monkeypatch.setattr(kind, "card", with_opacity)
    monkeypatch.setattr(kind, "__call__", both)
    return segmenter


def test_the_layers_of_a_model_have_names_that_no_input_may_have() -> None:
    own = layers_outputs(Segmenter(), SegmentOptions(structures=("lungs", "heart", "opacity")))
    assert [output.name for output in own["radiograph"]] == ["opacity"]
    assert "ct" not in own  # whose model finds none, and says so
    assert layers_outputs(Segmenter(), SegmentOptions()) == {"radiograph": (), "ct": ()}
    files = [Path("/d/x.png"), Path("/d/x_opacity.png")]
    names = name_inputs(files, {}, Path("/d"), (*OUTPUTS, *own["radiograph"]))
    assert names == {files[0]: "d_x", files[1]: "x_opacity"}


@pytest.mark.usefixtures("layered")
def test_no_layer_replaces_an_input(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, mine = draw("d/x.png", 10), draw("d/x_opacity.png", 20)
    before = mine.read_bytes()
    for settings in ({}, {}, {"overwrite": True}):
        outcomes = run([x, mine], tmp_path / "d", **settings)
        assert "failed" not in statuses(outcomes)
        assert mine.read_bytes() == before
    assert outputs_of(tmp_path / "d", x)["opacity"] == "d_x_opacity.png"


def test_what_would_replace_an_input_under_a_name_that_is_kept_fails(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    x = draw("d/x.png")
    run([x], tmp_path / "d")
    mine = draw("d/x_crop.png", 20)
    before = mine.read_bytes()
    outcomes = run([x, mine], tmp_path / "d", outputs=["mask", "crop"], overwrite=True)
    assert outcomes[0] == Outcome(
        x,
        "failed",
        why="x_crop.png, which it would write, is an input; choose another output folder",
    )
    assert (outcomes[1].status, mine.read_bytes()) == ("done", before)


@pytest.mark.usefixtures("layered")
@pytest.mark.parametrize("gone", ["x_opacity.png", "x_mask.png"])
def test_a_mask_and_its_layers_are_made_together(
    run: Run, draw: Draw, tmp_path: Path, gone: str
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out)
    (out / gone).unlink()
    assert [(one.status, set(one.outputs)) for one in run([x], out)] == [
        ("done", {"mask", "opacity"})
    ]
    assert (out / gone).is_file()
    assert statuses(run([x], out)) == ["skipped"]


def test_a_file_of_nobody_stays_after_a_failure_and_beside_a_result(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    x, out = tmp_path / "x.png", tmp_path / "out"
    x.write_bytes(b"")
    assert statuses(run([x], out)) == ["failed"]
    draw("x.png")
    mine = draw("out/x_mask.png").read_bytes()
    for settings in ({}, {}, {"outputs": ["overlay"]}, {}):
        outcomes = run([x], out, **settings)
        assert (out / "x_mask.png").read_bytes() == mine
        assert statuses(outcomes) == ["done" if settings else "failed"]
    assert outcomes[0].why.startswith("x_mask.png is there already and results.jsonl does not")
    assert outputs_of(out, x) == {"overlay": "x_overlay.png"}


def test_what_was_made_with_other_options_is_made_anew(
    run: Run, draw: Draw, tmp_path: Path
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out, outputs=["mask", "crop"])
    assert len(np.unique(cv2.imread(str(out / "x_mask.png"), cv2.IMREAD_UNCHANGED))) > 2
    run([x], out, outputs=["overlay"], overwrite=True, binary=True)
    assert set(outputs_of(out, x)) == {"mask", "overlay", "crop"}
    assert set(np.unique(cv2.imread(str(out / "x_mask.png"), cv2.IMREAD_UNCHANGED))) == {0, 255}


def test_of_an_input_that_changed_all_is_made_anew(run: Run, draw: Draw, tmp_path: Path) -> None:
    x, out = draw("x.png", 10), tmp_path / "out"
    run([x], out, outputs=["masked", "mask"])
    old = (out / "x_masked.png").read_bytes()
    pixels = np.arange(50 * 60, dtype=np.uint8).reshape(50, 60)
    cv2.imwrite(str(x), pixels)
    assert [set(one.outputs) for one in run([x], out, outputs=["crop"])] == [
        {"mask", "masked", "crop"}
    ]
    assert (out / "x_masked.png").read_bytes() != old
    assert cv2.imread(str(out / "x_mask.png"), cv2.IMREAD_UNCHANGED).shape[:2] == pixels.shape


@pytest.mark.usefixtures("layered")
def test_a_layer_that_is_no_more_asked_for_goes(
    run: Run, draw: Draw, tmp_path: Path, segmenter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out)
    assert (out / "x_opacity.png").is_file()
    monkeypatch.undo()  # a model without opacities
    run([x], out, overwrite=True)
    assert not (out / "x_opacity.png").exists()
    assert set(outputs_of(out, x)) == {MASK, "overlay"}


def test_no_picture_stays_of_what_is_refused_now(
    run: Run, segmenter: Any, draw: Draw, tmp_path: Path
) -> None:
    x, out = draw("x.png"), tmp_path / "out"
    run([x], out)
    segmenter.verdict = Verdict("refused", ("not_frontal",), ("no film",))
    run([x], out, overwrite=True, skip_refused=True)
    assert list(out.glob("x_*")) == []
    assert outputs_of(out, x) == {}
    assert statuses(run([x], out, skip_refused=True)) == ["skipped"]
