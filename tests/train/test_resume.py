"""A run that was stopped, ended early or moved goes on as if nothing had happened."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import lightning
import pytest
import torch

from lungseg.datasets import read_manifest
from lungseg.errors import ModelError, OutputError, UsageError
from lungseg.train import checkpoints
from lungseg.train.fit import fit
from lungseg.writers.lock import only_writer
from tiny_run import (
    SETTINGS,
    metrics,
    stop_in_epoch,
    stop_move_and_resume,
    weights,
    whole_and_resumed,
)


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(
    run, cases, tmp_path, monkeypatch
) -> None:
    handler, heard = signal.getsignal(signal.SIGINT), []
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 10, batch=1)
        # Called while the run ends; who listens for the second Ctrl-C shall hear it.
        patch.setattr(
            lightning.Trainer, "_teardown", lambda _: heard.append(signal.getsignal(signal.SIGINT))
        )
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path, SETTINGS, progress=False)
    assert signal.getsignal(signal.SIGINT) == handler
    assert heard
    assert signal.SIG_IGN not in heard
    assert metrics(tmp_path) == metrics(run)[:10]
    assert fit(cases, tmp_path, SETTINGS, resume=True, progress=False) == tmp_path / "best.ckpt"
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()
    for name in ("best.ckpt", "last.ckpt"):
        torch.testing.assert_close(weights(tmp_path / name), weights(run / name), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {
            "schedule": "plateau",
            "plateau": 0,
            "learning_rate": 1e-6,
            "norm": "none",
            "accumulate": 3,
        },
        {"schedule": "cosine", "optimiser": "sgd", "ema_decay": 0.0, "loss": "tversky"},
        {"schedule": "constant", "optimiser": "adam", "accumulate": 2, "freeze": 3, "flip": 0.5},
    ],
    ids=lambda changes: changes["schedule"],
)
def test_a_stopped_run_goes_on_to_the_bit_with_every_schedule(
    cases, tmp_path, monkeypatch, changes
) -> None:
    settings = replace(SETTINGS, epochs=5, **changes)
    whole, resumed = whole_and_resumed(cases, tmp_path, monkeypatch, settings, epoch=3)
    assert metrics(resumed) == metrics(whole)
    for name in ("best.ckpt", "last.ckpt"):
        torch.testing.assert_close(weights(resumed / name), weights(whole / name), rtol=0, atol=0)


@pytest.mark.slow
def test_a_disk_that_gets_full_ends_the_run_which_goes_on_when_there_is_room(
    run, cases, tmp_path, monkeypatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if len(metrics(tmp_path)) == 8:
            raise OutputError("cannot be written (no space left on device)", where=path)
        whole(path, data)

    whole = checkpoints.write_file
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_file", full)
        with pytest.raises(
            OutputError, match=r"\.ckpt: cannot be written \(no space left on device\)"
        ):
            fit(cases, tmp_path, SETTINGS, progress=False)
    assert len(metrics(tmp_path)) == 8  # one more than last.ckpt knows
    fit(cases, tmp_path, SETTINGS, resume=True, progress=False)
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


def test_a_broken_last_checkpoint_is_refused_in_words(cases, tmp_path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"no checkpoint at all")
    with pytest.raises(
        ModelError,
        match=r"last\.ckpt: this is no checkpoint, or one with code in it \(UnpicklingError\)",
    ):
        fit(cases, tmp_path, SETTINGS, resume=True, progress=False)


@pytest.mark.slow
def test_a_run_stopped_in_its_first_epoch_begins_afresh(run, cases, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 0)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, tmp_path, SETTINGS, progress=False)
    (tmp_path / ".lungseg-0123456789abcdef.tmp").touch()  # of a kill in the first checkpoint
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(
        UsageError,
        match="the run was stopped before its first epoch was whole; begin it again, without `resu",
    ):
        fit(cases, tmp_path, SETTINGS, resume=True, progress=False)
    (tmp_path / "metrics.csv").write_text("epoch\n0\n")
    fit(cases, tmp_path, SETTINGS, progress=False)
    assert (tmp_path / "metrics.csv").read_text() == (run / "metrics.csv").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_two_runs_in_one_folder_are_refused_and_a_folder_without_a_run_is_said(
    cases, tmp_path
) -> None:
    with (
        only_writer(tmp_path),
        pytest.raises(OutputError, match=r"another program writes here \(process \d+ on "),
    ):
        fit(cases, tmp_path, SETTINGS, progress=False)
    with pytest.raises(UsageError, match="there is no run to resume; choose another folder"):
        fit(cases, tmp_path, SETTINGS, resume=True, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_resuming_a_finished_run_changes_nothing(cases, tmp_path) -> None:
    settings = replace(SETTINGS, epochs=1)
    fit(cases, tmp_path, settings, progress=False)
    before = (tmp_path / "metrics.csv").read_text(), weights(tmp_path / "best.ckpt")
    assert fit(cases, tmp_path, settings, resume=True, progress=False) == tmp_path / "best.ckpt"
    assert (tmp_path / "metrics.csv").read_text() == before[0]
    torch.testing.assert_close(weights(tmp_path / "best.ckpt"), before[1], rtol=0, atol=0)


@pytest.mark.slow
def test_resuming_a_run_that_has_ended_early_changes_nothing(cases, tmp_path) -> None:
    settings = replace(SETTINGS, norm="none", learning_rate=0, patience=2)
    fit(cases, tmp_path, settings, progress=False)
    before = (tmp_path / "metrics.csv").read_text(), (tmp_path / "last.ckpt").read_bytes()
    fit(cases, tmp_path, settings, resume=True, progress=False)
    assert ((tmp_path / "metrics.csv").read_text(), (tmp_path / "last.ckpt").read_bytes()) == before


@pytest.mark.slow
def test_a_run_whose_folder_was_moved_still_knows_its_best_epoch(
    cases, tmp_path, monkeypatch
) -> None:
    settings = replace(SETTINGS, norm="none", learning_rate=0, epochs=3)
    moved = stop_move_and_resume(cases, tmp_path, monkeypatch, settings, epoch=2)
    assert torch.load(moved / "best.ckpt", weights_only=True)["epoch"] == 0
    assert torch.load(moved / "last.ckpt", weights_only=True)["epoch"] == 2


@pytest.mark.slow
def test_a_moved_run_goes_on_to_what_it_would_have_been(run, cases, tmp_path, monkeypatch) -> None:
    moved = stop_move_and_resume(cases, tmp_path, monkeypatch, SETTINGS, epoch=4)
    assert (moved / "metrics.csv").read_text() == (run / "metrics.csv").read_text()
    torch.testing.assert_close(
        weights(moved / "best.ckpt"), weights(run / "best.ckpt"), rtol=0, atol=0
    )


@pytest.mark.slow
def test_a_run_goes_on_with_the_cases_that_it_began_with(cases, tmp_path) -> None:
    settings = replace(SETTINGS, epochs=1)
    fit(cases, tmp_path, settings, progress=False)
    more = [*cases, replace(cases[0], case="p9_a", patient="p9")]  # draws another split
    with pytest.raises(UsageError) as refused:
        fit(more, tmp_path, settings, resume=True, progress=False)
    assert str(refused.value).endswith(
        "cases.csv: the run began with other cases or another split; resume it with this list of "
        "cases."
    )
    fit(read_manifest(tmp_path / "cases.csv"), tmp_path, settings, resume=True, progress=False)


@pytest.mark.slow
def test_a_folder_with_a_run_is_not_overwritten(run, cases) -> None:
    before = (run / "metrics.csv").read_text()
    with pytest.raises(UsageError) as refused:
        fit(cases, run, SETTINGS, progress=False)
    assert (
        str(refused.value)
        == f"{run}: the folder holds a run already; choose another folder, or resume it."
    )
    other = replace(SETTINGS, size=32)
    with pytest.raises(UsageError, match=r"other settings \(size is 64 there, and 32 here\)"):
        fit(cases, run, other, progress=False)
    assert (run / "metrics.csv").read_text() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"loss": "bce"}, "loss is bce+dice there, and bce here"),
        ({"dilate": 7}, "dilate is 0 there, and 7 here"),
        ({"precision": "bf16-mixed"}, "precision is 32-true there, and bf16-mixed here"),
        ({"epochs": 3, "architecture": "unetpp"}, "architecture is unet there, and unetpp here"),
        ({"workers": 2, "cache": "kept", "deterministic": True}, ""),
    ],
)
def test_a_run_of_another_recipe_is_told_by_what_differs(changed, said, cases, tmp_path) -> None:
    SETTINGS.write(tmp_path / "settings.toml")
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path, replace(SETTINGS, **changed), progress=False)
    other = f", and one of other settings ({said})" if said else ""
    assert f"the folder holds a run already{other}; choose" in str(refused.value)
