"""One training run, from a folder of data sets to a folder with the best weights."""

from __future__ import annotations

import csv
import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from torch.utils.data import DataLoader, Sampler

from lungseg.datasets import Case, split_by_patient, write_manifest
from lungseg.errors import InputError, UsageError
from lungseg.train.data import CaseArrays
from lungseg.train.module import LungModule, load_checkpoint
from lungseg.train.settings import Settings
from lungseg.write import make_folder


class _TellEpoch(lightning.Callback):
    """Tells the data which epoch it is, so that each has its own augmentation, the same again after a resume."""

    def __init__(self, data: CaseArrays) -> None:
        self.data = data

    def on_load_checkpoint(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.data.epoch.fill_(checkpoint["epoch"] + 1)  # batches are fetched before the first epoch of a resumed run is said to start

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.data.epoch.fill_(trainer.current_epoch)


class _Order(Sampler[int]):
    """The order of the training cases, drawn from seed and epoch alone, so that it too is the same again after a resume."""

    def __init__(self, data: CaseArrays, seed: int) -> None:
        self.data = data
        self.seed = seed

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[int]:
        order: list[int] = np.random.default_rng((self.seed, int(self.data.epoch))).permutation(len(self.data)).tolist()
        return iter(order)


class _Table(lightning.Callback):
    """Adds a line to metrics.csv after each epoch; Lightning's own log begins afresh at a resume, and parts an epoch over two lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        line = {"epoch": trainer.current_epoch, **{name: value.item() for name, value in sorted(trainer.callback_metrics.items())}}
        fresh = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([line, line.values()] if fresh else [line.values()])


def assign(cases: Sequence[Case], settings: Settings) -> list[Case]:
    """The cases with their split: by patient, and every case of a left-out source for testing, so that it chooses nothing.

    Raises:
        UsageError: a left-out source is not among the cases.
    """
    unknown = set(settings.leave_out) - {case.source for case in cases}
    if unknown:
        raise UsageError(f"there is no source {sorted(unknown)[0]!r} to leave out", cure=f"choose of {sorted({c.source for c in cases})}")
    split = split_by_patient(cases, validation=settings.validation, seed=settings.seed)
    return [replace(case, split="test") if case.source in settings.leave_out else case for case in split]


def fit(cases: Sequence[Case], folder: Path, settings: Settings, *, resume: bool = False, progress: bool = True) -> Path:
    """Trains, and leaves in `folder`: settings.toml, cases.csv, metrics.csv, best.ckpt (averaged weights) and last.ckpt.

    Args:
        cases: with or without their split.
        folder: of the run; made here.
        settings: of the run.
        resume: go on from last.ckpt.
        progress: show a bar.

    Returns:
        The path of best.ckpt.

    Raises:
        InputError: there is nothing to train on or to validate on.
        ModelError: `start_from` is no checkpoint.
        UsageError: the folder holds a run but should not, or none but should; `start_from` has the weights of another network.
        KeyboardInterrupt: Ctrl-C; what was reached at the end of the last whole epoch can be resumed.
    """
    last = folder / "last.ckpt"
    if last.exists() != resume:
        problem = "there is no run to resume" if resume else "the folder holds a run already"
        raise UsageError(problem, where=folder, cure="choose another folder" if resume else "choose another folder, or resume it")
    cases = assign(cases, settings)
    training, validation = _both_sides(cases, settings)
    make_folder(folder)
    settings.write(folder / "settings.toml")
    write_manifest(cases, folder / "cases.csv")
    if not resume:  # a table can only be left of a run that was stopped in its first epoch
        (folder / "metrics.csv").unlink(missing_ok=True)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    size, clip = (settings.size, settings.size), (settings.clip_low, settings.clip_high)
    train_data = CaseArrays(training, size, clip, seed=settings.seed, plain=settings.plain)
    loader = _loader(train_data, settings, _Order(train_data, settings.seed))
    module = LungModule(settings, validation, steps=len(loader) * settings.epochs)
    if settings.start_from and not resume:
        _begin_with(Path(settings.start_from), module)
    with _quiet(), _interruptible():
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=1,
            precision=settings.precision,
            max_epochs=settings.epochs,
            callbacks=[
                _TellEpoch(train_data),
                _Table(folder / "metrics.csv"),
                EMAWeightAveraging(decay=settings.average),
                EarlyStopping("val_dice", mode="max", patience=settings.patience),
                _keep(folder, "best", monitor="val_dice"),
                _keep(folder, "last", monitor=None),  # with save_last it would be a copy of the best
            ],
            logger=False,
            gradient_clip_val=1.0,
            num_sanity_val_steps=0,
            enable_progress_bar=progress,
            enable_model_summary=False,
        )
        validation_loader = _loader(CaseArrays(validation, size, clip, seed=None), replace(settings, workers=0), None)
        trainer.fit(module, loader, validation_loader, ckpt_path=last if resume else None, weights_only=True)
    return folder / "best.ckpt"


def _both_sides(cases: Sequence[Case], settings: Settings) -> tuple[list[Case], list[Case]]:
    """What is trained on in one epoch, and what is validated on."""
    repeats = settings.repeats()
    training = [case for case in cases if case.split == "train" for _ in range(repeats.get(case.source, 1))]
    validation = [case for case in cases if case.split == "validation" and case.notes != "questionable"]
    if not training or not validation:
        raise InputError(f"{len(training)} cases to train on and {len(validation)} to validate on", cure="give more patients")
    return training, validation


def _keep(folder: Path, name: str, *, monitor: str | None) -> ModelCheckpoint:
    """Keeps the checkpoint of the epoch with the highest `monitor`, or of the last epoch."""
    return ModelCheckpoint(folder, name, monitor=monitor, mode="max", enable_version_counter=False, save_on_train_epoch_end=True)


def _begin_with(checkpoint: Path, module: LungModule) -> None:
    weights = load_checkpoint(checkpoint)[0].state_dict()
    try:
        module.net.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError("these are the weights of another network", where=checkpoint, cure="give its net, width and depth") from error


def _loader(data: CaseArrays, settings: Settings, order: Sampler[int] | None) -> DataLoader[Any]:
    """Batches of training cases in the given order, or of validation cases in their own."""
    return DataLoader(
        data,
        batch_size=settings.batch,
        sampler=order,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=order is not None and len(data) > settings.batch,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without those remarks of Lightning that ask nothing of the user."""
    remarks = logging.getLogger("lightning.pytorch")  # which devices there are, what else could be installed
    level = remarks.level
    remarks.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers")  # one keeps up with two processors
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")  # settings and cases lie there
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")  # between Lightning and torch
            yield
    finally:
        remarks.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays KeyboardInterrupt: Lightning makes an end of the process of it, and turns a deaf ear to the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from end
