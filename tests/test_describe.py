"""Networks as other programs export them: with a card each gives the mask of the plain network that
it computes the same as."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lungseg
from built_network import (
    LAST,
    LAST_BEHIND,
    LOGIT,
    OF_CHANNELS,
    STANDARDISED,
    WEIGHTED,
    Built,
    node,
)
from ellipsoids import ellipsoids
from lungseg.card import ModelCard, read_card
from lungseg.ct.segment import VolumeSegmenter
from lungseg.describe import describe_model
from lungseg.ends import ENDS
from lungseg.errors import ModelError, UsageError
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.predict import Predictor, fed
from lungseg.preprocess import negative, picture_of, standardised
from lungseg.radiograph.orientation import turn
from tiny_model import SIZE, dark_ellipses, write_tiny_model

SIDES = (("right lung", "left lung"),)
AS_ONE = (("lungs",),)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def mask(model: Path, film: np.ndarray) -> np.ndarray:
    found = lungseg.Segmenter(model, threads=1)(film).mask
    assert {1, 2} <= set(np.unique(found))
    return found


def films() -> list[np.ndarray]:
    drawn = dark_ellipses()
    upright = drawn.astype(np.float32)
    tilted = turn(upright, 8, drawn.shape, 200).astype(np.uint8)  # gets two further passes
    return [drawn, tilted, radiograph_phantom((200, 180)).image.array]


@pytest.mark.parametrize(
    ("built", "layers", "options", "ends"),
    [
        (Built(), SIDES, {}, {}),
        (
            Built(more=("logits", "dark")),
            SIDES,
            {"output": "y"},
            {},
        ),
        (
            Built(LAST, LAST_BEHIND, ("N", *SIZE, 1), ("N", *SIZE, 3)),
            SIDES,
            {},
            {"input_axes": "NHWC", "output_axes": "NHWC"},
        ),
        (
            Built(LAST, takes=("N", None, None, 1), gives=("N", "a", "b", "c")),
            SIDES,
            {"size": SIZE[0]},
            {"input_axes": "NHWC"},
        ),
        (
            Built(WEIGHTED, takes=("N", 3, *SIZE), weights=OF_CHANNELS),
            SIDES,
            {},
            {},
        ),
        (
            Built(
                [node("Cast", "x", "image", to=TensorProto.FLOAT)],
                [node("Cast", "probabilities", "y", to=TensorProto.FLOAT16)],
                kind=TensorProto.FLOAT16,
            ),
            SIDES,
            {},
            {"input_type": "float16", "output_type": "float16"},
        ),
        (
            Built(behind=[node("Identity", "logits", "y")]),
            SIDES,
            {"activation": "softmax"},
            {"activation": "softmax"},
        ),
        (
            Built(behind=LOGIT, gives=("N", 1, *SIZE), as_one=True),
            AS_ONE,
            {"activation": "sigmoid"},
            {"activation": "sigmoid"},
        ),
        (Built(takes=(1, 1, *SIZE), gives=(1, 3, *SIZE)), SIDES, {}, {}),
    ],
    ids=["name", "outputs", "last", "any size", "rgb", "16 bits", "softmax", "sigmoid", "single"],
)
def test_the_mask_is_that_of_the_plain_network(
    tmp_path: Path,
    built: Built,
    layers: tuple[tuple[str, ...], ...],
    options: dict[str, Any],
    ends: dict[str, Any],
) -> None:
    model = built.write(tmp_path)
    card = describe_model(model, layers, **options)
    assert card.ends == replace(ENDS, input_name="x", output_name="y", **ends)
    assert card == read_card(model.with_suffix(".json"))
    plain = write_tiny_model(tmp_path, name="plain", as_one=built.as_one)
    for film in films():
        assert np.array_equal(mask(model, film), mask(plain, film))


@pytest.mark.parametrize("numbers", [{}, {"mean": (0.5,), "std": (0.5,)}, IMAGENET])
def test_greys_of_255ths_give_the_mask_of_the_network_that_standardises_them_itself(
    tmp_path: Path, numbers: dict[str, tuple[float, ...]]
) -> None:
    channels = 3 if numbers == IMAGENET else 1
    before = [node("ReduceMean", "x", "grey", axes=[1]), *STANDARDISED]
    built = Built(before, takes=("N", channels, *SIZE))
    model = built.write(tmp_path)
    card = describe_model(model, SIDES, intensity="255", clip=(0, 100), **numbers)
    assert (card.intensity, card.input_channels) == ("255", channels)
    plain = write_tiny_model(tmp_path, name="plain")
    of_plain = replace(read_card(plain.with_suffix(".json")), clip=(0, 100))
    of_plain.write(plain.with_suffix(".json"))
    for film in films():
        for pixels in (film, film * np.uint16(257), film / np.float32(300)):
            assert np.array_equal(mask(model, pixels), mask(plain, pixels))


def test_what_the_network_is_fed_is_what_the_card_says(tmp_path: Path) -> None:
    card = read_card(write_tiny_model(tmp_path).with_suffix(".json"))
    film = np.tile(np.linspace(51, 204, 64).astype(np.uint8), (64, 1))
    of_255 = replace(card, intensity="255")
    np.testing.assert_allclose(picture_of(film, of_255)[0], film / 255, atol=1e-6)
    deep = film.astype(np.uint16) * 10
    np.testing.assert_allclose(picture_of(deep, of_255)[0], (film - 51) / 153, atol=1e-6)
    assert not picture_of(np.full((64, 64), 7, np.int16), of_255).any()
    seen = picture_of(film, of_255)[0]
    np.testing.assert_allclose(negative(seen, of_255), picture_of(255 - film, of_255)[0], atol=1e-6)
    np.testing.assert_allclose(standardised(seen, of_255), picture_of(film, card)[0], atol=1e-4)
    ends = replace(ENDS, input_axes="NHWC", input_type="float16", **IMAGENET)
    given = fed(seen[np.newaxis, np.newaxis], replace(of_255, input_channels=3, ends=ends))
    assert (given.shape, given.dtype) == ((1, 64, 64, 3), np.float16)
    wanted = (film[:, :, None] / 255 - IMAGENET["mean"]) / IMAGENET["std"]
    np.testing.assert_allclose(given[0], wanted, atol=2e-3)


def test_slices_of_ct_are_fed_and_judged_so_too(tmp_path: Path) -> None:
    built = Built(
        [node("Transpose", "x", "grey", perm=[0, 3, 1, 2]), *STANDARDISED],
        LAST_BEHIND,
        ("N", *SIZE, 1),
        ("N", *SIZE, 3),
    )
    model = built.write(tmp_path)
    describe_model(model, SIDES, modality="ct", intensity="255", clip=(0, 100))
    plain = write_tiny_model(tmp_path, name="plain", modality="ct")
    card = replace(read_card(plain.with_suffix(".json")), clip=(0, 100))
    card.write(plain.with_suffix(".json"))
    volume, _ = ellipsoids()
    found = [VolumeSegmenter(path, threads=1)(volume) for path in (model, plain)]
    assert found[0].mask.any()
    assert np.array_equal(found[0].mask, found[1].mask)


@pytest.mark.parametrize(
    ("built", "layers", "options", "sentence"),
    [
        (
            Built(more=("logits", "dark")),
            SIDES,
            {},
            r"built\.onnx: the network gives logits, dark, y; choose one of them with `output`\.$",
        ),
        (Built(), SIDES, {"output": "z"}, r"gives y, not z; choose one of them with `output`\.$"),
        (
            Built(takes=("N", "C", *SIZE)),
            SIDES,
            {},
            r"takes arrays of shape \('N', 'C', 64, 64\), of which the second or the last number",
        ),
        (Built(kind=TensorProto.DOUBLE), SIDES, {}, r"takes tensor\(double\) as x, not floats; "),
        (
            Built(behind=[node("Identity", "logits", "y")]),
            SIDES,
            {},
            r"values from -\d+\.\d+ to \d+\.\d+, no probabilities; if they are logits, give "
            r"softmax as `activation`\.$",
        ),
        (
            Built(behind=LOGIT, gives=("N", 1, *SIZE), as_one=True),
            AS_ONE,
            {},
            "if they are logits, give sigmoid as `activation`",
        ),
        (
            Built(behind=LOGIT, gives=("N", 1, *SIZE), as_one=True),
            AS_ONE,
            {"activation": "softmax"},
            "a softmax over one channel is 1 everywhere; take sigmoid",
        ),
        (
            Built(behind=[node("Relu", "logits", "y")]),
            SIDES,
            {"activation": "sigmoid"},
            r"no probabilities that add up to 1 in each layer; end the network with a softmax over "
            r"the channels of each layer, or give softmax as `activation`",
        ),
        (Built(), SIDES, {"activation": "softmax"}, "probabilities already; leave `activation` o"),
        (
            Built(),
            SIDES,
            {"activation": "relu"},
            "`activation` is none or sigmoid or softmax, not relu",
        ),
        (Built(), SIDES, {"intensity": "hu"}, "`intensity` is percentile or 255, not hu"),
        (Built(takes=("N", 1, "H", "W")), SIDES, {"size": -5}, "any size; state one with `size`"),
        (Built(), SIDES, {"std": (0.0,)}, r"`std` cannot be \(0\.0,\); give one number"),
        (
            Built(),
            SIDES,
            {"mean": (0.1, 0.2, 0.3)},
            r"`mean` cannot be \(0\.1, 0\.2, 0\.3\); give one number, or one for each channel",
        ),
    ],
)
def test_what_cannot_be_told_or_has_no_meaning_is_one_sentence(
    tmp_path: Path,
    built: Built,
    layers: tuple[tuple[str, ...], ...],
    options: dict[str, Any],
    sentence: str,
) -> None:
    if built.kind == TensorProto.DOUBLE:
        built = replace(
            built,
            before=[node("Cast", "x", "image", to=TensorProto.FLOAT)],
            behind=[node("Cast", "probabilities", "y", to=TensorProto.DOUBLE)],
        )
    model = built.write(tmp_path)
    with pytest.raises((ModelError, UsageError), match=sentence):
        describe_model(model, layers, **options)
    assert not model.with_suffix(".json").exists()


def test_a_network_of_two_inputs_is_refused(tmp_path: Path) -> None:
    model = Built().write(tmp_path)
    graph = onnx.load(model)
    graph.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))
    onnx.save(graph, str(model))
    with pytest.raises(ModelError, match="the network takes x, age, not one picture; export it w"):
        describe_model(model, SIDES)


def test_its_steps_tell_what_is_done(tmp_path: Path) -> None:
    built = Built(WEIGHTED, [node("Identity", "logits", "y")], ("N", 3, *SIZE), weights=OF_CHANNELS)
    model = built.write(tmp_path)
    card = describe_model(model, SIDES, intensity="255", activation="softmax", **IMAGENET)
    assert card.steps["greys"].startswith("of 8 bits divided by 255; of any others the lowest")
    assert card.steps["input"] == (
        "x, (N, 3, 64, 64), float32; of the greys 0.485, 0.456, 0.406 is taken off, then they are "
        "divided by 0.229, 0.224, 0.225, the same picture in each channel"
    )
    assert card.steps["output"] == (
        "y, (N, 3, 64, 64), float32; softmax over the channels of each layer makes probabilities "
        "of it"
    )
    assert not {"clipped", "mean", "std"} & set(card.steps)


def test_logits_without_a_limit_are_no_probabilities(tmp_path: Path) -> None:
    nodes = [node("Identity", "logits", "finite"), node("Div", "finite zeros", "y")]
    built = Built(behind=nodes, weights={"zeros": np.zeros(1, np.float32)})
    model = built.write(tmp_path)
    with pytest.raises(ModelError, match="no probabilities that add up to 1"):
        describe_model(model, SIDES, activation="softmax")


def test_cards_of_before_are_written_as_they_were(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path).with_suffix(".json")
    before = path.read_bytes()
    assert "ends" not in json.loads(before)
    read_card(path).write(path)
    assert path.read_bytes() == before


def test_the_network_must_be_as_the_ends_say(tmp_path: Path) -> None:
    model = Built(LAST, LAST_BEHIND, ("N", *SIZE, 1), ("N", *SIZE, 3)).write(tmp_path)
    card = describe_model(model, SIDES)

    def problem(**ends: Any) -> str:
        changed: ModelCard = replace(card, ends=replace(card.ends, **ends))
        changed.write(model.with_suffix(".json"))
        with pytest.raises(ModelError) as refused:
            Predictor(model)
        return refused.value.what

    assert problem(output_name="z") == "the model maps ['x'] to ['y'], not x to z"
    assert problem(input_axes="NCHW") == "the network takes 64 channels, and its card says 1"
    assert problem(output_axes="NCHW") == "the network gives 64 channels, and its card says 3"
    assert problem(input_type="float16") == "the network takes tensor(float), not 16-bit floats"


def test_what_is_fixed_to_one_picture_inside_takes_them_one_by_one(tmp_path: Path) -> None:
    inside = [node("Reshape", "x fixed", "image")]
    model = Built(inside, weights={"fixed": np.array([1, 1, *SIZE])}).write(tmp_path)
    describe_model(model, SIDES)
    batch = np.random.default_rng(0).normal(size=(2, 1, *SIZE)).astype(np.float32)
    given = Predictor(model)(batch)
    assert given.shape == (2, 3, *SIZE)
    np.testing.assert_array_equal(given[1], Predictor(model)(batch[1:])[0])


def test_numbers_may_be_any_that_python_has(tmp_path: Path) -> None:
    model = Built().write(tmp_path)
    card = describe_model(model, SIDES, intensity="255", mean=0.4, std=[np.float64(0.2)])
    assert (card.ends.mean, card.ends.std) == ((0.4,), (0.2,))


def test_fewer_channels_than_the_card_says_are_no_probabilities(tmp_path: Path) -> None:
    """Of a shape that the file leaves open, so that only what is computed tells."""
    kept = {"kept": np.ones(3, bool)}
    open_shape = Built(
        [node("Identity", "x", "image")], [node("Compress", "logits kept", "y", axis=1)]
    )
    path = replace(open_shape, gives=("N", "C", *SIZE), weights=kept).write(tmp_path)
    card = describe_model(path, SIDES, activation="softmax")
    more = replace(card, layers=(("right lung", "left lung"), ("heart",)), outputs=())
    more.write(path.with_suffix(".json"))
    with pytest.raises(ModelError, match=r"gave an array of shape \(1, 3, 64, 64\) in place of"):
        Predictor(path)(np.zeros((1, 1, *SIZE), np.float32))


def test_a_film_is_read_as_pictures_are(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), dark_ellipses())
    model = Built(LAST, LAST_BEHIND, ("N", *SIZE, 1), ("N", *SIZE, 3)).write(tmp_path)
    describe_model(model, SIDES)
    found = lungseg.segment(tmp_path / "film.png", lungseg.SegmentOptions(model=model))
    assert np.array_equal(found.mask, mask(model, dark_ellipses()))
