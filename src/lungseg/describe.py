"""The card of a network that was made elsewhere, from what its file says and from what it gives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from lungseg.card import MAX_SIDE, Intensity, ModelCard, outputs_of, problem_of_layers
from lungseg.ends import Activation, Axes, Ends, on_axes, wrong_field
from lungseg.errors import ModelError, UsageError
from lungseg.modality import Modality
from lungseg.predict import (
    TOLERANCE,
    TYPES,
    Session,
    activated,
    computed,
    find_model,
    in_order,
    load_session,
    problem_of_probabilities,
)
from lungseg.preprocess import steps_elsewhere

EXPORT_SO = "export it with one input of four axes, of 32- or 16-bit floats"


def describe_model(
    model: Path,
    layers: tuple[tuple[str, ...], ...],
    *,
    modality: Modality = "radiograph",
    size: int | None = None,
    output: str | None = None,
    activation: Activation = "none",
    intensity: Intensity = "percentile",
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    clip: tuple[float, float] = (0.5, 99.5),
    threshold: float = 0.5,
    terms: str = "",
) -> ModelCard:
    """Writes the card of an ONNX file that another program made, beside it, and computes its
    network once. Names, axes and types of its ends are read from the file.

    Args:
        model: the file.
        layers: names of the structures of each layer, in the order of the channels behind its
            background; of one structure alone the network may give its probability alone.
        modality: of the images it is for.
        size: rows and columns of its input, at least 1; needed where it takes any.
        output: name of the output that is used; needed where there are several.
        activation: see `lungseg.ends.Ends`.
        intensity: rule by which pixels become its greys, see `lungseg.preprocess.to_network`.
        mean: one number, or one for each channel; taken off these greys.
        std: the same; by what they are divided then.
        clip: percentiles of the image that become 0 and 1 by the rule "percentile".
        threshold: of probability, 0 to 1.
        terms: of the weights.

    Raises:
        ModelError: it is no such network; then no card is written.
        UsageError: an argument has no meaning, is needed, or does not fit the network.
    """
    _refuse_senseless(layers, intensity, activation, clip, threshold)
    path = find_model(model)
    content = path.read_bytes()
    session = load_session(content, path, threads=1)
    ends, channels = _ends_in(session, output, path)
    card = ModelCard(
        name=path.stem,
        version="1",
        modality=modality,
        layers=layers,
        architecture="of another program",
        input_size=_input_size(session, ends.input_axes, size, path),
        input_channels=channels,
        intensity=intensity,
        ends=replace(ends, mean=_numbers(mean), std=_numbers(std), activation=activation),
        sha256=hashlib.sha256(content).hexdigest(),
        clip=clip,
        threshold=threshold,
        terms=terms,
    )
    card = _checked(session, card, path)
    card.write(path.with_suffix(".json"))
    return card


def _numbers(given: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, np.ravel(given)))


def _refuse_senseless(
    layers: tuple[tuple[str, ...], ...],
    intensity: str,
    activation: str,
    clip: tuple[float, float],
    threshold: float,
) -> None:
    if not 0 <= clip[0] < clip[1] <= 100:
        raise UsageError(f"`clip` is two percentiles, the lower first, not {clip[0]}, {clip[1]}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"`threshold` is between 0 and 1, not {threshold}")
    for name, value, known in (
        ("intensity", intensity, get_args(Intensity)),
        ("activation", activation, get_args(Activation)),
    ):
        if value not in known:
            raise UsageError(f"`{name}` is {' or '.join(known)}, not {value}")
    if problem := problem_of_layers(layers):
        raise UsageError(f"layers {problem}")


def _ends_in(session: Session, output: str | None, path: Path) -> tuple[Ends, int]:
    """What the file says of its ends, and how many channels it takes; on which axes its output lies
    it does not always say.
    """
    takes, gives = session.get_inputs(), {one.name: one for one in session.get_outputs()}
    if len(takes) != 1:
        names = ", ".join(one.name for one in takes)
        raise ModelError(f"the network takes {names}, not one picture", where=path, cure=EXPORT_SO)
    if output not in gives and (output is not None or len(gives) > 1):
        missing = "" if output is None else f", not {output}"
        raise UsageError(
            f"the network gives {', '.join(gives)}{missing}",
            where=path,
            cure="choose one of them with `output`",
        )
    used = next(iter(gives.values())) if output is None else gives[output]
    for what, end in (("takes", takes[0]), ("gives", used)):
        if end.type not in TYPES:
            problem = f"the network {what} {end.type} as {end.name}, not floats"
            raise ModelError(problem, where=path, cure=EXPORT_SO)
    shape = takes[0].shape
    fitting: list[tuple[Axes, int]] = [
        (axes, shape[axes.index("C")])
        for axes in get_args(Axes)
        if len(shape) == len(axes) and shape[axes.index("C")] in (1, 3)
    ]
    if len(fitting) != 1:
        raise ModelError(
            f"the network takes arrays of shape {tuple(shape)}, of which the second or the last "
            "number should say that it takes 1 or 3 channels",
            where=path,
            cure="export it so, with a shape that says how many channels it takes",
        )
    axes, channels = fitting[0]
    ends = Ends(
        input_name=takes[0].name,
        output_name=used.name,
        input_axes=axes,
        input_type=TYPES[takes[0].type],
        output_type=TYPES[used.type],
    )
    return ends, channels


def _input_size(session: Session, axes: Axes, size: int | None, path: Path) -> tuple[int, int]:
    """Raises UsageError where the size is needed, too large, or another than the network's."""
    shape = session.get_inputs()[0].shape
    rows, columns = (
        side if isinstance(side, int) else size or 0
        for side in (shape[axes.index("H")], shape[axes.index("W")])
    )
    if min(rows, columns) < 1:
        raise UsageError(
            "the network takes pictures of any size", where=path, cure="state one with `size`"
        )
    if size is not None and (rows, columns) != (size, size):
        raise UsageError(
            f"the network takes {rows} x {columns} pixels, not {size} x {size}",
            where=path,
            cure="leave `size` out",
        )
    if max(rows, columns) > MAX_SIDE:
        what = f"pictures of {max(rows, columns)} pixels are too large, at most {MAX_SIDE} will do"
        raise UsageError(what, where=path, cure="state a smaller `size`")
    return rows, columns


def _checked(session: Session, card: ModelCard, path: Path) -> ModelCard:
    """The card with outputs, axes and steps as they show in what the network makes of noise.

    Raises:
        ModelError: that is anything but probabilities of each layer.
        UsageError: its ends have a value without meaning, or an activation that is one too many.
    """
    if wrong := wrong_field(card.ends, card.input_channels):
        raise UsageError(
            f"`{wrong}` cannot be {getattr(card.ends, wrong)}",
            where=path,
            cure=f"give one number, or one for each channel (it takes {card.input_channels}), that "
            "of `std` above 0",
        )
    noise = np.random.default_rng(0)
    shape = (1, 1, *card.input_size)
    picture = (
        noise.standard_normal(shape) if card.intensity == "percentile" else noise.random(shape)
    )
    given = computed(session, picture.astype(np.float32), card, path)
    card = _with_outputs(card, given.shape, path)
    given = in_order(given, card.ends.output_axes)
    is_alone, activation = len(card.outputs) == 1, card.ends.activation
    fitting = "sigmoid" if is_alone else "softmax"
    if activation == "softmax" and is_alone:
        raise UsageError(
            "a softmax over one channel is 1 everywhere", where=path, cure="take sigmoid"
        )
    low, high = given.min(), given.max()
    if activation == "none" and not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise ModelError(
            f"the network gives values from {low:g} to {high:g}, no probabilities",
            where=path,
            cure=f"if they are logits, give {fitting} as `activation`",
        )
    if activation != "none" and problem_of_probabilities(given, card, 1) is None:
        raise UsageError(
            "the network gives probabilities already", where=path, cure="leave `activation` out"
        )
    if problem_of_probabilities(activated(given, card), card, 1):
        raise ModelError(
            "the outputs are no probabilities that add up to 1 in each layer",
            where=path,
            cure="end the network with a softmax over the channels of each layer, or give softmax "
            "as `activation` of logits",
        )
    return replace(card, steps=steps_elsewhere(card))


def _with_outputs(card: ModelCard, given: tuple[int, ...], path: Path) -> ModelCard:
    """The card of a network that gives, computed on one picture, an array of this shape."""
    named = [outputs_of(card.layers)]
    if len(card.layers) == 1 == len(card.layers[0]):  # also without a background
        named.append(card.layers[0])
    for outputs in named:
        for axes in get_args(Axes):
            if given == on_axes(axes, 1, len(outputs), card.input_size):
                return replace(card, outputs=outputs, ends=replace(card.ends, output_axes=axes))
    wanted = on_axes("NCHW", 1, len(named[0]), card.input_size)
    raise ModelError(
        f"the network gives {given} of one picture, not {wanted}: of each layer the background, "
        "then its structures",
        where=path,
        cure="name all its structures in `layers`, in their order",
    )
