"""What hides the lungs: opacified regions, and things that lie on the patient or on the film.

Diseased lung is lung. A network that has seen only healthy ones cuts off the white parts, so white
parts are painted into lungs whose borders are known. Each class holds the numbers of one such thing
and paints it onto a picture (rows, columns), float32, 0 to 1, bone bright; `sets` are the sets of
allowed classes at each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.label_sets import LEFT, RIGHT

Array = NDArray[Any]
Float = Array
"""float32, but OpenCV's types do not tell."""


def draw(rng: np.random.Generator) -> tuple[Obscured, ...]:
    """Draws what obscures one sample; about a third get nothing."""
    things: list[Obscured] = []
    if rng.random() < 0.45:
        for side in ((RIGHT,), (LEFT,), (RIGHT, LEFT))[rng.integers(3)]:
            things.append(_draw_opacity(rng, side))
    if rng.random() < 0.12:
        things.append(
            Gas(
                float(rng.uniform(0.2, 0.8)),
                float(rng.uniform(0.02, 0.09)),
                float(rng.uniform(0.4, 1)),
            )
        )
    for chance, make in (
        (0.25, _draw_tube),
        (0.3, _draw_letters),
        (0.12, _draw_arrow),
        (0.1, _draw_block),
    ):
        while rng.random() < chance:
            things.append(make(rng))
    return tuple(things)


def _draw_opacity(rng: np.random.Generator, side: int) -> Obscured:
    kind = rng.choice(["fluid", "patches", "white", "haze"], p=[0.35, 0.35, 0.12, 0.18])
    depth = float(rng.uniform(0.5, 1.0))
    if kind == "fluid":
        return Fluid(
            side,
            float(rng.uniform(0.1, 0.7)),
            float(rng.normal(0, 0.25)),
            float(rng.uniform(0.02, 0.15)),
            depth,
        )
    if kind == "patches":
        return Patches(side, float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.02, 0.1)), depth)
    if kind == "haze":
        return Patches(
            side,
            float(rng.uniform(0.6, 1.0)),
            float(rng.uniform(0.05, 0.2)),
            float(rng.uniform(0.2, 0.7)),
        )
    return Fluid(side, 1.2, 0.0, 0.1, float(rng.uniform(0.6, 0.97)))


def draw_effusion(rng: np.random.Generator) -> Obscured:
    """Draws fluid that hides the base of one lung, and where it ends."""
    return Effusion(
        side=(RIGHT, LEFT)[rng.integers(2)],
        level=float(rng.uniform(0.12, 0.6)),
        slope=float(rng.normal(0, 0.3)),
        meniscus=float(rng.uniform(0, 0.5)),
        blur=float(np.exp(rng.uniform(-5, -2.3))),
        depth=float(rng.uniform(0.8, 1.0)),
        bright=float(rng.uniform(0, 1)),
        trace=float(rng.uniform(0.03, 0.25)),
    )


def _draw_tube(rng: np.random.Generator) -> Obscured:
    start, end = rng.uniform(0, 1, 2), rng.uniform(0, 1, 2)
    bend = (start + end) / 2 + rng.normal(0, 0.15, 2)
    return Tube(
        np.stack([start, bend, end]), int(rng.integers(1, 4)), float(rng.uniform(0.15, 0.7))
    )


def _draw_letters(rng: np.random.Generator) -> Obscured:
    text = "".join(rng.choice(list("LRPASUDEXRAY0123456789:/"), rng.integers(1, 9)))
    at = np.array(
        [
            rng.uniform(0, 0.9),
            rng.choice([rng.uniform(0.03, 0.25), rng.uniform(0.8, 0.99), rng.uniform(0, 1)]),
        ]
    )
    return Letters(
        text,
        at,
        float(rng.uniform(0.3, 1.1)),
        int(rng.integers(1, 3)),
        float(rng.choice([1.0, 1.0, 0.85, 0.0])),
    )


def _draw_arrow(rng: np.random.Generator) -> Obscured:
    end = rng.uniform(0.1, 0.9, 2)
    return Arrow(
        end + rng.normal(0, 0.08, 2), end, int(rng.integers(1, 4)), float(rng.choice([1.0, 0.0]))
    )


def _draw_block(rng: np.random.Generator) -> Obscured:
    return Block(rng.uniform(0, 1, 2), rng.uniform(0.03, 0.12, 2), float(rng.uniform(0, 1)))


def draw_cover(rng: np.random.Generator) -> Obscured:
    """Draws a box that may hide a good part of a lung: what is under it has to be told from what is
    around it.
    """
    return Block(
        rng.uniform(0, 1, 2),
        rng.uniform(0.08, 0.4, 2),
        float(rng.choice([0.0, 1.0, rng.uniform(0, 1)])),
    )


def _blobs(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> Float:
    """Smooth noise of standard deviation 1; `scale` is the size of its blobs as a share of the
    side.
    """
    cells = max(round(0.6 / scale), 3)
    small = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    noise = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(noise / (noise.std() + 1e-6))


def _tissue_grey(grey: Float, sets: Array) -> float:
    """Grey of what stands around the lungs and is as dense as fluid: the 65th percentile of the
    greys in their surroundings.
    """
    lungs = ((sets & (RIGHT | LEFT)) > 0).astype(np.uint8)
    around = (cv2.dilate(lungs, np.ones((25, 25), np.uint8)) > 0) & (lungs == 0)
    return float(np.percentile(grey[around], 65)) if around.any() else 0.7


def _whiten(grey: Float, weight: Float, target: float, rng: np.random.Generator) -> Float:
    """Moves greys towards `target` by `weight`, leaving a trace of structure and a little texture;
    nothing gets darker.
    """
    texture = 0.03 * _blobs(grey.shape, 0.05, rng)
    paint = target + 0.25 * (grey - grey.mean()) + texture
    return np.asarray(grey + weight * np.maximum(paint - grey, 0))


@dataclass(frozen=True, slots=True)
class Fluid:
    """An effusion or a white lung: everything below a level is as bright as the tissue around,
    across the lung's borders.

    `level` is the height of fluid as a share of the lung's height (above 1 the whole lung), `slope`
    tilts its surface, `blur` softens it, `depth` is the opacity.
    """

    side: int
    level: float
    slope: float
    blur: float
    depth: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = (sets & self.side) > 0
        if not lung.any():
            return grey
        rows = np.flatnonzero(lung.any(axis=1))
        columns = np.flatnonzero(lung.any(axis=0))
        top, bottom = rows[0], rows[-1]
        y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
        across = (x - columns.mean()) / max(len(columns), 1)
        surface = bottom - (bottom - top) * (self.level + self.slope * across)
        below = 1 / (1 + np.exp(-(y - surface) / (self.blur * max(bottom - top, 8) + 1)))
        reach = cv2.GaussianBlur(
            cv2.dilate(lung.astype(np.float32), np.ones((15, 15), np.uint8)), (0, 0), 5
        )
        return _whiten(
            grey, (self.depth * below * reach).astype(np.float32), _tissue_grey(grey, sets), rng
        )


@dataclass(frozen=True, slots=True)
class Patches:
    """Consolidations or haze: smooth blobs that cover a `share` of one lung, of relative size
    `scale`, with opacity `depth`.
    """

    side: int
    share: float
    scale: float
    depth: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = (sets & self.side) > 0
        if not lung.any():
            return grey
        noise = _blobs(grey.shape, self.scale, rng)
        threshold = np.quantile(noise[lung], 1 - self.share)
        cover = 1 / (1 + np.exp(-(noise - threshold) / 0.15))
        soft = cv2.GaussianBlur(lung.astype(np.float32), (0, 0), 2)
        return _whiten(
            grey, (self.depth * cover * soft).astype(np.float32), _tissue_grey(grey, sets), rng
        )


@dataclass(frozen=True, slots=True)
class Effusion:
    """Fluid that hides the base of a lung and the diaphragm below it, so that where the lung ends
    has to be told from what is around.

    `level` is the height of its surface as a share of the lung's, `slope` tilts it, `meniscus`
    draws it up along the chest wall, `blur` softens it; `depth` is the opacity, `bright` how bright
    it is between the tissue around the lungs (0) and the belly (1), `trace` how much of the greys
    behind it shows.
    """

    side: int
    level: float
    slope: float
    meniscus: float
    blur: float
    depth: float
    bright: float
    trace: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = ((sets & self.side) > 0).astype(np.uint8)
        if not lung.any():
            return grey
        rows, columns = np.flatnonzero(lung.any(axis=1)), np.flatnonzero(lung.any(axis=0))
        bottom, height = rows[-1], max(rows[-1] - rows[0], 8)
        middle = np.flatnonzero((sets & (RIGHT | LEFT)).any(axis=0)).mean()
        y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
        outwards = (x - columns.mean()) / len(columns) * np.sign(columns.mean() - middle)
        rise = (
            self.level + self.slope * outwards + self.meniscus * np.maximum(outwards + 0.3, 0) ** 2
        )
        surface = bottom - height * (rise + 0.04 * _blobs(grey.shape, 0.15, rng))
        below = 1 / (1 + np.exp(np.clip((surface - y) / (self.blur * height + 0.5), -30, 30)))

        reach = cv2.dilate(lung, np.ones((13, 13), np.uint8))
        deep = max(grey.shape[0] // 6, 8)
        around_base = slice(max(bottom - deep, 0), None)
        reach[around_base] = cv2.dilate(lung, np.ones((2 * deep + 1, 13), np.uint8))[around_base]
        shown = cv2.morphologyEx(
            (grey > 0.02).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)
        )  # not the black frame
        weight = (
            self.depth
            * below
            * cv2.GaussianBlur((reach * shown).astype(np.float32), (0, 0), 4)
            * shown
        )

        tissue = _tissue_grey(grey, sets)
        target = tissue + self.bright * (
            float(np.percentile(grey[bottom : bottom + deep, columns[0] : columns[-1] + 1], 80))
            - tissue
        )
        paint = target + self.trace * (grey - grey.mean()) + 0.02 * _blobs(grey.shape, 0.05, rng)
        return np.asarray(grey + weight * (paint - grey), np.float32)


@dataclass(frozen=True, slots=True)
class Gas:
    """Stomach or bowel gas: a dark ellipse under one lung, outside of it. `across` is where along
    the base, `size` a share of the side.
    """

    across: float
    size: float
    depth: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
        """Paints it."""
        side = LEFT if rng.random() < 0.75 else RIGHT
        lung = (sets & side) > 0
        if not lung.any():
            return grey
        columns = np.flatnonzero(lung.any(axis=0))
        column = int(columns[int(self.across * (len(columns) - 1))])
        bottom = int(np.flatnonzero(lung[:, column])[-1])
        rows, width = grey.shape
        radius = (int(self.size * width * rng.uniform(0.8, 2)) + 1, int(self.size * rows) + 1)
        bubble = np.zeros(grey.shape, np.float32)
        cv2.ellipse(
            bubble,
            (column, bottom + radius[1] + int(rng.integers(2, 10))),
            radius,
            float(rng.normal(0, 20)),
            0,
            360,
            1.0,
            -1,
        )
        bubble = cv2.GaussianBlur(bubble, (0, 0), 1.5) * ((sets & (RIGHT | LEFT)) == 0)
        dark = float(np.percentile(grey[lung], 20))
        return np.asarray(grey + self.depth * bubble * np.minimum(dark - grey, 0))


@dataclass(frozen=True, slots=True)
class Tube:
    """A line, tube or wire: a curve through three points (x, y as shares), `width` in pixels,
    brighter by `light`.
    """

    points: Array
    width: int
    light: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
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
class Letters:
    """Burnt-in text at (x, y as shares)."""

    text: str
    at: Array
    size: float
    width: int
    colour: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
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
    """A burnt-in arrow between two points (x, y as shares)."""

    start: Array
    end: Array
    width: int
    colour: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
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
    size, all shares.
    """

    at: Array
    size: Array
    colour: float

    def onto(self, grey: Float, sets: NDArray[np.uint8], rng: np.random.Generator) -> Float:
        """Paints it."""
        side = [grey.shape[1], grey.shape[0]]
        low, high = (
            ((self.at - self.size / 2) * side).astype(int),
            ((self.at + self.size / 2) * side).astype(int),
        )
        corners = [(int(low[0]), int(low[1])), (int(high[0]), int(high[1]))]
        return cv2.rectangle(grey.copy(), corners[0], corners[1], self.colour, -1)


Obscured = Fluid | Patches | Effusion | Gas | Tube | Letters | Arrow | Block
"""Something that can be painted onto a picture."""


def to_entries(things: Sequence[Obscured]) -> list[dict[str, Any]]:
    """The numbers of each thing and the name of its kind, for JSON."""
    return [{"kind": type(thing).__name__, **asdict(thing)} for thing in things]


def from_entries(entries: Sequence[dict[str, Any]]) -> tuple[Obscured, ...]:
    """What `to_entries` was given."""
    kinds = {kind.__name__: kind for kind in get_args(Obscured)}
    things: list[Obscured] = []
    for entry in entries:
        numbers = {
            name: np.array(value) if isinstance(value, list) else value
            for name, value in entry.items()
            if name != "kind"
        }
        things.append(kinds[entry["kind"]](**numbers))
    return tuple(things)
