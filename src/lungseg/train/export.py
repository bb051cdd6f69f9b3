"""From a checkpoint to the pair of files that inference needs: ONNX and card, with the proof that
both give what torch gives.
"""

from __future__ import annotations

import lungseg.train.libraries  # noqa: F401 (first, for what it says)

# isort: split

import json
import logging
import tomllib
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from lungseg.card import ModelCard, as_tuples, file_sha256, problem_of_layers
from lungseg.datasets.label_sets import LayerClasses
from lungseg.errors import ModelError, UsageError
from lungseg.predict import Predictor
from lungseg.preprocess import steps
from lungseg.structures import MEDIASTINUM
from lungseg.train.initial_weights import LEARNT
from lungseg.train.losses import split_channels
from lungseg.train.module import load_checkpoint
from lungseg.train.settings import TrainingSettings
from lungseg.train.taught import lung_extents, sources_of, taught_by
from lungseg.writers.atomic import not_written

log = logging.getLogger(__name__)

Layers = tuple[tuple[str, ...], ...]
"""Names of the structures of each layer."""

TOLERANCE = 0.02
"""Largest difference in probability between torch (float32) and the exported file (weights rounded
to float16) that is accepted."""


class ExportModel(nn.Module):
    """The network as it is shipped: probabilities instead of logits, the mediastinum merged into
    the background, and beside that, if asked for, on its own.

    Args:
        net: with a channel for each class of each layer.
        layers: that it has learnt.
        joined: how many of these each layer of the shipped model takes up, one after the other; one
            each where nothing is given. Of a layer that joins several, those of a later one are
            only where nothing of an earlier one is: their probability is multiplied by that of its
            background.
        shows_mediastinum: whether its probability is the last channel.
    """

    def __init__(
        self,
        net: nn.Module,
        layers: Sequence[LayerClasses],
        joined: Sequence[int] = (),
        *,
        shows_mediastinum: bool = False,
    ) -> None:
        super().__init__()
        self.net = net
        self.shows_mediastinum = shows_mediastinum
        self.layers = tuple(layers)
        self.joined = tuple(joined) or (1,) * len(self.layers)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, C, H, W): of each layer the background, then its structures, adding
        up to 1; then the mediastinum, if asked for.
        """
        logits = self.net(image)
        parts = split_channels(logits, self.layers) if len(self.layers) > 1 else (logits,)
        learnt = [(part.softmax(dim=1), of) for part, of in zip(parts, self.layers, strict=True)]
        found: list[Tensor] = []
        left = iter(learnt)
        for count in self.joined:
            background: Tensor | None = None
            structures: list[Tensor] = []
            for p, classes in islice(left, count):
                own, those = _of_layer(p, classes)
                structures.append(those if background is None else those * background)
                background = own if background is None else own * background
            if background is not None:
                found += [background, *structures]
        if self.shows_mediastinum:
            found += [p[:, -1:] for p, classes in learnt if MEDIASTINUM in classes.names]
        return torch.cat(found, dim=1)


def _of_layer(p: Tensor, classes: LayerClasses) -> tuple[Tensor, Tensor]:
    """Of a layer's probabilities those of the background, with the mediastinum, and of the
    structures.
    """
    last = 1 + len(classes.structures)
    background = p[:, 0:1]
    if MEDIASTINUM in classes.names:
        background = background + p[:, last : last + 1]
    return background, p[:, 1:last]


def _joined(layers: Layers, learnt: Layers, about: Path | None) -> tuple[int, ...]:
    """How many of the learnt layers each layer of the card takes up.

    Raises:
        UsageError: the layers of the card are not the learnt ones, joined in their order.
    """
    counts, rest = [], list(learnt)
    for layer in layers:
        taken: tuple[str, ...] = ()
        count = 0
        while rest and len(taken) < len(layer):
            taken += rest.pop(0)
            count += 1
        if taken != tuple(layer):
            rest = [layer]
            break
        counts.append(count)
    if rest:
        raise UsageError(
            f"the layers of the description are not those of the run, joined: {learnt}",
            where=about,
            cure="give whole layers in the order of the run's settings, or leave `layers` out",
        )
    return tuple(counts)


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """What was written, and how closely it agrees with torch.

    Attributes:
        model: the ONNX file.
        card: the JSON file.
        largest_difference: in probability, over the checked inputs.
    """

    model: Path
    card: Path
    largest_difference: float


def export(
    checkpoint: Path, output: Path, *, about: Path | None = None, name: str | None = None
) -> ExportedModel:
    """Writes `output` (.onnx, weights in float16) and the card beside it (.json), and proves that
    what is loaded from them gives what torch gives; where it does not, what was there before stays.

    Args:
        checkpoint: best.ckpt, or last.ckpt, of a run, in the run's folder.
        output: path of the ONNX file.
        about: TOML with what the run cannot know: name, version, terms, limits, and a table
            `sources` with each source's terms; also `default_structures`, and `layers` where layers
            of the run are to exclude each other in the model (see `ExportModel`).
        name: of the model where `about` says none; that of the file where neither does.

    Raises:
        ModelError: the checkpoint cannot be used, its network gives no numbers or cannot be
            exported, or the exported model disagrees with torch by more than `TOLERANCE`.
        OutputError: the file or its card cannot be written.
        UsageError: `about` cannot be read or has an unknown field, or `output` ends in .json.
    """
    described = output.with_suffix(".json")
    if described == output:
        cure = f"name the model {output.stem}.onnx"
        raise UsageError("the card of the model has this name", where=output, cure=cure)
    net, settings = load_checkpoint(checkpoint)
    unnamed = {"name": name or output.stem, "version": "0"}
    facts: dict[str, Any] = _read_about(about) if about else unnamed
    layers = facts.pop("layers", settings.layers)
    joined = _joined(layers, settings.layers, about)
    taught = taught_by(checkpoint.parent, settings)
    facts["lung_extents"] = lung_extents(taught, settings)
    shipped = ExportModel(
        net, settings.classes, joined, shows_mediastinum="through-heart" in facts["lung_extents"]
    ).eval()
    example = torch.randn(
        2, 1, settings.size, settings.size, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        expected = shipped(example).numpy()
    if np.isnan(expected).any():
        cure = "train again with a lower learning rate"
        raise ModelError(
            "the network gives no numbers; its training has diverged", where=checkpoint, cure=cure
        )
    facts["data"] = sources_of(taught, facts.pop("sources", {}))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=output.parent) as folder:
            made = Path(folder, output.name)
            card = _card(settings, layers, facts)
            learnt = [list(classes.names) for classes in settings.classes]
            onnx.save(with_metadata(halve_weights(_graph(shipped, example)), card, learnt), made)
            replace(card, sha256=file_sha256(made)).write(made.with_suffix(".json"))
            difference = _difference(made, example.numpy(), expected, output)
            for path in (output, described):
                made.with_suffix(path.suffix).replace(path)
    except OSError as error:
        raise not_written(output, error) from error
    log.info("exported; largest difference to torch %.5f in probability", difference)
    return ExportedModel(output, described, difference)


def _card(settings: TrainingSettings, layers: Layers, facts: dict[str, Any]) -> ModelCard:
    """All of it but the hash of the file, which holds some of the card itself."""
    return ModelCard(
        modality=settings.modality,
        layers=layers,
        architecture=_architecture(settings),
        input_size=(settings.size, settings.size),
        clip=(settings.clip_low, settings.clip_high),
        sha256="",
        steps=steps(settings.modality),
        **facts,
    )


METADATA = (
    "name",
    "version",
    "modality",
    "input_size",
    "resize",
    "intensity",
    "clip",
    "outputs",
    "threshold",
    "steps",
    "terms",
)
"""Fields of the card that a model carries itself, for those who have it without its card."""


def with_metadata(
    model: onnx.ModelProto, card: ModelCard, learnt: Sequence[Sequence[str]]
) -> onnx.ModelProto:
    """Enters `METADATA` into a model, and what the channels before its last steps are, layer by
    layer: text as it is, anything else as JSON.
    """
    facts = card.facts | {LEARNT: learnt}
    texts = {
        name: value if isinstance(value := facts[name], str) else json.dumps(value)
        for name in (*METADATA, LEARNT)
    }
    helper.set_model_props(model, texts)
    return model


def _difference(
    model: Path, batch: NDArray[np.float32], expected: NDArray[np.float32], output: Path
) -> float:
    """The largest one between what a model gives and what torch gave.

    Raises:
        ModelError: about `output`, where the model will be: it cannot be loaded, or the difference
            is more than `TOLERANCE`.
    """
    try:
        computed = Predictor(model)(batch)
    except ModelError as error:
        raise ModelError(error.what, where=output, cure=error.cure) from error
    difference = float(np.abs(computed - expected).max())
    if not difference <= TOLERANCE:  # nor is NaN
        raise ModelError(
            f"the exported model differs from torch by {difference:.3f} in probability",
            where=output,
        )
    return difference


def _graph(shipped: nn.Module, example: Tensor) -> onnx.ModelProto:
    """The network as an ONNX graph with a free batch size, without traces of the machine that made
    it.
    """
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(
        logging.ERROR
    )  # it complains of torchvision missing, which nothing here uses
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):  # onnxscript 0.6 prints there
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                shipped,
                (example,),
                input_names=["image"],
                output_names=["probabilities"],
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ModelError(
            f"torch cannot export the network ({str(error).splitlines()[0]})",
            cure="write its forward without branches on values",
        ) from error
    finally:
        registration.setLevel(level)
    if program is None:
        raise ModelError("torch did not export the network")
    model = program.model_proto
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return model


def _read_about(path: Path) -> dict[str, Any]:
    known = ("name", "version", "terms", "limits", "sources", "layers", "default_structures")
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the description of the model cannot be read ({error})", where=path
        ) from error
    unknown, missing = sorted(set(facts) - set(known)), sorted({"name", "version"} - set(facts))
    if unknown or missing:
        problem = (
            f"has an unknown field, {unknown[0]!r}"
            if unknown
            else f"lacks the field {missing[0]!r}"
        )
        raise UsageError(
            f"the description of the model {problem}",
            where=path,
            cure=f"known are {', '.join(known)}",
        )
    for name in ("layers", "default_structures"):
        if name in facts:
            facts[name] = as_tuples(facts[name])
    sources = facts.get("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(one, dict) for one in sources.values()):
        raise UsageError(
            "the description of the model has sources that are no tables",
            where=path,
            cure='write [sources.NAME], and below it what = "..." and terms = "..."',
        )
    wrong = problem_of_layers(facts["layers"]) if "layers" in facts else None
    if wrong:
        raise UsageError(f"the layers of the description {wrong}", where=path)
    return facts


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores weights of more than 64 numbers as float16, each followed by a cast to float32, which
    runtimes fold away at load.
    """
    casts: list[onnx.NodeProto] = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) <= 64:
            continue
        name = weight.name
        half = numpy_helper.from_array(
            numpy_helper.to_array(weight).astype(np.float16), f"{name}.half"
        )
        weight.CopyFrom(half)
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    return model


def _architecture(settings: TrainingSettings) -> str:
    if settings.is_own_network:
        return settings.architecture
    name = {"unet": "U-Net", "unetpp": "U-Net++"}[settings.architecture]
    return (
        f"{name}, width {settings.width}, depth {settings.depth}, at most {settings.max_width} "
        "channels, "
        f"norm {settings.norm}, {settings.upsampling} up-sampling"
    )
