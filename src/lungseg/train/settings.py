"""All settings of a training run, in one place; written to the run's folder as TOML, and read back from there."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from lungseg.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of `lungseg train`; each has a flag of the same name.

    Attributes:
        net: "unet" or "unetpp".
        width: feature channels of the finest level.
        depth: number of resolutions.
        max_width: no level has more channels.
        norm: "batch" or "none".
        up: "transposed" or "interpolated" up-sampling.
        deep_supervision: of U-Net++.
        size: rows and columns of the network's input.
        clip_low, clip_high: percentiles that become black and white.
        epochs: at most so many.
        patience: stop after so many epochs without a better validation Dice.
        batch: images in a batch.
        learning_rate: the highest one, after the warm-up.
        weight_decay: of AdamW.
        dice_weight: weight of Dice in the loss; the rest is binary cross-entropy.
        average: decay of the exponential moving average of the weights per step; the average is what is validated and exported.
        validation: share of the patients of each source kept for validation.
        leave_out: sources that are not trained on; all of their cases go to validation.
        seed: of split, weights and augmentation.
        precision: "bf16-mixed" or "32-true".
        workers: processes that augment.
    """

    net: Literal["unet", "unetpp"] = "unet"
    width: int = 16
    depth: int = 6
    max_width: int = 192
    norm: Literal["batch", "none"] = "batch"
    up: Literal["transposed", "interpolated"] = "transposed"
    deep_supervision: bool = True
    size: int = 256
    clip_low: float = 0.5
    clip_high: float = 99.5
    epochs: int = 60
    patience: int = 20
    batch: int = 8
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    dice_weight: float = 0.5
    average: float = 0.995
    validation: float = 0.15
    leave_out: tuple[str, ...] = ()
    seed: int = 0
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed"
    workers: int = 1

    def __post_init__(self) -> None:
        step = 2 ** (self.depth - 1)
        if self.size % step:
            raise UsageError(f"size {self.size} is not a multiple of {step}, which depth {self.depth} needs")
        if not 0 < self.validation < 1:
            raise UsageError(f"validation is a share between 0 and 1, not {self.validation}")

    def write(self, path: Path) -> None:
        """Writes the settings as TOML; strings, numbers, truth values and lists look the same in JSON."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in asdict(self).items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_settings(path: Path) -> Settings:
    """The settings in a TOML file.

    Raises:
        UsageError: the file cannot be read, or has a field that is not known; the nearest known one is named.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings cannot be read ({error})", where=path) from error
    names = [field.name for field in fields(Settings)]
    for name in entries:
        if name not in names:
            near = get_close_matches(name, names, 1)
            raise UsageError(f"{name!r} is not a setting", where=path, cure=f"did you mean {near[0]!r}" if near else None)
    if "leave_out" in entries:
        entries["leave_out"] = tuple(entries["leave_out"])
    return Settings(**entries)
