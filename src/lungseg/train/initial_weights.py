"""What a run begins with: weights of an earlier one, or those of a finished model, read back out of
its ONNX file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from lungseg.errors import UsageError
from lungseg.predict import Predictor
from lungseg.train.checkpoints import network_weights


def load_initial_weights(source: str, net: nn.Module, pictures: Iterable[Tensor]) -> None:
    """Fills a network with weights.

    Args:
        source: checkpoint of a run (.ckpt), or a model: .onnx file, or name of an embedded one.
        net: of `lungseg.train.module.build_network`.
        pictures: (1, H, W) each, as the network takes them; where an exported network has lost the
            statistics of its batch normalisation, they are measured anew on these.

    Raises:
        ModelError: the file cannot be used.
        UsageError: it has the weights of another network.
    """
    if source.endswith(".ckpt"):
        path = Path(source)
        weights = network_weights(path)
        try:
            net.load_state_dict(weights)
        except RuntimeError as error:
            raise UsageError(
                "these are the weights of another network",
                where=path,
                cure="give its architecture, width and depth",
            ) from error
        return
    predictor = Predictor(source, threads=1)  # which checks the file against its card
    try:
        _fill(net, onnx.load(predictor.path).graph)
    except (KeyError, ValueError, RuntimeError, AttributeError) as error:
        cure = f"give the settings of this one: {predictor.card.architecture}"
        raise UsageError(
            "this model has the weights of another network", where=predictor.path, cure=cure
        ) from error
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        measure_statistics(net, torch.stack(list(pictures)))


def _fill(net: nn.Module, graph: Any) -> None:
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
            _copy(convolution.weight, arrays[node.input[1]])
            if convolution.bias is not None:
                _copy(convolution.bias, arrays[node.input[2]])
            else:
                block, _, place = name.rpartition(".")
                normalisation: Any = modules[f"{block}.{int(place) + 1}"]
                normalisation.weight.fill_(1)
                _copy(normalisation.bias, arrays[node.input[2]])
                normalisation.running_mean.zero_()
                normalisation.running_var.fill_(1 - normalisation.eps)
            convolutions.discard(name)
    if convolutions:
        raise ValueError(f"the model has no {sorted(convolutions)[0]}")


def _copy(target: Tensor, array: Any) -> None:
    if target.shape != array.shape:
        raise ValueError(f"{array.shape} instead of {tuple(target.shape)}")
    target.copy_(torch.from_numpy(array))


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
