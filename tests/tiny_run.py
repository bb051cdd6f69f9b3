"""A small training run: its settings, what it leaves, and how it is interrupted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from lungseg.datasets import Case
from lungseg.train.fit import fit
from lungseg.train.module import LungModule
from lungseg.train.settings import TrainingSettings

SETTINGS = TrainingSettings(
    width=4,
    depth=3,
    size=64,
    epochs=12,
    batch=2,
    learning_rate=0.02,
    ema_decay=0.5,
    validation=0.3,
    precision="32-true",
    workers=0,
)


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


def stop(
    cases: list[Case],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: TrainingSettings,
    *,
    epoch: int,
    batch: int = 0,
) -> None:
    """A run that is interrupted in an epoch."""
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, epoch, batch=batch)
        with pytest.raises(KeyboardInterrupt):
            fit(cases, folder, settings, progress=False)


def whole_and_resumed(
    cases: list[Case],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: TrainingSettings,
    *,
    epoch: int,
) -> tuple[Path, Path]:
    """The folders of a run, and of the same that was interrupted amid an epoch and resumed."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    fit(cases, whole, settings, progress=False)
    stop(cases, resumed, monkeypatch, settings, epoch=epoch, batch=1)
    fit(cases, resumed, settings, resume=True, progress=False)
    return whole, resumed


def stop_move_and_resume(
    cases: list[Case],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: TrainingSettings,
    *,
    epoch: int,
) -> Path:
    """The folder of a run that was interrupted in an epoch, moved, and resumed to its end."""
    stop(cases, tmp_path / "here", monkeypatch, settings, epoch=epoch)
    moved = (tmp_path / "here").rename(tmp_path / "there")
    fit(cases, moved, settings, resume=True, progress=False)
    return moved
