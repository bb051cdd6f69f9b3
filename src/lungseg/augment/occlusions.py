"""What hides the lungs: opacities (`lungseg.augment.opacities`), and things that lie on the patient
or on the film.

Each class holds the parameters of one such thing and paints it onto a picture (rows, columns),
float32, 0 to 1, bone bright; `lungs` says where each lung is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, get_args

import cv2
import numpy as np

from lungseg.augment import Array, Float, Lungs
from lungseg.augment.opacities import BasalEffusion, Consolidation, Effusion, Gas
from lungseg.structures import Side

SIDES: Final[tuple[tuple[Side, ...], ...]] = (("right",), ("left",), ("right", "left"))


def sample_occlusions(rng: np.random.Generator) -> tuple[Occlusion, ...]:
    """Samples what occludes one picture; about a third get nothing."""
    things: list[Occlusion] = []
    if rng.random() < 0.45:
        for side in SIDES[rng.integers(3)]:
            things.append(_sample_opacity(rng, side))
    if rng.random() < 0.12:
        things.append(
            Gas(
                float(rng.uniform(0.2, 0.8)),
                float(rng.uniform(0.02, 0.09)),
                float(rng.uniform(0.4, 1)),
            )
        )
    for chance, make in (
        (0.25, _sample_tube),
        (0.3, _sample_text),
        (0.12, _sample_arrow),
        (0.1, _sample_block),
    ):
        while rng.random() < chance:
            things.append(make(rng))
    return tuple(things)


def _sample_opacity(rng: np.random.Generator, side: Side) -> Occlusion:
    kind = rng.choice(
        ["effusion", "consolidation", "white lung", "haze"], p=[0.35, 0.35, 0.12, 0.18]
    )
    depth = float(rng.uniform(0.5, 1.0))
    if kind == "effusion":
        return Effusion(
            side,
            float(rng.uniform(0.1, 0.7)),
            float(rng.normal(0, 0.25)),
            float(rng.uniform(0.02, 0.15)),
            depth,
        )
    if kind == "consolidation":
        return Consolidation(
            side, float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.02, 0.1)), depth
        )
    if kind == "haze":
        return Consolidation(
            side,
            float(rng.uniform(0.6, 1.0)),
            float(rng.uniform(0.05, 0.2)),
            float(rng.uniform(0.2, 0.7)),
        )
    return Effusion(side, 1.2, 0.0, 0.1, float(rng.uniform(0.6, 0.97)))


def sample_basal_effusion(rng: np.random.Generator) -> Occlusion:
    """Samples fluid that hides the base of one lung, and where it ends."""
    return BasalEffusion(
        side=SIDES[2][rng.integers(2)],
        level=float(rng.uniform(0.12, 0.6)),
        slope=float(rng.normal(0, 0.3)),
        meniscus=float(rng.uniform(0, 0.5)),
        blur=float(np.exp(rng.uniform(-5, -2.3))),
        depth=float(rng.uniform(0.8, 1.0)),
        bright=float(rng.uniform(0, 1)),
        trace=float(rng.uniform(0.03, 0.25)),
    )


def _sample_tube(rng: np.random.Generator) -> Occlusion:
    start, end = rng.uniform(0, 1, 2), rng.uniform(0, 1, 2)
    bend = (start + end) / 2 + rng.normal(0, 0.15, 2)
    return Tube(
        np.stack([start, bend, end]), int(rng.integers(1, 4)), float(rng.uniform(0.15, 0.7))
    )


def _sample_text(rng: np.random.Generator) -> Occlusion:
    text = "".join(rng.choice(list("LRPASUDEXRAY0123456789:/"), rng.integers(1, 9)))
    at = np.array(
        [
            rng.uniform(0, 0.9),
            rng.choice([rng.uniform(0.03, 0.25), rng.uniform(0.8, 0.99), rng.uniform(0, 1)]),
        ]
    )
    return Text(
        text,
        at,
        float(rng.uniform(0.3, 1.1)),
        int(rng.integers(1, 3)),
        float(rng.choice([1.0, 1.0, 0.85, 0.0])),
    )


def _sample_arrow(rng: np.random.Generator) -> Occlusion:
    end = rng.uniform(0.1, 0.9, 2)
    return Arrow(
        end + rng.normal(0, 0.08, 2), end, int(rng.integers(1, 4)), float(rng.choice([1.0, 0.0]))
    )


def _sample_block(rng: np.random.Generator) -> Occlusion:
    return Block(rng.uniform(0, 1, 2), rng.uniform(0.03, 0.12, 2), float(rng.uniform(0, 1)))


def sample_cover(rng: np.random.Generator) -> Occlusion:
    """Samples a box that may hide a good part of a lung: what is under it has to be told from what
    is around it.
    """
    return Block(
        rng.uniform(0, 1, 2),
        rng.uniform(0.08, 0.4, 2),
        float(rng.choice([0.0, 1.0, rng.uniform(0, 1)])),
    )


@dataclass(frozen=True, slots=True)
class Tube:
    """A line, tube or wire: a curve through three points (x, y as fractions), `width` in pixels,
    brighter by `light`.
    """

    points: Array
    width: int
    light: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        t = np.linspace(0, 1, 24)[:, np.newaxis]
        a, b, c = self.points
        curve = ((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c) * [grey.shape[1], grey.shape[0]]
        layer = np.zeros(grey.shape, np.float32)
        cv2.polylines(
            layer,
            [np.round(curve).astype(np.int32)],
            isClosed=False,
            color=1.0,
            thickness=self.width,
            lineType=cv2.LINE_AA,
        )
        return np.asarray(grey + self.light * cv2.GaussianBlur(layer, (0, 0), 0.7))


@dataclass(frozen=True, slots=True)
class Text:
    """Burnt-in text at (x, y as fractions)."""

    text: str
    at: Array
    size: float
    width: int
    colour: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        place = (int(self.at[0] * grey.shape[1]), int(self.at[1] * grey.shape[0]))
        return cv2.putText(
            grey.copy(),
            self.text,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            self.size,
            self.colour,
            self.width,
            cv2.LINE_AA,
        )


@dataclass(frozen=True, slots=True)
class Arrow:
    """A burnt-in arrow between two points (x, y as fractions)."""

    start: Array
    end: Array
    width: int
    colour: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        ends = [
            tuple(int(v) for v in point * [grey.shape[1], grey.shape[0]])
            for point in (self.start, self.end)
        ]
        return cv2.arrowedLine(
            grey.copy(), ends[0], ends[1], self.colour, self.width, cv2.LINE_AA, tipLength=0.4
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A device, a blackened name or a marker plate: a filled rectangle around (x, y), of the given
    size, all fractions of the sides.
    """

    at: Array
    size: Array
    colour: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        side = [grey.shape[1], grey.shape[0]]
        low, high = (
            ((self.at - self.size / 2) * side).astype(int),
            ((self.at + self.size / 2) * side).astype(int),
        )
        corners = [(int(low[0]), int(low[1])), (int(high[0]), int(high[1]))]
        return cv2.rectangle(grey.copy(), corners[0], corners[1], self.colour, -1)


Occlusion = Effusion | Consolidation | BasalEffusion | Gas | Tube | Text | Arrow | Block
"""Something that can be painted onto a picture."""


def to_entries(things: Sequence[Occlusion]) -> list[dict[str, Any]]:
    """The parameters of each thing and its type, for JSON."""
    return [{"type": type(thing).__name__, **asdict(thing)} for thing in things]


def from_entries(entries: Sequence[dict[str, Any]]) -> tuple[Occlusion, ...]:
    """What `to_entries` was given."""
    types = {each.__name__: each for each in get_args(Occlusion)}
    things: list[Occlusion] = []
    for entry in entries:
        parameters = {
            name: np.array(value) if isinstance(value, list) else value
            for name, value in entry.items()
            if name != "type"
        }
        things.append(types[entry["type"]](**parameters))
    return tuple(things)
