"""Lightning's loop for a run: its callbacks, its checkpoints, and how it is interrupted."""

from __future__ import annotations

import csv
import io
import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint

from lungseg.errors import UsageError
from lungseg.train.checkpoints import WholeFiles
from lungseg.train.data import CaseArrays
from lungseg.train.logs import callbacks
from lungseg.train.precision import usable_precision
from lungseg.train.settings import TrainingSettings
from lungseg.writers import write_file


class HearsCtrlC(lightning.Callback):
    """While a run that was interrupted comes to its end, a second Ctrl-C is heard by the command
    line (`lungseg.cli.interrupt`), which ends at once: Lightning would turn a deaf ear to it.
    """

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, error: BaseException
    ) -> None:
        """The run ends."""
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, lambda *_: None)


class SetEpoch(lightning.Callback):
    """Tells the data which epoch it is, so that each has its own augmentation, the same again after
    a resume; and so have networks that draw numbers at random.
    """

    def __init__(self, data: CaseArrays, seed: int) -> None:
        self.data, self.seed = data, seed

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Of the epoch that a resumed run begins with."""
        self.data.epoch.fill_(
            checkpoint["epoch"] + 1
        )  # batches are fetched before the first epoch of a resumed run is said to start

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Of the epoch that begins."""
        self.data.epoch.fill_(trainer.current_epoch)

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Numbers for a network that draws some."""
        place = self.seed, trainer.current_epoch, batch_idx, trainer.global_rank
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))


class _MetricsTable(lightning.Callback):
    """Keeps metrics.csv, a line for each epoch, counted from 1; Lightning's own log begins afresh
    at a resume, and parts an epoch over two lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items())}
        if not trainer.is_global_zero:
            return
        lines: list[dict[str, Any]] = []
        if self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as stream:
                lines = [
                    line
                    for line in csv.DictReader(stream)
                    if int(line["epoch"]) <= trainer.current_epoch
                ]
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, ["epoch", *metrics])
        writer.writeheader()
        writer.writerows([*lines, {"epoch": trainer.current_epoch + 1, **metrics}])
        write_file(self.path, table.getvalue().encode())


class _RestoreState(lightning.Callback):
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


def build_trainer(folder: Path, settings: TrainingSettings, *, progress: bool) -> lightning.Trainer:
    """Lightning's loop, with all that the settings say of it."""
    several = settings.devices * settings.nodes > 1
    average = [EMAWeightAveraging(decay=settings.ema_decay)] if settings.ema_decay else []
    try:
        launched_by = _launcher(several=several)
        if launched_by is not None:
            # Else as many networks would be trained beside each other.
            launched_by.validate_settings(num_devices=settings.devices, num_nodes=settings.nodes)
        return lightning.Trainer(
            accelerator="auto",
            strategy="ddp" if several else "auto",
            devices=settings.devices,
            num_nodes=settings.nodes,
            precision=usable_precision(settings.precision),
            deterministic=settings.deterministic,
            max_epochs=settings.epochs,
            accumulate_grad_batches=settings.accumulate,
            gradient_clip_val=settings.clip_gradient or None,
            callbacks=[
                HearsCtrlC(),
                *average,
                _MetricsTable(folder / "metrics.csv"),
                _RestoreState(),
                *callbacks(folder, settings, progress=progress),
                EarlyStopping(settings.monitor, mode=settings.mode, patience=settings.patience),
                _keep(folder, "best", monitor="val_dice"),
                _keep(
                    folder, "last", monitor=None
                ),  # with save_last it would be a copy of the best
            ],
            plugins=[WholeFiles(), *([] if launched_by is None else [launched_by])],
            logger=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=progress,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        problem = (
            f"training cannot run on {settings.devices} devices in {settings.nodes} nodes "
            f"({' '.join(str(error).split())})"
        )
        raise UsageError(problem, cure="change devices or nodes") from error


def _launcher(*, several: bool) -> ClusterEnvironment | None:
    """What has started this process and others beside it; Lightning's own way, by which it starts
    them itself, where SLURM has given room for several and started one; None where Lightning sees
    nothing of SLURM and torchrun, and chooses itself.

    In the shell that `salloc` opens, and in the script of `sbatch`, SLURM_NTASKS says how many
    processes `srun` would start; how many it did start is in SLURM_STEP_NUM_TASKS.

    Args:
        several: whether several processes are asked for.
    """
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    if not SLURMEnvironment.detect():
        return None
    in_step = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    if not in_step and several and "SLURM_PROCID" in os.environ:
        in_step = os.environ["SLURM_NTASKS"]
    if in_step.isdecimal() and int(in_step) > 1:
        return SLURMEnvironment()
    return LightningEnvironment()


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


@contextmanager
def without_log_noise() -> Iterator[None]:
    """Without those messages of Lightning that ask nothing of the user."""
    loggers = [
        logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")
    ]  # which devices there are and the like
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
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
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C stays KeyboardInterrupt: Lightning makes an end of the process of it, and turns a deaf
    ear to the next one.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from end
