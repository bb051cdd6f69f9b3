"""The JSON beside a model: what is written comes back, and what has no meaning is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lungseg.card import ModelCard, file_sha256, read_card
from lungseg.errors import ModelError, UsageError
from tiny_model import write_tiny_model


def test_a_card_comes_back_as_it_was(tmp_path: Path) -> None:
    card = ModelCard(
        "m",
        "2",
        "radiograph",
        (("right lung", "left lung"), ("opacity",)),
        "none",
        (32, 48),
        "f00d",
        clip=(1, 99),
        default_structures=("right lung", "left lung"),
        limits=["für Hunde"],
    )
    card.write(tmp_path / "m.json")
    assert read_card(tmp_path / "m.json") == card


def test_a_card_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read_card(write_tiny_model(tmp_path).with_suffix(".json"))
    path = tmp_path / "m.json"
    card.write(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace(card, version="2").write(path)
    assert read_card(path) == card
    assert not list(tmp_path.glob(".*"))


def test_channels_follow_from_the_layers(tmp_path: Path) -> None:
    layers = (("left lung", "right lung", "heart"), ("opacity",))
    card = ModelCard("m", "2", "radiograph", layers, "none", (32, 48), "f00d")
    assert card.outputs == (
        "background",
        "left lung",
        "right lung",
        "heart",
        "background",
        "opacity",
    )
    assert [card.outputs[card.channels(layer)] for layer in (0, 1)] == [
        ("background", "left lung", "right lung", "heart"),
        ("background", "opacity"),
    ]
    assert [[structure.number for structure in layer] for layer in card.structures] == [
        [2, 1, 3],
        [5],
    ]


def test_structures_are_found_as_asked_for_and_the_lungs_with_them() -> None:
    layers = (("right lung", "left lung", "heart"), ("opacity",))
    card = ModelCard("m", "2", "radiograph", layers, "none", (32, 48), "f00d")

    def names(card: ModelCard, asked: tuple[str, ...] | None) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(s.name for s in layer) for layer in card.layers_of(asked))

    assert names(card, None) == layers
    assert names(card, ("heart",)) == layers[:1]
    assert names(card, ("opacity",)) == (("right lung", "left lung"), ("opacity",))
    lungs = ("right lung", "left lung")
    shown = replace(card, default_structures=lungs)
    assert names(shown, None) == (lungs,)
    assert names(shown, ("heart", "opacity")) == layers
    assert names(shown, ("all",)) == layers
    heart = replace(card, layers=(("heart",),), outputs=())
    assert names(heart, None) == (("heart",),)
    with pytest.raises(UsageError, match=r"the model m 2 predicts lungs; heart; opacity, not tra"):
        card.layers_of(("heart", "trachea"))


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert (
        file_sha256(tmp_path / "x")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"input_size": 64}, "the model card's input_size cannot be 64"),
        ({"input_size": [64]}, r"the model card's input_size cannot be \(64,\)"),
        ({"clip": [99, 1]}, r"the model card's clip cannot be \(99, 1\)"),
        ({"threshold": "half"}, "the model card's threshold cannot be half"),
        ({"intensity": "other"}, "the model card's intensity cannot be other"),
        ({"modality": "mri"}, "the model card's modality cannot be mri"),
        ({"resize": "pad"}, "the model card's resize cannot be pad"),
        ({"input_channels": 2}, "the model card's input_channels cannot be 2"),
        ({"input_channels": [3]}, r"the model card's input_channels cannot be \[3\]"),
        ({"intensity": 255}, "the model card's intensity cannot be 255"),
        ({"ends": None}, "the model card's ends cannot be None"),
        ({"ends": {"input": "x"}}, r"the model card's ends cannot be \{'input': 'x'\}"),
        ({"ends": {"input_name": ""}}, "the model card's ends.input_name cannot be ;"),
        ({"ends": {"input_name": "x" * 501}}, r"ends.input_name cannot be x{100}\.\.\.;"),
        ({"ends": {"output_name": "y\n"}}, "the model card's ends.output_name cannot be y"),
        ({"ends": {"output_name": ["y"]}}, r"the model card's ends.output_name cannot be \('y',\)"),
        ({"ends": {"input_axes": "CHW"}}, "the model card's ends.input_axes cannot be CHW"),
        ({"ends": {"output_axes": [["NHWC"]]}}, "the model card's ends.output_axes cannot be"),
        ({"ends": {"input_type": "uint8"}}, "the model card's ends.input_type cannot be uint8"),
        ({"ends": {"output_type": {}}}, r"the model card's ends.output_type cannot be \{\}"),
        ({"ends": {"mean": 0.5}}, "the model card's ends.mean cannot be 0.5"),
        ({"ends": {"mean": [0, 1, 2]}}, r"the model card's ends.mean cannot be \(0, 1, 2\)"),
        ({"ends": {"mean": [1e30]}}, r"the model card's ends.mean cannot be \(1e\+30"),
        ({"ends": {"std": [0]}}, r"the model card's ends.std cannot be \(0,\)"),
        ({"ends": {"std": [True]}}, r"the model card's ends.std cannot be \(True,\)"),
        ({"ends": {"std": ["1"]}}, "the model card's ends.std cannot be"),
        ({"ends": {"activation": "relu"}}, "the model card's ends.activation cannot be relu"),
        (
            {"outputs": ["left lung", "right lung"]},
            r"the model card's outputs cannot be \('left "
            r"lu",
        ),
        ({"layers": []}, "the model card's layers name no structure, or one of them names none"),
        ({"layers": [["heart"], []]}, "the model card's layers name no structure, or one of them"),
        ({"layers": [["heart"], ["heart"]]}, "the model card's layers name 'heart' twice"),
        (
            {"layers": ["heart"]},
            "the model card's layers are lists of names of structures, one for",
        ),
        (
            {"layers": [["liver"]]},
            "the model card's layers name 'liver', which is no structure; there are right lung, "
            "left lung, heart, trachea, opacity",
        ),
        ({"layers": [["x" * 500]]}, r"layers name 'x{100}\.\.\.', which is no structure"),
        ({"name": 3}, "the model card's name cannot be 3"),
        ({"terms": ["x" * 500]}, r"the model card's terms cannot be \['x{98}\.\.\.$|\.\.\.;"),
        ({"lung_extents": "field"}, "the model card's lung_extents cannot be field"),
        ({"lung_extents": 5}, "the model card's lung_extents cannot be 5"),
        ({"lung_extents": None, "outputs": []}, "the model card's lung_extents cannot be None"),
        ({"limits": "none"}, "the model card's limits cannot be none"),
        ({"data": [1]}, r"the model card's data cannot be \[1\]"),
        ({"scores": []}, r"the model card's scores cannot be \[\]"),
        ({"default_structures": [["heart"]]}, "the model card's default_structures cannot be"),
        ({"input_size": [True, 64]}, r"the model card's input_size cannot be \(True, 64\)"),
        ({"input_size": [10**9, 64]}, "the model card's input_size cannot be"),
        ({"threshold": float("nan")}, "the model card is no JSON .it has a number that is not fin"),
        ({"threshold": 10**400}, r"the model card is no JSON \(it has a number of 401 digits\)"),
        ({"colour": "red"}, "the model card has unknown fields: colour; update lungseg"),
    ],
)
def test_a_card_with_a_value_without_meaning_is_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    card = write_tiny_model(tmp_path).with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(ModelError, match=sentence):
        read_card(card)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "the model card is no JSON object"),
        ("{", "the model card is no JSON "),
        ("[" * 100_000, r"the model card is no JSON \(its lists and objects lie too deep"),
        (
            '{"name": "x", "version": "1", "modality": "radiograph", "sha256": ""}',
            "the model card lacks the fields layers, architecture, input_size",
        ),
    ],
)
def test_what_is_no_card_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(ModelError, match=sentence):
        read_card(tmp_path / "card.json")
