"""Voxels that solids are painted into, by their place in the patient."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import VolumeGeometry

Solid = NDArray[Any]
"""One value for each voxel of a box, or fewer axes' that broadcast to it."""

Point = tuple[float, float, float]
"""x, y, z in mm."""

AIR, FAT, MUSCLE, BLOOD, LIVER, SPLEEN, FLUID, BONE, MARROW = (
    -1000,
    -100,
    50,
    45,
    60,
    50,
    10,
    700,
    250,
)
"""Hounsfield units of tissues, without contrast medium."""


class Canvas:
    """The voxels while they are painted: what is painted later covers what was there."""

    def __init__(self, grid: VolumeGeometry, affine: NDArray[np.float64]) -> None:
        self._affine, self._inverse = affine, np.linalg.inv(affine)
        self.hu = np.full(grid.shape, AIR, np.int16)
        self.labels = np.zeros(grid.shape, np.uint8)

    def points(self, box: tuple[slice, ...] = (slice(None),) * 3) -> tuple[Solid, Solid, Solid]:
        """Coordinates x, y and z of the voxels of a box; each has one entry along the axes that it
        does not depend on.
        """
        indices = np.ix_(*(np.arange(n)[part] for n, part in zip(self.hu.shape, box, strict=True)))
        x, y, z = (
            np.asarray(
                sum(
                    (row[axis] * indices[axis] for axis in range(3) if row[axis]),
                    start=np.full((1, 1, 1), row[3]),
                ),
                np.float32,
            )
            for row in self._affine[:3]
        )
        return x, y, z

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[slice, ...]:
        """All voxels between two corners, and where the grid is oblique some more."""
        corners = np.array([(*corner, 1.0) for corner in product(*zip(low, high, strict=True))])
        at = corners @ self._inverse[:3].T
        first, last = np.floor(at.min(axis=0)).astype(int), np.ceil(at.max(axis=0)).astype(int)
        return tuple(
            slice(max(0, int(a)), max(0, int(b) + 1)) for a, b in zip(first, last, strict=True)
        )

    def ellipsoid(
        self,
        centre: Point,
        radii: Point,
        value: int,
        *,
        rotation: float = 0.0,
        within: int | None = None,
        label: int = 0,
    ) -> None:
        """Paints an ellipsoid, rotated about z by `rotation` radians, as `paint` does."""
        wide = np.array((max(radii[:2]),) * 2 + radii[2:] if rotation else radii)
        box = self.box(centre - wide, centre + wide)
        x, y, z = (axis - np.float32(c) for axis, c in zip(self.points(box), centre, strict=True))
        cos, sin = math.cos(rotation), math.sin(rotation)
        along, across = (x * cos + y * sin, y * cos - x * sin) if rotation else (x, y)
        self.paint(
            box,
            (along / radii[0]) ** 2 + (across / radii[1]) ** 2 + (z / radii[2]) ** 2 < 1,
            value,
            within=within,
            label=label,
        )

    def tube(
        self,
        start: Point,
        end: Point,
        radius: float,
        value: int,
        *,
        within: int | None = None,
        label: int = 0,
    ) -> None:
        """Paints all points at most `radius` from the line between two points, as `paint` does."""
        ends = np.array([start, end])
        box = self.box(ends.min(axis=0) - radius, ends.max(axis=0) + radius)
        x, y, z = (axis - np.float32(c) for axis, c in zip(self.points(box), start, strict=True))
        dx, dy, dz = (ends[1] - ends[0]).astype(np.float32)
        along = np.clip((x * dx + y * dy + z * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
        self.paint(
            box,
            (x - along * dx) ** 2 + (y - along * dy) ** 2 + (z - along * dz) ** 2 < radius**2,
            value,
            within=within,
            label=label,
        )

    def paint(
        self,
        box: tuple[slice, ...],
        inside: Solid,
        value: int,
        *,
        within: int | None = None,
        label: int = 0,
    ) -> None:
        """Sets voxels to a value in Hounsfield units, and their label; where `within` is given only
        those of the lung with that label, which they keep.
        """
        part = self.hu[box]
        inside = np.broadcast_to(inside, part.shape)
        if within is None:
            self.labels[box][inside] = label
        else:
            inside = inside & (self.labels[box] == within)
        part[inside] = value
