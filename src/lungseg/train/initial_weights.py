"""What a run begins with: weights of an earlier one, or those of a finished model, read back out of
its ONNX file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from lungseg.datasets.label_sets import LayerClasses
from lungseg.errors import ModelError, UsageError
from lungseg.json_file import parse_json
from lungseg.predict import Predictor
from lungseg.train.checkpoints import network_weights
from lungseg.train.settings import read_settings

Names = list[list[str]]
"""Of the classes of each layer."""

LEARNT: Final = "learnt"
"""What an exported model says of the channels of its head, as `Names` in JSON."""

HEADS: Final = ("head.", "heads.")
"""How weights of the last convolutions are called, whose channels are classes."""


def load_initial_weights(
    source: str, net: nn.Module, pictures: Iterable[Tensor], layers: Sequence[LayerClasses]
) -> None:
    """Fills a network with weights. A layer that those were not learnt with begins anew.

    Args:
        source: checkpoint of a run (.ckpt), or a model: .onnx file, or name of an embedded one.
        net: of `lungseg.train.module.build_network`.
        pictures: (1, H, W) each, as the network takes them; where an exported network has lost the
            statistics of its batch normalisation, they are measured anew on these.
        layers: that it is to learn.

    Raises:
        ModelError: the file cannot be used.
        UsageError: it has the weights of another network.
    """
    wanted = [list(classes.names) for classes in layers]
    if source.endswith(".ckpt"):
        path = Path(source)
        weights = network_weights(path)
        learnt = _learnt_in_run(path)
        own = net.state_dict()
        try:
            net.load_state_dict(
                {
                    name: _for_layers(weight, own[name], learnt, wanted)
                    if name.startswith(HEADS) and name in own
                    else weight
                    for name, weight in weights.items()
                }
            )
        except RuntimeError as error:
            raise UsageError(
                "these are the weights of another network",
                where=path,
                cure="give its architecture, width and depth",
            ) from error
        return
    _refuse_other_layers(net, source)
    predictor = Predictor(source, threads=1)  # which checks the file against its card
    model = onnx.load(predictor.path)
    said = [entry.value for entry in model.metadata_props if entry.key == LEARNT]
    learnt = _names_in(said[0], predictor.path) if said else None
    try:
        _fill(net, model.graph, learnt, wanted)
    except (KeyError, ValueError, RuntimeError, AttributeError) as error:
        cure = f"give the settings of this one: {predictor.card.architecture}"
        raise UsageError(
            "this model has the weights of another network", where=predictor.path, cure=cure
        ) from error
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        measure_statistics(net, torch.stack(list(pictures)))


def _names_in(text: str, path: Path) -> Names:
    """What a model says that it has learnt."""
    try:
        found = parse_json(text)
    except ValueError:
        found = None
    if isinstance(found, list) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in found
    ):
        return found
    raise ModelError(
        f"what it says of its layers ({LEARNT}) is damaged", where=path, cure="export it again"
    )


COPIED: Final = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
"""Layers whose weights are read from a model."""


def _refuse_other_layers(net: nn.Module, source: str) -> None:
    for module in net.modules():
        has_own = next(module.parameters(recurse=False), None) is not None
        if has_own and not isinstance(module, COPIED):
            raise UsageError(
                f"the weights of {type(module).__name__} cannot be taken from a model, only those "
                "of convolutions and of batch normalisation",
                where=source,
                cure="start from the checkpoint of its run (.ckpt)",
            )


def _learnt_in_run(checkpoint: Path) -> Names | None:
    """The classes of the layers of a run; None where only its checkpoint is left."""
    settings = checkpoint.parent / "settings.toml"
    if not settings.is_file():
        return None
    return [list(classes.names) for classes in read_settings(settings).classes]


def _for_layers(head: Tensor, own: Tensor, learnt: Names | None, wanted: Names) -> Tensor:
    """Weights, or biases, of a head, (channels, ...), for the layers that are wanted: those of the
    layers that they were learnt with, and a network's own of the others.
    """
    if learnt is None or learnt == wanted:
        return head
    rows = dict(zip(map(tuple, learnt), torch.split(head, [*map(len, learnt)]), strict=True))
    parts = zip(wanted, torch.split(own, [*map(len, wanted)]), strict=True)
    return torch.cat([rows.get(tuple(names), part) for names, part in parts])


def _fill(net: nn.Module, graph: Any, learnt: Names | None, wanted: Names) -> None:
    """Copies weight and bias of each convolution of a graph into the one of the same name.

    The exporter folds batch normalisation into the convolution before it, whose bias the network
    itself does not have: such a bias goes into the normalisation, which otherwise changes nothing.
    """
    arrays = {
        entry.name.removesuffix(".half"): numpy_helper.to_array(entry).astype("float32")
        for entry in graph.initializer
    }
    modules = dict(net.named_modules())
    convolutions = {
        name
        for name, module in modules.items()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    }
    with torch.no_grad():
        for node in graph.node:
            if node.op_type not in ("Conv", "ConvTranspose"):
                continue
            name = node.input[1].removeprefix("net.").removesuffix(".weight")
            convolution: Any = modules[name]
            weight, bias = (torch.from_numpy(arrays[given]) for given in node.input[1:3])
            if f"{name}.".startswith(HEADS):
                weight = _for_layers(weight, convolution.weight, learnt, wanted)
                bias = _for_layers(bias, convolution.bias, learnt, wanted)
            _copy(convolution.weight, weight)
            if convolution.bias is not None:
                _copy(convolution.bias, bias)
            else:
                block, _, place = name.rpartition(".")
                normalisation: Any = modules[f"{block}.{int(place) + 1}"]
                normalisation.weight.fill_(1)
                _copy(normalisation.bias, bias)
                normalisation.running_mean.zero_()
                normalisation.running_var.fill_(1 - normalisation.eps)
            convolutions.discard(name)
    if convolutions:
        raise ValueError(f"the model has no {sorted(convolutions)[0]}")


def _copy(target: Tensor, source: Tensor) -> None:
    if target.shape != source.shape:
        raise ValueError(f"{tuple(source.shape)} instead of {tuple(target.shape)}")
    target.copy_(source)


def measure_statistics(net: nn.Module, pictures: Tensor) -> None:
    """Gives batch normalisation the mean and variance that its input has on these pictures (N, 1,
    H, W), and the scale and offset with which the network in evaluation mode still computes what it
    did; so that it computes about the same in training mode, too.
    """
    with _measuring(net), torch.no_grad():
        training = net.training
        net.eval()(pictures)
        net.train(training)


@contextmanager
def _measuring(net: nn.Module) -> Iterator[None]:
    def measure(normalisation: Any, inputs: tuple[Tensor, ...]) -> None:
        scale = normalisation.weight / (normalisation.running_var + normalisation.eps).sqrt()
        offset = normalisation.bias - scale * normalisation.running_mean
        mean, variance = inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3))
        normalisation.running_mean.copy_(mean)
        normalisation.running_var.copy_(variance)
        normalisation.weight.copy_(scale * (variance + normalisation.eps).sqrt())
        normalisation.bias.copy_(offset + scale * mean)

    hooks = [
        module.register_forward_pre_hook(measure)
        for module in net.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
