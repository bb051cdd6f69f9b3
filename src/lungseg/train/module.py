"""The Lightning module: network, loss, optimiser, and the validation Dice that chooses the best weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from lungseg.datasets import Case
from lungseg.datasets.convention import CLASSES, LEFT, RIGHT
from lungseg.errors import ModelError
from lungseg.nets import UNet, UNetPlusPlus
from lungseg.train.losses import partial_label_loss
from lungseg.train.settings import Settings, read_settings


def build_network(settings: Settings) -> nn.Module:
    """The network that the settings describe, with fresh weights: (N, 1, H, W) -> logits (N, 4, H, W)."""
    shared: dict[str, Any] = {"width": settings.width, "depth": settings.depth, "max_width": settings.max_width}
    if settings.net == "unetpp":
        return UNetPlusPlus(1, len(CLASSES), norm=settings.norm, up=settings.up, deep_supervision=settings.deep_supervision, **shared)
    return UNet(1, len(CLASSES), norm=settings.norm, up=settings.up, **shared)


def load_checkpoint(path: Path) -> tuple[nn.Module, Settings]:
    """The network in a checkpoint of `lungseg train`, in evaluation mode, with the settings beside it.

    Raises:
        ModelError: the file is no such checkpoint, or holds anything but plain tensors and numbers.
    """
    settings = read_settings(path.parent / "settings.toml")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        net = build_network(settings)
        net.load_state_dict({name.removeprefix("net."): value for name, value in state.items()})
    except Exception as error:  # torch raises a dozen kinds for a file that is not its own
        raise ModelError(f"this is no checkpoint of these settings ({type(error).__name__})", where=path, cure="give best.ckpt") from error
    return net.eval(), settings


class LungModule(lightning.LightningModule):
    """Trains a network on partially labelled masks.

    Logs `train_loss` once an epoch, `val_loss`, `val_dice` (mean over sources of the mean Dice over images) and `val_dice_SOURCE`.
    """

    def __init__(self, settings: Settings, validation: Sequence[Case], steps: int) -> None:
        super().__init__()
        self.settings = settings
        self.net = build_network(settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sources = [case.source for case in validation]
        self.steps = steps
        self.scores: dict[str, list[float]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) -> logits (N, 4, H, W)."""
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch; with deep supervision the mean over the heads."""
        x, allowed = batch
        x = x.to(memory_format=torch.channels_last)
        heads = self.net.forward_all(x) if isinstance(self.net, UNetPlusPlus) else [self.net(x)]
        loss = torch.stack([partial_label_loss(logits, allowed, dice_weight=self.settings.dice_weight) for logits in heads]).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(x))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forgets the scores of the epoch before."""
        self.scores = {}

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Collects the Dice of each image, at the network's resolution."""
        x, allowed = batch
        logits = self.net(x.to(memory_format=torch.channels_last))
        self.log("val_loss", partial_label_loss(logits, allowed, dice_weight=self.settings.dice_weight), batch_size=len(x))
        first = index * self.settings.batch
        for i, dice in enumerate(certain_dice(logits, allowed).tolist()):
            self.scores.setdefault(self.sources[first + i], []).append(dice)

    def on_validation_epoch_end(self) -> None:
        """Logs the means."""
        means = {source: sum(dice) / len(dice) for source, dice in self.scores.items()}
        self.log_dict({f"val_dice_{source}": mean for source, mean in means.items()})
        self.log("val_dice", sum(means.values()) / len(means), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a short warm-up and a cosine to zero."""
        optimiser = torch.optim.AdamW(self.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=self.settings.learning_rate, total_steps=self.steps, pct_start=0.08, final_div_factor=1000
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def certain_dice(logits: Tensor, allowed: Tensor) -> Tensor:
    """Dice of both lungs together, over the pixels where it is certain whether they are lung: (N, 4, H, W), (N, H, W) -> (N,)."""
    lungs = RIGHT | LEFT
    truth = (allowed == RIGHT) | (allowed == LEFT)
    certain = truth | ((allowed & lungs) == 0)
    probability = logits.float().softmax(dim=1)
    found = ((probability[:, 1] + probability[:, 2]) >= 0.5) & certain
    return (2 * (found & truth).sum(dim=(1, 2)) + 1) / (found.sum(dim=(1, 2)) + truth.sum(dim=(1, 2)) + 1)
