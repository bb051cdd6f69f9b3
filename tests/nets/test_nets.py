"""Shapes, structure and gradients of the two networks, and that they can learn at all."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from lungseg.datasets.cases import BOTH_LUNGS
from lungseg.datasets.label_sets import LUNG_LAYERS, allowed_sets
from lungseg.nets import UNet, UNetPlusPlus
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.preprocess import to_network
from lungseg.scores import Counts
from lungseg.train.losses import partial_label_loss
from lungseg.train.regions import certain_counts

NETS = [UNet, UNetPlusPlus]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    ("depth", "width", "norm", "upsampling"),
    list(product((2, 4), (1, 3), ("batch", "none"), ("transposed", "interpolated"))),
)
def test_logits_have_the_shape_of_the_input(net, depth, width, norm, upsampling) -> None:
    network = net(2, 5, width=width, depth=depth, norm=norm, upsampling=upsampling).eval()
    rows, columns = 3 * 2 ** (depth - 1), 2 * 2 ** (depth - 1)
    assert network(torch.randn(2, 2, rows, columns)).shape == (2, 5, rows, columns)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_normalisation_is_there_only_if_asked_for(net, norm) -> None:
    network = net(width=2, depth=3, norm=norm)
    normalised = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    ]
    assert len(normalised) == (len(convolutions) if norm == "batch" else 0)
    assert all((module.bias is None) == (norm == "batch") for module in convolutions)


@pytest.mark.parametrize("net", NETS)
def test_a_size_that_is_no_multiple_fails_clearly(net) -> None:
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        net(width=2, depth=3).eval()(torch.zeros(1, 1, 32, 34))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"depth": 1}, "depth=1"),
        ({"width": 0}, "width=0"),
        ({"width": 8, "max_width": 4}, "max_width=4"),
    ],
)
def test_arguments_that_make_no_network_are_named(net, arguments, named) -> None:
    with pytest.raises(ValueError, match=rf"depth >= 2 and 1 <= width <= max_width; got .*{named}"):
        net(**arguments)


def convolution(inputs: int, outputs: int, side: int) -> int:
    """Weights and biases."""
    return inputs * outputs * side**2 + outputs


def test_number_of_parameters_of_a_unet_is_that_of_its_layers() -> None:
    expected = (
        convolution(1, 2, 3) + convolution(2, 2, 3)  # down, level 0
        + convolution(2, 4, 3) + convolution(4, 4, 3)  # level 1
        + convolution(4, 5, 3) + convolution(5, 5, 3)  # level 2, held at max_width
        + convolution(5, 4, 2) + convolution(8, 4, 3) + convolution(4, 4, 3)  # up to level 1
        + convolution(4, 2, 2) + convolution(4, 2, 3) + convolution(2, 2, 3)  # up to level 0
        + convolution(2, 3, 1)
    )  # fmt: skip
    assert parameters(UNet(1, 3, width=2, depth=3, norm="none", max_width=5)) == expected


def test_the_paper_s_unet_has_31_million_parameters() -> None:
    with torch.device("meta"):
        net = UNet(1, 2, width=64, depth=5, norm="none")
    assert parameters(net) == 31_030_658


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_nodes_of_unetpp_stand_in_a_triangle(depth) -> None:
    net = UNetPlusPlus(width=2, depth=depth, max_width=4)
    assert set(net.x) == {f"{i}_{j}" for i in range(depth) for j in range(depth - i)}
    assert set(net.up) == {name for name in net.x if not name.endswith("_0")}
    channels = [2, 4, 4, 4, 4]
    for name, block in net.x.items():
        i, j = map(int, name.split("_"))
        inputs = (j + 1) * channels[i] if j else (1, *channels)[i]
        assert (block[0].in_channels, block[0].out_channels) == (inputs, channels[i])


def test_every_node_of_unetpp_takes_all_earlier_ones_of_its_resolution() -> None:
    torch.manual_seed(0)
    net = UNetPlusPlus(width=2, depth=4).eval()
    outputs: dict[str, torch.Tensor] = {}
    inputs: dict[str, torch.Tensor] = {}
    for name, block in net.x.items():
        block.register_forward_hook(
            lambda _, given, found, name=name: (
                inputs.__setitem__(name, given[0]),
                outputs.__setitem__(name, found),
            )[-1]
        )
    net(torch.randn(1, 1, 16, 16))
    for name in net.x:
        i, j = map(int, name.split("_"))
        if j:
            raised = net.up[name](outputs[f"{i + 1}_{j - 1}"])
            torch.testing.assert_close(
                inputs[name], torch.cat([*(outputs[f"{i}_{k}"] for k in range(j)), raised], dim=1)
            )


def test_deep_supervision_gives_a_head_to_each_depth_and_their_mean() -> None:
    torch.manual_seed(0)
    net = UNetPlusPlus(1, 3, width=2, depth=4).eval()
    x = torch.randn(1, 1, 16, 16)
    heads = net.forward_all(x)
    assert [head.shape for head in heads] == [(1, 3, 16, 16)] * 3
    torch.testing.assert_close(net(x), (heads[0] + heads[1] + heads[2]) / 3)
    assert not torch.allclose(heads[0], heads[2])


def test_without_deep_supervision_there_is_one_head_on_the_last_node() -> None:
    net = UNetPlusPlus(1, 3, width=2, depth=4, deep_supervision=False).eval()
    assert len(net.heads) == 1
    x = torch.randn(1, 1, 16, 16)
    (head,) = net.forward_all(x)
    torch.testing.assert_close(net(x), head)
    with torch.no_grad():
        net.x["0_3"][3].weight.zero_()  # the last convolution of x_0_3
        constant = net(x)
    assert torch.equal(constant, constant[..., :1, :1].expand_as(constant))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gradients_reach_every_parameter(net, norm) -> None:
    torch.manual_seed(0)
    network = net(width=4, depth=3, norm=norm)
    network(torch.randn(2, 1, 16, 16)).square().mean().backward()
    still = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert still == []


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_one_phantom_is_learnt_in_a_few_steps(net) -> None:
    torch.manual_seed(0)
    phantom = radiograph_phantom((64, 64))
    x = torch.from_numpy(to_network(phantom.image.array, (64, 64), (0.5, 99.5))[np.newaxis])
    sets = allowed_sets(
        phantom.ground_truth.labels, LUNG_LAYERS, decides=BOTH_LUNGS, lung_extent="field"
    )
    allowed = torch.from_numpy(sets)
    network = net(1, 4, width=8, depth=4)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    before = Counts(
        *certain_counts(network(x), allowed[:, np.newaxis], LUNG_LAYERS)[0, 0].tolist()
    ).dice
    for _ in range(30):
        optimiser.zero_grad()
        partial_label_loss(network(x), allowed).backward()
        optimiser.step()
    after = Counts(
        *certain_counts(network(x), allowed[:, np.newaxis], LUNG_LAYERS)[0, 0].tolist()
    ).dice
    assert before < 0.9
    assert after > 0.95
