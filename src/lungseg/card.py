"""The card beside a model: all that inference must know of it, and all that a user should."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from lungseg.errors import ModelError
from lungseg.structures import LABELS

Intensity = Literal["percentile"]
Kind = Literal["radiograph", "ct"]
_TUPLES = ("input_size", "clip", "labels")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The JSON file beside an ONNX file.

    Attributes:
        name: short name, such as "cxr".
        version: of the model, not of the package.
        kind: the images it is for, "radiograph" or "ct".
        architecture: the network and its arguments, in words.
        input_size: rows, columns of the network's input; a radiograph, or an axial slice of CT, is
            stretched to it.
        intensity: rule by which pixels become network input (see `lungseg.preprocess`).
        clip: percentiles of the image that are mapped to 0 and 1 by the "percentile" rule.
        labels: name of each output channel, in order.
        threshold: a pixel is lung where the lungs' probabilities together reach this.
        sha256: of the ONNX file, in hexadecimal.
        data: what it was trained on, one entry for each source, with terms.
        terms: under which terms the weights may be used.
        scores: measured ones, with the command that measures them.
        limits: what it was not made for, in words.
    """

    name: str
    version: str
    kind: Kind
    architecture: str
    input_size: tuple[int, int]
    labels: tuple[str, ...]
    sha256: str
    intensity: Intensity = "percentile"
    clip: tuple[float, float] = (0.5, 99.5)
    threshold: float = 0.5
    data: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    terms: str = ""
    scores: dict[str, Any] = field(default_factory=dict[str, Any])
    limits: list[str] = field(default_factory=list[str])

    def write(self, path: Path) -> None:
        """Writes the card as indented JSON."""
        path.write_text(
            json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file.

    Raises:
        ModelError: the file is missing, not JSON, lacks a field, has one that is not known, or one
            with a value that has no meaning.
    """
    cure = "give the .onnx file that `lungseg export` wrote, with its .json beside it"
    try:
        entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"the model card cannot be read ({(error.strerror or str(error)).lower()})",
            where=path,
            cure=cure,
        ) from error
    except ValueError as error:
        raise ModelError(f"the model card is no JSON ({error})", where=path, cure=cure) from error
    if not isinstance(entries, dict):
        raise ModelError("the model card is no JSON object", where=path, cure=cure)
    unknown = sorted(set(entries) - {f.name for f in fields(ModelCard)})
    if unknown:
        raise ModelError(
            f"the model card has unknown fields: {', '.join(unknown)}",
            where=path,
            cure="update lungseg",
        )
    missing = [
        f.name
        for f in fields(ModelCard)
        if f.default is MISSING and f.default_factory is MISSING and f.name not in entries
    ]
    if missing:
        raise ModelError(
            f"the model card lacks the fields {', '.join(missing)}", where=path, cure=cure
        )
    for name in _TUPLES:  # which JSON does not know
        if isinstance(entries.get(name), list):
            entries[name] = tuple(entries[name])
    card = ModelCard(**entries)
    for name, holds in _meaningful(card).items():
        if not holds:
            raise ModelError(
                f"the model card's {name} cannot be {entries[name]}", where=path, cure=cure
            )
    return card


def _meaningful(card: ModelCard) -> dict[str, bool]:
    """Whether inference can work with the value, for each field that it uses."""
    size, clip, threshold = card.input_size, card.clip, card.threshold
    return {
        "kind": card.kind in get_args(Kind),
        "labels": card.labels == tuple(label.name for label in LABELS),
        "input_size": isinstance(size, tuple)
        and len(size) == 2
        and all(type(side) is int and side > 0 for side in size),
        "intensity": card.intensity in get_args(Intensity),
        "clip": isinstance(clip, tuple)
        and len(clip) == 2
        and all(map(_is_number, clip))
        and 0 <= clip[0] < clip[1] <= 100,
        "threshold": _is_number(threshold) and 0 <= threshold <= 1,
    }


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
