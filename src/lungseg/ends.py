"""The two ends of a network: how what it takes and gives is called, laid out and to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Axes = Literal["NCHW", "NHWC"]
"""Pictures, channels, rows, columns; or channels last, as Keras has them."""
FloatType = Literal["float32", "float16"]
Activation = Literal["none", "sigmoid", "softmax"]

MAX_NUMBER: Final = 1e6
"""Of a mean or standard deviation; no greys have a larger one, nor a standard deviation below its
inverse."""

MAX_NAME: Final = 500
"""Characters of a tensor's name, all of them printable, since errors show it."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What a network takes and gives, where it differs from those that `lungseg export` writes.

    Attributes:
        input_name: of the one tensor that it takes.
        output_name: of the tensor that is used of those that it gives.
        input_axes: "NCHW", or "NHWC" with channels last.
        output_axes: the same of the output.
        input_type: "float32" or "float16".
        output_type: the same of the output.
        mean: what is taken off the greys that the card's `intensity` gives; one number, or one for
            each channel.
        std: by what they are divided then; above 0.
        activation: what makes probabilities of the output: "none" where it has them; of logits
            "sigmoid", or "softmax" over the channels of each layer.
    """

    input_name: str = "image"
    output_name: str = "probabilities"
    input_axes: Axes = "NCHW"
    output_axes: Axes = "NCHW"
    input_type: FloatType = "float32"
    output_type: FloatType = "float32"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    activation: Activation = "none"

    def written(self, size: tuple[int, int], taken: int, given: int) -> tuple[str, str]:
        """Name, shape and type of input and of output, as "image, (N, 1, 64, 64), float32".

        Args:
            size: rows and columns of both.
            taken: channels of the input.
            given: channels of the output.
        """
        input_, output = (
            f"{name}, ({', '.join(map(str, on_axes(axes, 'N', channels, size)))}), {of_type}"
            for name, axes, channels, of_type in (
                (self.input_name, self.input_axes, taken, self.input_type),
                (self.output_name, self.output_axes, given, self.output_type),
            )
        )
        return input_, output


ENDS: Final = Ends()
"""Of the networks that `lungseg export` writes."""


def on_axes(axes: Axes, batch: Any, channels: Any, size: Sequence[Any]) -> tuple[Any, ...]:
    """What is said of pictures, channels, rows and columns, in the order of the axes."""
    said = {"N": batch, "C": channels, "H": size[0], "W": size[1]}
    return tuple(said[axis] for axis in axes)


def wrong_field(ends: Ends, channels: object) -> str | None:
    """The name of the first field whose value has no meaning; None where all have one.

    Args:
        ends: with values of any type.
        channels: of the input.
    """

    def has_numbers(name: str, least: float) -> bool:
        values = getattr(ends, name)
        return (
            isinstance(values, tuple)
            and len(values) in (1, channels)
            and all(type(one) in (int, float) and least <= one <= MAX_NUMBER for one in values)
        )

    def is_name(name: str) -> bool:
        value = getattr(ends, name)
        return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()

    meaningful = {
        "input_name": is_name("input_name"),
        "output_name": is_name("output_name"),
        "input_axes": ends.input_axes in get_args(Axes),
        "output_axes": ends.output_axes in get_args(Axes),
        "input_type": ends.input_type in get_args(FloatType),
        "output_type": ends.output_type in get_args(FloatType),
        "mean": has_numbers("mean", -MAX_NUMBER),
        "std": has_numbers("std", 1 / MAX_NUMBER),
        "activation": ends.activation in get_args(Activation),
    }
    return next((name for name, holds in meaningful.items() if not holds), None)
