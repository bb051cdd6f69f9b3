"""A CT phantom whose structures are known exactly: a small synthetic thorax, sampled on any grid.

Every part of the thorax is a solid in the patient's millimetres: x towards the left, y towards the
back, z towards the head, as in LPS, from the middle of the chest. A voxel belongs to what its
centre lies in. All that is random about it is sampled from one seed
(`lungseg.phantom.ct_patient`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.phantom.canvas import (
    AIR,
    BLOOD,
    BONE,
    FAT,
    FLUID,
    LIVER,
    MARROW,
    MUSCLE,
    SPLEEN,
    Canvas,
    Point,
    Solid,
)
from lungseg.phantom.ct_patient import LATERAL, SIDES, Thorax, sample_thorax, smooth
from lungseg.phantom.ground_truth import LUNG_LAYER, Layers, label_maps
from lungseg.provenance import Provenance
from lungseg.segmentation import Segmentation
from lungseg.structures import HEART, LEFT_LUNG, LUNGS, RIGHT_LUNG, TRACHEA
from lungseg.volume import Volume

Disease = Literal["consolidation", "ground glass", "effusion", "pneumothorax", "pneumonectomy"]

FIELD: Final = 400.0
"""Millimetres that the longer side of a slice shows where no spacing is given."""
HEIGHT: Final = 300.0
"""Millimetres from the first to the last slice where no spacing is given, from below the lungs to
the neck."""


@dataclass(frozen=True, slots=True)
class CtPhantom:
    """A CT volume and what is where in it.

    Attributes:
        volume: int16 Hounsfield units.
        ground_truth: in the layers that were asked for. The lungs have the vessels and nodules
            inside them, and no trachea, main bronchi or pleural fluid; the heart has the roots
            of the great vessels; the trachea is its air, down to where it forks.
    """

    volume: Volume
    ground_truth: Segmentation[VolumeGeometry]


EVERYWHERE: Final = (slice(None),) * 3


def _paint_trunk(canvas: Canvas, thorax: Thorax, *, bowel: bool) -> None:
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
    _paint_stomach(canvas, thorax)
    for side, _ in SIDES:
        canvas.tube(
            (side * 100.0, -20.0, -290.0), (side * 95.0, -35.0, -170.0), 19.0, AIR + 30
        )  # colon
    if bowel:
        _paint_bowel(canvas, thorax)


def _paint_stomach(canvas: Canvas, thorax: Thorax) -> None:
    """Fluid with a level, and gas in front of it, as in one who lies on his back."""
    canvas.ellipsoid((62.0, -28.0, thorax.domes[1] - 48.0), (46.0, 44.0, 42.0), MUSCLE)
    x, y, z = canvas.points()
    inside: Solid = ((x - 62.0) / 42.0) ** 2 + ((y + 28.0) / 40.0) ** 2 + (
        (z - thorax.domes[1] + 52.0) / 36.0
    ) ** 2 < 1
    canvas.paint(EVERYWHERE, inside, FLUID)
    canvas.paint(EVERYWHERE, inside & (y < -44.0), AIR + 20)


def _paint_bowel(canvas: Canvas, thorax: Thorax) -> None:
    """A colon full of gas, from below along both sides to bends beneath the diaphragm."""
    right, left = (thorax.domes[i] - 75.0 for i in (0, 1))
    course = (
        ((-100.0, -25.0, -400.0), (-95.0, -35.0, right)),
        ((-95.0, -35.0, right), (85.0, -50.0, left)),
        ((85.0, -50.0, left), (100.0, -20.0, -400.0)),
    )
    for radius, value in ((24.0, MUSCLE), (21.0, AIR + 20)):
        for start, end in course:
            canvas.tube(start, end, radius, value)


def _paint_lungs(canvas: Canvas, thorax: Thorax, *, touching: bool) -> None:
    """The lungs, then what takes room from them: mediastinum, heart, vessels, airways; and the
    spine, which takes the rest.
    """
    x, y, z = canvas.points()
    centre = 32.0 * smooth((y + 66.0) / 30.0) - 10.0 * smooth((y - 30.0) / 30.0)
    junction = centre + (0.0 if touching else 6.0 * (1.0 - smooth((y + 66.0) / 30.0)))
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
    canvas.ellipsoid(
        (8.0, -12.0, thorax.domes[0] - 2.0), (58.0, 44.0, 22.0), FAT
    )  # between heart and diaphragm
    for side, _ in SIDES:
        canvas.ellipsoid((side * 36.0, 12.0, 2.0), (13.0, 16.0, 22.0), BLOOD)  # hila
    canvas.tube((16.0, 46.0, -300.0), (16.0, 44.0, 38.0), 12.5, BLOOD)
    canvas.tube((16.0, 44.0, 38.0), (2.0, -18.0, 44.0), 12.5, BLOOD)
    canvas.tube((2.0, -18.0, 44.0), (4.0, -24.0, -20.0), 15.0, BLOOD)
    canvas.tube((-22.0, -14.0, -20.0), (-20.0, -8.0, thorax.apex), 8.5, BLOOD)
    canvas.tube((8.0, -20.0, 14.0), (30.0, 8.0, 8.0), 12.0, BLOOD)
    canvas.tube((-4.0, -4.0, 6.0), (-34.0, 4.0, 4.0), 10.0, BLOOD)
    scale = thorax.heart  # what lies within the heart belongs to it, great vessels too
    canvas.ellipsoid(
        (20.0, -24.0, -40.0),
        (60.0 * scale, 50.0 * scale, 50.0 * scale),
        BLOOD,
        rotation=0.5,
        label=HEART.number,
    )
    canvas.ellipsoid(
        (-16.0, -14.0, -34.0),
        (34.0 * scale, 34.0 * scale, 44.0 * scale),
        BLOOD,
        label=HEART.number,
    )


def _paint_airways(canvas: Canvas, thorax: Thorax) -> None:
    carina = (0.0, 18.0, 30.0)
    branches = (
        ((-42.0, 16.0, 6.0), 6.5, 0),
        ((46.0, 18.0, 0.0), 5.5, 0),
        ((0.0, 8.0, thorax.apex + 90.0), 8.5, TRACHEA.number),
    )
    for end, radius, _ in branches:
        canvas.tube(end, carina, radius + 1.8, MUSCLE)
    for end, radius, label in branches:
        canvas.tube(end, carina, radius, AIR, label=label)


def _paint_bones(canvas: Canvas, thorax: Thorax) -> None:
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
            rotation=-side * 0.35,
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


def _paint_disease(canvas: Canvas, thorax: Thorax, disease: Disease | None) -> None:
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
    elif disease == "pneumothorax":
        x, y, z = canvas.points()
        lung = canvas.labels == numbers[ill]
        away = (thorax.pleura(ill, x, y, z) > 0.35) & (ill * x > LATERAL - 25.0)
        canvas.hu[lung] += 150  # what is left holds less air
        canvas.paint(EVERYWHERE, lung & away, AIR)
    elif disease == "pneumonectomy":
        canvas.paint(EVERYWHERE, canvas.labels == numbers[ill], FLUID)


def _paint_surroundings(canvas: Canvas, thorax: Thorax, *, arms: bool) -> None:
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
    hu: NDArray[np.int16], lungs: NDArray[np.bool_], rng: np.random.Generator, noise: float
) -> None:
    """Adds, in place, what the scanner adds: unsharpness and noise; and the fine structure of
    lung.
    """
    rows, columns = hu.shape[1:]
    for plane, lung in zip(hu, lungs, strict=True):
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
    bowel: bool = False,
    noise: float = 15.0,
    layers: Layers = LUNG_LAYER,
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
        disease: "consolidation" of one lower lobe or "ground glass" in both, which are lung; an
            "effusion", "pneumothorax" or, with fluid for a lung, "pneumonectomy", which are not.
        bowel: whether the colon is full of gas, up to beneath the diaphragm.
        touching: whether the two lungs touch in front of the mediastinum.
        arms: whether the arms lie beside the chest; they are wider apart than `FIELD`.
        noise: standard deviation in Hounsfield units.
        layers: of the ground truth: names of structures, "right lung", "left lung", "heart" and
            "trachea", those of one layer together.

    Raises:
        UsageError: both spacing and affine are given, or one of them, or the shape, are not those
            of a volume, or `layers` names something else.
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
    canvas, rng = Canvas(grid, affine), np.random.default_rng(seed)
    thorax = sample_thorax(rng)
    _paint_trunk(canvas, thorax, bowel=bowel)
    _paint_lungs(canvas, thorax, touching=touching)
    _paint_airways(canvas, thorax)
    _paint_bones(canvas, thorax)
    _paint_disease(canvas, thorax, disease)
    _paint_surroundings(canvas, thorax, arms=arms)
    masks = {one.name: canvas.labels == one.number for one in (*LUNGS, HEART, TRACHEA)}
    _expose(canvas.hu, masks[RIGHT_LUNG.name] | masks[LEFT_LUNG.name], rng, noise)
    volume = Volume(canvas.hu, grid, hounsfield=True, provenance=Provenance(f"phantom {seed}"))
    return CtPhantom(volume, volume.with_layers(*label_maps(masks, layers)))
