"""What was learned of the signs of good and bad masks. It lies beside the model it was learned for,
as a small file of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from lungseg.errors import ModelError
from lungseg.measurement import Measurement, Measurements
from lungseg.quality.features import Signs
from lungseg.structures import PLURAL

FARTHEST = 4.0
"""Standard deviations; a sign that lies farther off counts as this far, so that no single one
outvotes all others."""


@dataclass(frozen=True, slots=True)
class Line:
    """A weighted sum of signs and of their squares. A sign that is absent counts as its mean.

    Attributes:
        signs: their names.
        mean, deviation: of each sign, among the pictures it was learned from.
        weights, squares: of each sign, measured in its deviations, and of the square.
        offset: what is added.
    """

    signs: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    weights: tuple[float, ...]
    squares: tuple[float, ...]
    offset: float

    def __call__(self, signs: Signs) -> float:
        """The sum."""
        values = np.array(
            [signs.get(name, mean) for name, mean in zip(self.signs, self.mean, strict=True)]
        )
        apart = np.clip((values - self.mean) / self.deviation, -FARTHEST, FARTHEST)
        return float(apart @ self.weights + apart**2 @ self.squares) + self.offset


@dataclass(frozen=True, slots=True)
class ExpectedDice:
    """The Dice coefficient to be expected between a mask and the truth.

    Attributes:
        value: the mean of masks with such signs.
        low, high: nine in ten masks with such signs lie between them.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a score is worth.

    Attributes:
        scores: ascending; at each of them the others hold the expected Dice and the ends of its
            interval, between them it is interpolated.
        expected, low, high: rising with the scores, 0 to 1.
    """

    scores: tuple[float, ...]
    expected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __call__(self, score: float) -> ExpectedDice:
        """The Dice coefficient to be expected of masks with that score."""
        return ExpectedDice(
            *(
                float(np.interp(score, self.scores, values))
                for values in (self.expected, self.low, self.high)
            )
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned for one model; `python benchmarks/judge.py --fit` learns it again.

    Attributes:
        model: SHA-256 of the model's file.
        frontal: the logarithm of the odds that a picture is a frontal chest radiograph, from the
            signs of the first look.
        refuse: below this it is refused.
        doubt: below this it is doubtful.
        clear: from this on, of a turned picture, it is certain.
        dice: a score of the mask, from the signs of the look that it comes from.
        scores: ascending; at each of them the next three hold the expected Dice, between them it is
            interpolated.
        expected, low, high: rising with the scores.
        uncertain: below this expected Dice a reader should look.
    """

    model: str
    frontal: Line
    refuse: float
    doubt: float
    clear: float
    dice: Line
    scores: tuple[float, ...]
    expected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    uncertain: float

    def expected_dice(self, signs: Signs) -> ExpectedDice:
        """Of a mask with these signs."""
        return Calibration(self.scores, self.expected, self.low, self.high)(self.dice(signs))

    def write(self, path: Path) -> None:
        """Writes it, numbers with five digits."""
        write_rounded(asdict(self), path)

    @staticmethod
    def read(path: Path) -> Learned:
        """What `write` wrote.

        Raises:
            ModelError: it cannot be read, or is something else.
        """
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            frontal, dice = (Line(**as_tuples(entries.pop(name))) for name in ("frontal", "dice"))
            limits: dict[str, Any] = {
                name: float(entries.pop(name)) for name in ("refuse", "doubt", "clear", "uncertain")
            }
            learned = Learned(frontal=frontal, dice=dice, **limits, **as_tuples(entries))
            for judged in (learned.frontal, learned.expected_dice):
                judged({})  # what cannot be computed of no signs cannot be of any
            return learned
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            cure = "write it again with `python benchmarks/judge.py --fit`, or delete it"
            raise ModelError(
                "what was learned to judge this model's masks cannot be read", where=path, cure=cure
            ) from error


class _OfModel(Protocol):
    @property
    def model(self) -> str: ...


_Taught = TypeVar("_Taught", bound=_OfModel)


def read_beside(
    model: Path, sha256: str, read: Callable[[Path], _Taught], script: str
) -> _Taught | None:
    """What was learned to judge the masks of a model; None where nothing lies beside it.

    Args:
        model: its ONNX file.
        sha256: of that file.
        read: reads what was learned.
        script: learns it again; named in the error.

    Raises:
        ModelError: it cannot be read, or belongs to another model.
    """
    path = learned_path(model)
    if not path.is_file():
        return None
    learned = read(path)
    if learned.model != sha256:
        cure = f"learn it again with `python benchmarks/{script} --fit`, or delete it"
        raise ModelError(
            "what was learned to judge a model's masks belongs to another model than the one "
            "beside it",
            where=path,
            cure=cure,
        )
    return learned


def learned_path(model: Path) -> Path:
    """Where what was learned for a model lies: cxr.judge.json beside cxr.onnx."""
    return model.with_suffix(".judge.json")


def as_tuples(entries: dict[str, Any]) -> dict[str, Any]:
    """Entries of a JSON object with tuples for lists, which JSON does not tell apart."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()
    }


def write_rounded(entries: dict[str, Any], path: Path) -> None:
    """Writes a JSON object, numbers with five digits."""
    rounded = json.loads(
        json.dumps(entries), parse_float=lambda number: float(f"{float(number):.5g}")
    )
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def as_measurements(expected: ExpectedDice | None) -> Measurements:
    """The expected Dice and the ends of its interval, of both lungs; none where it is not known."""
    if expected is None:
        return Measurements()
    values = {
        "expected_dice": expected.value,
        "expected_dice_low": expected.low,
        "expected_dice_high": expected.high,
    }
    return Measurements(Measurement(name, PLURAL, v, "1") for name, v in values.items())
