"""What values settings may have."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args, get_origin

from lungseg.augment.parameters import RANGES as AUGMENTATION_RANGES
from lungseg.errors import UsageError

RANGES: Final = AUGMENTATION_RANGES | {
    **dict.fromkeys(
        ("width", "max_width", "epochs", "patience", "batch", "accumulate", "devices", "nodes"),
        (1, math.inf),
    ),
    **dict.fromkeys(
        (
            "learning_rate",
            "weight_decay",
            "clip_gradient",
            "workers",
            "freeze",
            "dilate",
            "plateau",
        ),
        (0, math.inf),
    ),
    **dict.fromkeys(
        ("focal_gamma", "tversky_alpha", "tversky_beta", "boundary_weight"), (0, math.inf)
    ),
    "dice_weight": (0, 1),
    "depth": (2, math.inf),
    "seed": (0, 2**32 - 1),
    **dict.fromkeys(("clip_low", "clip_high"), (0, 100)),
}
"""Lowest and highest value of settings that are numbers."""

METRICS: Final = tuple(
    f"{side}_{metric}"
    for side in ("train", "val")
    for metric in ("loss", "dice", "iou", "accuracy")
)
"""What is logged each epoch and can be monitored, beside val_dice_SOURCE."""

NAMED: Final = {
    "architecture": ("unet", "unetpp"),
    "loss": ("bce", "dice", "bce+dice", "focal", "tversky", "boundary"),
}
"""What is known by these names; anything else is written by the user, as `OWN` has it."""

OWN: Final = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*")
"""A class or function in a module, such as mypackage.module:Class."""

_WORDS: Final = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text in quotes",
    tuple: "a list of texts",
}


def check_value(name: str, kind: Any, value: Any) -> None:
    """That a value has its type, of which int passes for float, and lies in its range.

    Args:
        name: of the setting.
        kind: its type, as `lungseg.train.settings.describe` gives it.
        value: any.

    Raises:
        UsageError: it has not.
    """
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(f"{name} is one of {', '.join(get_args(kind))}, not {value!r}")
        return
    outer = get_origin(kind) or kind
    fits = type(value) is outer or (outer is float and type(value) is int)
    nested = outer is tuple and get_origin(get_args(kind)[0]) is tuple  # which says more elsewhere
    if not fits or (outer is tuple and not nested and not all(isinstance(v, str) for v in value)):
        raise UsageError(f"{name} is {_WORDS[outer]}, not {value!r}")
    if name in NAMED and value not in NAMED[name] and not OWN.fullmatch(value):
        raise UsageError(
            f"{name} is one of {', '.join(NAMED[name])}, not {value!r}",
            cure="take one of them, or one of your own as mypackage.module:Name",
        )
    low, high = RANGES.get(name, (None, None))
    if low is not None and (not low <= value <= high or value == math.inf):
        raise UsageError(
            f"{name} is at least {low}, not {value}"
            if high == math.inf
            else f"{name} is {low} to {high}, not {value}"
        )


def suggestion(name: str, known: Sequence[str]) -> str | None:
    """A cure that names the known name that is nearest; None where none is near."""
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}" if near else None
