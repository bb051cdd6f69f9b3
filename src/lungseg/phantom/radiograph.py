"""A chest phantom with exactly known lungs: a projection radiograph computed from a small synthetic
thorax.

Every part of the thorax is a solid in the patient's millimetres: x towards the patient's left (to
the right in the image), z towards the feet, y along the beam. A part is drawn as the length that a
ray of the antero-posterior beam runs inside it, so the picture is made of line integrals, as a
radiograph is. All that is random about it is drawn first (`_thorax`) and applied second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.segmentation import Segmentation
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

Plane = NDArray[Any]
"""One value for each pixel, (rows, columns), float32."""

SOFT, BONE, LUNG = 0.0202, 0.0604, 0.0053
"""Attenuation per millimetre at 60 keV: mu/rho of ICRU-44 tissues (J. H. Hubbell, S. M. Seltzer,
"Tables of X-Ray Mass Attenuation Coefficients", NISTIR 5632, table 4) times density: soft tissue
and fat in equal parts (0.2048 x 1.06 and 0.1974 x 0.95 cm2/g x g/cm3), cortical bone (0.3148 x
1.92), lung (0.2053 x 0.26, inflated)."""

FILM: Final = 358.0
"""Height and width in millimetres of the film that the thorax is placed on."""
PHOTONS: Final = 9000.0
"""Quanta that reach a square millimetre of the detector where nothing is in the way; sets the
noise."""
SCATTER: Final = 0.10
"""Scattered quanta behind an anti-scatter grid, for each quantum removed once from the primary
beam."""
VESSEL_RADII: Final = tuple(
    4.3 * 0.75**generation for generation in range(7)
)  # mm, from the hilum outward


@dataclass(frozen=True, slots=True)
class Phantom:
    """A radiograph and its lungs.

    Attributes:
        image: of a frontal chest; the patient's right is on the left of the image.
        truth: the lung fields as radiologists draw them: outside of the heart and the mediastinum,
            above the domes of the diaphragm.
    """

    image: Image
    truth: Segmentation[ImageGeometry]


@dataclass(frozen=True)
class _Thorax:
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
    texture: Plane  # (96, 96) normal deviates over the film
    consolidated_side: int  # -1 right, 1 left
    noise_seed: int

    def lateral(self, z: Any) -> Plane:
        """Distance from the midline to the outer border of the lungs at height z."""
        return 50.0 + (self.half_width - 50.0) * _quarter(
            (z - self.apex) / (1.05 * self.height), 2.1
        )

    def dome(self, x: Any) -> Plane:
        """Height z of the silhouette of the diaphragm."""
        outward = (np.abs(x) - 62.0) / (self.half_width - 62.0)
        outer, inner = np.clip(outward, 0, 1.2), np.clip(-outward, 0, 1)
        drop = self.angle_drop * (0.55 * outer**2 + 0.45 * outer**5) + 14.0 * inner**2
        return np.asarray(
            self.apex + self.height + np.where(np.asarray(x) > 0, self.left_drop, 0.0) + drop
        )


def _quarter(t: Any, power: float = 2.0) -> Plane:
    """A quarter of a superellipse: 0 up to t = 0, steep there, 1 from t = 1."""
    return np.asarray((1.0 - (1.0 - np.clip(t, 0.0, 1.0)) ** power) ** (1.0 / power))


def _smooth(t: Plane) -> Plane:
    """0 up to t = 0, 1 from t = 1, without a kink."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _thorax(rng: np.random.Generator) -> _Thorax:
    return _Thorax(
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
        ]  # share of the length that runs across the beam
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


@dataclass(frozen=True)
class _View:
    """The film: where its pixels lie in the patient, and how a solid is drawn on it."""

    shape: tuple[int, int]
    spacing: tuple[float, float]
    tilt: float
    shift: tuple[float, float]

    @cached_property
    def grid(self) -> tuple[Plane, Plane]:
        """Coordinates x and z of every pixel, each (rows, columns), mm."""
        (rows, columns), (down, across) = self.shape, self.spacing
        u = ((np.arange(columns) + 0.5 - columns / 2) * across - self.shift[0]).astype(np.float32)[
            None, :
        ]
        v = ((np.arange(rows) + 0.5 - rows / 2) * down - self.shift[1]).astype(np.float32)[:, None]
        cos, sin = np.float32(math.cos(self.tilt)), np.float32(math.sin(self.tilt))
        return cos * u + sin * v, cos * v - sin * u + np.float32(FILM / 2)

    def pixel(
        self, x: NDArray[np.float64], z: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Row and column, with fractions, of points of the patient: the inverse of `grid`."""
        cos, sin, z = math.cos(self.tilt), math.sin(self.tilt), z - FILM / 2
        row = (sin * x + cos * z + self.shift[1]) / self.spacing[0] + self.shape[0] / 2 - 0.5
        column = (cos * x - sin * z + self.shift[0]) / self.spacing[1] + self.shape[1] / 2 - 0.5
        return row, column

    def blur(self, plane: Plane, sigma: float) -> Plane:
        """Gaussian blur by `sigma` mm."""
        return cv2.GaussianBlur(
            plane, (0, 0), sigma / self.spacing[1], sigmaY=sigma / self.spacing[0]
        )

    def tubes(
        self, x: Plane, z: Plane, length: Any, area: Any, radius: float, *, rim: float = 0.0
    ) -> Plane:
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
        share = thickness * (1 - np.abs(row - r)) * (1 - np.abs(column - c))
        seen = (r >= 0) & (r < self.shape[0]) & (c >= 0) & (c < self.shape[1])
        plane = np.bincount(
            (r * self.shape[1] + c)[seen], share[seen], self.shape[0] * self.shape[1]
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


def _ellipse(
    x: Plane, z: Plane, centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0
) -> Plane:
    """1 minus the squared elliptical distance, above 0 inside; its root there is the chord of an
    ellipsoid as a share of the longest.
    """
    cos, sin = math.cos(tilt), math.sin(tilt)
    dx, dz = x - centre[0], z - centre[1]
    along, across = (cos * dx + sin * dz) / radii[0], (cos * dz - sin * dx) / radii[1]
    return 1 - along * along - across * across


def _ellipsoid(
    x: Plane, z: Plane, centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0
) -> Plane:
    """Chord of an ellipsoid, as a share of the longest one."""
    return np.sqrt(np.maximum(_ellipse(x, z, centre, radii, tilt), 0))


def _body(view: _View, thorax: _Thorax) -> Plane:
    """Neck, trunk, breasts and arms, filled."""
    x, z = view.grid
    out = np.abs(x)
    shoulder = (
        4 + 46 * (1 - np.exp(-np.maximum(out - 46, 0) / 65)) + 0.001 * np.maximum(out - 110, 0) ** 2
    )
    trunk_width = thorax.half_width + 0.5 * thorax.wall + 16 - 12 * np.exp(-(((z - 230) / 70) ** 2))
    depth = 112 + (58 + thorax.wall) * _smooth((z - 20) / 130)
    trunk = depth * _quarter(1 - out / trunk_width, 2.3) * _quarter((z - shoulder) / 45)
    neck = 112 * np.sqrt(np.maximum(1 - (x / 58) ** 2, 0)) * _smooth((100 - z) / 60)
    axis = thorax.half_width + 42 + thorax.arm * np.maximum(z - 60, 0)
    arm = 2 * np.sqrt(np.maximum(44**2 - (out - axis) ** 2, 0)) * _quarter((z - shoulder) / 30)
    breasts = thorax.breast * _ellipsoid(out, z, (78, 218), (72, 62)) ** 1.5
    return np.asarray(np.maximum(np.maximum(trunk + breasts * (trunk > 0), neck), arm), np.float32)


def _cavity(view: _View, thorax: _Thorax) -> tuple[Plane, Plane]:
    """Depth of the pleural cavities along each ray, and how much of it the diaphragm takes up,
    which begins at its silhouette.
    """
    x, z = view.grid
    out = np.abs(x)
    lateral = thorax.lateral(z).astype(np.float32)
    down = (z - thorax.apex) / thorax.height
    inner = np.where(
        down < 0.3, 50 - 28 * _quarter(down / 0.14), 12 + 10 * np.clip((0.45 - down) / 0.15, 0, 1)
    )
    depth = (
        (35 + 135 * _quarter(down / 0.75))
        * (down > 0)
        * _quarter(1 - out / lateral, 2.8)
        * _quarter((out - inner) / 30)
    )
    taken = np.minimum(np.sqrt(np.maximum(z - thorax.dome(x), 0) / 60), 1)
    return depth.astype(np.float32), (depth * taken).astype(np.float32)


def _mediastinum(view: _View, thorax: _Thorax) -> Plane:
    """Heart, great vessels and the tissue between the lungs, as depth along each ray."""
    x, z = view.grid
    base = thorax.apex + thorax.height
    size = thorax.heart
    parts = (
        (125, _ellipse(x, z, (28 * size, base - 22), (66 * size, 47 * size), 0.62)),  # ventricles
        (105, _ellipse(x, z, (-12 * size, base - 34), (29 * size, 46 * size))),  # right atrium
        (85, _ellipse(x, z, (-9, base - 105), (20, 85))),  # superior vena cava, ascending aorta
        (80, _ellipse(x, z, (15, thorax.apex + 64), (19, 19))),  # aortic arch
        (80, _ellipse(x, z, (16, base - 88), (25, 44), -0.25)),  # pulmonary trunk
        (70, _ellipse(x, z, (10, base - 60), (16, 150))),  # descending aorta
        (70, _ellipse(x, z, (0, base + 14), (36, 44))),  # inferior vena cava, fat
        (75, _ellipse(x, z, (0, 40), (27, 110))),  # vessels of the neck, oesophagus
    )
    weights = [
        np.exp(9 * np.maximum(part, -5)) for _, part in parts
    ]  # a smooth maximum rounds the corners between the parts
    inside = np.sum(weights, axis=0)
    depth = (
        sum(thickness * weight for (thickness, _), weight in zip(parts, weights, strict=True))
        / inside
    )
    return np.asarray(depth * np.sqrt(np.maximum(np.log(inside) / 9, 0)), np.float32)


def _airways(view: _View) -> Plane:
    """Trachea and main bronchi."""
    t = np.linspace(0, 1, 400)
    trachea = view.tubes(3 * t - 2, -30 + 140 * t, 140 / 400, math.pi * 8.5**2, 8.5)
    right = view.tubes(1 - 30 * t, 108 + 24 * t, 38 / 400, math.pi * 6.5**2, 6.5)
    left = view.tubes(1 + 38 * t, 108 + 22 * t, 44 / 400, math.pi * 5.5**2, 5.5)
    return np.asarray(np.minimum(trachea + right + left, 17))


def _vessels(view: _View, thorax: _Thorax) -> Plane:
    """The vessels of the lungs, and the haze of the hila around their roots."""
    planes = [
        view.tubes(x, z, length, area, r)
        for (x, z, length, area), r in zip(thorax.vessels, VESSEL_RADII, strict=True)
    ]
    planes += [
        14 * _ellipsoid(*view.grid, (side * 40, height), (30, 44)) ** 2
        for side, height in ((-1, 134), (1, 126))
    ]
    return np.asarray(sum(planes))


def _ribs(view: _View, thorax: _Thorax) -> Plane:
    """Ten pairs: from the spine outward along the back, round the side, and further down along the
    front up to the cartilage.
    """
    pieces: list[Plane] = []
    for number in range(10):
        root = thorax.apex + 12 + number * (thorax.height + 12) / 10.2
        fall = min(42 + 22 * number, 100.0)
        reach = float(thorax.lateral(root + fall / 2)) + 4
        angle = np.linspace(0.14, math.radians(128 - 1.5 * number), 700)
        front = np.sin(angle) * reach
        height = root + fall * (1 - np.cos(angle)) / 2 - 5 * np.sin(2 * angle)
        depth = -90 * np.cos(angle)
        run = np.sqrt(np.gradient(front) ** 2 + np.gradient(height) ** 2 + np.gradient(depth) ** 2)
        pieces += [
            np.stack([side * front, height, run, np.linspace(44, 30, angle.size)])
            for side in (-1, 1)
        ]
    x, z, length, area = np.concatenate(pieces, axis=1)
    return view.tubes(x, z, length, area, 5.4, rim=1.0)


def _shoulder_girdle(view: _View, thorax: _Thorax) -> Plane:
    """Clavicles, shoulder blades and upper arms."""
    t = np.linspace(0, 1, 500)
    plane = np.zeros(view.shape, np.float32)
    reach, joint, head = thorax.half_width - 2, thorax.half_width + 34, thorax.apex + 26
    for side in (-1, 1):
        sweep = thorax.apex + 34 - 32 * t + 6 * np.sin(2 * math.pi * t)
        plane += view.tubes(
            side * (20 + (reach - 4) * t),
            sweep,
            reach / 500,
            80 + 40 * (2 * t - 1) ** 2,
            6.0,
            rim=0.8,
        )
        plane += view.tubes(
            side * (joint + 280 * thorax.arm * t), head + 280 * t, 280 / 500, 260.0, 11.0, rim=1.2
        )
        plane += 26 * _ellipsoid(*view.grid, (side * joint, head), (25, 25))
        plane += view.tubes(
            side * (joint - 22 - 22 * t), head + 6 + 120 * t, 122 / 500, 38.0, 5.0, rim=0.5
        )
        plane += view.tubes(
            side * (reach - 10 + 36 * t), head + 14 - 30 * t, 60 / 500, 55.0, 7.0, rim=0.5
        )
        across = side * np.array([joint - 22, reach - 6, reach - 4, joint - 44])
        rows, columns = view.pixel(across, head + np.array([0, 8, 90, 126]))
        blade = np.zeros(view.shape, np.float32)
        cv2.fillPoly(blade, [np.stack([columns, rows], axis=1).round().astype(np.int32)], 1.8)
        plane += view.blur(blade, 1.2)
    return plane


def _spine(view: _View, thorax: _Thorax) -> Plane:
    """Vertebrae, with discs between them, pedicles and spinous processes; as the cortical bone that
    weighs the same.
    """
    x, z = view.grid
    pitch = (thorax.height + 12) / 10.2
    phase = (z - thorax.apex - 12) / pitch
    level = phase - np.round(phase)
    width = 15.5 + 0.012 * z + 10 * level**2
    body = np.clip((width - np.abs(x)) / 1.5, 0, 1) * np.clip((0.41 - np.abs(level)) / 0.04, 0, 1)
    endplate = np.exp(-(((np.abs(level) - 0.38) / 0.03) ** 2)) + 0.7 * np.exp(
        -(((np.abs(x) - width + 1.5) / 1.2) ** 2)
    )
    pedicle = np.exp(-((((np.abs(x) - 10.5) / 3.2) ** 2 + ((level + 0.1) * pitch / 4.5) ** 2) ** 2))
    process = np.exp(-(((x / 2.6) ** 2 + ((level - 0.25) * pitch / 7) ** 2) ** 2))
    return np.asarray((4.5 + 4 * endplate) * body + 3.5 * pedicle + 4 * process, np.float32)


def _stomach_gas(view: _View, thorax: _Thorax) -> Plane:
    centre = (60.0, float(thorax.dome(60.0)) + 9 + thorax.gas * 0.7)
    return (
        2.0 * thorax.gas * _ellipsoid(*view.grid, centre, (1.5 * thorax.gas, 0.7 * thorax.gas), 0.1)
    )


def _consolidation(view: _View, thorax: _Thorax) -> Plane:
    """0 to 1: where the lower zone of one lung is filled, patchy and with a soft edge."""
    centre = (thorax.consolidated_side * 82.0, thorax.apex + 0.75 * thorax.height)
    patches = view.blur(cv2.resize(thorax.texture, view.shape[::-1]), 5.5)
    return _smooth(0.95 * _ellipse(*view.grid, centre, (56, 62)) + 0.75 * patches)


def _optical_depth(
    view: _View, thorax: _Thorax, consolidation: float
) -> tuple[Plane, NDArray[np.bool_]]:
    """Line integral of the attenuation along each ray, and where the lung fields are."""
    body, (cavity, diaphragm), mediastinum = (
        _body(view, thorax),
        _cavity(view, thorax),
        _mediastinum(view, thorax),
    )
    lung = np.minimum(np.maximum(cavity - np.maximum(mediastinum, diaphragm), 0), 0.92 * body)
    texture = cv2.resize(thorax.texture, view.shape[::-1], interpolation=cv2.INTER_CUBIC)
    filled = np.minimum(_vessels(view, thorax), 0.5 * lung) + lung * consolidation * _consolidation(
        view, thorax
    )
    air = np.minimum(_airways(view) + _stomach_gas(view, thorax), 0.8 * body)
    bone = (_ribs(view, thorax) + _shoulder_girdle(view, thorax) + _spine(view, thorax)) * (
        body > 0
    )
    depth = SOFT * (body * (1 + 0.004 * texture) - air) - (SOFT - LUNG) * np.maximum(
        lung - filled, 0
    ) * (1 + 0.012 * texture)
    return (depth + (BONE - SOFT) * bone).astype(np.float32), (cavity > 0) & (diaphragm == 0) & (
        mediastinum == 0
    )


def _lung_fields(x: Plane, field: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Labels of the fields on either side of the midline, without the few pixels that a sharp
    angle, sampled, leaves on their own.
    """
    labels = np.zeros(field.shape, np.uint8)
    for label, side in ((RIGHT_LUNG, x < 0), (LEFT_LUNG, x >= 0)):
        _, pieces, table, _ = cv2.connectedComponentsWithStats(
            (field & side).astype(np.uint8), connectivity=4
        )
        if len(table) > 1:
            labels[pieces == 1 + np.argmax(table[1:, cv2.CC_STAT_AREA])] = label.number
    return labels


def _expose(view: _View, thorax: _Thorax, depth: Plane) -> Plane:
    """Grey of the film, 0 to 1: scatter, unsharpness, quantum noise, and a sigmoid characteristic
    curve over the log exposure.
    """
    primary = np.exp(-depth)
    scattered = cv2.resize(primary * depth, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    scattered = cv2.GaussianBlur(
        scattered, (0, 0), 22 / (8 * view.spacing[1]), sigmaY=22 / (8 * view.spacing[0])
    )
    exposure = view.blur(primary, 0.35) + np.float32(SCATTER) * cv2.resize(
        scattered, view.shape[::-1]
    )
    quanta = np.random.default_rng(thorax.noise_seed).standard_normal(view.shape, np.float32)
    exposure += quanta * np.sqrt(exposure / np.float32(PHOTONS * view.spacing[0] * view.spacing[1]))
    log_exposure = -np.log(np.maximum(exposure, 1e-4))
    return np.asarray(0.93 / (1 + np.exp((thorax.midpoint - log_exposure) / thorax.latitude)))


def radiograph_phantom(
    shape: tuple[int, int] = (512, 512),
    *,
    seed: int = 0,
    spacing: tuple[float, float] | None = None,
    consolidation: float = 0.0,
    bits: Literal[8, 16] = 8,
) -> Phantom:
    """A frontal chest radiograph of a synthetic thorax, with its lungs.

    Args:
        shape: rows, columns.
        seed: decides the patient and the noise; the same seed gives the same thorax at any shape
            and spacing.
        spacing: millimetres between rows and between columns; by default such that the shorter side
            of the film is 358 mm.
        consolidation: 0 to 1, how far the lower zone of one lung is filled by fluid. The truth does
            not change.
        bits: of a pixel: 8 (uint8) or 16 (uint16), the full range either way.

    Raises:
        UsageError: `consolidation` is outside 0 to 1, or shape or spacing are not those of an
            image.
    """
    if not 0.0 <= consolidation <= 1.0:
        raise UsageError(f"consolidation is between 0 and 1, not {consolidation}")
    spacing = spacing or (FILM / max(1, min(shape)),) * 2
    geometry = ImageGeometry(shape, spacing)
    thorax = _thorax(np.random.default_rng(seed))
    view = _View(shape, spacing, thorax.tilt, thorax.shift)
    depth, field = _optical_depth(view, thorax, consolidation)
    grey = np.rint(_expose(view, thorax, depth) * (2**bits - 1)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    image = Image(grey, geometry, source=f"phantom {seed}", format="phantom")
    return Phantom(image, image.with_labels(_lung_fields(view.grid[0], field)))
