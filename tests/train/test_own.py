"""Networks and losses of other packages, from settings to a model in use; no card imports any."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lungseg.card import read_card
from lungseg.datasets import Case
from lungseg.datasets.label_sets import LUNG_LAYERS
from lungseg.errors import ModelError, UsageError
from lungseg.segmenter import Segmenter
from lungseg.train import own
from lungseg.train.export import export
from lungseg.train.fit import fit
from lungseg.train.initial_weights import load_initial_weights
from lungseg.train.losses import loss_of
from lungseg.train.memory import memory_need
from lungseg.train.module import build_network
from tiny_model import write_tiny_model
from tiny_run import SETTINGS, metrics, whole_and_resumed

MODULE = """
import torch
from torch import nn

from lungseg.train.losses import certain_pixels


class Plain(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        first = nn.Conv2d(in_channels, 8, 7, padding=3)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Conv2d(8, out_channels, 7, padding=3))

    def forward(self, image):
        return self.layers(image)


class Random(Plain):
    def forward(self, image):
        return nn.functional.dropout(self.layers(image), 0.5, self.training)


class Grouped(Plain):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.layers.insert(1, nn.GroupNorm(2, 8))


class Branching(Plain):
    def forward(self, image):
        return self.layers(image) if float(image.mean()) < 9 else self.layers(-image)


class Recurrent(Plain):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.rows = nn.GRU(8, 8, batch_first=True)

    def forward(self, image):
        seen = self.layers[0](image)
        mean, _ = self.rows(seen.mean(dim=3).transpose(1, 2))
        return self.layers[1:](seen + mean.transpose(1, 2)[..., None])


class Half(Plain):
    def forward(self, image):
        return self.layers(image)[..., ::2, ::2]


class Several(Plain):
    def forward(self, image):
        return [self.layers(image)]


def squared(logits, allowed, classes):
    probability, inside, _ = certain_pixels(logits.softmax(dim=1), allowed, classes)
    return ((probability - inside) ** 2).mean()


def coarse(logits, allowed, classes):
    return squared(logits, allowed, classes).bfloat16()


def each(logits, allowed, classes):
    return logits.mean(dim=(1, 2, 3))


def nothing(in_channels, out_channels):
    return None
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package called mine, as an installed one."""
    (tmp_path / "site" / "mine").mkdir(parents=True)
    (tmp_path / "site" / "mine" / "nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    own._imported.cache_clear()
    yield
    own._imported.cache_clear()
    for name in ("mine", "mine.nets"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_an_own_network_with_an_own_loss_becomes_a_model(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(
        SETTINGS, architecture="mine.nets:Plain", loss="mine.nets:squared", epochs=1, size=50
    )
    fit(cases, tmp_path / "run", settings, progress=False)
    made = export(tmp_path / "run" / "best.ckpt", tmp_path / "run" / "model.onnx")
    assert made.largest_difference < 0.01
    assert read_card(made.card).architecture == "mine.nets:Plain"
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path).name != "site"])
    sys.modules.pop("mine.nets")
    result = Segmenter(made.model)(cases[0].image)  # which needs the package no more
    assert result.mask.shape == result.image.array.shape
    assert "mine.nets" not in sys.modules


@pytest.mark.slow
def test_a_network_that_draws_numbers_goes_on_as_if_it_had_not_been_stopped(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, architecture="mine.nets:Random", epochs=3, size=48)
    whole, resumed = whole_and_resumed(cases, tmp_path, monkeypatch, settings, epoch=1)
    assert metrics(resumed) == metrics(whole)


def test_what_a_model_does_not_tell_is_not_begun_with(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    net = build_network(replace(SETTINGS, architecture="mine.nets:Grouped"))
    with pytest.raises(UsageError, match=r"the weights of GroupNorm cannot be taken .*\.ckpt"):
        load_initial_weights(str(model), net, [], LUNG_LAYERS)


@pytest.mark.slow
def test_a_network_that_cannot_be_exported_is_told_in_a_sentence(
    cases: list[Case], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, architecture="mine.nets:Branching", epochs=1, size=48)
    fit(cases, tmp_path / "run", settings, progress=False)
    with pytest.raises(ModelError, match=r"torch cannot export the network .*without branches"):
        export(tmp_path / "run" / "best.ckpt", tmp_path / "run" / "model.onnx")


@pytest.mark.parametrize("name", ["Branching", "Recurrent"])
def test_memory_is_checked_where_a_network_can_be_followed_without_values(name: str) -> None:
    need = memory_need(replace(SETTINGS, architecture=f"mine.nets:{name}", size=48), 1)
    assert (need.per_image > 0) == (name == "Recurrent")


@pytest.mark.slow
def test_a_loss_in_16_bits_leaves_scores_as_they_are(cases: list[Case], tmp_path: Path) -> None:
    for loss in ("squared", "coarse"):
        settings = replace(SETTINGS, loss=f"mine.nets:{loss}", epochs=1, learning_rate=1e-12)
        fit(cases, tmp_path / loss, settings, progress=False)
    fine, coarse = (metrics(tmp_path / loss)[0] for loss in ("squared", "coarse"))
    assert float(coarse["val_loss"]) == pytest.approx(float(fine["val_loss"]), rel=0.01)
    assert coarse["val_dice"] == fine["val_dice"]


def test_an_own_loss_is_that_of_each_layer() -> None:
    settings = replace(SETTINGS, loss="mine.nets:squared")
    logits = torch.zeros(2, 4, 8, 8)
    allowed = torch.full((2, 1, 8, 8), 2, dtype=torch.uint8)  # right lung
    # A quarter each: 0.75 is missing of the right lung, and 0.25 too much of the left one.
    wanted = (0.75**2 + 0.25**2) / 2
    assert float(loss_of(logits, allowed, settings)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (
            "nowhere.nets:Net",
            "nowhere.nets:Net cannot be imported (No module named 'nowhere'); install its package "
            "in this environment, or set PYTHONPATH to its folder.",
        ),
        (
            "mine.nets:Other",
            "mine.nets:Other: the module mine.nets has no class or function Other.",
        ),
        (
            "mine.nets:nothing",
            "mine.nets:nothing makes an object of type NoneType, and no network; name a class of "
            "torch.nn.Module.",
        ),
        (
            "mine.nets:Half",
            "mine.nets:Half gives (1, 4, 32, 32) of an input of shape (1, 1, 64, 64), not logits "
            "of shape (1, 4, 64, 64); give a logit for each pixel and each of the channels that it "
            "is made with.",
        ),
        (
            "mine.nets:Several",
            "mine.nets:Several gives list of an input of shape (1, 1, 64, 64), not logits of shape "
            "(1, 4, 64, 64); give a logit for each pixel and each of the channels that it is made "
            "with.",
        ),
    ],
)
def test_what_is_no_network_is_one_sentence(reference: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        build_network(replace(SETTINGS, architecture=reference))
    assert str(refused.value) == sentence


def test_what_is_no_loss_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"mine\.nets:each gives no loss, which is a tensor of a"):
        loss_of(
            torch.zeros(2, 4, 8, 8),
            torch.ones(2, 1, 8, 8, dtype=torch.uint8),
            replace(SETTINGS, loss="mine.nets:each"),
        )


def test_a_card_that_names_a_class_imports_nothing(tmp_path: Path) -> None:
    tiny_model = write_tiny_model(tmp_path)
    card = tiny_model.with_suffix(".json")
    entries = json.loads(card.read_text())
    card.write_text(json.dumps(entries | {"architecture": "mine.nets:Plain"}))
    Segmenter(tiny_model)
    assert "mine.nets" not in sys.modules
