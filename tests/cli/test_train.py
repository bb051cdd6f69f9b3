"""The commands of those who train, from films to the masks of a model of one's own."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from command_line import lungseg
from lungseg.cli import train as cli_training
from lungseg.errors import UsageError
from lungseg.train import fit as fit_module
from lungseg.train.recipes import read_recipe, recipes
from lungseg.train.settings import TrainingSettings, describe, read_settings
from phantom_radiographs import write_radiographs

SMALL = TrainingSettings(
    width=6,
    depth=5,
    size=64,
    batch=2,
    learning_rate=0.01,
    ema_decay=0.5,
    validation=0.3,
    precision="32-true",
    workers=0,
    epochs=25,
)
FLAGS = [
    f"--{name.replace('_', '-')}={value}"
    for name, value in asdict(SMALL).items()
    if value != getattr(TrainingSettings(), name)
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources "north", six patients, and "south", two."""
    folder = tmp_path_factory.mktemp("films")
    write_radiographs(folder / "north", count=12)
    write_radiographs(folder / "south", count=4)
    return folder


@pytest.fixture(scope="module")
def run(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mine"
    done = lungseg("train", films, "-o", folder, *FLAGS, "-q")
    assert done.exit_code == 0, done.output
    first, second, third, *notes = done.stdout.splitlines()
    assert notes[0] == "Note: 3 patients are few: the intervals of the expected Dice are rough"
    assert (first, second) == (
        f"Best weights: {folder / 'best.ckpt'}",
        f"Model: {folder / 'model.onnx'}",
    )
    assert third.startswith("Mean Dice of the validation cases, lungs: 0.")
    assert done.stderr == ""
    return folder


@pytest.fixture(scope="module")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "mine.onnx"
    done = lungseg("export", run / "best.ckpt", "-o", path)
    assert done.exit_code == 0, done.output
    first, second = done.stdout.splitlines()
    assert first == f"{path} ({path.stat().st_size / 1e6:.2f} MB) and {path.with_suffix('.json')}"
    assert second.startswith("Largest difference to torch: 0.00")
    assert second.endswith(" in probability")
    return path


@pytest.mark.slow
def test_flags_become_the_settings_of_the_run(run) -> None:
    assert read_settings(run / "settings.toml") == SMALL


@pytest.mark.slow
def test_a_run_leaves_all_that_there_is_to_see(run) -> None:
    left = {path.name for path in run.iterdir()}
    assert left >= {
        "settings.toml",
        "cases.csv",
        "metrics.csv",
        "curves.png",
        "tensorboard",
        "best.ckpt",
        "last.ckpt",
    }
    assert left >= {
        "model.onnx",
        "model.json",
        "model.judge.json",
        "predictions",
        "montage_best.png",
        "montage_median.png",
        "montage_worst.png",
    }


@pytest.mark.slow
def test_a_run_goes_on_from_a_model_where_that_ended(run, model, films, tmp_path) -> None:
    still = ("--start-from", model, "--epochs", 1, "--learning-rate", 0, "--ema-decay", 0)
    done = lungseg(
        "train",
        films,
        "-o",
        tmp_path / "more",
        "--settings",
        run / "settings.toml",
        *still,
        "--no-calibrate",
        "-q",
    )
    assert done.exit_code == 0, done.output
    with (run / "metrics.csv").open(newline="") as stream:
        best = max(float(line["val_dice"]) for line in csv.DictReader(stream))
    with (tmp_path / "more" / "metrics.csv").open(newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert float(line["val_dice"]) == pytest.approx(best, abs=0.05)
    assert float(line["train_dice"]) > 0.5


def test_a_recipe_is_known_by_its_name_and_overruled_by_flags(films, tmp_path, monkeypatch) -> None:
    seen: list[TrainingSettings] = []
    monkeypatch.setattr(
        fit_module, "fit", lambda cases, folder, settings, **_: seen.append(settings)
    )
    monkeypatch.setattr(fit_module, "is_first", lambda: False)
    done = lungseg(
        "train",
        films,
        "-o",
        tmp_path,
        "--recipe",
        "r5-unet-128-laptop",
        "--epochs",
        7,
        "--norm",
        "none",
    )
    assert done.exit_code == 0, done.output
    assert seen == [replace(read_recipe("r5-unet-128-laptop"), epochs=7, norm="none")]


def test_layers_are_named_by_structures_and_pairs(films, tmp_path, monkeypatch) -> None:
    seen: list[TrainingSettings] = []
    monkeypatch.setattr(
        fit_module, "fit", lambda cases, folder, settings, **_: seen.append(settings)
    )
    monkeypatch.setattr(fit_module, "is_first", lambda: False)
    lungseg("train", films, "-o", tmp_path, "--layers", "lungs, heart", "--layers", "opacity")
    assert [settings.layers for settings in seen] == [
        (("right lung", "left lung", "heart"), ("opacity",))
    ]
    done = lungseg("train", films, "-o", tmp_path, "--layers", "lungs, liver")
    assert (done.exit_code, done.stderr) == (
        2,
        "Error: 'liver' is no structure; there are right lung, left lung, heart, trachea, opacity, "
        "lungs.\n",
    )


def test_a_refused_number_of_samples_leaves_no_folder(films, tmp_path) -> None:
    done = lungseg("train", films, "-o", tmp_path / "look", *FLAGS, "--show-augmented", 0)
    assert done.exit_code == 2
    assert "Invalid value for '--show-augmented': 0 is not in the range x>=1." in done.stderr
    assert not (tmp_path / "look").exists()


def test_augmented_samples_are_drawn_instead_of_training(films, tmp_path) -> None:
    done = lungseg("train", films, "-o", tmp_path / "look", *FLAGS, "--show-augmented", 3)
    assert done.exit_code == 0, done.output
    picture = tmp_path / "look" / "augmented.png"
    assert (
        done.stdout
        == f"{picture}, with the parameters of each sample in {picture.with_suffix('.jsonl')}\n"
    )
    assert sorted(path.name for path in picture.parent.iterdir()) == [
        "augmented.jsonl",
        "augmented.png",
    ]
    assert cv2.imread(str(picture)) is not None


@pytest.mark.slow
def test_a_model_of_ones_own_is_scored_and_used(run, model, films, tmp_path) -> None:
    done = lungseg("evaluate", model, run / "cases.csv", "-o", tmp_path / "scores")
    assert done.exit_code == 0, done.output
    assert done.stdout == (tmp_path / "scores" / "scores.md").read_text()
    with (tmp_path / "scores" / "scores.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 2 * (2 + 1)  # 0.3 of six patients and of two, with two films each
    assert np.mean([float(line["lungs_dice"]) for line in lines]) > 0.8
    assert (
        min(float(line[f"{side}_lung_dice"]) for line in lines for side in ("right", "left")) > 0.7
    )

    done = lungseg(
        "segment", films / "north" / "images" / "p0_a.png", "-o", tmp_path / "out", "--model", model
    )
    assert done.exit_code == 0, done.output
    mask = cv2.imread(str(tmp_path / "out" / "p0_a_mask.png"))
    assert mask.shape == (64, 64, 3)
    assert mask.any()


@pytest.mark.slow
def test_a_model_of_ones_own_says_what_dice_is_to_be_expected(run, films, tmp_path) -> None:
    picture = films / "north" / "images" / "p0_a.png"
    done = lungseg("segment", picture, "-o", tmp_path, "--model", run / "model.onnx")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "results.jsonl").read_text().splitlines()[0])
    expected = {m["name"]: m["value"] for m in record["measurements"] if "dice" in m["name"]}
    assert list(expected) == ["expected_dice", "expected_dice_low", "expected_dice_high"]
    low, value, high = (expected[f"expected_dice{end}"] for end in ("_low", "", "_high"))
    assert 0 < low <= value <= high <= 1


@pytest.mark.slow
def test_settings_come_from_a_file_and_flags_overrule_it(films, tmp_path) -> None:
    (tmp_path / "s.toml").write_text(
        "width = 2\ndepth = 3\nsize = 64\nepochs = 3\nworkers = 0\nvalidation = 0.4\nleave_out = "
        "['north']\n"
    )
    flags = [
        "--epochs",
        "1",
        "--leave-out",
        "south",
        "--architecture",
        "unetpp",
        "--no-deep-supervision",
        "--no-calibrate",
        "-q",
    ]
    done = lungseg(
        "train", films, "-o", tmp_path / "run", "--settings", tmp_path / "s.toml", *flags
    )
    assert done.exit_code == 0, done.output
    found = read_settings(tmp_path / "run" / "settings.toml")
    assert (
        found.width,
        found.epochs,
        found.architecture,
        found.deep_supervision,
        found.leave_out,
    ) == (
        2,
        1,
        "unetpp",
        False,
        ("south",),
    )


@pytest.mark.slow
def test_a_stopped_run_says_how_to_go_on_and_goes_on(films, tmp_path, monkeypatch) -> None:
    class Module(fit_module.LungModule):
        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "LungModule", Module)
        done = lungseg("train", films, "-o", tmp_path, *FLAGS, "--epochs", 2, "-q")
    assert done.exit_code == 130
    assert done.stderr == (
        "Stopped. With --resume in place of the settings, the run goes on from its last "
        "whole epoch.\n"
    )
    done = lungseg("train", films, "-o", tmp_path, "--resume", "--no-calibrate", "-q")
    assert done.exit_code == 0, done.output
    assert [line.split(",")[0] for line in (tmp_path / "metrics.csv").read_text().splitlines()] == [
        "epoch",
        "1",
        "2",
    ]


@pytest.mark.slow
def test_a_run_stopped_in_its_first_epoch_is_not_told_to_be_resumed(
    films, tmp_path, monkeypatch
) -> None:
    class Module(fit_module.LungModule):
        def on_train_epoch_start(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(fit_module, "LungModule", Module)
    done = lungseg("train", films, "-o", tmp_path, *FLAGS, "-q")
    assert done.exit_code == 130
    assert done.stderr == (
        "Stopped before the first epoch was whole; the same command begins afresh.\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--epochs", 1),
            "{run}: the folder holds a run already, and one of other settings (size is 64 there, "
            "and 256 here); choose another folder, or resume it.",
        ),
        (
            ("--resume", "--epochs", 20),
            "{run}: a run goes on with the settings it began with (epochs is 25 there, and 20 "
            "here); give --resume without other settings; to train longer, begin another run with "
            "--start-from {run}/best.ckpt.",
        ),
        (
            ("--resume", "--size", 32),
            "{run}: a run goes on with the settings it began with (size is 64 there, and 32 here); "
            "give --resume without other settings.",
        ),
        (("--recipe", "r9"), "there is no recipe 'r9'; there are {recipes}."),
        (
            ("--recipe", "cxr", "--settings", "s.toml"),
            "--recipe and --settings both say how to train; give one of them.",
        ),
        (
            ("--size", 100),
            "size 100 is not a multiple of 32, as depth 6 needs; change one of them.",
        ),
    ],
)
def test_wrong_use_is_said_in_a_sentence(run, films, arguments, words) -> None:
    done = lungseg("train", films, "-o", run, *arguments)
    assert done.exit_code == 2
    assert done.stderr == f"Error: {words.format(run=run, recipes=', '.join(recipes()))}\n"


def test_there_must_be_a_run_to_resume(films, tmp_path) -> None:
    done = lungseg("train", films, "-o", tmp_path, "--resume")
    assert done.exit_code == 2
    assert done.stderr == (
        f"Error: {tmp_path}: there is no run to resume; give the folder of a run that "
        "was stopped.\n"
    )


def test_a_setting_that_is_not_one_is_refused_by_its_flag(films, tmp_path) -> None:
    done = lungseg("train", films, "-o", tmp_path, "--architecture", "vnet")
    assert done.exit_code == 2
    assert "vnet" in done.stderr


def test_help_has_a_flag_with_words_for_every_setting(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = " ".join(lungseg("train", "--help").output.split())
    for name, _, meaning in describe():
        default = getattr(TrainingSettings(), name)
        said = "none" if default == () else str(default).lower()
        if name == "layers":
            said = "right lung, left lung"
        assert f"--{name.replace('_', '-')} " in shown
        assert f"{meaning} [{said}]" in shown


@pytest.mark.parametrize("command", ["train", "export"])
def test_every_command_shows_an_example(command) -> None:
    assert f"Example: lungseg {command} " in " ".join(lungseg(command, "--help").output.split())


def test_without_the_extra_it_is_said_what_to_install(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "lungseg.train.fit")
    monkeypatch.setitem(sys.modules, "lightning", None)
    with pytest.raises(UsageError) as refused:
        cli_training.training_module("fit")
    assert str(refused.value) == (
        "training needs the library lightning; install it with `pip install 'lungseg[train]'`."
    )
