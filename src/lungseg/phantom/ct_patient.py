"""The patient of a CT phantom: what differs from one to the next, sampled from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.phantom.canvas import Point, Solid
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

SIDES: Final = ((-1, RIGHT_LUNG.number), (1, LEFT_LUNG.number))
"""The direction of x, and the label, of each lung."""

LATERAL, MEDIAL = 55.0, 75.0
"""From the midline to the axis of a lung, and from there how far its pleura would reach towards the
other, were there no mediastinum."""
POWER = 2.3
"""Of the superellipses that axial sections of trunk and lungs are; 2 would be ellipses."""
DROP, DEEPEST = 48.0, 0.75
"""From the top of a dome of the diaphragm to its border, and the fraction of that down to which
there is lung."""


@dataclass(frozen=True, slots=True)
class Thorax:
    """What differs from patient to patient; lengths in mm."""

    width: float  # from the midline to the lateral border of a lung
    depth: float  # half of the lungs', from front to back
    apex: float  # z of the tops of the lungs
    domes: tuple[float, float]  # z of the right and left dome of the diaphragm
    fat: float  # thickness under the skin
    heart: float  # scale
    inspiration: float  # Hounsfield units of the lung in the middle between front and back
    vessels: tuple[tuple[Point, Point, float, int], ...]  # from, to, radius, direction of x
    nodules: tuple[tuple[Point, float], ...]  # centre, radius
    diseased: int  # direction of x of the side that a disease of one side is on

    def trunk(self, x: Solid, y: Solid, z: Solid, inward: float = 0.0) -> Solid:
        """Whether a point is in the trunk or the neck, at least `inward` below the skin."""
        neck = smooth((z - self.apex) / 60.0)
        width = (self.width + 36.0 + self.fat) * (1 - neck) + 62.0 * neck - inward
        depth = (self.depth + 32.0 + self.fat) * (1 - neck) + 58.0 * neck - inward
        return (np.abs(x) / width) ** POWER + (np.abs(y) / depth) ** POWER < 1

    def pleura(self, side: int, x: Solid, y: Solid, z: Solid) -> Solid:
        """Below 1 inside the ribs of one side; grows outward."""
        open_by = quarter((self.apex - z) / 130.0) + 1e-6
        out = side * x - LATERAL
        reach = np.where(out > 0, np.float32(self.width - LATERAL), np.float32(MEDIAL))
        return (np.abs(out) / (reach * open_by)) ** POWER + (
            np.abs(y) / (self.depth * open_by)
        ) ** POWER

    def diaphragm(self, side: int, x: Solid, y: Solid) -> Solid:
        """Height z of the dome of one side."""
        away = ((side * x - LATERAL) / (self.width - LATERAL)) ** 2 + (y / self.depth) ** 2
        return self.domes[side > 0] - DROP * np.minimum(away, DEEPEST)


def quarter(t: Solid) -> Solid:
    """A quarter of an ellipse: 0 up to t = 0, steep there, 1 from t = 1."""
    return np.sqrt(1.0 - (1.0 - np.clip(t, 0.0, 1.0)) ** 2)


def smooth(t: Any) -> Solid:
    """0 up to t = 0, 1 from t = 1, without a kink."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def sample_thorax(rng: np.random.Generator) -> Thorax:
    """A patient."""
    width, depth, dome = rng.uniform(124, 138), rng.uniform(86, 98), rng.uniform(-74, -58)
    return Thorax(
        width=width,
        depth=depth,
        apex=rng.uniform(112, 124),
        domes=(dome, dome - rng.uniform(6, 16)),
        fat=rng.uniform(6, 18),
        heart=rng.uniform(0.92, 1.08),
        inspiration=rng.uniform(-880, -830),
        vessels=tuple(_vessels(rng)),
        nodules=tuple((_spot(rng, width, depth), rng.uniform(3, 9)) for _ in range(4)),
        diseased=int(rng.choice((-1, 1))),
    )


def _spot(rng: np.random.Generator, width: float, depth: float) -> Point:
    """A point in a lung, most probably."""
    side = float(rng.choice((-1.0, 1.0)))
    return side * rng.uniform(60, width - 20), rng.uniform(-0.5, 0.6) * depth, rng.uniform(-40, 80)


def _vessels(rng: np.random.Generator) -> Iterator[tuple[Point, Point, float, int]]:
    """Pulmonary vessels of both lungs, from the hila outward; each splits in two, thinner ones,
    four times.
    """
    for side, _ in SIDES:
        starts = np.array([side * 34.0, 12.0, 4.0]) + rng.normal(0, 7, (9, 3))
        headings = _unit(
            np.stack(
                [
                    side * rng.uniform(0.25, 1, 9),
                    rng.uniform(-0.9, 0.9, 9),
                    np.linspace(-1.3, 1.3, 9),
                ],
                axis=1,
            )
        )
        for generation in range(5):
            radius = 4.5 * 0.72**generation
            ends = starts + headings * (16.0 + 5.0 * radius) * rng.uniform(
                0.7, 1.3, (len(starts), 1)
            )
            yield from (
                (tuple(a), tuple(b), radius, side)
                for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
            )
            aside = np.cross(headings, rng.normal(0, 1, headings.shape))
            fork = _unit(aside) * rng.uniform(0.3, 0.6, (len(aside), 1))
            starts, headings = (
                np.concatenate([ends, ends]),
                _unit(np.concatenate([headings + fork, headings - fork])),
            )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
