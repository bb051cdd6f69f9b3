"""Networks and losses that a user wrote: classes and functions of other packages, named in the
settings of a run. No card names any that is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from lungseg.datasets.label_sets import LayerClasses
from lungseg.errors import UsageError


def own_network(reference: str, channels: int, size: int) -> nn.Module:
    """A network of a class of the user's, which is made with the channels of its input, 1, and of
    its output.

    Args:
        reference: mypackage.module:Class.
        channels: of the logits.
        size: rows and columns of the input, for which the output's shape is checked.

    Raises:
        UsageError: there is no such class, or it makes no network from (N, 1, rows, columns) to
            logits (N, channels, rows, columns).
    """
    made = _imported(reference)(1, channels)
    if not isinstance(made, nn.Module):
        raise UsageError(
            f"{reference} makes an object of type {type(made).__name__}, and no network",
            cure="name a class of torch.nn.Module",
        )
    training = made.training
    with torch.no_grad():
        found = made.eval()(torch.zeros(1, 1, size, size))
    wanted = (1, channels, size, size)
    given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if given != wanted:
        raise UsageError(
            f"{reference} gives {given} of an input of shape (1, 1, {size}, {size}), not logits of "
            f"shape {wanted}",
            cure="give a logit for each pixel and each of the channels that it is made with",
        )
    return made.train(training)


def own_loss(reference: str, logits: Tensor, allowed: Tensor, classes: LayerClasses) -> Tensor:
    """The loss of one layer by a function of the user's; see `lungseg.train.losses.certain_pixels`
    for what helps to write one.

    Args:
        reference: mypackage.module:function, which is called with the other three.
        logits: (N, C, H, W), float32, one channel for each class of the layer (`classes.names`).
        allowed: (N, H, W), uint8, sets of allowed classes as sums of class bits.
        classes: of the layer.

    Raises:
        UsageError: there is no such function, or it gives no scalar.
    """
    loss = _imported(reference)(logits, allowed, classes)
    if not isinstance(loss, Tensor) or loss.ndim:
        raise UsageError(
            f"{reference} gives no loss, which is a tensor of a single number",
            cure="return a mean over images and pixels",
        )
    return loss


@cache
def _imported(reference: str) -> Callable[..., Any]:
    """Raises:
    UsageError: there is no such module, or nothing that can be called of that name in it.
    """
    module, _, name = reference.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{reference} cannot be imported ({error})",
            cure="install its package in this environment, or set PYTHONPATH to its folder",
        ) from error
    if not callable(found):
        raise UsageError(f"the module {module} has no class or function {name}", where=reference)
    return found
