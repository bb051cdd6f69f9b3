"""A CT phantom with exactly known lungs: a small synthetic thorax, sampled on any grid.

Every part of the thorax is a solid in the patient's millimetres: x towards the left, y towards the
back, z towards the head, as in LPS, from the middle of the chest. A voxel belongs to what its
centre lies in. All that is random about it is drawn from one seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.segmentation import Segmentation
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG
from lungseg.volume import Volume

Solid = NDArray[Any]
"""One value for each voxel of a box, or fewer axes' that broadcast to it."""

Point = tuple[float, float, float]
"""x, y, z in mm."""

Disease = Literal["consolidation", "ground glass", "effusion"]

FIELD: Final = 400.0
"""Millimetres that the longer side of a slice shows where no spacing is given."""
HEIGHT: Final = 300.0
"""Millimetres from the first to the last slice where no spacing is given, from below the lungs to
the neck."""

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

SIDES: Final = ((-1, RIGHT_LUNG.number), (1, LEFT_LUNG.number))
"""The direction of x, and the label, of each lung."""

LATERAL, MEDIAL = 55.0, 75.0
"""From the midline to the axis of a lung, and from there how far its pleura would reach towards the
other, were there no mediastinum."""
POWER = 2.3
"""Of the superellipses that axial sections of trunk and lungs are; 2 would be ellipses."""
DROP, DEEPEST = 48.0, 0.75
"""From the top of a dome of the diaphragm to its border, and the share of that down to which there
is lung."""


@dataclass(frozen=True, slots=True)
class CtPhantom:
    """A CT volume and its lungs.

    Attributes:
        volume: int16 Hounsfield units.
        truth: the lungs with the vessels and nodules inside them, without trachea, main bronchi and
            pleural fluid.
    """

    volume: Volume
    truth: Segmentation[VolumeGeometry]


@dataclass(frozen=True, slots=True)
class _Thorax:
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
        neck = _smooth((z - self.apex) / 60.0)
        width = (self.width + 36.0 + self.fat) * (1 - neck) + 62.0 * neck - inward
        depth = (self.depth + 32.0 + self.fat) * (1 - neck) + 58.0 * neck - inward
        return (np.abs(x) / width) ** POWER + (np.abs(y) / depth) ** POWER < 1

    def pleura(self, side: int, x: Solid, y: Solid, z: Solid) -> Solid:
        """Below 1 inside the ribs of one side; grows outward."""
        open_by = _quarter((self.apex - z) / 130.0) + 1e-6
        out = side * x - LATERAL
        reach = np.where(out > 0, np.float32(self.width - LATERAL), np.float32(MEDIAL))
        return (np.abs(out) / (reach * open_by)) ** POWER + (
            np.abs(y) / (self.depth * open_by)
        ) ** POWER

    def diaphragm(self, side: int, x: Solid, y: Solid) -> Solid:
        """Height z of the dome of one side."""
        away = ((side * x - LATERAL) / (self.width - LATERAL)) ** 2 + (y / self.depth) ** 2
        return self.domes[side > 0] - DROP * np.minimum(away, DEEPEST)


def _quarter(t: Solid) -> Solid:
    """A quarter of an ellipse: 0 up to t = 0, steep there, 1 from t = 1."""
    return np.sqrt(1.0 - (1.0 - np.clip(t, 0.0, 1.0)) ** 2)


def _smooth(t: Any) -> Solid:
    """0 up to t = 0, 1 from t = 1, without a kink."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _thorax(rng: np.random.Generator) -> _Thorax:
    width, depth, dome = rng.uniform(124, 138), rng.uniform(86, 98), rng.uniform(-74, -58)
    return _Thorax(
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


class _Canvas:
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
        turn: float = 0.0,
        within: int | None = None,
    ) -> None:
        """Paints an ellipsoid, turned about z by `turn` radians; only on the lung with the label
        `within` where one is given.
        """
        wide = np.array((max(radii[:2]),) * 2 + radii[2:] if turn else radii)
        box = self.box(centre - wide, centre + wide)
        x, y, z = (axis - np.float32(c) for axis, c in zip(self.points(box), centre, strict=True))
        cos, sin = math.cos(turn), math.sin(turn)
        along, across = (x * cos + y * sin, y * cos - x * sin) if turn else (x, y)
        self.paint(
            box,
            (along / radii[0]) ** 2 + (across / radii[1]) ** 2 + (z / radii[2]) ** 2 < 1,
            value,
            within=within,
        )

    def tube(
        self, start: Point, end: Point, radius: float, value: int, *, within: int | None = None
    ) -> None:
        """Paints all points at most `radius` from the line between two points."""
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
        )

    def paint(
        self, box: tuple[slice, ...], inside: Solid, value: int, *, within: int | None = None
    ) -> None:
        """Sets voxels; outside the lungs they are then no lung."""
        part = self.hu[box]
        inside = np.broadcast_to(inside, part.shape)
        if within is None:
            self.labels[box][inside] = 0
        else:
            inside = inside & (self.labels[box] == within)
        part[inside] = value


EVERYWHERE: Final = (slice(None),) * 3


def _paint_trunk(canvas: _Canvas, thorax: _Thorax) -> None:
    """Skin, fat, muscle, ribs, and the organs below the diaphragm."""
    x, y, z = canvas.points()
    canvas.paint(EVERYWHERE, thorax.trunk(x, y, z), FAT)
    canvas.paint(EVERYWHERE, thorax.trunk(x, y, z, inward=thorax.fat), MUSCLE)
    # Ribs run down from the spine to the front.
    phase = (z - 0.45 * y) / 24.0
    course = np.abs(phase - np.round(phase)) < 0.2
    for side, _ in SIDES:
        shell = thorax.pleura(side, x, y, z)
        half = (side * x > 0) & (z < thorax.apex - 4)
        canvas.paint(EVERYWHERE, half & (shell < 1.1), FAT)
        canvas.paint(
            EVERYWHERE,
            half & (shell > 1.12) & (shell < 1.32) & course & (side * x > 24) & (z > -170),
            BONE,
        )
    canvas.ellipsoid(
        (-50.0, -5.0, thorax.domes[0] - 70.0),
        (thorax.width - 42.0, thorax.depth - 6.0, 75.0),
        LIVER,
    )
    canvas.ellipsoid((85.0, 40.0, thorax.domes[1] - 55.0), (32.0, 40.0, 52.0), SPLEEN)
    canvas.ellipsoid((62.0, -28.0, thorax.domes[1] - 48.0), (46.0, 44.0, 42.0), MUSCLE)
    canvas.ellipsoid((62.0, -38.0, thorax.domes[1] - 34.0), (36.0, 26.0, 20.0), AIR + 20)
    for side, _ in SIDES:
        canvas.tube(
            (side * 100.0, -20.0, -290.0), (side * 95.0, -35.0, -170.0), 19.0, AIR + 30
        )  # colon


def _paint_lungs(canvas: _Canvas, thorax: _Thorax, *, touching: bool) -> None:
    """The lungs, then what takes room from them: mediastinum, heart, vessels, airways; and the
    spine, which takes the rest.
    """
    x, y, z = canvas.points()
    centre = 32.0 * _smooth((y + 66.0) / 30.0) - 10.0 * _smooth((y - 30.0) / 30.0)
    junction = centre + (0.0 if touching else 6.0 * (1.0 - _smooth((y + 66.0) / 30.0)))
    canvas.paint(
        EVERYWHERE,
        (np.abs(x) < junction + 4) & (np.abs(y) < thorax.depth) & (z < thorax.apex + 10),
        FAT,
    )
    for side, number in SIDES:
        beside = (x > junction) if side > 0 else (x <= -junction)
        lung = beside & (thorax.pleura(side, x, y, z) < 1) & (z > thorax.diaphragm(side, x, y))
        canvas.labels[np.broadcast_to(lung, canvas.labels.shape)] = number
    inside = canvas.labels > 0
    # Denser towards the back, where a lying patient's blood is.
    canvas.hu[inside] = np.broadcast_to(thorax.inspiration + 0.5 * y + 0.15 * z, canvas.hu.shape)[
        inside
    ]
    scale = thorax.heart
    canvas.ellipsoid(
        (8.0, -12.0, thorax.domes[0] - 2.0), (58.0, 44.0, 22.0), FAT
    )  # between heart and diaphragm
    for side, _ in SIDES:
        canvas.ellipsoid((side * 36.0, 12.0, 2.0), (13.0, 16.0, 22.0), BLOOD)  # hila
    canvas.ellipsoid(
        (20.0, -24.0, -40.0), (60.0 * scale, 50.0 * scale, 50.0 * scale), BLOOD, turn=0.5
    )
    canvas.ellipsoid((-16.0, -14.0, -34.0), (34.0 * scale, 34.0 * scale, 44.0 * scale), BLOOD)
    canvas.tube((16.0, 46.0, -300.0), (16.0, 44.0, 38.0), 12.5, BLOOD)
    canvas.tube((16.0, 44.0, 38.0), (2.0, -18.0, 44.0), 12.5, BLOOD)
    canvas.tube((2.0, -18.0, 44.0), (4.0, -24.0, -20.0), 15.0, BLOOD)
    canvas.tube((-22.0, -14.0, -20.0), (-20.0, -8.0, thorax.apex), 8.5, BLOOD)
    canvas.tube((8.0, -20.0, 14.0), (30.0, 8.0, 8.0), 12.0, BLOOD)
    canvas.tube((-4.0, -4.0, 6.0), (-34.0, 4.0, 4.0), 10.0, BLOOD)


def _paint_airways(canvas: _Canvas, thorax: _Thorax) -> None:
    carina = (0.0, 18.0, 30.0)
    branches = (
        ((0.0, 8.0, thorax.apex + 90.0), 8.5),
        ((-42.0, 16.0, 6.0), 6.5),
        ((46.0, 18.0, 0.0), 5.5),
    )
    for thickness, value in ((1.8, MUSCLE), (0.0, AIR)):
        for end, radius in branches:
            canvas.tube(end, carina, radius + thickness, value)


def _paint_bones(canvas: _Canvas, thorax: _Thorax) -> None:
    """Spine, sternum, shoulder blades and collar bones."""
    back, front = thorax.depth - 22.0, -thorax.depth - 6.0
    for thickness, value in ((2.5, BONE), (0.0, MARROW)):
        canvas.tube((0.0, back, -320.0), (0.0, back, 230.0), 16.0 + thickness, value)
    for level in np.arange(-300.0, 220.0, 24.0):
        canvas.ellipsoid((0.0, back, level), (18.0, 18.0, 3.0), 90)  # disc
        canvas.tube((0.0, back + 26.0, level + 8.0), (0.0, back + 46.0, level - 6.0), 3.5, BONE)
    canvas.tube((0.0, back + 21.0, -320.0), (0.0, back + 21.0, 230.0), 7.5, 30)  # spinal canal
    canvas.ellipsoid((0.0, front, 15.0), (19.0, 6.5, 85.0), BONE)
    canvas.ellipsoid((0.0, front, 15.0), (16.0, 4.0, 82.0), MARROW)
    for side in (-1.0, 1.0):
        canvas.ellipsoid(
            (side * (thorax.width - 36.0), thorax.depth + 9.0, 55.0),
            (42.0, 4.0, 58.0),
            BONE,
            turn=-side * 0.35,
        )
        canvas.tube((side * 22.0, front + 26.0, 98.0), (side * 80.0, -28.0, 124.0), 6.5, BONE)


CONSOLIDATED: Final = (
    ((70.0, 40.0, -45.0), 40.0),
    ((92.0, 20.0, -62.0), 32.0),
    ((60.0, 62.0, -20.0), 26.0),
    ((100.0, 45.0, -20.0), 22.0),
)
HAZY: Final = (
    ((105.0, 10.0, 20.0), 26.0),
    ((85.0, 55.0, -30.0), 34.0),
    ((100.0, -20.0, -40.0), 24.0),
    ((70.0, -45.0, 50.0), 20.0),
)


def _on(side: int, point: Point) -> Point:
    return side * point[0], point[1], point[2]


def _paint_disease(canvas: _Canvas, thorax: _Thorax, disease: Disease | None) -> None:
    """Vessels and nodules, which are in every lung, and a disease."""
    numbers = dict(SIDES)
    for start, end, radius, side in thorax.vessels:
        canvas.tube(start, end, radius, BLOOD, within=numbers[side])
    for centre, radius in thorax.nodules:
        canvas.ellipsoid(
            centre, (radius,) * 3, MUSCLE, within=numbers[int(math.copysign(1, centre[0]))]
        )
    ill = thorax.diseased
    if disease == "consolidation":
        for centre, radius in CONSOLIDATED:
            canvas.ellipsoid(
                _on(ill, centre),
                (radius, 0.9 * radius, 1.1 * radius),
                MUSCLE - 20,
                within=numbers[ill],
            )
    elif disease == "ground glass":
        for side, number in SIDES:
            for centre, radius in HAZY:
                canvas.ellipsoid(
                    _on(side, centre), (radius, radius, 0.8 * radius), -520, within=number
                )
    elif disease == "effusion":
        _, y, z = canvas.points()
        pool: Solid = (
            (y - 0.35 * z > 0.62 * thorax.depth) & (z < 60) & (canvas.labels == numbers[ill])
        )
        canvas.paint(EVERYWHERE, pool, FLUID)


def _paint_surroundings(canvas: _Canvas, thorax: _Thorax, *, arms: bool) -> None:
    x, y, _ = canvas.points()
    table = thorax.depth + 42.0 + thorax.fat + 0.0009 * x * x
    canvas.paint(
        EVERYWHERE,
        np.broadcast_to((y > table) & (y < table + 5) & (np.abs(x) < 230), canvas.hu.shape),
        -420,
    )
    if arms:
        for side in (-1.0, 1.0):
            beside = side * (thorax.width + thorax.fat + 78.0)
            for radius, value in ((42.0, FAT), (36.0, MUSCLE), (11.0, BONE), (6.0, MARROW)):
                canvas.tube((beside, 15.0, 110.0), (beside, 25.0, -320.0), radius, value)


def _expose(
    hu: NDArray[np.int16], labels: NDArray[np.uint8], rng: np.random.Generator, noise: float
) -> None:
    """Adds, in place, what the scanner adds: unsharpness and noise; and the fine structure of
    lung.
    """
    rows, columns = hu.shape[1:]
    for plane, lung in zip(hu, labels > 0, strict=True):
        blurred = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 0.6)
        grain = cv2.GaussianBlur(rng.standard_normal((rows, columns), np.float32), (0, 0), 0.7)
        clouds = cv2.GaussianBlur(rng.standard_normal((rows, columns), np.float32), (0, 0), 1.6)
        # The blurs leave 0.4 and 0.18 of the deviation.
        blurred += grain * (noise / 0.4) + np.where(lung, clouds * (25.0 / 0.18), np.float32(0))
        plane[:] = np.clip(np.rint(blurred), -1024, 3071)


def ct_phantom(
    shape: tuple[int, int, int] = (60, 256, 256),
    *,
    spacing: tuple[float, float, float] | None = None,
    affine: NDArray[np.float64] | None = None,
    seed: int = 0,
    disease: Disease | None = None,
    touching: bool = False,
    arms: bool = False,
    noise: float = 15.0,
) -> CtPhantom:
    """A CT of the chest of a synthetic patient, with its lungs.

    Args:
        shape: slices, rows, columns.
        spacing: millimetres between slices, rows and columns of axial slices, from the feet to the
            head, around the middle of the chest; by default such that the whole chest is seen.
        affine: instead of `spacing`: (4, 4), from (slice, row, column) to LPS, as in
            `lungseg.geometry.VolumeGeometry`, with the middle of the chest at the origin; so slices
            may have any orientation. The same patient is sampled.
        seed: decides the patient and the noise.
        disease: "consolidation" of one lower lobe, "ground glass" in both lungs, which belong to
            the lung, or an "effusion" behind one lung, which does not.
        touching: whether the two lungs touch in front of the mediastinum.
        arms: whether the arms lie beside the chest; they are wider apart than `FIELD`.
        noise: standard deviation in Hounsfield units.

    Raises:
        UsageError: both spacing and affine are given, or one of them, or the shape, are not those
            of a volume.
    """
    if spacing is not None and affine is not None:
        raise UsageError("a phantom is sampled by its spacing or by its affine, not by both")
    if affine is None:
        across = FIELD / max(1, *shape[1:])
        steps = np.array(
            spacing or (HEIGHT / shape[0] if shape[0] > 1 else 5.0, across, across), np.float64
        )
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * steps
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    grid = VolumeGeometry(shape, affine)
    rng = np.random.default_rng(seed)
    thorax = _thorax(rng)
    canvas = _Canvas(grid, affine)
    _paint_trunk(canvas, thorax)
    _paint_lungs(canvas, thorax, touching=touching)
    _paint_airways(canvas, thorax)
    _paint_bones(canvas, thorax)
    _paint_disease(canvas, thorax, disease)
    _paint_surroundings(canvas, thorax, arms=arms)
    _expose(canvas.hu, canvas.labels, rng, noise)
    volume = Volume(canvas.hu, grid, hounsfield=True, source=f"phantom {seed}", format="phantom")
    return CtPhantom(volume, volume.with_labels(canvas.labels))
