"""All settings of a training run, in one place; written to the run's folder as TOML, and read back
from there.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_type_hints

from lungseg.card import as_tuples, problem_of_layers
from lungseg.errors import UsageError
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG, regions
from lungseg.train.allowed_values import METRICS, NAMED, check_value, suggestion

if TYPE_CHECKING:
    from lungseg.datasets.label_sets import LayerClasses

Precision = Literal["bf16-mixed", "16-mixed", "32-true"]

GROUPS: Final = {
    "layers": "the structures",
    "architecture": "the network",
    "modality": "the pictures",
    "validation": "the cases",
    "rotation": "what is changed at random in each sample",
    "loss": "the loss",
    "optimiser": "the optimiser",
    "epochs": "the course of the run",
    "seed": "the machine",
}
"""What the settings from this one on are about."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of `lungseg train`; each has a flag of the same name, and the words beside its type
    are the flag's help.
    """

    layers: Annotated[
        tuple[tuple[str, ...], ...],
        "structures to learn that exclude each other, such as 'lungs, trachea', or 'lungs as one' "
        "without sides; repeated for a layer that may overlap them",
    ] = ((RIGHT_LUNG.name, LEFT_LUNG.name),)

    architecture: Annotated[
        str, "unet or unetpp (U-Net++), or a network of your own, as mypackage.module:Class"
    ] = "unet"
    width: Annotated[int, "feature channels of the finest level, doubled at each deeper one"] = 16
    depth: Annotated[int, "number of resolutions, the input's included"] = 6
    max_width: Annotated[int, "no level has more channels than this"] = 192
    norm: Annotated[Literal["batch", "none"], "batch normalisation or none"] = "batch"
    upsampling: Annotated[
        Literal["transposed", "interpolated"], "how the expanding path doubles the resolution"
    ] = "transposed"
    deep_supervision: Annotated[bool, "of U-Net++: a head and a loss on each of its depths"] = True

    modality: Annotated[
        Literal["radiograph", "ct"], ("what the pictures are, for the model's card")
    ] = "radiograph"
    size: Annotated[int, "rows and columns of the network's input"] = 256
    clip_low: Annotated[float, "percentile of the greys that becomes black"] = 0.5
    clip_high: Annotated[float, "percentile of the greys that becomes white"] = 99.5
    dilate: Annotated[int, "pixels of the network's input by which the lungs are widened"] = 0

    validation: Annotated[
        float, "fraction of the patients of each source that is kept for validation"
    ] = 0.15
    test: Annotated[float, "fraction of the patients of each source that is kept for testing"] = 0.0
    leave_out: Annotated[
        tuple[str, ...],
        "a source neither to train on nor to choose by, all of it is for testing; may be repeated",
    ] = ()
    oversample: Annotated[
        tuple[str, ...],
        "SOURCE=N, each training case of the source N times an epoch; may be repeated",
    ] = ()
    pseudo_label_with: Annotated[
        tuple[str, ...], "a model that labels what the training masks leave open; may be repeated"
    ] = ()
    cache: Annotated[str, "folder in which decoded cases are kept for later runs"] = ""

    rotation: Annotated[float, "degrees by which samples are rotated, as a standard deviation"] = (
        8.0
    )
    shift_x: Annotated[
        float, "fraction of the width by which samples are shifted, as a standard deviation"
    ] = 0.05
    shift_y: Annotated[
        float, "fraction of the height by which samples are shifted, as a standard deviation"
    ] = 0.05
    zoom: Annotated[
        float, "standard deviation of the logarithm of the zoom; 0.12 for about 12 %"
    ] = 0.12
    warp: Annotated[
        float, ("stretch, shear and elastic deformation, as a multiple of what is usual")
    ] = 1.0
    mirror: Annotated[float, "probability that right and left are swapped, in the labels too"] = 0.5
    flip: Annotated[float, "probability that a sample is flipped upside down"] = 0.0
    rotate_180: Annotated[
        float,
        (
            "probability that a sample is rotated by 180 degrees, labels and all, as CT of prone "
            "patients is stored"
        ),
    ] = 0.0
    padding: Annotated[float, "probability that a sample is set in a broad frame"] = 0.125
    intensity: Annotated[
        float, ("probability that contrast, sharpness, noise and the like are changed")
    ] = 1.0
    gamma: Annotated[float, "standard deviation of the logarithm of gamma"] = 0.3
    equalise: Annotated[
        float, "probability of a local contrast equalisation, where `intensity` allows any"
    ] = 0.15
    window: Annotated[
        float,
        (
            "probability that the darkest and the brightest greys are cut off, as CT is "
            "shown in a window, where `intensity` allows any"
        ),
    ] = 0.25
    cut: Annotated[float, "largest fraction of the greys that is cut off at either end"] = 0.15
    cut_dark: Annotated[
        float, "the same at the dark end, where it is to be more, as in windows for soft tissue"
    ] = 0.0
    negative: Annotated[
        float, "probability that black and white are inverted, where `intensity` allows any"
    ] = 0.15
    occlusion: Annotated[
        float, "probability that opacities, tubes, text and the like may be painted in"
    ] = 1.0
    degradation: Annotated[
        float,
        (
            "probability of strong blur, grain, uneven exposure or coarse pixels, or of boxes "
            "that hide "
            "parts of the lungs"
        ),
    ] = 0.0
    effusion: Annotated[
        float, "probability that fluid hides the base of one lung and the diaphragm below it"
    ] = 0.0
    weak: Annotated[float, "probability that a sample is changed only a little"] = 0.0

    loss: Annotated[
        str,
        "what is minimised: bce, dice, bce+dice, focal, tversky, boundary (beside bce+dice), or a "
        "loss of your own, as mypackage.module:function",
    ] = "bce+dice"
    dice_weight: Annotated[
        float, "weight of Dice in bce+dice, 0 to 1; the rest is binary cross-entropy"
    ] = 0.5
    focal_gamma: Annotated[
        float, "exponent of the focal loss; the higher, the less do easy pixels count"
    ] = 2.0
    tversky_alpha: Annotated[
        float, "weight of what is wrongly taken for lung, in the Tversky loss"
    ] = 0.3
    tversky_beta: Annotated[float, "weight of what is missed, in the Tversky loss"] = 0.7
    boundary_weight: Annotated[float, "weight of the boundary term beside bce+dice"] = 0.1
    class_weights: Annotated[
        tuple[str, ...], "CLASS=W, weight of a class in the loss instead of 1; may be repeated"
    ] = ()

    optimiser: Annotated[
        Literal["adam", "adamw", "sgd"], "Adam, AdamW, or SGD with momentum 0.9"
    ] = "adamw"
    learning_rate: Annotated[
        float, "the highest one, after the warm-up if the schedule has one"
    ] = 0.002
    weight_decay: Annotated[float, "of the optimiser"] = 0.01
    schedule: Annotated[
        Literal["one-cycle", "cosine", "plateau", "constant"],
        (
            "of the learning rate: short warm-up and cosine to zero, cosine to zero, halved "
            "where progress ends, or constant"
        ),
    ] = "one-cycle"
    plateau: Annotated[
        int,
        (
            "the plateau schedule halves the rate after more than so many epochs without a "
            "better monitored metric"
        ),
    ] = 5
    batch: Annotated[int, "images in a batch, on each device"] = 8
    accumulate: Annotated[int, "batches whose gradients are added up for one step"] = 1
    clip_gradient: Annotated[float, "longest gradient; 0 for no limit"] = 1.0
    ema_decay: Annotated[
        float,
        (
            "decay per step of the moving average of the weights, which is validated and "
            "exported; 0 for none"
        ),
    ] = 0.995

    epochs: Annotated[int, "at most so many passes over the training cases"] = 70
    monitor: Annotated[
        str, "metric that must get better, or the run ends: a column of metrics.csv"
    ] = "val_dice"
    patience: Annotated[int, "stop after so many epochs without a better monitored metric"] = 20
    start_from: Annotated[
        str, "weights to begin with: an embedded model, an .onnx file, or the checkpoint of a run"
    ] = ""
    freeze: Annotated[
        int, "epochs at the beginning in which the contracting path stays as it is"
    ] = 0

    seed: Annotated[int, "of split, weights and augmentation"] = 0
    deterministic: Annotated[
        bool, "only arithmetic that gives the same each time on a GPU, too; slower there"
    ] = False
    precision: Annotated[
        Precision,
        "arithmetic of the network; bf16-mixed becomes 32-true where the processor lacks it",
    ] = "bf16-mixed"
    devices: Annotated[int, "GPUs, or processes on the CPU, to train on in each node"] = 1
    nodes: Annotated[int, "computers to train on"] = 1
    workers: Annotated[int, "processes that augment, for each device"] = 1

    def __post_init__(self) -> None:
        for name, kind, _ in describe():
            check_value(name, kind, getattr(self, name))
        if self.max_width < self.width or self.clip_low >= self.clip_high:
            raise UsageError(
                "max_width is at least width, and clip_low is below clip_high",
                cure="change one of them",
            )
        self._check_size()
        if not 0 < self.validation < 1:
            raise UsageError(f"validation is a fraction between 0 and 1, not {self.validation}")
        if not 0 <= self.test < 1 - self.validation:
            raise UsageError(
                "test is a fraction that leaves something to train on beside validation "
                f"{self.validation}, not {self.test}"
            )
        if not 0 <= self.ema_decay < 1:
            raise UsageError(f"ema_decay is at least 0 and below 1, not {self.ema_decay}")
        if problem := problem_of_layers(self.layers):
            raise UsageError(f"layers {problem}")
        if self.layers != ((RIGHT_LUNG.name, LEFT_LUNG.name),):
            _ = self.classes
        self._check_monitor()
        self.repeats()
        self.weights()

    @property
    def is_own_network(self) -> bool:
        """Whether the network is not one of the package's."""
        return self.architecture not in NAMED["architecture"]

    def _check_monitor(self) -> None:
        if self.monitor in METRICS or self.monitor.startswith("val_dice_"):
            return
        learnt = [name for classes in self.classes for name in regions(classes.structures)]
        known = [*METRICS, *(f"val_{name}_dice" for name in learnt if len(learnt) > 1)]
        if self.monitor not in known:
            raise UsageError(
                f"{self.monitor!r} is no metric that can be monitored",
                cure=suggestion(self.monitor, known),
            )

    def _check_size(self) -> None:
        """That the size suits the depth, of which a network of one's own says nothing."""
        if self.is_own_network:
            if self.freeze:
                raise UsageError(
                    "freeze is for unet and unetpp, whose contracting path is known",
                    cure="leave it out",
                )
            return
        # No size reaches that, and a depth of many digits would take for ever.
        step = 2 ** min(self.depth - 1, 64)
        if self.size < step or self.size % step:
            raise UsageError(
                f"size {self.size} is not a multiple of {step}, as depth {self.depth} needs",
                cure="change one of them",
            )
        if self.size == step:
            raise UsageError(
                f"size {self.size} leaves a single pixel at depth {self.depth}",
                cure="take a larger size or a smaller depth",
            )

    @property
    def classes(self) -> tuple[LayerClasses, ...]:
        """Those of each layer: with the background, and in the layer of the lungs with the
        mediastinum.

        Raises:
            UsageError: a layer has too many, or half a pair.
        """
        # Here, because the command line reads the defaults at every start.
        from lungseg.datasets.label_sets import layer_classes

        return layer_classes(self.layers)

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether less or more of the monitored metric is better."""
        return "min" if self.monitor in ("train_loss", "val_loss") else "max"

    def repeats(self) -> dict[str, int]:
        """How often an epoch sees each training case of a source, for the sources that `repeat`
        names.
        """
        pairs = [entry.rpartition("=") for entry in self.oversample]
        for entry, (source, _, times) in zip(self.oversample, pairs, strict=True):
            if not (source and times.isdecimal() and len(times) < 7 and int(times)):
                raise UsageError(
                    f"oversample is SOURCE=N with N from 1 to 999999, not {entry!r}",
                    cure="write, for example, montgomery=2",
                )
        return {source: int(times) for source, _, times in pairs}

    def weights(self) -> tuple[float, ...]:
        """Weight of each class of each layer in the loss, 1 for those that are not named; () where
        none is.
        """
        if not self.class_weights:
            return ()
        names = [name for classes in self.classes for name in classes.names]
        weights = dict.fromkeys(names, 1.0)
        for entry in self.class_weights:
            name, _, number = entry.rpartition("=")
            if name not in weights:
                raise UsageError(
                    f"class_weights are CLASS=W, not {entry!r}",
                    cure=f"name one of {', '.join(weights)}",
                )
            try:
                weights[name] = float(number)
            except ValueError:
                weights[name] = math.nan
            if not 0 < weights[name] < math.inf:
                raise UsageError(
                    f"the weight of a class is a number above 0, not {number!r}",
                    cure="write, for example, 'left lung=2'",
                )
        return tuple(weights[name] for name in names)

    def write(self, path: Path) -> None:
        """Writes the settings as TOML, whole or not at all.

        Raises:
            OutputError: the folder cannot be written to.
            UsageError: a name has bytes that are no text.
        """
        from lungseg.writers import write_file

        lines: list[str] = []
        for name, value in asdict(self).items():
            if name in GROUPS:
                lines.append(f"\n# {GROUPS[name]}")
            # Such values look the same in TOML as in JSON, but for the two halves of a character
            # that JSON may write, and for what TOML must not have as it is.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{name} = {text}")
        try:
            content = ("\n".join(lines).lstrip() + "\n").encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                "a setting has a name with bytes that are no text", cure="rename the file or folder"
            ) from error
        write_file(path, content)


@cache
def describe() -> tuple[tuple[str, Any, str], ...]:
    """Name, type and meaning of every setting, in order."""
    hints = get_type_hints(TrainingSettings, include_extras=True)
    return tuple((field.name, *get_args(hints[field.name])) for field in fields(TrainingSettings))


def read_settings(path: Path) -> TrainingSettings:
    """The settings in a TOML file; what it does not name keeps its default.

    Raises:
        UsageError: the file cannot be read, or has a field that is not known (the nearest known one
            is named), or a value that has no meaning.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"the settings cannot be read ({error})", where=path) from error
    names = [field.name for field in fields(TrainingSettings)]
    for name in entries:
        if name not in names:
            raise UsageError(f"{name!r} is not a setting", where=path, cure=suggestion(name, names))
    values: dict[str, Any] = {name: as_tuples(value) for name, value in entries.items()}
    try:
        return TrainingSettings(**values)
    except UsageError as error:
        raise UsageError(error.what, where=path, cure=error.cure) from error
