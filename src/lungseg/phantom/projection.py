"""A projection of solids, drawn as the length that rays run inside them, and its exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""One value for each pixel, (rows, columns), float32."""

FIELD: Final = 358.0
"""Height and width in millimetres of the field that the thorax is placed in."""
PHOTONS: Final = 9000.0
"""Quanta that reach a square millimetre of the detector where nothing is in the way; sets the
noise."""
SCATTER: Final = 0.10
"""Scattered quanta behind an anti-scatter grid, for each quantum removed once from the primary
beam."""


def quarter(t: Any, power: float = 2.0) -> Pixels:
    """A quarter of a superellipse: 0 up to t = 0, steep there, 1 from t = 1."""
    return np.asarray((1.0 - (1.0 - np.clip(t, 0.0, 1.0)) ** power) ** (1.0 / power))


def smooth(t: Pixels) -> Pixels:
    """0 up to t = 0, 1 from t = 1, without a kink."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@dataclass(frozen=True)
class Projection:
    """Where the pixels of a picture lie in the patient, and how a solid is projected onto it.

    Attributes:
        shape: rows, columns.
        spacing: millimetres between rows and between columns.
        tilt: of the patient, radians, clockwise.
        shift: of the patient, x and z in mm.
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    tilt: float
    shift: tuple[float, float]

    @cached_property
    def grid(self) -> tuple[Pixels, Pixels]:
        """Coordinates x and z of every pixel, each (rows, columns), mm."""
        (rows, columns), (down, across) = self.shape, self.spacing
        u = ((np.arange(columns) + 0.5 - columns / 2) * across - self.shift[0]).astype(np.float32)[
            None, :
        ]
        v = ((np.arange(rows) + 0.5 - rows / 2) * down - self.shift[1]).astype(np.float32)[:, None]
        cos, sin = np.float32(math.cos(self.tilt)), np.float32(math.sin(self.tilt))
        return cos * u + sin * v, cos * v - sin * u + np.float32(FIELD / 2)

    def pixel(
        self, x: NDArray[np.float64], z: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Row and column, with fractions, of points of the patient: the inverse of `grid`."""
        cos, sin, z = math.cos(self.tilt), math.sin(self.tilt), z - FIELD / 2
        row = (sin * x + cos * z + self.shift[1]) / self.spacing[0] + self.shape[0] / 2 - 0.5
        column = (cos * x - sin * z + self.shift[0]) / self.spacing[1] + self.shape[1] / 2 - 0.5
        return row, column

    def blur(self, plane: Pixels, sigma: float) -> Pixels:
        """Gaussian blur by `sigma` mm."""
        return cv2.GaussianBlur(
            plane, (0, 0), sigma / self.spacing[1], sigmaY=sigma / self.spacing[0]
        )

    def tubes(
        self, x: Pixels, z: Pixels, length: Any, area: Any, radius: float, *, rim: float = 0.0
    ) -> Pixels:
        """Length in mm that rays run inside bent tubes.

        The volume of short pieces (`length` along the tube times cross-section `area`) is dropped
        where they project to and spread over a disc. Spread evenly, a straight row of pieces
        becomes a solid cylinder; a `rim` above 0 favours the wall of a shell.
        """
        row, column = self.pixel(x.ravel(), z.ravel())
        thickness = np.broadcast_to(
            length * area / (self.spacing[0] * self.spacing[1]), x.shape
        ).ravel()
        down, right = np.array([[0], [0], [1], [1]]), np.array([[0], [1], [0], [1]])
        r, c = np.floor(row).astype(int) + down, np.floor(column).astype(int) + right
        fraction = thickness * (1 - np.abs(row - r)) * (1 - np.abs(column - c))
        seen = (r >= 0) & (r < self.shape[0]) & (c >= 0) & (c < self.shape[1])
        plane = np.bincount(
            (r * self.shape[1] + c)[seen], fraction[seen], self.shape[0] * self.shape[1]
        )
        half_rows, half_columns = (math.ceil(radius / step) for step in self.spacing)
        dz, dx = np.mgrid[-half_rows : half_rows + 1, -half_columns : half_columns + 1]
        away = np.hypot(dz * self.spacing[0], dx * self.spacing[1]) / radius
        kernel = (1.08 - np.minimum(away, 1.0) ** 2) ** -rim * np.clip(
            (1 - away) * radius / max(self.spacing) + 0.5, 0, 1
        )
        return cv2.filter2D(
            plane.reshape(self.shape).astype(np.float32),
            -1,
            kernel / kernel.sum(),
            borderType=cv2.BORDER_CONSTANT,
        )


def ellipse(
    x: Pixels, z: Pixels, centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0
) -> Pixels:
    """1 minus the squared elliptical distance, above 0 inside; its root there is the chord of an
    ellipsoid as a fraction of the longest.
    """
    cos, sin = math.cos(tilt), math.sin(tilt)
    dx, dz = x - centre[0], z - centre[1]
    along, across = (cos * dx + sin * dz) / radii[0], (cos * dz - sin * dx) / radii[1]
    return 1 - along * along - across * across


def ellipsoid(
    x: Pixels, z: Pixels, centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0
) -> Pixels:
    """Chord of an ellipsoid, as a fraction of the longest one."""
    return np.sqrt(np.maximum(ellipse(x, z, centre, radii, tilt), 0))


def expose(
    view: Projection, depth: Pixels, *, midpoint: float, latitude: float, seed: int
) -> Pixels:
    """Grey of the film, 0 to 1: scatter, unsharpness, quantum noise, and a sigmoid characteristic
    curve over the log exposure.

    Args:
        view: what was projected.
        depth: (rows, columns), line integral of the attenuation along each ray.
        midpoint: optical depth that becomes middle grey.
        latitude: optical depths from there to 73 % grey.
        seed: of the noise.
    """
    primary = np.exp(-depth)
    scattered = cv2.resize(primary * depth, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    scattered = cv2.GaussianBlur(
        scattered, (0, 0), 22 / (8 * view.spacing[1]), sigmaY=22 / (8 * view.spacing[0])
    )
    exposure = view.blur(primary, 0.35) + np.float32(SCATTER) * cv2.resize(
        scattered, view.shape[::-1]
    )
    quanta = np.random.default_rng(seed).standard_normal(view.shape, np.float32)
    exposure += quanta * np.sqrt(exposure / np.float32(PHOTONS * view.spacing[0] * view.spacing[1]))
    log_exposure = -np.log(np.maximum(exposure, 1e-4))
    return np.asarray(0.93 / (1 + np.exp((midpoint - log_exposure) / latitude)))
