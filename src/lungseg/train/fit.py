"""One training run, from a list of cases to a folder with the best weights."""

from __future__ import annotations

import csv
import io
import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from lungseg.augment.parameters import Strength
from lungseg.datasets import Case, split_by_patient, write_manifest
from lungseg.datasets.cases import parted_patients
from lungseg.datasets.manifest import read_rows
from lungseg.errors import InputError, UsageError
from lungseg.train.checkpoints import WholeFiles, read_checkpoint
from lungseg.train.data import CaseArrays
from lungseg.train.initial_weights import begin_with
from lungseg.train.logs import callbacks
from lungseg.train.module import LungModule
from lungseg.train.pseudo_labels import Teachers
from lungseg.train.sampler import Order
from lungseg.train.settings import Settings
from lungseg.writers import make_folder, write_file

MEASURED = 32
"""Samples on which batch normalisation is measured, where a model to start from has lost its
statistics."""


class _TellEpoch(lightning.Callback):
    """Tells the data which epoch it is, so that each has its own augmentation, the same again after
    a resume.
    """

    def __init__(self, data: CaseArrays) -> None:
        self.data = data

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        self.data.epoch.fill_(
            checkpoint["epoch"] + 1
        )  # batches are fetched before the first epoch of a resumed run is said to start

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self.data.epoch.fill_(trainer.current_epoch)


class _Table(lightning.Callback):
    """Keeps metrics.csv, a line for each epoch; Lightning's own log begins afresh at a resume, and
    parts an epoch over two lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        figures = {name: value.item() for name, value in sorted(trainer.callback_metrics.items())}
        if not trainer.is_global_zero:
            return
        lines: list[dict[str, Any]] = []
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as stream:
                lines = [
                    line
                    for line in csv.DictReader(stream)
                    if int(line["epoch"]) < trainer.current_epoch
                ]
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, ["epoch", *figures])
        writer.writeheader()
        writer.writerows([*lines, {"epoch": trainer.current_epoch, **figures}])
        write_file(self.path, table.getvalue().encode())


class _Remember(lightning.Callback):
    """Reminds a resumed run of what Lightning forgets: which epoch was best, where the folder was
    moved, and that patience had run out.
    """

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        for state in checkpoint["callbacks"].values():
            if (
                "dirpath" in state
            ):  # of a ModelCheckpoint, which holds on to its best only where this is its own
                state["dirpath"] = getattr(trainer.checkpoint_callback, "dirpath", None)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        patience = trainer.early_stopping_callback
        trainer.should_stop = patience is not None and patience.wait_count >= patience.patience


def assign(cases: Sequence[Case], settings: Settings) -> list[Case]:
    """The cases with their split: by patient, and every case of a left-out source for testing, so
    that it chooses nothing.

    Raises:
        InputError: a patient is in two splits.
        UsageError: a left-out source is not among the cases.
    """
    unknown = set(settings.leave_out) - {case.source for case in cases}
    if unknown:
        raise UsageError(
            f"there is no source {sorted(unknown)[0]!r} to leave out",
            cure=f"choose of {sorted({c.source for c in cases})}",
        )
    split = split_by_patient(
        cases, validation=settings.validation, test=settings.test, seed=settings.seed
    )
    split = [
        replace(case, split="test") if case.source in settings.leave_out else case for case in split
    ]
    for source, patient, splits in parted_patients(split):
        first = next(
            case.image for case in split if (case.source, case.patient) == (source, patient)
        )
        problem = f"the patient {patient} of {source} is in the splits {' and '.join(splits)}"
        raise InputError(
            problem,
            where=first,
            cure="correct patient or split in the list of `lungseg dataset`, and train on that",
        )
    return split


def fit(
    cases: Sequence[Case],
    folder: Path,
    settings: Settings,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Trains, and leaves in `folder`: settings.toml, cases.csv, metrics.csv, best.ckpt (averaged
    weights), last.ckpt, and what `lungseg.train.logs` tells.

    With several devices, Lightning starts the same program once more for each of them, unless
    torchrun or SLURM has done so; only the first writes.

    Args:
        cases: with or without their split; those without a mask are listed, and nothing is learnt
            from them.
        folder: of the run; made here.
        settings: of the run.
        resume: go on from last.ckpt.
        progress: show a bar.

    Returns:
        The path of best.ckpt.

    Raises:
        InputError: there is nothing to train on or to validate on, or a patient is in two splits.
        ModelError: `start_from`, a model that settles, or last.ckpt cannot be used.
        OutputError: the folder cannot be written to, or the disk is full; what was there before is
            whole.
        UsageError: the folder holds a run but should not, or none but should, or one of other
            cases; `start_from` has the weights of another network; what is monitored is not logged;
            there are fewer devices than asked for.
        KeyboardInterrupt: Ctrl-C; what was reached at the end of the last whole epoch can be
            resumed.
    """
    last = folder / "last.ckpt"
    if last.exists() != resume:
        problem = "there is no run to resume" if resume else "the folder holds a run already"
        raise UsageError(
            problem,
            where=folder,
            cure="choose another folder" if resume else "choose another folder, or resume it",
        )
    if resume:
        read_checkpoint(last)
    cases = assign(cases, settings)
    if resume:
        _check_same(cases, folder / "cases.csv")
    training, validation = both_sides(cases, settings)
    with _quiet(), _interruptible():
        trainer = _trainer(folder, settings, progress=progress)
        lightning.seed_everything(settings.seed, workers=True, verbose=False)
        data, judged = arrays(training, settings), arrays(validation, settings, augmented=False)
        module = LungModule(settings, validation)
        if settings.start_from and not resume:
            # Evenly over the list, whose first cases may all be of one patient.
            spread = {round(place) for place in np.linspace(0, len(data) - 1, MEASURED)}
            begin_with(settings.start_from, module.net, (data[i][0] for i in sorted(spread)))
        _begin_folder(folder, settings, cases, resume=resume)
        loaders = _loader(data, settings), _loader(judged, settings)
        trainer.callbacks.insert(0, _TellEpoch(data))
        trainer.fit(module, *loaders, ckpt_path=last if resume else None, weights_only=True)
    return folder / "best.ckpt"


def arrays(cases: Sequence[Case], settings: Settings, *, augmented: bool = True) -> CaseArrays:
    """The cases as the network gets them in training, or in validation: without augmentation, and
    with what masks leave open left open.

    Raises:
        InputError: an image or mask cannot be used.
        ModelError: a model that settles cannot be used.
        OutputError: the cache cannot be written.
    """
    return CaseArrays(
        cases,
        (settings.size, settings.size),
        (settings.clip_low, settings.clip_high),
        seed=settings.seed if augmented else None,
        strength=Strength(
            **{field.name: getattr(settings, field.name) for field in fields(Strength)}
        ),
        dilate=settings.dilate,
        cache=Path(settings.cache) if settings.cache else None,
        teachers=Teachers(settings.settle_with if augmented else ()),
    )


def is_first() -> bool:
    """Whether this process is the one of several that writes and speaks."""
    return rank_zero_only.rank == 0


def both_sides(cases: Sequence[Case], settings: Settings) -> tuple[list[Case], list[Case]]:
    """What is trained on in one epoch, and what is validated on, of cases with their split (see
    `assign`).

    Raises:
        InputError: there is nothing on one of the sides.
        UsageError: the source whose Dice is monitored is not validated on.
    """
    known = [case for case in cases if case.mask is not None]
    if not known:
        raise InputError(
            "no case has a mask, so there is nothing to learn from", cure="give cases with masks"
        )
    repeats = settings.repeats()
    training = [
        case for case in known if case.split == "train" for _ in range(repeats.get(case.source, 1))
    ]
    validation = [
        case for case in known if case.split == "validation" and case.notes != "questionable"
    ]
    if not training or not validation:
        problem = f"{len(training)} cases to train on and {len(validation)} to validate on"
        raise InputError(
            problem, cure="give more patients, or the split train or validation to some"
        )
    source = settings.monitor.removeprefix("val_dice_")
    sources = sorted({case.source for case in validation})
    if source != settings.monitor and source not in sources:
        problem = (
            f"no case of the source {source!r} is validated on, so {settings.monitor} is not logged"
        )
        raise UsageError(problem, cure=f"take of {sources}")
    return training, validation


def _check_same(cases: Sequence[Case], began: Path) -> None:
    """That a run goes on with the cases and the split that it began with: one more patient draws
    another split, and then what was trained on would be validated on.
    """
    before = [(row["source"], row["case"], row["split"]) for row in read_rows(began)]
    if before != [(case.source, case.case, case.split) for case in cases]:
        raise UsageError(
            "the run began with other cases or another split",
            where=began,
            cure="resume it with this list of cases",
        )


def _begin_folder(folder: Path, settings: Settings, cases: Sequence[Case], *, resume: bool) -> None:
    """Writes what is known before the first epoch."""
    if not is_first():
        return
    make_folder(folder)
    settings.write(folder / "settings.toml")
    write_manifest(cases, folder / "cases.csv")
    if not resume:  # a table can only be left of a run that was stopped in its first epoch
        (folder / "metrics.csv").unlink(missing_ok=True)


def _trainer(folder: Path, settings: Settings, *, progress: bool) -> lightning.Trainer:
    """Lightning's loop, with all that the settings say of it."""
    several = settings.devices * settings.nodes > 1
    if settings.precision == "16-mixed" and not torch.accelerator.is_available():
        raise UsageError("precision 16-mixed needs a GPU", cure="take bf16-mixed or 32-true")
    average = [EMAWeightAveraging(decay=settings.average)] if settings.average else []
    try:
        for launched_by in (
            TorchElasticEnvironment,
            SLURMEnvironment,
        ):  # which would else train as many networks beside each other
            if launched_by.detect():
                launched_by().validate_settings(
                    num_devices=settings.devices, num_nodes=settings.nodes
                )
        return lightning.Trainer(
            accelerator="auto",
            strategy="ddp" if several else "auto",
            devices=settings.devices,
            num_nodes=settings.nodes,
            precision=settings.precision,
            deterministic=settings.deterministic,
            max_epochs=settings.epochs,
            accumulate_grad_batches=settings.accumulate,
            gradient_clip_val=settings.clip_gradient or None,
            callbacks=[
                *average,
                _Table(folder / "metrics.csv"),
                _Remember(),
                *callbacks(folder, settings, progress=progress),
                EarlyStopping(settings.monitor, mode=settings.mode, patience=settings.patience),
                _keep(folder, "best", monitor="val_dice"),
                _keep(
                    folder, "last", monitor=None
                ),  # with save_last it would be a copy of the best
            ],
            plugins=[WholeFiles()],
            logger=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=progress,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError) as error:
        problem = (
            f"training cannot run on {settings.devices} devices in {settings.nodes} nodes "
            f"({' '.join(str(error).split())})"
        )
        raise UsageError(problem, cure="change devices or nodes") from error


def _keep(folder: Path, name: str, *, monitor: str | None) -> ModelCheckpoint:
    """Keeps the checkpoint of the epoch with the highest `monitor`, or of the last epoch."""
    return ModelCheckpoint(
        folder,
        name,
        monitor=monitor,
        mode="max",
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )


def _loader(data: CaseArrays, settings: Settings) -> DataLoader[Any]:
    """Batches of training cases in the order of the epoch, or of validation cases in their own,
    which nothing has to be done to.
    """
    trained = data.seed is not None
    workers = settings.workers if trained else 0
    return DataLoader(
        data,
        batch_size=settings.batch,
        sampler=Order(data),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.accelerator.is_available(),
        drop_last=trained and len(data) > settings.batch * settings.devices * settings.nodes,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without those remarks of Lightning that ask nothing of the user."""
    remarks = [
        logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")
    ]  # which devices there are and the like
    levels = [remark.level for remark in remarks]
    for remark in remarks:
        remark.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*does not have many workers"
            )  # one keeps up with two processors
            warnings.filterwarnings(
                "ignore", message="Checkpoint directory .* exists and is not empty"
            )  # settings and cases lie there
            warnings.filterwarnings(
                "ignore", message=r".*isinstance\(treespec, LeafSpec\)"
            )  # between Lightning and torch
            yield
    finally:
        for remark, level in zip(remarks, levels, strict=True):
            remark.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays KeyboardInterrupt: Lightning makes an end of the process of it, and turns a deaf
    ear to the next one.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from end
