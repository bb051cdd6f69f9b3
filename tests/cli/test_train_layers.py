"""From label maps of several structures, and masks of some of them, to a model that is scored by
structure."""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from command_line import lungseg
from lungseg.card import read_card
from phantom_radiographs import write_radiographs

FLAGS = (
    "--layers='lungs, heart' --width=6 --depth=5 --size=64 --batch=2 --learning-rate=0.01 "
    "--ema-decay=0.5 --validation=0.3 --precision=32-true --workers=0 --epochs=36 --no-calibrate -q"
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


THREE = ("right lung", "left lung", "heart")


def write_list(folder: Path, sources: dict[str, tuple[int, tuple[str, ...], str]]) -> Path:
    """Films of four patients for each source, whose masks have some structures, from a first seed,
    and the list that says what they decide."""
    rows = ["case,patient,image,mask,source,decides"]
    for source, (seed, structures, decides) in sources.items():
        write_radiographs(folder / source, count=8, structures=structures, first_seed=seed)
        for image in sorted((folder / source / "images").iterdir()):
            patient, mask = image.stem.partition("_")[0], f"{source}/masks/{image.name}"
            rows.append(
                f"{image.stem},{patient},{source}/images/{image.name},{mask},{source},{decides}"
            )
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    return folder / "cases.csv"


@pytest.mark.slow
def test_lungs_are_learnt_as_one_without_sides(tmp_path) -> None:
    write_radiographs(tmp_path / "films", count=12)
    run = tmp_path / "run"
    flags = FLAGS.replace("lungs, heart", "lungs as one").replace("--no-calibrate", "")
    ran = lungseg("train", tmp_path / "films", "-o", run, *shlex.split(flags))
    assert ran.exit_code == 0, ran.output
    assert 'layers = [["lungs"]]' in (run / "settings.toml").read_text()
    assert read_card(run / "model.json").outputs == ("background", "lungs")
    assert "validation cases, lungs: 0.9" in ran.stdout
    assert {path.name for path in run.glob("montage_*.png")} >= {"montage_best.png"}
    film = next((tmp_path / "films/images").iterdir())
    out = tmp_path / "out"
    assert lungseg("segment", film, "-o", out, "--model", run).exit_code == 0
    assert '"sides": "assigned"' in (out / "results.jsonl").read_text()


@pytest.mark.slow
def test_lungs_and_heart_are_learnt_from_partial_labels_and_scored_by_structure(tmp_path) -> None:
    cases = write_list(
        tmp_path / "films",
        {
            "both": (0, THREE, "lungs; heart"),
            "lungs": (100, (), ""),
            "heart": (200, ("heart",), "heart"),
        },
    )
    run = tmp_path / "run"
    done = lungseg("train", cases, "-o", run, *shlex.split(FLAGS))
    assert done.exit_code == 0, done.output
    assert "heart: 0." in done.stdout
    with (run / "metrics.csv").open(newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert {"val_dice_both", "val_dice_lungs", "val_dice_heart", "val_heart_dice"} <= set(last)

    card = read_card(run / "model.json")
    assert card.layers == (("right lung", "left lung", "heart"),)
    assert card.outputs == ("background", "right lung", "left lung", "heart")

    out = tmp_path / "scores"
    done = lungseg("evaluate", run / "model.onnx", run / "cases.csv", "-o", out, "--card")
    assert done.exit_code == 0, done.output
    with (out / "scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["source"] for line in lines].count("both") == 2  # 0.3 of four patients
    known = {
        "lungs_dice": {"both", "lungs"},
        "right_lung_dice": {"both", "lungs"},
        "left_lung_dice": {"both", "lungs"},
        "heart_dice": {"both", "heart"},
    }
    for column, sources in known.items():
        for line in lines:
            dice = float(line[column])
            assert dice > 0.75 if line["source"] in sources else math.isnan(dice), (column, line)
    scores = read_card(run / "model.json").scores
    assert {source: set(entry) & {"lungs", "heart"} for source, entry in scores.items()} == {
        "both": {"lungs", "heart"},
        "lungs": {"lungs"},
        "heart": {"heart"},
    }

    # What no mask of the lungs decided was not learnt to be absent.
    told = write_list(tmp_path / "told", {"lungs": (100, THREE, "lungs; heart")})
    done = lungseg("evaluate", run / "model.onnx", told, "-o", out, "--split", "all")
    assert done.exit_code == 0, done.output
    with (out / "scores.csv").open(newline="") as stream:
        assert min(float(line["heart_dice"]) for line in csv.DictReader(stream)) > 0.75
