"""Opacified regions of the lungs, and gas below them.

Diseased lung is lung. A network that has seen only healthy ones cuts off the white parts, so white
parts are painted into lungs whose borders are known. Each class holds the numbers of one such thing
and paints it onto a picture (rows, columns), float32, 0 to 1, bone bright; `lungs` says where each
lung is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.augment import Float, Lungs
from lungseg.structures import Side


def _blobs(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> Float:
    """Smooth noise of standard deviation 1; `scale` is the size of its blobs as a fraction of
    the side.
    """
    cells = max(round(0.6 / scale), 3)
    small = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    noise = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(noise / (noise.std() + 1e-6))


def _both(lungs: Lungs) -> NDArray[np.bool_]:
    return lungs["right"] | lungs["left"]


def _tissue_grey(grey: Float, lungs: Lungs) -> float:
    """Grey of what stands around the lungs and is as dense as fluid: the 65th percentile of the
    greys in their surroundings.
    """
    both = _both(lungs).astype(np.uint8)
    around = (cv2.dilate(both, np.ones((25, 25), np.uint8)) > 0) & (both == 0)
    return float(np.percentile(grey[around], 65)) if around.any() else 0.7


def _whiten(grey: Float, weight: Float, target: float, rng: np.random.Generator) -> Float:
    """Moves greys towards `target` by `weight`, leaving a trace of structure and a little texture;
    nothing gets darker.
    """
    texture = 0.03 * _blobs(grey.shape, 0.05, rng)
    paint = target + 0.25 * (grey - grey.mean()) + texture
    return np.asarray(grey + weight * np.maximum(paint - grey, 0))


@dataclass(frozen=True, slots=True)
class Effusion:
    """An effusion or a white lung: everything below a level is as bright as the tissue around,
    across the lung's borders.

    `level` is the height of fluid as a fraction of the lung's height (above 1 the whole lung),
    `slope` tilts its surface, `blur` softens it, `depth` is the opacity.
    """

    side: Side
    level: float
    slope: float
    blur: float
    depth: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = lungs[self.side]
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
            grey, (self.depth * below * reach).astype(np.float32), _tissue_grey(grey, lungs), rng
        )


@dataclass(frozen=True, slots=True)
class Consolidation:
    """Consolidations or haze: smooth blobs that cover a `fraction` of one lung, of relative size
    `scale`, with opacity `depth`.
    """

    side: Side
    fraction: float
    scale: float
    depth: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = lungs[self.side]
        if not lung.any():
            return grey
        noise = _blobs(grey.shape, self.scale, rng)
        threshold = np.quantile(noise[lung], 1 - self.fraction)
        cover = 1 / (1 + np.exp(-(noise - threshold) / 0.15))
        soft = cv2.GaussianBlur(lung.astype(np.float32), (0, 0), 2)
        return _whiten(
            grey, (self.depth * cover * soft).astype(np.float32), _tissue_grey(grey, lungs), rng
        )


@dataclass(frozen=True, slots=True)
class BasalEffusion:
    """Effusion that hides the base of a lung and the diaphragm below it, so that where the lung
    ends has to be told from what is around.

    `level` is the height of its surface as a fraction of the lung's, `slope` tilts it, `meniscus`
    draws it up along the chest wall, `blur` softens it; `depth` is the opacity, `bright` how bright
    it is between the tissue around the lungs (0) and the belly (1), `trace` how much of the greys
    behind it shows.
    """

    side: Side
    level: float
    slope: float
    meniscus: float
    blur: float
    depth: float
    bright: float
    trace: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = lungs[self.side].astype(np.uint8)
        if not lung.any():
            return grey
        rows, columns = np.flatnonzero(lung.any(axis=1)), np.flatnonzero(lung.any(axis=0))
        bottom, height = rows[-1], max(rows[-1] - rows[0], 8)
        middle = np.flatnonzero(_both(lungs).any(axis=0)).mean()
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

        tissue = _tissue_grey(grey, lungs)
        target = tissue + self.bright * (
            float(np.percentile(grey[bottom : bottom + deep, columns[0] : columns[-1] + 1], 80))
            - tissue
        )
        paint = target + self.trace * (grey - grey.mean()) + 0.02 * _blobs(grey.shape, 0.05, rng)
        return np.asarray(grey + weight * (paint - grey), np.float32)


OPACITIES: Final = (Effusion, Consolidation, BasalEffusion)
"""What looks like a disease of the lungs."""


@dataclass(frozen=True, slots=True)
class Gas:
    """Stomach or bowel gas: a dark ellipse under one lung, outside of it. `across` is where along
    the base, `size` a fraction of the side.
    """

    across: float
    size: float
    depth: float

    def paint(self, grey: Float, lungs: Lungs, rng: np.random.Generator) -> Float:
        """Paints it."""
        lung = lungs["left" if rng.random() < 0.75 else "right"]
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
        bubble = cv2.GaussianBlur(bubble, (0, 0), 1.5) * ~_both(lungs)
        dark = float(np.percentile(grey[lung], 20))
        return np.asarray(grey + self.depth * bubble * np.minimum(dark - grey, 0))
