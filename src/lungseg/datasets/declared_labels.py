"""What the values of masks mean, where a data set declares it: in `--labels`, in the column labels
of a list of cases, or in a `dataset.json` as nnU-Net has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lungseg.datasets.cases import BOTH_LUNGS, Case
from lungseg.errors import InputError, UsageError
from lungseg.structures import BACKGROUND, PLURAL, STRUCTURES

DECLARATION: Final = "dataset.json"
"""Name of the file of a data set that declares its labels, as nnU-Net has it."""

LEVELS_UP: Final = 3
"""Folders above a mask in which the declaration is looked for, the mask's own among them."""

Declared = Mapping[float, str]
"""Names of structures, "lungs" or "background" by the values of a mask; "" for a name that is none
of these, after which nothing can be said of the value."""

_NOISE_WORDS: Final = frozenset({"mask", "field", "fields", "area", "region", "whole", "total"})
_LUNG_WORDS: Final = frozenset(
    {"lung", "lungs", "upper", "middle", "lower", "lobe", "superior", "inferior", "parenchyma"}
)
_SIDES: Final = {
    **dict.fromkeys(("right", "r", "rt", "rechts", "droit", "derecho"), "right"),
    **dict.fromkeys(("left", "l", "lt", "links", "gauche", "izquierdo"), "left"),
}
_OTHERS: Final = {
    **dict.fromkeys(("background", "outside", "bg"), "background"),
    **dict.fromkeys(("heart", "cardiac silhouette", "heart shadow", "cor"), "heart"),
    "trachea": "trachea",
    **dict.fromkeys(
        (
            "opacity",
            "opacities",
            "infiltrate",
            "infiltrates",
            "infiltration",
            "consolidation",
            "ground glass",
            "ground glass opacity",
            "ggo",
            "infection",
        ),
        "opacity",
    ),
}


def structure_called(name: str) -> str | None:
    """The structure, "lungs" or "background" that people call so, as "lung_upper_lobe_right" or
    "Right Lung" for the right lung; None where it is something else, as a nodule in a lung.
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    plain = " ".join(word for word in words if word not in _NOISE_WORDS)
    if plain in _OTHERS:
        return _OTHERS[plain]
    sides = {_SIDES[word] for word in words if word in _SIDES}
    rest = {word for word in words if word not in _SIDES and word not in _NOISE_WORDS}
    if not rest & {"lung", "lungs", "lobe"} or not rest <= _LUNG_WORDS or len(sides) > 1:
        return None
    return f"{sides.pop()} lung" if sides else PLURAL


def read_declared(text: str) -> dict[float, str]:
    """What `--labels` and the column labels say, as in 127="right lung",255="left lung", or
    #ff0000=right lung; #00ff00=left lung for colours.

    Raises:
        UsageError: a part is no value and structure, or a value is there twice.
    """
    declared: dict[float, str] = {}
    for part in filter(None, (part.strip() for part in re.split("[;,]", text))):
        value, equals, name = (each.strip().strip("\"'").strip() for each in part.partition("="))
        number = _value(value)
        structure = structure_called(name) if equals else None
        if number is None or structure is None:
            raise UsageError(
                f"{part!r} does not say which structure a value of the masks is",
                cure='write VALUE=STRUCTURE, as in 127="right lung",255="left lung" or, of '
                f"colours, '#ff0000=right lung'; structures are {', '.join(_known())}",
            )
        if declared.setdefault(number, structure) != structure:
            raise UsageError(
                f"the value {value} is said to be {declared[number]} and {structure}",
                cure="leave one of the two out",
            )
    return declared


def written(declared: Declared) -> str:
    """The same for the column labels, such as "127=right lung; 255=left lung"."""
    colours = max(declared, default=0) > MAX_GREY
    return "; ".join(
        f"#{int(value):06x}={name or '?'}" if colours else f"{value:g}={name or '?'}"
        for value, name in sorted(declared.items())
    )


MAX_GREY: Final = 65535
"""The highest value of greys and indices."""


def _value(text: str) -> float | None:
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        return float(int(text[1:], 16))
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _known() -> list[str]:
    return [PLURAL, *(structure.name for structure in STRUCTURES)]


def with_declared_labels(cases: Iterable[Case], text: str = "") -> list[Case]:
    """The cases with what their masks' values mean, and what the masks therefore decide.

    Where a case says nothing itself, it is what `text` says or else the `dataset.json` in the
    folder of the mask or one of the two above it. A case that decides no more than the lungs then
    decides the structures that are declared.

    Args:
        cases: with and without masks.
        text: as `read_declared` reads it; overrules what cases and files say.

    Raises:
        UsageError: `text` cannot be understood.
        InputError: a `dataset.json` cannot be read.
    """
    given = read_declared(text)
    return [_with_labels(case, given) for case in cases]


def _with_labels(case: Case, given: Declared) -> Case:
    if case.mask is None or case.mask_left is not None or (case.labels and not given):
        return case
    declared = {**_beside(case.mask), **given}
    if not declared:
        return case
    decides = case.decides
    if set(decides) == set(BOTH_LUNGS):
        others = {name for name, _ in case.other_masks}
        named = tuple(name for name in decided_by(declared.values()) if name not in others)
        decides = named or decides
    return replace(case, labels=written(declared), decides=decides)


def decided_by(names: Iterable[str]) -> tuple[str, ...]:
    """The structures among these names, in the order of their numbers."""
    there = set(names)
    if PLURAL in there:
        there |= set(BOTH_LUNGS)
    return tuple(s.name for s in STRUCTURES if s is not BACKGROUND and s.name in there)


def declared_of(case: Case) -> dict[float, str]:
    """What the values of a case's mask mean, by its labels.

    Raises:
        InputError: the labels of the case cannot be understood.
    """
    known, strange = [], {}
    for part in filter(None, (part.strip() for part in case.labels.split(";"))):
        value, _, name = part.partition("=")
        if name == "?" and (number := _value(value)) is not None:
            strange[number] = ""
        else:
            known.append(part)
    try:
        return {**strange, **read_declared(";".join(known))}
    except UsageError as error:
        raise InputError(
            f"the labels of case {case.case} cannot be understood: {error.what}",
            where=case.mask,
            cure=error.cure,
        ) from error


def _beside(mask: Path) -> Declared:
    """What the nearest declaration above a mask says; nothing where there is none."""
    for folder in list(mask.absolute().parents)[:LEVELS_UP]:
        if (folder / DECLARATION).is_file():
            return _declaration(folder / DECLARATION)
    return {}


@lru_cache
def _declaration(path: Path) -> Declared:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"what the data set declares cannot be read ({error})",
            where=path,
            cure="correct the file, or take it away",
        ) from error
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict):
        return {}
    declared: dict[float, str] = {}
    several: dict[float, str] = {}
    for key, value in labels.items():
        name, numbers = (str(value), [key]) if _value(str(key)) is not None else (key, value)
        single = not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) == 1
        for number in [numbers] if not isinstance(numbers, list) else numbers:
            if (known := _value(str(number))) is not None:
                (declared if single else several)[known] = structure_called(str(name)) or ""
    return {**several, **declared}
