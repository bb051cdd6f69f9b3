"""What a run begins with: checkpoints, ONNX files, and the embedded model, which comes back out of
its file as it went in."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lungseg.card import read_card
from lungseg.datasets import Case, write_manifest
from lungseg.datasets.label_sets import LUNG_LAYERS
from lungseg.errors import ModelError, UsageError
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.predict import Predictor
from lungseg.preprocess import to_network
from lungseg.train.export import ExportModel, export, halve_weights
from lungseg.train.export import _graph as graph
from lungseg.train.initial_weights import _fill as fill
from lungseg.train.initial_weights import load_initial_weights, measure_statistics
from lungseg.train.module import build_network
from lungseg.train.settings import TrainingSettings
from tiny_model import write_tiny_model

SMALL = TrainingSettings(width=4, depth=3, size=32)


def phantoms(size: int, count: int) -> torch.Tensor:
    films = [
        radiograph_phantom((2 * size, 2 * size), seed=seed).image.array for seed in range(count)
    ]
    return torch.from_numpy(
        np.stack([to_network(film, (size, size), (0.5, 99.5)) for film in films])
    )


@pytest.mark.slow
def test_the_embedded_model_goes_on_as_it_is() -> None:
    known = Predictor("cxr", threads=1)
    size = known.card.input_size[0]
    net = build_network(TrainingSettings(size=size)).eval()
    pictures = phantoms(size, 4)
    load_initial_weights("cxr", net, pictures, LUNG_LAYERS)
    other = phantoms(size, 6)[4:]
    with torch.inference_mode():
        found = ExportModel(net, LUNG_LAYERS)(other).numpy()
        trained = ExportModel(net.train(), LUNG_LAYERS)(pictures).numpy()
    lungs = slice(1, 3)
    assert np.abs(found[:, lungs] - known(other.numpy())[:, lungs]).max() < 1e-2
    assert (found[:, 1:].sum(axis=1) > 0.5).mean() > 0.1  # there are lungs to agree on
    # In training mode, on the pictures that the statistics were measured on, it computes what it
    # did.
    assert np.abs(trained[:, lungs] - known(pictures.numpy())[:, lungs]).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"architecture": "unetpp", "upsampling": "interpolated"},
        {"architecture": "unetpp", "norm": "none", "deep_supervision": False},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "unet",
)
def test_an_exported_network_is_read_back(changes) -> None:
    settings = TrainingSettings(**{"width": 4, "depth": 3, "size": 32, **changes})
    torch.manual_seed(0)
    net = build_network(settings)
    x = torch.randn(4, 1, 32, 32)
    net(x)  # moves the statistics of batch normalisation
    model = halve_weights(graph(ExportModel(net.eval(), LUNG_LAYERS).eval(), x[:2]))
    again = build_network(settings).eval()
    fill(again, model.graph, None, [])
    with torch.inference_mode():
        expected = net(x)
        torch.testing.assert_close(again(x), expected, rtol=0, atol=5e-3)
        measure_statistics(again, x)
        torch.testing.assert_close(again(x), expected, rtol=0, atol=5e-3)
        if settings.norm == "batch":
            torch.testing.assert_close(again.train()(x), expected, rtol=0, atol=2e-2)


def test_measuring_statistics_changes_nothing_but_them() -> None:
    torch.manual_seed(0)
    net = build_network(SMALL)
    x = torch.randn(4, 1, 32, 32)
    net(x)
    with torch.inference_mode():
        before = net.eval()(x)
        measure_statistics(net.train(), x)
        assert net.training
        torch.testing.assert_close(net.eval()(x), before, rtol=0, atol=1e-4)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_a_model_of_another_network_is_refused_and_says_which_it_is() -> None:
    net = build_network(SMALL)
    with pytest.raises(UsageError) as refused:
        load_initial_weights("cxr", net, phantoms(32, 1), LUNG_LAYERS)
    assert (
        "cxr.onnx: this model has the weights of another network; give the settings of this one: "
        "U-Net, width 16, depth 6, " in str(refused.value)
    )


def test_a_model_that_no_network_of_ours_made_is_refused(tmp_path) -> None:
    with pytest.raises(
        UsageError,
        match="this model has the weights of another network; give the settings of this one: "
        "three by three",
    ):
        load_initial_weights(
            str(write_tiny_model(tmp_path)), build_network(SMALL), phantoms(32, 1), LUNG_LAYERS
        )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing", "no model named 'nothing' comes with this package"),
        ("none.onnx", "none.onnx: there is no such model file"),
        (
            "none.ckpt",
            "none.ckpt: the checkpoint cannot be read (no such file or directory); give "
            "best.ckpt or last.ckpt of a run.",
        ),
    ],
)
def test_what_is_not_there_is_said(source, words) -> None:
    with pytest.raises(ModelError) as refused:
        load_initial_weights(source, build_network(SMALL), [], LUNG_LAYERS)
    assert words in str(refused.value)


def test_weights_of_another_network_in_a_checkpoint_are_refused(tmp_path: Path) -> None:
    torch.save(
        {
            "state_dict": {
                f"net.{name}": value for name, value in build_network(SMALL).state_dict().items()
            }
        },
        tmp_path / "a.ckpt",
    )
    with pytest.raises(
        UsageError,
        match=r"a\.ckpt: these are the weights of another network; give its architecture, width "
        r"and depth",
    ):
        load_initial_weights(
            *(str(tmp_path / "a.ckpt"), build_network(replace(SMALL, width=2)), [], LUNG_LAYERS)
        )


@pytest.mark.parametrize("said", ["[", "[" * 200000, '[["a"], 1]', "{}"])
def test_what_a_model_says_of_its_layers_may_be_damaged(tmp_path: Path, said: str) -> None:
    path = write_tiny_model(tmp_path)
    model = onnx.load(path)
    model.metadata_props.add(key="learnt", value=said)
    onnx.save(model, path)
    card = read_card(path.with_suffix(".json"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    replace(card, sha256=sha256).write(path.with_suffix(".json"))
    net = build_network(SMALL)
    with pytest.raises(ModelError, match=r"of its layers \(learnt\) is damaged; export it again"):
        load_initial_weights(str(path), net, [], LUNG_LAYERS)


@pytest.mark.slow
@pytest.mark.parametrize("exported", [False, True])
def test_a_layer_that_was_not_learnt_begins_anew_and_the_others_go_on(
    tmp_path: Path, exported: bool
) -> None:
    lungs, heart, opacity = ("right lung", "left lung"), ("heart",), ("opacity",)
    before = replace(SMALL, layers=(lungs, heart), norm="none")
    first = build_network(before)
    (tmp_path / "run").mkdir()
    before.write(tmp_path / "run" / "settings.toml")
    weights = {f"net.{name}": value for name, value in first.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "run" / "best.ckpt")
    (tmp_path / "a.png").touch()
    case = Case("a", "a", tmp_path / "a.png", None, "here")
    write_manifest([case], tmp_path / "run" / "cases.csv")
    source = tmp_path / "run" / "best.ckpt"
    if exported:
        source = export(source, tmp_path / "first.onnx").model
    after = replace(before, layers=(opacity, lungs))
    second = build_network(after)
    own = second.head.weight.detach().clone()
    load_initial_weights(str(source), second, [], after.classes)
    torch.testing.assert_close(second.head.weight[2:], first.head.weight[:4], rtol=0, atol=1e-3)
    torch.testing.assert_close(second.head.weight[:2], own[:2])
    load_initial_weights(str(source), third := build_network(before), [], before.classes)
    torch.testing.assert_close(third.head.bias, first.head.bias, rtol=0, atol=1e-3)
