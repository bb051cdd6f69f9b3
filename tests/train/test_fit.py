"""A whole training run on a few phantoms: what it learns, and what it leaves."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from lungseg.datasets import read_manifest
from lungseg.datasets.label_sets import LUNG_LAYERS
from lungseg.errors import UsageError
from lungseg.scores import Counts
from lungseg.train.allowed_values import METRICS
from lungseg.train.data import CaseArrays
from lungseg.train.fit import fit
from lungseg.train.module import build_network, load_checkpoint
from lungseg.train.regions import certain_counts
from lungseg.train.settings import read_settings
from tiny_run import SETTINGS, metrics, stop_in_epoch, weights

pytestmark = pytest.mark.slow


def test_a_run_leaves_settings_cases_metrics_and_weights(run, cases) -> None:
    left = [
        "best.ckpt",
        "cases.csv",
        "curves.png",
        "last.ckpt",
        "metrics.csv",
        "run.json",
        "settings.toml",
        "tensorboard",
    ]
    cost = json.loads((run / "run.json").read_text())
    assert (cost["device"], cost["epochs"]) == ("cpu", SETTINGS.epochs)
    assert cost["seconds"] > 0
    assert cost["peak_memory_mb"] > 100
    assert sorted(path.name for path in run.iterdir()) == left
    assert read_settings(run / "settings.toml") == SETTINGS
    listed = read_manifest(run / "cases.csv")
    assert [replace(case, split="") for case in listed] == cases
    assert [(case.source, case.split) for case in listed].count(
        ("north", "validation")
    ) == 2  # one of four patients
    assert [(case.source, case.split) for case in listed].count(
        ("south", "validation")
    ) == 2  # one of two
    lines = metrics(run)
    assert list(lines[0]) == [
        "epoch",
        *sorted((*METRICS, "learning_rate", "val_dice_north", "val_dice_south")),
    ]
    assert [line["epoch"] for line in lines] == [str(epoch + 1) for epoch in range(12)]
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
    assert saved["epoch"] + 1 == int(best["epoch"])
    assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] == 11
    assert not torch.equal(
        saved["state_dict"]["net.head.weight"], saved["current_model_state"]["net.head.weight"]
    )
    net, settings = load_checkpoint(run / "best.ckpt")
    assert settings == SETTINGS
    assert not net.training
    validation = [case for case in read_manifest(run / "cases.csv") if case.split == "validation"]
    data = CaseArrays(validation, (64, 64), (0.5, 99.5), seed=None)
    x, allowed = (
        torch.stack(part) for part in zip(*(data[i] for i in range(len(data))), strict=True)
    )
    with torch.inference_mode():
        counts = certain_counts(net(x), allowed, LUNG_LAYERS)[:, 0]
        dice = [Counts(*row).dice for row in counts.tolist()]
    assert sum(dice) / len(dice) == pytest.approx(
        float(best["val_dice"]), abs=1e-4
    )  # two cases of each source


@pytest.mark.slow
def test_the_plateau_schedule_halves_the_rate_where_progress_ends(cases, tmp_path) -> None:
    settings = replace(
        SETTINGS,
        norm="none",
        schedule="plateau",
        plateau=1,
        optimiser="sgd",
        learning_rate=1e-6,
        epochs=6,
    )
    fit(cases, tmp_path, settings, progress=False)
    rates = [float(line["learning_rate"]) / 1e-6 for line in metrics(tmp_path)]
    assert rates == pytest.approx(
        [1, 1, 1, 0.5, 0.5, 0.25]
    )  # the first epoch is the best; the second bad one after it is one too many


@pytest.mark.slow
def test_the_cosine_ends_at_zero_and_the_cycle_begins_low(cases, tmp_path) -> None:
    rates: dict[str, list[float]] = {}
    for schedule in ("cosine", "one-cycle", "constant"):
        fit(
            cases,
            tmp_path / schedule,
            replace(SETTINGS, epochs=4, schedule=schedule),
            progress=False,
        )
        rates[schedule] = [float(line["learning_rate"]) for line in metrics(tmp_path / schedule)]
    assert rates["constant"] == pytest.approx([0.02] * 4)
    assert rates["cosine"] == sorted(rates["cosine"], reverse=True)
    assert rates["cosine"][-1] < 0.003
    assert rates["one-cycle"][0] < rates["cosine"][0]


@pytest.mark.slow
def test_gradients_of_several_batches_are_one_step(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, accumulate=2), progress=False)
    each = torch.load(run / "last.ckpt", weights_only=True)["global_step"] / SETTINGS.epochs
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == each / 2


@pytest.mark.slow
@pytest.mark.parametrize("net", ["unet", "unetpp"])
def test_a_frozen_contracting_path_stays_as_it_is_and_then_learns(cases, tmp_path, net) -> None:
    settings = replace(SETTINGS, architecture=net, ema_decay=0.0, freeze=1, width=2)
    for epochs in (1, 2):
        fit(
            cases,
            tmp_path / str(epochs),
            replace(settings, epochs=epochs, schedule="constant"),
            progress=False,
        )
    torch.manual_seed(0)
    begin = {f"net.{name}": value for name, value in build_network(settings).state_dict().items()}
    one, two = (weights(tmp_path / name / "last.ckpt") for name in "12")
    encoder = [
        name
        for name in begin
        if name.startswith("net.down.") or (name.startswith("net.x.") and "_0." in name)
    ]
    encoder = [name for name in encoder if not name.endswith("num_batches_tracked")]
    assert (
        len(encoder) == 3 * 2 * 5
    )  # of each level two convolutions, each with scale, offset, mean and variance
    assert all(torch.equal(one[name], begin[name]) for name in encoder)
    assert all(
        not torch.equal(two[name], begin[name]) for name in encoder if name.endswith(".weight")
    )
    assert any(not torch.equal(one[name], begin[name]) for name in begin if name not in encoder)


@pytest.mark.slow
def test_without_an_average_the_weights_are_those_of_the_last_step(cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, ema_decay=0.0), progress=False)
    assert "averaging_state" not in torch.load(tmp_path / "last.ckpt", weights_only=True)


@pytest.mark.slow
def test_a_run_ends_when_the_monitored_figure_gets_no_better(cases, tmp_path) -> None:
    fit(
        cases,
        tmp_path,
        replace(
            SETTINGS,
            learning_rate=1.0,
            optimiser="sgd",
            patience=1,
            monitor="val_loss",
            ema_decay=0.0,
        ),
        progress=False,
    )
    losses = [float(line["val_loss"]) for line in metrics(tmp_path)]
    assert 2 <= len(losses) < SETTINGS.epochs
    assert losses[-1] >= min(losses[:-1])


@pytest.mark.parametrize(
    ("environment", "changes", "words"),
    [
        (
            {
                "TORCHELASTIC_RUN_ID": "1",
                "WORLD_SIZE": "2",
                "RANK": "0",
                "LOCAL_RANK": "0",
                "GROUP_RANK": "0",
                "LOCAL_WORLD_SIZE": "2",
            },
            {},
            "training cannot run on 1 devices in 1 nodes (You set `devices=1`",
        ),
        (
            {},
            {"precision": "16-mixed"},
            "precision 16-mixed needs a GPU; take bf16-mixed or 32-true.",
        ),
    ],
)
def test_devices_that_are_not_there_are_said_before_anything_is_decoded(
    cases, tmp_path, monkeypatch, environment, changes, words
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(
        "lungseg.train.fit.CaseArrays", lambda *_, **__: pytest.fail("the cases were decoded")
    )
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, **changes), progress=False)
    assert words in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_process_that_augments_gives_the_same_samples(run, cases, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path, replace(SETTINGS, workers=1), progress=False)
    fit(cases, tmp_path, replace(SETTINGS, workers=1), resume=True, progress=False)
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


@pytest.mark.slow
def test_another_seed_is_another_run(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, seed=1, epochs=1), progress=False)
    assert metrics(tmp_path)[0]["train_loss"] != metrics(run)[0]["train_loss"]


@pytest.mark.slow
def test_training_ends_early_when_nothing_gets_better(cases, tmp_path) -> None:
    fit(
        cases,
        tmp_path,
        replace(SETTINGS, norm="none", learning_rate=0, epochs=9, patience=2),
        progress=False,
    )
    assert [line["epoch"] for line in metrics(tmp_path)] == ["1", "2", "3"]
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("deep_supervision", [True, False])
def test_unetpp_in_bfloat16_trains_too(cases, tmp_path, deep_supervision) -> None:
    settings = replace(
        SETTINGS,
        architecture="unetpp",
        deep_supervision=deep_supervision,
        width=2,
        epochs=1,
        precision="bf16-mixed",
    )
    fit(cases, tmp_path, settings, progress=False)
    names = {name for name in weights(tmp_path / "best.ckpt") if name.startswith("net.heads")}
    assert names == {
        f"net.heads.{i}.{part}"
        for i in range(2 if deep_supervision else 1)
        for part in ("weight", "bias")
    }


def test_the_network_is_the_one_that_the_settings_describe() -> None:
    net = build_network(replace(SETTINGS, max_width=8, norm="none", upsampling="interpolated"))
    assert type(net).__name__ == "UNet"
    assert [block[0].out_channels for block in net.down] == [4, 8, 8]
    assert net.head.out_channels == 4
    assert not any(
        isinstance(module, torch.nn.BatchNorm2d | torch.nn.ConvTranspose2d)
        for module in net.modules()
    )


@pytest.mark.slow
def test_weights_of_another_run_are_the_beginning(run, cases, tmp_path) -> None:
    fit(
        cases,
        tmp_path,
        replace(
            SETTINGS,
            epochs=1,
            learning_rate=0.0,
            weight_decay=0.0,
            start_from=str(run / "best.ckpt"),
        ),
        progress=False,
    )
    before, after = weights(run / "best.ckpt"), weights(tmp_path / "best.ckpt")
    names = [name for name in before if name.endswith(".weight")]
    assert names
    assert all(torch.equal(before[name], after[name]) for name in names)


def test_weights_of_another_network_are_refused(run, cases, tmp_path) -> None:
    with pytest.raises(
        UsageError,
        match="these are the weights of another network; give its architecture, width and depth",
    ):
        fit(
            cases,
            tmp_path / "run",
            replace(SETTINGS, width=2, start_from=str(run / "best.ckpt")),
            progress=False,
        )


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_run_on_a_gpu_learns(cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, precision="bf16-mixed"), progress=False)
    losses = [float(line["train_loss"]) for line in metrics(tmp_path)]
    assert losses[-1] < losses[0]
