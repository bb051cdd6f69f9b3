"""The patient of a radiograph phantom: what differs from one to the next, sampled from one seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.phantom.projection import (
    Pixels,
    quarter,
)

VESSEL_RADII: Final = tuple(
    4.3 * 0.75**generation for generation in range(7)
)  # mm, from the hilum outward


@dataclass(frozen=True)
class Thorax:
    """What differs from patient to patient; lengths in mm."""

    half_width: float  # of both lungs together, at their widest
    apex: float  # z of the tops of the lungs
    height: float  # from there to the top of the right diaphragm
    left_drop: float  # of the left diaphragm below the right one
    angle_drop: float  # of the costophrenic angles below the domes
    heart: float  # scale of the heart
    wall: float  # soft tissue before and behind the lungs, together
    breast: float  # thickness
    arm: float  # outward lean of the arms, mm per mm
    gas: float  # radius of the stomach's gas bubble
    tilt: float  # radians, clockwise
    shift: tuple[float, float]  # x, z
    midpoint: float  # optical depth that becomes middle grey
    latitude: float  # optical depths from there to 73 % grey
    vessels: tuple[
        NDArray[np.float64], ...
    ]  # for each generation x, z, length, cross-section of its pieces
    texture: Pixels  # (96, 96) normal deviates over the film
    consolidated_side: int  # -1 right, 1 left
    noise_seed: int

    def lateral(self, z: Any) -> Pixels:
        """Distance from the midline to the outer border of the lungs at height z."""
        return 50.0 + (self.half_width - 50.0) * quarter(
            (z - self.apex) / (1.05 * self.height), 2.1
        )

    def dome(self, x: Any) -> Pixels:
        """Height z of the silhouette of the diaphragm."""
        outward = (np.abs(x) - 62.0) / (self.half_width - 62.0)
        outer, inner = np.clip(outward, 0, 1.2), np.clip(-outward, 0, 1)
        drop = self.angle_drop * (0.55 * outer**2 + 0.45 * outer**5) + 14.0 * inner**2
        return np.asarray(
            self.apex + self.height + np.where(np.asarray(x) > 0, self.left_drop, 0.0) + drop
        )


def sample_thorax(rng: np.random.Generator) -> Thorax:
    """A patient."""
    return Thorax(
        half_width=rng.uniform(121, 137),
        apex=rng.uniform(34, 46),
        height=rng.uniform(196, 226),
        left_drop=rng.uniform(8, 17),
        angle_drop=rng.uniform(34, 48),
        heart=rng.uniform(0.9, 1.1),
        wall=rng.uniform(38, 62),
        breast=max(0.0, rng.uniform(-20, 32)),
        arm=rng.uniform(0.15, 0.4),
        gas=rng.uniform(12, 24),
        tilt=math.radians(rng.uniform(-3, 3)),
        shift=(rng.uniform(-8, 8), rng.uniform(-6, 6)),
        midpoint=rng.uniform(1.65, 2.1),
        latitude=rng.uniform(0.52, 0.68),
        vessels=_vessel_tree(rng),
        texture=rng.standard_normal((96, 96), np.float32),
        consolidated_side=int(rng.choice((-1, 1))),
        noise_seed=int(rng.integers(2**32)),
    )


def _vessel_tree(rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Pulmonary vessels of both lungs, fanning out from the hila; each vessel splits in two,
    thinner ones.
    """
    fan = np.radians(
        [-84, -68, -50, -32, -12, 6, 24, 40, 54, 68, 80]
    )  # 0 is outward, 90 degrees down
    reach = np.array([0.75, 0.8, 0.8, 0.8, 0.85, 0.9, 1.05, 1.2, 1.25, 1.2, 1.1])
    side = np.repeat([-1.0, 1.0], len(fan))
    start = np.stack([side * 40.0, np.where(side > 0, 122.0, 130.0)], axis=1) + rng.normal(
        0, 8, (side.size, 2)
    )
    heading, reach = np.tile(fan, 2) + rng.normal(0, 0.1, side.size), np.tile(reach, 2)
    generations = []
    for radius in VESSEL_RADII:
        length = reach * (13.0 + 6.5 * radius) * rng.uniform(0.6, 1.3, side.size)
        steps = np.linspace(0, 1, 120)
        bend = heading[:, None] + np.cumsum(rng.normal(0, 0.035, (side.size, steps.size)), axis=1)
        piece = length[:, None] / steps.size
        flat = rng.uniform(0.7, 1.0, side.size)[
            :, None
        ]  # fraction of the length that runs across the beam
        x = start[:, :1] + side[:, None] * np.cumsum(flat * piece * np.cos(bend), axis=1)
        z = start[:, 1:] + np.cumsum(flat * piece * np.sin(bend), axis=1)
        generations.append(
            np.stack(
                np.broadcast_arrays(x, z, piece, math.pi * (radius * (1.0 - 0.2 * steps)) ** 2)
            )
        )
        start = np.repeat(np.stack([x[:, -1], z[:, -1]], axis=1), 2, axis=0)
        fork = rng.uniform(0.15, 0.5, side.size)
        heading = np.stack([bend[:, -1] - fork, bend[:, -1] + fork], axis=1).ravel()
        side, reach = np.repeat(side, 2), np.repeat(reach, 2)
    return tuple(generations)
