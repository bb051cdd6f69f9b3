"""A whole training run on a few phantoms: what it leaves, that it can be stopped and resumed, and what it refuses."""

from __future__ import annotations

import csv
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lungseg.datasets import Case, read_manifest
from lungseg.errors import InputError, UsageError
from lungseg.train.data import CaseArrays
from lungseg.train.fit import assign, fit
from lungseg.train.module import LungModule, build_network, certain_dice, load_checkpoint
from lungseg.train.settings import Settings, read_settings

SETTINGS = Settings(
    width=4, depth=3, size=64, epochs=12, batch=2, learning_rate=0.02, average=0.5, validation=0.3, precision="32-true", workers=0
)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, cases: list[Case]) -> Path:
    """A run that was not disturbed."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert fit(cases, folder, SETTINGS, progress=False) == folder / "best.ckpt"
    return folder


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def weights(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def stop_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int, *, batch: int = 0) -> None:
    def step(self: LungModule, given: Any, index: int) -> Any:
        if (self.current_epoch, index) == (epoch, batch):
            raise KeyboardInterrupt
        return whole(self, given, index)

    whole = LungModule.training_step
    monkeypatch.setattr(LungModule, "training_step", step)


def test_a_run_leaves_settings_cases_metrics_and_weights(run, cases) -> None:
    assert sorted(path.name for path in run.iterdir()) == ["best.ckpt", "cases.csv", "last.ckpt", "metrics.csv", "settings.toml"]
    assert read_settings(run / "settings.toml") == SETTINGS
    listed = read_manifest(run / "cases.csv")
    assert [replace(case, split="") for case in listed] == cases
    assert [(case.source, case.split) for case in listed].count(("north", "validation")) == 2  # one of four patients
    assert [(case.source, case.split) for case in listed].count(("south", "validation")) == 2  # one of two
    lines = metrics(run)
    assert list(lines[0]) == ["epoch", "train_loss", "val_dice", "val_dice_north", "val_dice_south", "val_loss"]
    assert [line["epoch"] for line in lines] == [str(epoch) for epoch in range(12)]
    for line in lines:
        means = [float(line[f"val_dice_{source}"]) for source in ("north", "south")]
        assert float(line["val_dice"]) == pytest.approx(sum(means) / 2)


def test_it_learns(run) -> None:
    lines = metrics(run)
    assert float(lines[-1]["train_loss"]) < float(lines[0]["train_loss"])
    assert float(lines[0]["val_dice"]) < 0.1
    assert max(float(line["val_dice"]) for line in lines) > 0.7


def test_best_weights_are_those_of_the_best_epoch_and_averaged(run, cases) -> None:
    best = max(metrics(run), key=lambda line: float(line["val_dice"]))
    saved = torch.load(run / "best.ckpt", weights_only=True)
    assert saved["epoch"] == int(best["epoch"])
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 11
    assert not torch.equal(saved["state_dict"]["net.head.weight"], saved["current_model_state"]["net.head.weight"])
    net, settings = load_checkpoint(run / "best.ckpt")
    assert settings == SETTINGS
    assert not net.training
    validation = [case for case in read_manifest(run / "cases.csv") if case.split == "validation"]
    data = CaseArrays(validation, (64, 64), (0.5, 99.5), seed=None)
    x, allowed = (torch.stack(part) for part in zip(*(data[i] for i in range(len(data))), strict=True))
    with torch.inference_mode():
        dice = certain_dice(net(x), allowed)
    assert dice.mean().item() == pytest.approx(float(best["val_dice"]), abs=1e-4)  # two cases of each source


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(run, cases, tmp_path, monkeypatch) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 10, batch=1)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path, SETTINGS, progress=False)
    assert signal.getsignal(signal.SIGINT) == handler
    assert metrics(tmp_path) == metrics(run)[:10]
    assert fit(cases, tmp_path, SETTINGS, resume=True, progress=False) == tmp_path / "best.ckpt"
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()
    for name in ("best.ckpt", "last.ckpt"):
        torch.testing.assert_close(weights(tmp_path / name), weights(run / name), rtol=0, atol=0)


def test_a_run_stopped_in_its_first_epoch_begins_afresh(run, cases, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 0)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path, SETTINGS, progress=False)
    with pytest.raises(UsageError, match="there is no run to resume; choose another folder"):
        fit(cases, tmp_path, SETTINGS, resume=True, progress=False)
    (tmp_path / "metrics.csv").write_text("epoch\n0\n")
    fit(cases, tmp_path, SETTINGS, progress=False)
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


def test_resuming_a_finished_run_changes_nothing(cases, tmp_path) -> None:
    settings = replace(SETTINGS, epochs=1)
    fit(cases, tmp_path, settings, progress=False)
    before = (tmp_path / "metrics.csv").read_text(), weights(tmp_path / "best.ckpt")
    assert fit(cases, tmp_path, settings, resume=True, progress=False) == tmp_path / "best.ckpt"
    assert (tmp_path / "metrics.csv").read_text() == before[0]
    torch.testing.assert_close(weights(tmp_path / "best.ckpt"), before[1], rtol=0, atol=0)


def test_a_process_that_augments_gives_the_same_samples(run, cases, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path, replace(SETTINGS, workers=1), progress=False)
    fit(cases, tmp_path, replace(SETTINGS, workers=1), resume=True, progress=False)
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


def test_another_seed_is_another_run(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, seed=1, epochs=1), progress=False)
    assert metrics(tmp_path)[0]["train_loss"] != metrics(run)[0]["train_loss"]


def test_training_ends_early_when_nothing_gets_better(cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, norm="none", learning_rate=0, epochs=9, patience=2), progress=False)
    assert [line["epoch"] for line in metrics(tmp_path)] == ["0", "1", "2"]
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 0


@pytest.mark.parametrize("deep_supervision", [True, False])
def test_unetpp_in_bfloat16_trains_too(cases, tmp_path, deep_supervision) -> None:
    settings = replace(SETTINGS, net="unetpp", deep_supervision=deep_supervision, width=2, epochs=1, precision="bf16-mixed")
    fit(cases, tmp_path, settings, progress=False)
    names = {name for name in weights(tmp_path / "best.ckpt") if name.startswith("net.heads")}
    assert names == {f"net.heads.{i}.{part}" for i in range(2 if deep_supervision else 1) for part in ("weight", "bias")}


def test_a_left_out_source_is_for_testing_and_the_others_are_split_as_before(cases) -> None:
    plain = assign(cases, SETTINGS)
    without = assign(cases, replace(SETTINGS, leave_out=("south",)))
    assert {case.split for case in without if case.source == "south"} == {"test"}
    assert [case for case in without if case.source == "north"] == [case for case in plain if case.source == "north"]


def test_questionable_masks_are_learnt_from_and_not_validated_on(cases, tmp_path) -> None:
    given = [replace(case, split="validation" if case.patient == "p0" else "train") for case in cases]
    given = [replace(case, notes="questionable") if (case.source, case.split) == ("south", "validation") else case for case in given]
    fit(given, tmp_path, replace(SETTINGS, epochs=1), progress=False)
    assert list(metrics(tmp_path)[0]) == ["epoch", "train_loss", "val_dice", "val_dice_north", "val_loss"]


def test_a_folder_with_a_run_is_not_overwritten(run, cases) -> None:
    before = (run / "metrics.csv").read_text()
    with pytest.raises(UsageError) as refused:
        fit(cases, run, SETTINGS, progress=False)
    assert str(refused.value) == f"{run}: the folder holds a run already; choose another folder, or resume it."
    assert (run / "metrics.csv").read_text() == before


def test_an_unknown_source_cannot_be_left_out(cases, tmp_path) -> None:
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, leave_out=("east",)), progress=False)
    assert str(refused.value) == "there is no source 'east' to leave out; choose of ['north', 'south']."
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("leave_out", "validation", "words"),
    [
        (("north", "south"), 0.3, "0 cases to train on and 0 to validate on; give more patients."),
        ((), 0.05, "12 cases to train on and 0 to validate on; give more patients."),
    ],
)
def test_there_must_be_cases_on_both_sides(cases, tmp_path, leave_out, validation, words) -> None:
    with pytest.raises(InputError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, leave_out=leave_out, validation=validation), progress=False)
    assert str(refused.value) == words
    assert not (tmp_path / "run").exists()


def test_the_network_is_the_one_that_the_settings_describe() -> None:
    net = build_network(replace(SETTINGS, max_width=8, norm="none", up="interpolated"))
    assert type(net).__name__ == "UNet"
    assert [block[0].out_channels for block in net.down] == [4, 8, 8]
    assert net.head.out_channels == 4
    assert not any(isinstance(module, torch.nn.BatchNorm2d | torch.nn.ConvTranspose2d) for module in net.modules())


def test_certain_dice_leaves_open_pixels_out() -> None:
    allowed = torch.tensor([[[2, 2, 10, 10, 1, 1, 15, 9]]], dtype=torch.uint8)
    probabilities = torch.zeros(1, 4, 1, 8)
    probabilities[0, 1, 0, [0, 2, 6]] = 1  # found: one certain pixel of two, and two that are open
    probabilities[0, 0, 0, [1, 3, 4, 7]] = 1
    probabilities[0, 2, 0, 5] = 1  # and one that is certainly none
    dice = certain_dice(probabilities * 50, allowed)
    assert dice.tolist() == pytest.approx([(2 * 1 + 1) / (2 + 2 + 1)])


def test_weights_of_another_run_are_the_beginning(run, cases, tmp_path) -> None:
    fit(
        cases, tmp_path, replace(SETTINGS, epochs=1, learning_rate=0.0, weight_decay=0.0, start_from=str(run / "best.ckpt")), progress=False
    )
    before, after = weights(run / "best.ckpt"), weights(tmp_path / "best.ckpt")
    names = [name for name in before if name.endswith(".weight")]
    assert names
    assert all(torch.equal(before[name], after[name]) for name in names)


def test_weights_of_another_network_are_refused(run, cases, tmp_path) -> None:
    with pytest.raises(UsageError, match="these are the weights of another network; give its net, width and depth"):
        fit(cases, tmp_path / "run", replace(SETTINGS, width=2, start_from=str(run / "best.ckpt")), progress=False)


def test_cases_of_a_repeated_source_come_several_times(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, repeat=("south=3",)), progress=False)
    once = torch.load(run / "last.ckpt", weights_only=True)["global_step"] / SETTINGS.epochs
    several = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    souths = sum(case.split == "train" and case.source == "south" for case in read_manifest(run / "cases.csv"))
    assert several - once == 2 * souths / SETTINGS.batch
