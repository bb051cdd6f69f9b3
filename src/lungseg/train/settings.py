"""All settings of a training run, in one place; written to the run's folder as TOML, and read back from there."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

from lungseg.errors import UsageError

RANGES: Final = {
    **dict.fromkeys(("width", "max_width", "epochs", "patience", "batch"), (1, math.inf)),
    **dict.fromkeys(("learning_rate", "weight_decay", "seed", "workers"), (0, math.inf)),
    **dict.fromkeys(("dice_weight", "average", "plain"), (0, 1)),
    **dict.fromkeys(("clip_low", "clip_high"), (0, 100)),
}
"""Lowest and highest value of settings that are numbers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of `lungseg train`; each has a flag of the same name, and the words beside its type are the flag's help."""

    net: Annotated[Literal["unet", "unetpp"], "U-Net or U-Net++"] = "unet"
    width: Annotated[int, "feature channels of the finest level, doubled at each deeper one"] = 16
    depth: Annotated[int, "number of resolutions, the input's included"] = 6
    max_width: Annotated[int, "no level has more channels than this"] = 192
    norm: Annotated[Literal["batch", "none"], "batch normalisation or none"] = "batch"
    up: Annotated[Literal["transposed", "interpolated"], "how the expanding path doubles the resolution"] = "transposed"
    deep_supervision: Annotated[bool, "of U-Net++: a head and a loss on each of its depths"] = True
    size: Annotated[int, "rows and columns of the network's input"] = 256
    clip_low: Annotated[float, "percentile of the greys that becomes black"] = 0.5
    clip_high: Annotated[float, "percentile of the greys that becomes white"] = 99.5
    epochs: Annotated[int, "at most so many passes over the training cases"] = 70
    patience: Annotated[int, "stop after so many epochs without a better validation Dice"] = 20
    batch: Annotated[int, "images in a batch"] = 8
    learning_rate: Annotated[float, "the highest one, after the warm-up"] = 0.002
    weight_decay: Annotated[float, "of AdamW"] = 0.01
    dice_weight: Annotated[float, "weight of Dice in the loss, 0 to 1; the rest is binary cross-entropy"] = 0.5
    average: Annotated[float, "decay per step of the moving average of the weights, which is validated and exported"] = 0.995
    validation: Annotated[float, "share of the patients of each source that is kept for validation"] = 0.15
    leave_out: Annotated[tuple[str, ...], "a source neither to train on nor to choose by, all of it is for testing; may be repeated"] = ()
    repeat: Annotated[tuple[str, ...], "SOURCE=N, each training case of the source N times an epoch; may be repeated"] = ()
    plain: Annotated[float, "share of the samples that are changed only a little"] = 0.0
    start_from: Annotated[str, "checkpoint of another run, with the weights to begin with"] = ""
    seed: Annotated[int, "of split, weights and augmentation"] = 0
    precision: Annotated[Literal["bf16-mixed", "32-true"], "arithmetic of the network"] = "bf16-mixed"
    workers: Annotated[int, "processes that augment"] = 1

    def __post_init__(self) -> None:
        for name, kind, _ in describe():
            _check(name, kind, getattr(self, name))
        if self.max_width < self.width or self.clip_low >= self.clip_high:
            raise UsageError("max_width is at least width, and clip_low is below clip_high", cure="change one of them")
        step = 2 ** (self.depth - 1)
        if self.depth < 2 or self.size < step or self.size % step:
            raise UsageError(f"size {self.size} is not a multiple of {step}, as depth {self.depth} needs", cure="change one of them")
        if not 0 < self.validation < 1:
            raise UsageError(f"validation is a share between 0 and 1, not {self.validation}")
        self.repeats()

    def repeats(self) -> dict[str, int]:
        """How often an epoch sees each training case of a source, for the sources that `repeat` names."""
        pairs = [entry.rpartition("=") for entry in self.repeat]
        for entry, (source, _, times) in zip(self.repeat, pairs, strict=True):
            if not (source and times.isdecimal() and int(times)):
                raise UsageError(f"repeat is SOURCE=N with N at least 1, not {entry!r}", cure="write, for example, montgomery=2")
        return {source: int(times) for source, _, times in pairs}

    def write(self, path: Path) -> None:
        """Writes the settings as TOML; strings, numbers, truth values and lists look the same there as in JSON."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in asdict(self).items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _check(name: str, kind: Any, value: Any) -> None:
    """That a value has its type, of which int passes for float, and lies in its range."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(f"{name} is one of {', '.join(get_args(kind))}, not {value!r}")
        return
    plain = get_origin(kind) or kind
    if type(value) is not plain and not (plain is float and type(value) is int):
        raise UsageError(f"{name} is a {'list' if plain is tuple else plain.__name__}, not {value!r}")
    low, high = RANGES.get(name, (None, None))
    if low is not None and not low <= value <= high:
        raise UsageError(f"{name} is at least {low}, not {value}" if high == math.inf else f"{name} is {low} to {high}, not {value}")


def describe() -> list[tuple[str, Any, str]]:
    """Name, type and meaning of every setting, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    return [(field.name, *get_args(hints[field.name])) for field in fields(Settings)]


def read_settings(path: Path) -> Settings:
    """The settings in a TOML file; what it does not name keeps its default.

    Raises:
        UsageError: the file cannot be read, or has a field that is not known; the nearest known one is named.
    """
    from difflib import get_close_matches

    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings cannot be read ({error})", where=path) from error
    names = [field.name for field in fields(Settings)]
    for name in entries:
        if name not in names:
            near = get_close_matches(name, names, 1)
            raise UsageError(f"{name!r} is not a setting", where=path, cure=f"did you mean {near[0]!r}" if near else None)
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()}
    return Settings(**values)
