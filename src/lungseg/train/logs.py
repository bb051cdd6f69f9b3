"""What a run tells while it goes on: a TensorBoard log, the curves, and a progress bar."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import lightning
import torch
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from lungseg.cell_bar import CellBar, in_notebook
from lungseg.errors import OutputError
from lungseg.train.memory import peak_bytes
from lungseg.train.pictures import draw_curves
from lungseg.train.settings import TrainingSettings
from lungseg.writers import write_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

REDRAWN_AFTER: Final = 30.0
"""Seconds between two drawings of the curves, so that short epochs are not spent on drawing."""
SHOWN_AFTER: Final = 0.5
"""Seconds between two looks at the loss; each waits for the device to finish."""
TOLD_AFTER: Final = 60.0
"""Seconds of silence after which a line is written where there is no terminal."""


def callbacks(
    folder: Path, settings: TrainingSettings, *, progress: bool
) -> list[lightning.Callback]:
    """The callbacks that log a run into its folder. They belong behind the one that writes
    metrics.csv.

    Args:
        folder: of the run.
        settings: of the run.
        progress: with a progress bar, which `lightning.Trainer` must be told as
            `enable_progress_bar`.
    """
    callbacks: list[lightning.Callback] = [
        _TensorBoard(folder / "tensorboard", settings),
        _Curves(folder),
        _Cost(folder / "run.json"),
    ]
    return [*callbacks, _Bar(settings.epochs)] if progress else callbacks


class _TensorBoard(lightning.Callback):
    """Logs every metric of an epoch, counted from 1, as loss/train, dice/val and so on, and the
    settings as text.
    """

    def __init__(self, folder: Path, settings: TrainingSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.writer: SummaryWriter | None = None
        self._quiet = ExitStack()

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero:
            return
        from torch.utils.tensorboard import SummaryWriter

        # Each start adds a file; what an earlier one logged of the epochs that now come again is
        # purged from view.
        self._quiet.enter_context(_quiet_writers())
        self.writer = SummaryWriter(self.folder, purge_step=trainer.current_epoch + 1)
        table = "\n".join(f"| {name} | {value} |" for name, value in asdict(self.settings).items())
        self.writer.add_text(
            "settings", f"| setting | value |\n|---|---|\n{table}", trainer.current_epoch
        )

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if self.writer is None:
            return
        for name, value in trainer.callback_metrics.items():
            self.writer.add_scalar(_tag(name), value.item(), trainer.current_epoch + 1)
        self.writer.flush()

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._close()

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        with suppress(OSError):  # a full disk has been told by now
            self._close()

    def _close(self) -> None:
        with self._quiet:
            if self.writer is not None:
                self.writer.close()
        self.writer = None


@contextmanager
def _quiet_writers() -> Iterator[None]:
    """TensorBoard's thread that writes prints its error, with a trace, and raises it again where
    the next event is added, which is enough.
    """
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if type(args.thread).__module__ != "tensorboard.summary.writer.event_file_writer":
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _tag(name: str) -> str:
    """The metric first, which is what TensorBoard groups by: train_loss -> loss/train,
    val_dice_north -> dice/val_north, val_lungs_dice -> dice/val_lungs.
    """
    split, _, rest = name.partition("_")
    if split not in ("train", "val"):
        return name
    region, _, metric = rest.rpartition("_")
    if metric == "dice" and region and not rest.startswith("dice_"):
        return f"dice/{split}_{region}"
    metric, _, source = rest.partition("_")
    return f"{metric}/{split}_{source}" if source else f"{metric}/{split}"


class _Curves(lightning.Callback):
    """Draws curves.png anew from metrics.csv, after each epoch that is long enough and in any case
    at the end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drawn = time.monotonic()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if time.monotonic() - self.drawn >= REDRAWN_AFTER:
            self._draw(trainer)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._draw(trainer)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        with suppress(OutputError):  # likewise
            self._draw(trainer)

    def _draw(self, trainer: lightning.Trainer) -> None:
        if trainer.is_global_zero:
            draw_curves(self.folder / "metrics.csv", self.folder / "curves.png")
            self.drawn = time.monotonic()


class _Cost(lightning.Callback):
    """Writes after each epoch, as JSON, what the run has cost so far, all starts together: epochs,
    seconds, the most memory in MB, and the device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = time.monotonic()
        self.before: dict[str, Any] = {}

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self.start = time.monotonic()
        if trainer.current_epoch and self.path.is_file():
            self.before = json.loads(self.path.read_text(encoding="utf-8"))

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero:
            return
        peak = max(peak_bytes() or 0, round(1e6 * (self.before.get("peak_memory_mb") or 0)))
        cost = {
            "device": pl_module.device.type,
            "epochs": trainer.current_epoch + 1,
            "seconds": round(self.before.get("seconds", 0) + time.monotonic() - self.start, 1),
            "peak_memory_mb": round(peak / 1e6) if peak else None,
        }
        write_file(self.path, (json.dumps(cost, indent=1) + "\n").encode())


class _Bar(ProgressBar):
    """On standard error, or in a notebook's cell, what is trained on what; then one bar over all
    epochs, with loss, Dice and the time left, and where that is no terminal a line for each epoch,
    and for each `TOLD_AFTER` seconds within a longer one.

    The time left is that until the last epoch; early stopping may come before it.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.console = Console(stderr=True, highlight=False)
        self.enabled = True
        self.progress: Progress | None = None
        self.cell: CellBar | None = None
        self.task = TaskID(0)
        self.batches = 0
        self.done = 0
        self.first = 0
        self.start = self.shown = 0.0
        self.metrics = ""

    def disable(self) -> None:
        """Shows nothing: in all processes but one."""
        self.enabled = False

    def enable(self) -> None:
        """Shows what there is to show."""
        self.enabled = True

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self.batches = int(trainer.num_training_batches)
        self.done = self.first = trainer.current_epoch * self.batches
        self.start = self.shown = time.monotonic()
        if self.enabled:
            self.console.print(_what_is_trained(trainer, pl_module), soft_wrap=True)
        if self.enabled and in_notebook():
            self.cell = CellBar()
        elif self.enabled and self.console.is_terminal:
            columns = (
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(),
                TextColumn("{task.fields[metrics]}{task.fields[left]} left"),
            )
            self.progress = Progress(*columns, console=self.console)
            self.task = self.progress.add_task(
                "",
                total=self.epochs * self.batches,
                completed=self.done,
                epoch=f"1 of {self.epochs}",
                metrics="",
                left="?",
            )
            self.progress.start()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.done += 1
        silent = time.monotonic() - self.shown
        if not self.enabled or silent < (SHOWN_AFTER if self.draws else TOLD_AFTER):
            return
        # Lightning has divided the loss by the number of batches that are accumulated.
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        text = f"loss {loss:.4f}, {self.metrics}"
        if self.draws:
            self._show(trainer, text)
        else:
            self._print(f"{self._epoch(trainer)}, batch {batch_idx + 1} of {self.batches}: {text}")

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        known = {"loss": "train_loss", "Dice": "val_dice"}
        metrics = {
            name: trainer.callback_metrics[key].item()
            for name, key in known.items()
            if key in trainer.callback_metrics
        }
        text = "".join(f"{name} {value:.4f}, " for name, value in metrics.items())
        self.metrics = f"Dice {metrics['Dice']:.4f}, " if "Dice" in metrics else ""
        if self.draws:
            self._show(trainer, text)
        elif self.enabled:
            self._print(f"{self._epoch(trainer)}: {text}")

    def _epoch(self, trainer: lightning.Trainer) -> str:
        return f"epoch {trainer.current_epoch + 1} of {self.epochs}"

    def _print(self, line: str) -> None:
        """A line that ends with the time left."""
        self.console.print(f"{line}{self._left()} left", soft_wrap=True)
        self.shown = time.monotonic()

    @property
    def draws(self) -> bool:
        """Whether there is a bar."""
        return self.progress is not None or self.cell is not None

    def _show(self, trainer: lightning.Trainer, metrics: str) -> None:
        epoch = f"{trainer.current_epoch + 1} of {self.epochs}"
        if self.progress is not None:
            self.progress.update(
                self.task, completed=self.done, epoch=epoch, metrics=metrics, left=self._left()
            )
        elif self.cell is not None:
            total = self.epochs * self.batches
            self.cell.show(self.done / total, f"epoch {epoch}, {metrics}{self._left()} left")
        self.shown = time.monotonic()

    def _left(self) -> timedelta:
        """The time until the last epoch, at the speed since the start, validation included."""
        todo = self.epochs * self.batches - self.done
        return timedelta(
            seconds=round((time.monotonic() - self.start) * todo / max(1, self.done - self.first))
        )

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._close()

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self.progress is not None:
            self.progress.stop()  # and gives the cursor back
            self.progress = None


def _what_is_trained(trainer: lightning.Trainer, module: lightning.LightningModule) -> str:
    """Device, cases and network, in a line."""
    device = trainer.strategy.root_device
    name = "CPU"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif device.type != "cpu":
        name = device.type.upper()
    several = f"{trainer.world_size} x " if trainer.world_size > 1 else ""
    loaders: Any = (trainer.train_dataloader, trainer.val_dataloaders)
    training, validation = (0 if loader is None else len(loader.dataset) for loader in loaders)
    parameters = sum(part.numel() for part in module.parameters())
    return (
        f"{several}{name}: {training} training and {validation} validation cases, "
        f"{trainer.num_training_batches} batches an epoch, {parameters / 1e6:.2g} million "
        "parameters"
    )
