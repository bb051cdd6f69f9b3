"""A quality model's file: MODEL.judge.json beside MODEL.onnx."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from lungseg.card import ModelCard
from lungseg.errors import ModelError
from lungseg.json_file import parse_json, read_json
from lungseg.modality import Modality
from lungseg.quality.features import AGREEMENT_FEATURES, CERTAINTY_FEATURES, SHAPE_FEATURES
from lungseg.quality.model import CalibrationCurve, FrontalModel, QuadraticModel, QualityModel

_CURE = "fit it again with `lungseg calibrate`, or delete it"
_KNOWN = (*CERTAINTY_FEATURES, *SHAPE_FEATURES, *AGREEMENT_FEATURES)
_Made = TypeVar("_Made", QuadraticModel, CalibrationCurve, FrontalModel, QualityModel)


def quality_model_path(model: Path) -> Path:
    """Where the quality model of an ONNX file lies: cxr.judge.json beside cxr.onnx."""
    return model.with_suffix(".judge.json")


def model_files(model: Path) -> tuple[Path, Path, Path]:
    """An ONNX file, its card and its quality model, which need not be there."""
    return model, model.with_suffix(".json"), quality_model_path(model)


def as_stored(number: float) -> float:
    """With the five digits that a file has."""
    return float(f"{number:.5g}")


def encode_quality_model(quality: QualityModel) -> bytes:
    """A quality model as JSON, numbers with five digits."""
    rounded = json.loads(
        json.dumps(asdict(quality)), parse_float=lambda number: as_stored(float(number))
    )
    return (json.dumps(rounded, indent=1) + "\n").encode()


def decode_quality_model(text: str | bytes) -> QualityModel:
    """What `encode_quality_model` gave.

    Raises:
        ValueError: it is no JSON, lacks an entry, has an unknown one, or one that cannot be.
    """
    return _quality_model(parse_json(text))


def quality_model_of(model: Path, card: ModelCard, modality: Modality) -> QualityModel | None:
    """What judges the masks of a model in the wing of a modality; None where there is none, or the
    model is for the other modality or does not predict both lungs.

    Raises:
        ModelError: as `read_quality_model` does.
    """
    if card.modality != modality or not card.has_lungs:
        return None
    return read_quality_model(model, card.sha256)


def read_quality_model(model: Path, sha256: str) -> QualityModel | None:
    """The quality model beside a model; None where there is none.

    Args:
        model: the ONNX file.
        sha256: of that file.

    Raises:
        ModelError: it cannot be read, has values that cannot be, or belongs to another model.
    """
    path = quality_model_path(model)
    if not path.is_file():
        return None
    try:
        quality = _quality_model(read_json(path))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"the quality model cannot be used ({reason})", where=path, cure=_CURE
        ) from error
    if quality.model != sha256:
        raise ModelError(
            "the quality model belongs to another model than the one beside it",
            where=path,
            cure=_CURE,
        )
    return quality


def _quality_model(content: object) -> QualityModel:
    entries = _object(content, "the file")
    entries["dice"] = _quadratic(entries.get("dice"), "dice")
    entries["curves"] = {
        scope: _make(CalibrationCurve, curve, f"the curve of {scope}")
        for scope, curve in _object(entries.get("curves"), "curves").items()
    }
    if entries.get("frontal") is not None:
        frontal = _object(entries["frontal"], "frontal")
        frontal["log_odds"] = _quadratic(frontal.get("log_odds"), "log_odds")
        entries["frontal"] = _make(FrontalModel, frontal, "frontal")
    return _make(QualityModel, entries, "the file")


def _quadratic(entries: object, what: str) -> QuadraticModel:
    made = _make(QuadraticModel, entries, what)
    unknown = [name for name in made.features if name not in _KNOWN]
    if unknown:
        raise ValueError(f"{what} weighs the unknown feature {unknown[0]!r}")
    return made


def _make(kind: type[_Made], entries: object, what: str) -> _Made:
    """A value from a JSON object; lists become tuples."""
    entries = _object(entries, what)
    names = {field.name: field.default is MISSING for field in fields(kind)}
    if unknown := sorted(set(entries) - set(names)):
        raise ValueError(f"{what} has the unknown entry {unknown[0]!r}")
    if missing := [name for name, needed in names.items() if needed and name not in entries]:
        raise ValueError(f"{what} has no entry {missing[0]!r}")
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()
    }
    try:
        return kind(**given)
    except TypeError as error:  # such as a number in place of a list
        raise ValueError(f"{what} has an entry of a wrong type") from error
    except ValueError as error:
        raise ValueError(f"in {what}, {error}") from error


def _object(entries: object, what: str) -> dict[str, Any]:
    if not isinstance(entries, dict):
        raise ValueError(f"{what} is no JSON object")
    return dict(entries)
