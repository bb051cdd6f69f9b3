"""The card beside a model: all that inference must know of it, and all that a user should."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from lungseg.ends import ENDS, Ends, wrong_field
from lungseg.errors import ModelError, UsageError
from lungseg.json_file import read_json
from lungseg.modality import LUNG_EXTENTS, MODALITIES, LungExtent, Modality
from lungseg.structures import (
    BACKGROUND,
    BY_NAME,
    LUNGS,
    LUNGS_AS_ONE,
    MEDIASTINUM,
    Structure,
    partner,
    sided,
    write_names,
)

Intensity = Literal["percentile", "255"]
Resize = Literal["stretch"]

MAX_SIDE = 4096
"""Pixels of a network's input; no more fit into the memory of those who use it."""
MAX_SHOWN = 100
"""Characters of a wrong value that an error shows."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The JSON file beside an ONNX file.

    Attributes:
        name: short name, such as "cxr".
        version: of the model, not of the package.
        modality: of the images it is for.
        layers: names of the structures that it predicts. Those of one layer exclude each other: a
            pixel belongs to one of them or to the background. Layers may overlap. "lungs" is both
            as one, of a model that does not tell right from left; see `sided`.
        architecture: the network and its arguments, in words.
        input_size: rows, columns of the network's input.
        resize: how an image, or an axial slice of CT, comes to that size: "stretch" forgets its
            proportions (see `lungseg.preprocess.resize`).
        outputs: name of each output channel, in order: of each layer the background, then its
            structures. Over the channels of a layer probabilities add up to 1. A network for one
            structure may give its probability alone. Last, where `lung_extents` has
            "through-heart", the mediastinum: the part of the background of the lungs' layer that
            such lungs take in.
        lung_extents: what its lungs can follow: "field" is what a reader sees as air, heart and
            mediastinum outside; "through-heart" takes in what of these lungs are drawn through.
        input_channels: how many the network takes: 1, the image or slice itself, or 3, all of
            which hold it.
        intensity: rule by which pixels become network input (see `lungseg.preprocess`).
        clip: percentiles of the image that are mapped to 0 and 1 by the "percentile" rule; of every
            model so what its masks are judged by.
        ends: names, axes and types of what the network takes and gives, and what its numbers mean,
            where it was made elsewhere; written only then.
        default_structures: names of the structures that are looked for where none are asked for;
            empty for all.
        threshold: a pixel belongs to a structure, or to a pair such as the lungs, where its
            probability, or theirs together, reaches this.
        sha256: of the ONNX file, in hexadecimal.
        steps: how an image becomes the network's input and its output a mask, beyond what the other
            fields say (see `lungseg.preprocess.steps`): for those who run it without lungseg.
        data: what it was trained on, one entry for each source, with terms.
        terms: under which terms the weights may be used.
        scores: measured ones, with the command that measures them.
        limits: what it was not made for, in words.
    """

    name: str
    version: str
    modality: Modality
    layers: tuple[tuple[str, ...], ...]
    architecture: str
    input_size: tuple[int, int]
    sha256: str
    resize: Resize = "stretch"
    outputs: tuple[str, ...] = ()
    lung_extents: tuple[LungExtent, ...] = ("field",)
    input_channels: int = 1
    default_structures: tuple[str, ...] = ()
    intensity: Intensity = "percentile"
    clip: tuple[float, float] = (0.5, 99.5)
    ends: Ends = ENDS
    threshold: float = 0.5
    steps: dict[str, Any] = field(default_factory=dict[str, Any])
    data: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    terms: str = ""
    scores: dict[str, Any] = field(default_factory=dict[str, Any])
    limits: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        if not self.outputs:
            object.__setattr__(self, "outputs", outputs_of(self.layers, self.lung_extents))

    @property
    def tells_sides(self) -> bool:
        """Whether the network itself tells right from left; of "lungs" as one it does not."""
        return not any(LUNGS_AS_ONE.name in layer for layer in self.layers)

    @property
    def sided(self) -> ModelCard:
        """The card of the same model once its lungs were told apart by where they lie: both in
        place of the lungs as one. What tells sides is its own.
        """
        if self.tells_sides:
            return self

        def with_sides(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(one.name for one in sided(BY_NAME[name] for name in names))

        layers, alone = tuple(map(with_sides, self.layers)), len(self.outputs) == 1
        return replace(
            self,
            layers=layers,
            outputs=with_sides(self.outputs) if alone else outputs_of(layers, self.lung_extents),
            default_structures=with_sides(self.default_structures),
        )

    @property
    def structures(self) -> tuple[tuple[Structure, ...], ...]:
        """Those of each layer."""
        return tuple(tuple(BY_NAME[name] for name in layer) for layer in self.layers)

    def layers_of(self, asked: Sequence[str] | None) -> tuple[tuple[Structure, ...], ...]:
        """The structures of each layer that are to be found. The lungs are always among them where
        the model knows them: the others are judged and measured by them.

        Args:
            asked: names of structures, or "all"; None for the model's `default_structures`.

        Raises:
            UsageError: the model does not predict one of them.
        """
        known = [name for layer in self.layers for name in layer]
        wanted = set(self.default_structures or known) if asked is None else set(asked)
        if wanted == {"all"}:
            wanted = set(known)
        if unknown := sorted(wanted - set(known)):
            raise UsageError(
                f"the model {self.name} {self.version} predicts {write_names(known)}, not "
                f"{unknown[0]}",
                cure="leave it out of the structures, or give a model that does",
            )
        if self.has_lungs:
            wanted |= {lung.name for lung in LUNGS}
        layers = (tuple(s for s in layer if s.name in wanted) for layer in self.structures)
        return tuple(layer for layer in layers if layer)

    def check_extent(self, asked: LungExtent) -> None:
        """Whether its lungs can follow an extent.

        Raises:
            UsageError: they cannot.
        """
        if asked not in self.lung_extents:
            raise UsageError(
                f"the lungs of the model {self.name} {self.version} follow "
                f"{' or '.join(self.lung_extents)}, not {asked}",
                cure="leave `lung_extent` out, or give a model that was trained with masks which "
                "are drawn so",
            )

    def channels(self, layer: int) -> slice:
        """Which output channels are a layer's: its background, then its structures."""
        start = sum(1 + len(names) for names in self.layers[:layer])
        return slice(start, start + 1 + len(self.layers[layer]))

    @property
    def has_lungs(self) -> bool:
        """Whether both lungs are among the structures of one layer, or both as one."""
        return any(set(LUNGS) <= set(layer) or LUNGS_AS_ONE in layer for layer in self.structures)

    def channel(self, structure: Structure) -> int:
        """Which output channel holds a structure's probability.

        Raises:
            KeyError: the model does not predict it.
        """
        if structure is BACKGROUND or structure.name not in self.outputs:
            raise KeyError(structure.name)
        return self.outputs.index(structure.name)

    @property
    def mirrored_channels(self) -> tuple[int, ...]:
        """For each output channel the one that holds the same structure in a mirror."""
        return tuple(
            number
            if name in (BACKGROUND.name, MEDIASTINUM)
            else self.outputs.index(partner(BY_NAME[name]).name)
            for number, name in enumerate(self.outputs)
        )

    @property
    def outside(self) -> tuple[float, ...]:
        """What each output channel is beyond the image: all background."""
        return tuple(float(name == BACKGROUND.name) for name in self.outputs)

    @property
    def facts(self) -> dict[str, Any]:
        """All fields, as they stand in the file."""
        found = asdict(self)
        if self.ends == ENDS:
            del found["ends"]
        return found

    def write(self, path: Path) -> None:
        """Writes the card as indented JSON, whole or not at all, also where the power fails.

        Raises:
            OSError: it cannot be written; what was there before stays.
        """
        text = json.dumps(self.facts, indent=2, ensure_ascii=False) + "\n"
        # By itself, since `lungseg.writers` stands on a rung above. What a killed run leaves has
        # the name that is looked for there.
        temporary = path.with_name(f".lungseg-{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("x", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def outputs_of(
    layers: tuple[tuple[str, ...], ...], lung_extents: Sequence[str] = ("field",)
) -> tuple[str, ...]:
    """Names of the output channels of a network that predicts these layers, in order."""
    last = (MEDIASTINUM,) * ("through-heart" in lung_extents)
    return (*(name for layer in layers for name in (BACKGROUND.name, *layer)), *last)


_TUPLES = ("input_size", "clip", "layers", "outputs", "lung_extents", "default_structures")


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file.

    Raises:
        ModelError: the file is missing, not JSON, lacks a field, has one that is not known, or one
            with a value that has no meaning.
    """
    cure = "give the .onnx file that `lungseg export` wrote, with its .json beside it"
    try:
        entries: dict[str, Any] = read_json(path)
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
    for name in _TUPLES:
        if name in entries:
            entries[name] = as_tuples(entries[name])
    if problem := _problem_of_parts(entries):
        raise ModelError(f"the model card's {problem}", where=path, cure=cure)
    card = ModelCard(**entries)
    for name, holds in _meaningful(card).items():
        if not holds:
            raise ModelError(
                f"the model card's {name} cannot be {_shortened(entries[name])}",
                where=path,
                cure=cure,
            )
    return card


def _problem_of_parts(entries: dict[str, Any]) -> str | None:
    """Why no card can be made of these entries; None where one can, and their ends are `Ends`."""
    if problem := problem_of_layers(entries["layers"]):
        return f"layers {problem}"
    if not _all_of(extents := entries.get("lung_extents", ()), tuple, str):
        return f"lung_extents cannot be {_shortened(extents)}"
    given = entries.get("ends", {})
    if not isinstance(given, dict) or not set(given) <= {f.name for f in fields(Ends)}:
        return f"ends cannot be {_shortened(given)}"
    ends = entries["ends"] = Ends(**{name: as_tuples(value) for name, value in given.items()})
    if wrong := wrong_field(ends, entries.get("input_channels", 1)):
        return f"ends.{wrong} cannot be {_shortened(getattr(ends, wrong))}"
    return None


def as_tuples(value: Any) -> Any:
    """With tuples for lists, which JSON does not tell apart."""
    return tuple(as_tuples(entry) for entry in value) if isinstance(value, list) else value


def problem_of_layers(layers: Any) -> str | None:
    """What is wrong with them; None where nothing is."""
    if not isinstance(layers, tuple) or not all(
        isinstance(layer, tuple) and all(isinstance(name, str) for name in layer)
        for layer in layers
    ):
        return "are lists of names of structures, one for each layer"
    names = [name for layer in layers for name in layer]
    if not layers or not all(layers):
        return "name no structure, or one of them names none"
    known = [name for name, structure in BY_NAME.items() if structure is not BACKGROUND]
    if unknown := [name for name in names if name not in known]:
        return (
            f"name {_shortened(unknown[0])!r}, which is no structure; there are {', '.join(known)}"
        )
    if twice := [name for name in names if names.count(name) > 1]:
        return f"name {twice[0]!r} twice"
    if LUNGS_AS_ONE.name in names and not {lung.name for lung in LUNGS}.isdisjoint(names):
        return "name the lungs as one and by their sides"
    return None


def _meaningful(card: ModelCard) -> dict[str, bool]:
    """Whether the value of each field has its type, and one that inference can work with."""
    size, clip, threshold = card.input_size, card.clip, card.threshold
    texts = ("name", "version", "architecture", "sha256", "terms")
    return {
        **{name: isinstance(getattr(card, name), str) for name in texts},
        "modality": card.modality in MODALITIES,
        "lung_extents": card.lung_extents == LUNG_EXTENTS[:1]
        or (card.lung_extents == LUNG_EXTENTS and card.has_lungs),
        "outputs": (
            _all_of(card.lung_extents, tuple, str)
            and card.outputs == outputs_of(card.layers, card.lung_extents)
        )
        or (card.layers == (card.outputs,) and len(card.outputs) == 1),
        "resize": card.resize in get_args(Resize),
        "default_structures": _all_of(card.default_structures, tuple, str)
        and set(card.default_structures) <= {name for layer in card.layers for name in layer},
        "input_channels": type(card.input_channels) is int and card.input_channels in (1, 3),
        "input_size": _all_of(size, tuple, int)
        and len(size) == 2
        and all(0 < side <= MAX_SIDE for side in size),
        "intensity": card.intensity in get_args(Intensity),
        "clip": isinstance(clip, tuple)
        and len(clip) == 2
        and all(map(_is_number, clip))
        and 0 <= clip[0] < clip[1] <= 100,
        "threshold": _is_number(threshold) and 0 <= threshold <= 1,
        "data": _all_of(card.data, list, dict),
        "scores": isinstance(card.scores, dict),
        "limits": _all_of(card.limits, list, str),
    }


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _all_of(values: object, kind: type[list[Any] | tuple[Any, ...]], of: type) -> bool:
    """Whether it is a list, or a tuple, of nothing but values of that very type."""
    return isinstance(values, kind) and all(type(value) is of for value in values)


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
