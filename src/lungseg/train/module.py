"""The Lightning module: network, loss, optimiser, and the metrics that are logged each epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from lungseg.datasets import Case
from lungseg.errors import ModelError
from lungseg.nets import UNet, UNetPlusPlus
from lungseg.scores import Counts
from lungseg.train.checkpoints import network_weights
from lungseg.train.losses import loss_of
from lungseg.train.own import own_network
from lungseg.train.regions import certain_counts, regions_of
from lungseg.train.settings import TrainingSettings, read_settings

SCORES = ("dice", "iou", "accuracy")
"""Attributes of `lungseg.scores.Counts` that are logged."""

WARM_UP = 0.08
"""Fraction of the steps in which the one-cycle schedule rises."""

MOMENTUM = 0.9
"""Of SGD."""

SLOWER = 0.5
"""What the plateau schedule multiplies the rate by."""


def build_network(settings: TrainingSettings) -> nn.Module:
    """The network that the settings describe, with fresh weights: (N, 1, H, W) -> logits (N, all
    channels, H, W), of each layer one for each of its classes.

    Raises:
        UsageError: it is one of the user's, and cannot be made or is of another shape.
    """
    channels = sum(len(classes.names) for classes in settings.classes)
    if settings.is_own_network:
        return own_network(settings.architecture, channels, settings.size)
    shared: dict[str, Any] = {
        "width": settings.width,
        "depth": settings.depth,
        "max_width": settings.max_width,
    }
    if settings.architecture == "unetpp":
        return UNetPlusPlus(
            1,
            channels,
            norm=settings.norm,
            upsampling=settings.upsampling,
            deep_supervision=settings.deep_supervision,
            **shared,
        )
    return UNet(1, channels, norm=settings.norm, upsampling=settings.upsampling, **shared)


def contracting_path(net: nn.Module) -> list[nn.Module]:
    """The blocks of the encoder, finest first."""
    if isinstance(net, UNetPlusPlus):
        return [net.x[f"{level}_0"] for level in range(net.depth)]
    return list(net.down) if isinstance(net, UNet) else []


def load_checkpoint(path: Path) -> tuple[nn.Module, TrainingSettings]:
    """The network in a checkpoint of `lungseg train`, in evaluation mode, with the settings beside
    it.

    Raises:
        ModelError: the file is no such checkpoint, or holds anything but plain tensors and numbers,
            or is of other settings.
        UsageError: there are no settings beside it.
    """
    settings = read_settings(path.parent / "settings.toml")
    weights = network_weights(path)
    net = build_network(settings)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(
            "this is no checkpoint of the settings beside it",
            where=path,
            cure="put back the run's settings.toml",
        ) from error
    return net.eval(), settings


class LungModule(lightning.LightningModule):
    """Trains a network on partially labelled masks.

    Logs once an epoch, of training (as the samples came, augmented) and validation: `loss`, `dice`,
    `iou` and `accuracy`, each after train_ or val_; `val_dice_SOURCE`; where more than the lungs is
    learnt `val_REGION_dice`; and `learning_rate`, the mean over the steps. Scores are the mean over
    regions (see `lungseg.train.regions`), at the network's resolution, over the pixels where it is
    certain whether they belong to the region; those of validation are the mean over sources of the
    mean over images, so that a large source does not outvote a small one.
    """

    def __init__(self, settings: TrainingSettings, validation: Sequence[Case]) -> None:
        super().__init__()
        self.settings = settings
        self.net = build_network(settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sources = [case.source for case in validation]
        self.places: list[int] = []
        """Of the validation cases that this process scores: their places in the whole list."""
        self.regions = regions_of(settings.classes)
        self.scored: list[Tensor] = []
        """Of each batch that was validated: place, loss and counts of each image."""
        self.counts: list[Tensor] = []
        """Of each batch that was trained on."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) -> logits (N, all channels, H, W)."""
        logits: Tensor = self.net(x)
        return logits

    def on_train_epoch_start(self) -> None:
        """While the contracting path is frozen, its normalisation too stays as it is."""
        for block in contracting_path(self.net):
            block.train(self.current_epoch >= self.settings.freeze)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch; with deep supervision the mean over the heads."""
        x, allowed = batch
        x = x.to(memory_format=torch.channels_last)
        heads = self.net.forward_all(x) if isinstance(self.net, UNetPlusPlus) else [self.net(x)]
        loss = torch.stack([loss_of(logits, allowed, self.settings) for logits in heads]).mean()
        with torch.no_grad():
            self.counts.append(self._counts(torch.stack(heads).mean(dim=0), allowed))
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        metrics = {"train_loss": loss.detach(), "learning_rate": rate}
        self.log_dict(metrics, on_step=False, on_epoch=True, batch_size=len(x), sync_dist=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """A parameter without gradient is left alone. To have it computed all the same is what
        several devices need to keep in step.
        """
        if self.current_epoch < self.settings.freeze:
            for block in contracting_path(self.net):
                block.zero_grad(set_to_none=True)

    def on_validation_epoch_start(self) -> None:
        """Forgets the scores of the epoch before."""
        loaders: Any = self.trainer.val_dataloaders
        self.places = list(loaders.sampler)
        self.scored = []

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Collects place, loss and counts of each image, so that they do not depend on what shared
        a batch.
        """
        x, allowed = batch
        logits = self.net(x.to(memory_format=torch.channels_last))
        losses = torch.stack(
            [loss_of(logits[i : i + 1], allowed[i : i + 1], self.settings) for i in range(len(x))]
        )
        first = index * self.settings.batch
        places = torch.tensor(self.places[first : first + len(x)], device=logits.device)
        self.scored.append(
            torch.column_stack([places, losses.float(), self._counts(logits, allowed)])
        )

    def on_validation_epoch_end(self) -> None:
        """Gathers the scores of all devices and logs the means; those of the training epoch too,
        which ends with the validation.
        """
        rows = {
            int(place): row for place, *row in self._of_all_devices(self.scored)
        }  # some places may come twice
        images = [(self.sources[place], counts) for place, (_, *counts) in sorted(rows.items())]
        metrics = {"val_loss": sum(loss for loss, *_ in rows.values()) / len(rows)}
        by_region: dict[str, list[float]] = {}
        by_source: dict[str, list[list[float]]] = {}
        for number, region in enumerate(self.regions):
            scores: dict[str, list[list[float]]] = {}
            for source, counts in images:
                if (own := _scores(counts, number)) is not None:
                    scores.setdefault(source, []).append(own)
            means = {source: _means(each) for source, each in sorted(scores.items())}
            by_region[region.name] = _means(list(means.values()))
            for source, mean in means.items():
                by_source.setdefault(source, []).append(mean)
        metrics |= _named("val", _means(list(by_region.values())))
        metrics |= {f"val_dice_{source}": _means(each)[0] for source, each in by_source.items()}
        if len(self.regions) > 1:
            metrics |= {f"val_{region}_dice": mean[0] for region, mean in by_region.items()}
        self.log_dict(metrics | _named("train", self._of_training()))
        self.counts = []

    def _counts(self, logits: Tensor, allowed: Tensor) -> Tensor:
        """Of each region four numbers, one after the other: (N, 4 regions)."""
        return certain_counts(logits, allowed, self.settings.classes).flatten(1)

    def _of_training(self) -> list[float]:
        """The mean over regions of the mean over all samples of the epoch."""
        samples = self._of_all_devices(self.counts)
        scores = [
            [own for counts in samples if (own := _scores(counts, number)) is not None]
            for number in range(len(self.regions))
        ]
        return _means([_means(own) for own in scores])

    def _of_all_devices(self, rows: list[Tensor]) -> list[list[float]]:
        """Rows of all batches and devices, in a list."""
        mine = torch.cat(rows)
        gathered: Tensor = self.all_gather(mine)
        return gathered.reshape(-1, mine.shape[1]).tolist()

    def on_train_epoch_end(self) -> None:
        """The plateau schedule looks at the epoch before the checkpoint is written, so that a
        resumed run knows what it saw.
        """
        schedule = self.lr_schedulers()
        if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
            schedule.step(self.trainer.callback_metrics[self.settings.monitor])

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule of the settings; all schedules but the plateau go by steps."""
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        steps = int(self.trainer.estimated_stepping_batches)
        optimiser: torch.optim.Optimizer
        match self.settings.optimiser:
            case "adam":
                optimiser = torch.optim.Adam(self.parameters(), lr=rate, weight_decay=decay)
            case "adamw":
                optimiser = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=decay)
            case "sgd":
                optimiser = torch.optim.SGD(
                    self.parameters(), lr=rate, weight_decay=decay, momentum=MOMENTUM
                )
        schedule: lr_scheduler.LRScheduler
        match self.settings.schedule:
            case "one-cycle":
                schedule = lr_scheduler.OneCycleLR(
                    optimiser,
                    max_lr=rate,
                    total_steps=steps,
                    pct_start=WARM_UP,
                    final_div_factor=1000,
                    cycle_momentum=False,
                )
            case "cosine":
                schedule = lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
            case "plateau":
                mode, patience = self.settings.mode, self.settings.plateau
                schedule = lr_scheduler.ReduceLROnPlateau(
                    optimiser, mode=mode, factor=SLOWER, patience=patience, threshold=0
                )
                # Lightning would step it after the checkpoint is written: so it keeps the state,
                # and `on_train_epoch_end` steps.
                return {
                    "optimizer": optimiser,
                    "lr_scheduler": {
                        "scheduler": schedule,
                        "interval": "epoch",
                        "reduce_on_plateau": False,
                    },
                }
            case "constant":
                return optimiser
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:
        """One step of a schedule that goes by steps."""
        if not isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step()


def _scores(counts: Sequence[float], region: int) -> list[float] | None:
    """Of a region, of the counts of all regions of an image; None where its mask says nothing."""
    own = counts[4 * region : 4 * region + 4]
    if own[0] < 0:
        return None
    each = Counts(*map(int, own))
    return [getattr(each, name) for name in SCORES]


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each column, over the rows that have one."""
    known = [row for row in rows if not math.isnan(row[0])]
    if not known:
        return [math.nan] * len(SCORES)
    return [sum(column) / len(known) for column in zip(*known, strict=True)]


def _named(split: str, scores: Sequence[float]) -> dict[str, float]:
    return {f"{split}_{name}": score for name, score in zip(SCORES, scores, strict=True)}
