"""A whole training run on a few phantoms: what it leaves, that it can be stopped and resumed, and what it refuses."""

from __future__ import annotations

import csv
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lungseg.datasets import Case, read_manifest
from lungseg.datasets.convention import LEFT, MEDIASTINUM, RIGHT
from lungseg.errors import InputError, ModelError, OutputError, UsageError
from lungseg.scores import Counts
from lungseg.train import checkpoints
from lungseg.train.data import CaseArrays
from lungseg.train.fit import arrays, assign, both_sides, fit
from lungseg.train.module import LungModule, build_network, certain_counts, load_checkpoint
from lungseg.train.settings import FIGURES, Settings, read_settings
from tiny_model import write_tiny_model

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


def stop_move_and_resume(cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, *, epoch: int) -> Path:
    """The folder of a run that was interrupted in an epoch, moved, and resumed to its end."""
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, epoch)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path / "here", settings, progress=False)
    moved = (tmp_path / "here").rename(tmp_path / "there")
    fit(cases, moved, settings, resume=True, progress=False)
    return moved


def test_a_run_leaves_settings_cases_metrics_and_weights(run, cases) -> None:
    left = ["best.ckpt", "cases.csv", "curves.png", "last.ckpt", "metrics.csv", "settings.toml", "tensorboard"]
    assert sorted(path.name for path in run.iterdir()) == left
    assert read_settings(run / "settings.toml") == SETTINGS
    listed = read_manifest(run / "cases.csv")
    assert [replace(case, split="") for case in listed] == cases
    assert [(case.source, case.split) for case in listed].count(("north", "validation")) == 2  # one of four patients
    assert [(case.source, case.split) for case in listed].count(("south", "validation")) == 2  # one of two
    lines = metrics(run)
    assert list(lines[0]) == ["epoch", *sorted((*FIGURES, "learning_rate", "val_dice_north", "val_dice_south"))]
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
        dice = [Counts(*row).dice for row in certain_counts(net(x), allowed).tolist()]
    assert sum(dice) / len(dice) == pytest.approx(float(best["val_dice"]), abs=1e-4)  # two cases of each source


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


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "plateau", "plateau": 0, "learning_rate": 1e-6, "norm": "none", "accumulate": 3},
        {"schedule": "cosine", "optimiser": "sgd", "average": 0.0, "loss": "tversky"},
        {"schedule": "constant", "optimiser": "adam", "accumulate": 2, "freeze": 3, "flip": 0.5},
    ],
    ids=lambda changes: changes["schedule"],
)
def test_a_stopped_run_goes_on_to_the_bit_with_every_schedule(cases, tmp_path, monkeypatch, changes) -> None:
    settings = replace(SETTINGS, epochs=5, **changes)
    fit(cases, tmp_path / "whole", settings, progress=False)
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 3, batch=1)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path / "parted", settings, progress=False)
    fit(cases, tmp_path / "parted", settings, resume=True, progress=False)
    assert metrics(tmp_path / "parted") == metrics(tmp_path / "whole")
    for name in ("best.ckpt", "last.ckpt"):
        torch.testing.assert_close(weights(tmp_path / "parted" / name), weights(tmp_path / "whole" / name), rtol=0, atol=0)


def test_the_plateau_schedule_halves_the_rate_where_progress_ends(cases, tmp_path) -> None:
    settings = replace(SETTINGS, norm="none", schedule="plateau", plateau=1, optimiser="sgd", learning_rate=1e-6, epochs=6)
    fit(cases, tmp_path, settings, progress=False)
    rates = [float(line["learning_rate"]) / 1e-6 for line in metrics(tmp_path)]
    assert rates == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25])  # the first epoch is the best; the second bad one after it is one too many


def test_the_cosine_ends_at_zero_and_the_cycle_begins_low(cases, tmp_path) -> None:
    rates: dict[str, list[float]] = {}
    for schedule in ("cosine", "one-cycle", "constant"):
        fit(cases, tmp_path / schedule, replace(SETTINGS, epochs=4, schedule=schedule), progress=False)
        rates[schedule] = [float(line["learning_rate"]) for line in metrics(tmp_path / schedule)]
    assert rates["constant"] == pytest.approx([0.02] * 4)
    assert rates["cosine"] == sorted(rates["cosine"], reverse=True)
    assert rates["cosine"][-1] < 0.003
    assert rates["one-cycle"][0] < rates["cosine"][0]


def test_gradients_of_several_batches_are_one_step(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, accumulate=2), progress=False)
    each = torch.load(run / "last.ckpt", weights_only=True)["global_step"] / SETTINGS.epochs
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == each / 2


@pytest.mark.parametrize("net", ["unet", "unetpp"])
def test_a_frozen_contracting_path_stays_as_it_is_and_then_learns(cases, tmp_path, net) -> None:
    settings = replace(SETTINGS, net=net, average=0.0, freeze=1, width=2)
    for epochs in (1, 2):
        fit(cases, tmp_path / str(epochs), replace(settings, epochs=epochs, schedule="constant"), progress=False)
    torch.manual_seed(0)
    begin = {f"net.{name}": value for name, value in build_network(settings).state_dict().items()}
    one, two = (weights(tmp_path / name / "last.ckpt") for name in "12")
    encoder = [name for name in begin if name.startswith("net.down.") or (name.startswith("net.x.") and "_0." in name)]
    encoder = [name for name in encoder if not name.endswith("num_batches_tracked")]
    assert len(encoder) == 3 * 2 * 5  # of each level two convolutions, each with scale, offset, mean and variance
    assert all(torch.equal(one[name], begin[name]) for name in encoder)
    assert all(not torch.equal(two[name], begin[name]) for name in encoder if name.endswith(".weight"))
    assert any(not torch.equal(one[name], begin[name]) for name in begin if name not in encoder)


def test_without_an_average_the_weights_are_those_of_the_last_step(cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, average=0.0), progress=False)
    assert "averaging_state" not in torch.load(tmp_path / "last.ckpt", weights_only=True)


def test_a_run_ends_when_the_monitored_figure_gets_no_better(cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, learning_rate=1.0, optimiser="sgd", patience=1, monitor="val_loss", average=0.0), progress=False)
    losses = [float(line["val_loss"]) for line in metrics(tmp_path)]
    assert 2 <= len(losses) < SETTINGS.epochs
    assert losses[-1] >= min(losses[:-1])


def test_a_disk_that_gets_full_ends_the_run_which_goes_on_when_there_is_room(run, cases, tmp_path, monkeypatch) -> None:
    def full(path: Path, data: bytes) -> None:
        if len(metrics(tmp_path)) == 8:
            raise OutputError("cannot be written (no space left on device)", where=path)
        whole(path, data)

    whole = checkpoints.write_file
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_file", full)
        with pytest.raises(OutputError, match=r"\.ckpt: cannot be written \(no space left on device\)"):
            fit(cases, tmp_path, SETTINGS, progress=False)
    assert len(metrics(tmp_path)) == 8  # one more than last.ckpt knows
    fit(cases, tmp_path, SETTINGS, resume=True, progress=False)
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


def test_a_broken_last_checkpoint_is_refused_in_words(cases, tmp_path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"no checkpoint at all")
    with pytest.raises(ModelError, match=r"last\.ckpt: this is no checkpoint, or one with code in it \(UnpicklingError\)"):
        fit(cases, tmp_path, SETTINGS, resume=True, progress=False)


@pytest.mark.parametrize(
    ("environment", "changes", "words"),
    [
        (
            {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2"},
            {},
            "training cannot run on 1 devices in 1 nodes (You set `devices=1`",
        ),
        ({}, {"precision": "16-mixed"}, "precision 16-mixed needs a GPU; take bf16-mixed or 32-true."),
    ],
)
def test_devices_that_are_not_there_are_said_before_anything_is_decoded(cases, tmp_path, monkeypatch, environment, changes, words) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr("lungseg.train.fit.CaseArrays", lambda *_, **__: pytest.fail("the cases were decoded"))
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, **changes), progress=False)
    assert words in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_given_splits_are_kept_and_test_cases_are_only_listed(cases, tmp_path) -> None:
    splits = {"p0": "validation", "p1": "test"}
    given = [replace(case, split=splits.get(case.patient, "train")) for case in cases]
    assert assign(given, SETTINGS) == given
    fit(given, tmp_path, replace(SETTINGS, epochs=1, repeat=("north=2",)), progress=False)
    assert read_manifest(tmp_path / "cases.csv") == given
    trained = sum(case.split == "train" for case in given)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2 * trained / SETTINGS.batch


def test_shares_for_validation_and_testing_are_drawn(cases) -> None:
    drawn = assign(cases, replace(SETTINGS, validation=0.25, test=0.5))
    counts = {split: sum(case.split == split for case in drawn if case.source == "north") for split in ("train", "validation", "test")}
    assert counts == {"train": 2, "validation": 2, "test": 4}


@pytest.mark.parametrize("other", ["test", "validation"])
def test_a_patient_in_two_splits_is_refused_before_anything_is_learnt(cases, tmp_path, other) -> None:
    given = [replace(case, split=other if case.case == "p1_a" else "validation" if case.patient == "p0" else "train") for case in cases]
    with pytest.raises(InputError) as refused:
        fit(given, tmp_path / "run", SETTINGS, progress=False)
    assert str(refused.value).endswith(
        f"p1_a.png: the patient p1 of north is in the splits train and {other}; "
        "correct patient or split in the list of `lungseg dataset`, and train on that."
    )
    assert not (tmp_path / "run").exists()


def test_cases_without_a_mask_are_listed_and_nothing_is_learnt_from_them(cases, tmp_path) -> None:
    given = [replace(case, mask=None) if case.source == "south" else case for case in cases]
    fit(given, tmp_path, replace(SETTINGS, epochs=1), progress=False)
    assert len(read_manifest(tmp_path / "cases.csv")) == len(cases)
    assert "val_dice_south" not in metrics(tmp_path)[0]
    with pytest.raises(InputError) as refused:
        fit([replace(case, mask=None) for case in cases], tmp_path / "none", SETTINGS, progress=False)
    assert str(refused.value) == "no case has a mask, so there is nothing to learn from; give cases with masks."


def test_only_sources_that_are_validated_on_can_be_monitored(cases, tmp_path) -> None:
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, monitor="val_dice_east"), progress=False)
    problem = "no case of the source 'east' is validated on, so val_dice_east is not logged; take of ['north', 'south']."
    assert str(refused.value) == problem
    fit(cases, tmp_path, replace(SETTINGS, monitor="val_dice_south", epochs=1), progress=False)


def test_teachers_settle_training_masks_alone(cases, tmp_path) -> None:
    model = write_tiny_model(tmp_path)
    heart = [replace(case, convention="lung and heart") for case in cases]
    settings = replace(SETTINGS, settle_with=(str(model),))
    training, validation = both_sides(assign(heart, settings), settings)
    open_sets = (RIGHT | MEDIASTINUM, LEFT | MEDIASTINUM)
    shares = [
        np.mean([np.isin(data.as_kept(i)[1], open_sets).mean() for i in range(len(data))])
        for data in (arrays(training, settings), arrays(training, SETTINGS))
    ]
    assert shares[0] < 0.5 * shares[1]
    same = [arrays(validation, chosen, augmented=False).as_kept(0)[1] for chosen in (settings, SETTINGS)]
    np.testing.assert_array_equal(*same)


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


def test_resuming_a_run_that_has_ended_early_changes_nothing(cases, tmp_path) -> None:
    settings = replace(SETTINGS, norm="none", learning_rate=0, patience=2)
    fit(cases, tmp_path, settings, progress=False)
    before = (tmp_path / "metrics.csv").read_text(), (tmp_path / "last.ckpt").read_bytes()
    fit(cases, tmp_path, settings, resume=True, progress=False)
    assert ((tmp_path / "metrics.csv").read_text(), (tmp_path / "last.ckpt").read_bytes()) == before


def test_a_run_whose_folder_was_moved_still_knows_its_best_epoch(cases, tmp_path, monkeypatch) -> None:
    settings = replace(SETTINGS, norm="none", learning_rate=0, epochs=3)
    moved = stop_move_and_resume(cases, tmp_path, monkeypatch, settings, epoch=2)
    assert torch.load(moved / "best.ckpt", weights_only=True)["epoch"] == 0
    assert torch.load(moved / "last.ckpt", weights_only=True)["epoch"] == 2


def test_a_moved_run_goes_on_to_what_it_would_have_been(run, cases, tmp_path, monkeypatch) -> None:
    moved = stop_move_and_resume(cases, tmp_path, monkeypatch, SETTINGS, epoch=4)
    assert (moved / "metrics.csv").read_text() == (run / "metrics.csv").read_text()
    torch.testing.assert_close(weights(moved / "best.ckpt"), weights(run / "best.ckpt"), rtol=0, atol=0)


def test_a_run_goes_on_with_the_cases_that_it_began_with(cases, tmp_path) -> None:
    settings = replace(SETTINGS, epochs=1)
    fit(cases, tmp_path, settings, progress=False)
    more = [*cases, replace(cases[0], case="p9_a", patient="p9")]  # draws another split
    with pytest.raises(UsageError) as refused:
        fit(more, tmp_path, settings, resume=True, progress=False)
    assert str(refused.value).endswith("cases.csv: the run began with other cases or another split; resume it with this list of cases.")
    fit(read_manifest(tmp_path / "cases.csv"), tmp_path, settings, resume=True, progress=False)


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
    assert list(metrics(tmp_path)[0]) == ["epoch", *sorted((*FIGURES, "learning_rate", "val_dice_north"))]


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
        (
            ("north", "south"),
            0.3,
            "0 cases to train on and 0 to validate on; give more patients, or the split train or validation to some.",
        ),
        ((), 0.05, "12 cases to train on and 0 to validate on; give more patients, or the split train or validation to some."),
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


def test_only_pixels_that_are_certain_are_counted() -> None:
    allowed = torch.tensor([[[2, 2, 10, 10, 1, 1, 15, 9]]], dtype=torch.uint8)
    probabilities = torch.zeros(1, 4, 1, 8)
    probabilities[0, 1, 0, [0, 2, 6]] = 1  # found: one certain pixel of two, and two that are open
    probabilities[0, 0, 0, [1, 3, 4, 7]] = 1
    probabilities[0, 2, 0, 5] = 1  # and one that is certainly none
    assert certain_counts(probabilities * 50, allowed).tolist() == [[1, 1, 1, 2]]


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


def test_statistics_are_measured_on_samples_from_the_whole_list(cases, tmp_path, monkeypatch) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr("lungseg.train.fit.MEASURED", 3)
    monkeypatch.setattr("lungseg.train.fit.begin_with", lambda source, net, pictures: seen.extend(pictures))
    settings = replace(SETTINGS, epochs=1, start_from="given")
    fit(cases, tmp_path, settings, progress=False)
    data = arrays(both_sides(assign(cases, settings), settings)[0], settings)
    assert len(seen) == 3 < len(data)
    assert torch.equal(seen[0], data[0][0])
    assert torch.equal(seen[-1], data[len(data) - 1][0])


def test_cases_of_a_repeated_source_come_several_times(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, repeat=("south=3",)), progress=False)
    once = torch.load(run / "last.ckpt", weights_only=True)["global_step"] / SETTINGS.epochs
    several = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    souths = sum(case.split == "train" and case.source == "south" for case in read_manifest(run / "cases.csv"))
    assert several - once == 2 * souths / SETTINGS.batch
