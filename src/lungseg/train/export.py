"""From a checkpoint to the pair of files that inference needs: ONNX and card, with the proof that both give what torch gives."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from lungseg.card import ModelCard, file_sha256
from lungseg.errors import ModelError
from lungseg.labels import LABELS
from lungseg.train.module import build_network
from lungseg.train.settings import Settings, read_settings

log = logging.getLogger(__name__)

TOLERANCE = 0.02
"""Largest difference in probability between torch (float32) and the exported file (weights rounded to float16) that is accepted."""


class Deployed(nn.Module):
    """The network as it is shipped: probabilities instead of logits, the mediastinum merged into the background."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 3, H, W): background, right lung, left lung; adding up to 1."""
        p = self.net(image).softmax(dim=1)
        return torch.cat([p[:, 0:1] + p[:, 3:4], p[:, 1:3]], dim=1)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how closely it agrees with torch.

    Attributes:
        model: the ONNX file.
        card: the JSON file.
        largest_difference: in probability, over the checked inputs.
    """

    model: Path
    card: Path
    largest_difference: float


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


def export(checkpoint: Path, output: Path, card: ModelCard) -> Exported:
    """Writes `output` (.onnx, weights in float16) and the card beside it (.json).

    Args:
        checkpoint: best.ckpt of a run.
        output: path of the ONNX file.
        card: name, version, data, terms, scores and limits; the fields that follow from the run are filled in here.

    Raises:
        ModelError: the checkpoint cannot be used, or the exported model disagrees with torch by more than `TOLERANCE`.
    """
    net, settings = load_checkpoint(checkpoint)
    deployed = Deployed(net).eval()
    example = torch.randn(2, 1, settings.size, settings.size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            deployed,
            (example,),
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ModelError("torch did not export the network", where=checkpoint)
    model = halve_weights(program.model_proto)
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    difference = _difference(model, deployed, example)
    if difference > TOLERANCE:
        raise ModelError(f"the exported model differs from torch by {difference:.3f} in probability", where=output)
    output.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, output)
    card = replace(
        card,
        architecture=_architecture(settings),
        input_size=(settings.size, settings.size),
        labels=tuple(label.name for label in LABELS),
        clip=(settings.clip_low, settings.clip_high),
        sha256=file_sha256(output),
    )
    card.write(output.with_suffix(".json"))
    log.info("exported, largest difference to torch %.4f", difference)
    return Exported(output, output.with_suffix(".json"), difference)


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores weights of more than 64 numbers as float16, each followed by a cast to float32, which runtimes fold away at load."""
    casts: list[onnx.NodeProto] = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) <= 64:
            continue
        name = weight.name
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}.half")
        weight.CopyFrom(half)
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    return model


def _difference(model: onnx.ModelProto, deployed: nn.Module, example: Tensor) -> float:
    """Largest absolute difference between the file and torch; by ONNX's own reference implementation, so by no runtime's grace."""
    found: Any = ReferenceEvaluator(model).run(None, {"image": example.numpy()})[0]
    with torch.inference_mode():
        wanted = deployed(example).numpy()
    return float(np.abs(found - wanted).max())


def _architecture(settings: Settings) -> str:
    name = {"unet": "U-Net", "unetpp": "U-Net++"}[settings.net]
    return (
        f"{name}, width {settings.width}, depth {settings.depth}, at most {settings.max_width} channels, "
        f"norm {settings.norm}, {settings.up} up-sampling"
    )
