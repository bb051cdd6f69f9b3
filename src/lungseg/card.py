"""The card beside a model: all that inference must know of it, and all that a user should."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from lungseg.errors import ModelError

Intensity = Literal["percentile"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The JSON file beside an ONNX file.

    Attributes:
        name: short name, such as "cxr".
        version: of the model, not of the package.
        kind: the images it is for.
        architecture: the network and its arguments, in words.
        input_size: rows, columns of the network's input; a radiograph is stretched to it.
        intensity: rule by which pixels become network input (see `lungseg.prepare`).
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
    kind: str
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
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file.

    Raises:
        ModelError: the file is missing, not JSON, lacks a field, or has one that is not known.
    """
    cure = "give the .onnx file that `lungseg export` wrote, with its .json beside it"
    try:
        entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the model card cannot be read ({error})", where=path, cure=cure) from error
    unknown = set(entries) - {f.name for f in fields(ModelCard)}
    if unknown:
        raise ModelError(f"the model card has unknown fields {sorted(unknown)}", where=path, cure="update lungseg")
    for name in ("input_size", "clip", "labels"):
        if name in entries:
            entries[name] = tuple(entries[name])
    try:
        card = ModelCard(**entries)
    except TypeError as error:
        raise ModelError(f"the model card is not complete ({error})", where=path, cure=cure) from error
    if card.labels != ("background", "right lung", "left lung"):
        raise ModelError(f"the model's labels are {card.labels}", where=path, cure="export one with background, right lung, left lung")
    return card


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
