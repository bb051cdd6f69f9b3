"""A chest phantom whose structures are known exactly: a projection radiograph computed from a small
synthetic thorax.

Every part of the thorax is a solid in the patient's millimetres: x towards the patient's left (to
the right in the image), z towards the feet, y along the beam. A part is drawn as the length that a
ray of the antero-posterior beam runs inside it, so the picture is made of line integrals, as a
radiograph is. All that is random about it is sampled
first (`lungseg.phantom.radiograph_patient`) and applied second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.phantom.ground_truth import LUNG_LAYER, Layers, label_maps
from lungseg.phantom.projection import (
    FIELD,
    Pixels,
    Projection,
    ellipse,
    ellipsoid,
    expose,
    quarter,
    smooth,
)
from lungseg.phantom.radiograph_patient import VESSEL_RADII, Thorax, sample_thorax
from lungseg.provenance import Provenance
from lungseg.segmentation import Segmentation
from lungseg.structures import HEART, LEFT_LUNG, LUNGS, RIGHT_LUNG, TRACHEA

SOFT, BONE, LUNG = 0.0202, 0.0604, 0.0053
"""Attenuation per millimetre at 60 keV: mu/rho of ICRU-44 tissues (J. H. Hubbell, S. M. Seltzer,
"Tables of X-Ray Mass Attenuation Coefficients", NISTIR 5632, table 4) times density: soft tissue
and fat in equal parts (0.2048 x 1.06 and 0.1974 x 0.95 cm2/g x g/cm3), cortical bone (0.3148 x
1.92), lung (0.2053 x 0.26, inflated)."""


@dataclass(frozen=True, slots=True)
class Phantom:
    """A radiograph and what is where on it.

    Attributes:
        image: of a frontal chest; the patient's right is on the left of the image.
        ground_truth: in the layers that were asked for. The lung fields are as radiologists draw
            them: outside of the heart and the mediastinum, above the domes of the diaphragm. The
                heart is
            its whole silhouette, also in front of the diaphragm; the trachea ends where it forks.
    """

    image: Image
    ground_truth: Segmentation[ImageGeometry]


def _body(view: Projection, thorax: Thorax) -> Pixels:
    """Neck, trunk, breasts and arms, filled."""
    x, z = view.grid
    out = np.abs(x)
    shoulder = (
        4 + 46 * (1 - np.exp(-np.maximum(out - 46, 0) / 65)) + 0.001 * np.maximum(out - 110, 0) ** 2
    )
    trunk_width = thorax.half_width + 0.5 * thorax.wall + 16 - 12 * np.exp(-(((z - 230) / 70) ** 2))
    depth = 112 + (58 + thorax.wall) * smooth((z - 20) / 130)
    trunk = depth * quarter(1 - out / trunk_width, 2.3) * quarter((z - shoulder) / 45)
    neck = 112 * np.sqrt(np.maximum(1 - (x / 58) ** 2, 0)) * smooth((100 - z) / 60)
    axis = thorax.half_width + 42 + thorax.arm * np.maximum(z - 60, 0)
    arm = 2 * np.sqrt(np.maximum(44**2 - (out - axis) ** 2, 0)) * quarter((z - shoulder) / 30)
    breasts = thorax.breast * ellipsoid(out, z, (78, 218), (72, 62)) ** 1.5
    return np.asarray(np.maximum(np.maximum(trunk + breasts * (trunk > 0), neck), arm), np.float32)


def _cavity(view: Projection, thorax: Thorax) -> tuple[Pixels, Pixels]:
    """Depth of the pleural cavities along each ray, and how much of it the diaphragm takes up,
    which begins at its silhouette.
    """
    x, z = view.grid
    out = np.abs(x)
    lateral = thorax.lateral(z).astype(np.float32)
    down = (z - thorax.apex) / thorax.height
    inner = np.where(
        down < 0.3, 50 - 28 * quarter(down / 0.14), 12 + 10 * np.clip((0.45 - down) / 0.15, 0, 1)
    )
    depth = (
        (35 + 135 * quarter(down / 0.75))
        * (down > 0)
        * quarter(1 - out / lateral, 2.8)
        * quarter((out - inner) / 30)
    )
    taken = np.minimum(np.sqrt(np.maximum(z - thorax.dome(x), 0) / 60), 1)
    return depth.astype(np.float32), (depth * taken).astype(np.float32)


def _heart(view: Projection, thorax: Thorax) -> tuple[Pixels, Pixels]:
    """Ventricles and right atrium, as `ellipse` has them."""
    x, z = view.grid
    base = thorax.apex + thorax.height
    size = thorax.heart
    return (
        ellipse(x, z, (28 * size, base - 22), (66 * size, 47 * size), 0.62),
        ellipse(x, z, (-12 * size, base - 34), (29 * size, 46 * size)),
    )


def _mediastinum(view: Projection, thorax: Thorax) -> Pixels:
    """Heart, great vessels and the tissue between the lungs, as depth along each ray."""
    x, z = view.grid
    base = thorax.apex + thorax.height
    ventricles, atrium = _heart(view, thorax)
    parts = (
        (125, ventricles),
        (105, atrium),
        (85, ellipse(x, z, (-9, base - 105), (20, 85))),  # superior vena cava, ascending aorta
        (80, ellipse(x, z, (15, thorax.apex + 64), (19, 19))),  # aortic arch
        (80, ellipse(x, z, (16, base - 88), (25, 44), -0.25)),  # pulmonary trunk
        (70, ellipse(x, z, (10, base - 60), (16, 150))),  # descending aorta
        (70, ellipse(x, z, (0, base + 14), (36, 44))),  # inferior vena cava, fat
        (75, ellipse(x, z, (0, 40), (27, 110))),  # vessels of the neck, oesophagus
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


def _trachea(view: Projection) -> Pixels:
    t = np.linspace(0, 1, 400)
    return view.tubes(3 * t - 2, -30 + 140 * t, 140 / 400, math.pi * 8.5**2, 8.5)


def _airways(view: Projection) -> Pixels:
    """Trachea and main bronchi."""
    t = np.linspace(0, 1, 400)
    right = view.tubes(1 - 30 * t, 108 + 24 * t, 38 / 400, math.pi * 6.5**2, 6.5)
    left = view.tubes(1 + 38 * t, 108 + 22 * t, 44 / 400, math.pi * 5.5**2, 5.5)
    return np.asarray(np.minimum(_trachea(view) + right + left, 17))


def _vessels(view: Projection, thorax: Thorax) -> Pixels:
    """The vessels of the lungs, and the haze of the hila around their roots."""
    planes = [
        view.tubes(x, z, length, area, r)
        for (x, z, length, area), r in zip(thorax.vessels, VESSEL_RADII, strict=True)
    ]
    planes += [
        14 * ellipsoid(*view.grid, (side * 40, height), (30, 44)) ** 2
        for side, height in ((-1, 134), (1, 126))
    ]
    return np.asarray(sum(planes))


def _ribs(view: Projection, thorax: Thorax) -> Pixels:
    """Ten pairs: from the spine outward along the back, round the side, and further down along the
    front up to the cartilage.
    """
    pieces: list[Pixels] = []
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


def _shoulder_girdle(view: Projection, thorax: Thorax) -> Pixels:
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
        plane += 26 * ellipsoid(*view.grid, (side * joint, head), (25, 25))
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


def _spine(view: Projection, thorax: Thorax) -> Pixels:
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


def _stomach_gas(view: Projection, thorax: Thorax) -> Pixels:
    centre = (60.0, float(thorax.dome(60.0)) + 9 + thorax.gas * 0.7)
    return (
        2.0 * thorax.gas * ellipsoid(*view.grid, centre, (1.5 * thorax.gas, 0.7 * thorax.gas), 0.1)
    )


def _consolidation(view: Projection, thorax: Thorax) -> Pixels:
    """0 to 1: where the lower zone of one lung is filled, patchy and with a soft edge."""
    centre = (thorax.consolidated_side * 82.0, thorax.apex + 0.75 * thorax.height)
    patches = view.blur(cv2.resize(thorax.texture, view.shape[::-1]), 5.5)
    return smooth(0.95 * ellipse(*view.grid, centre, (56, 62)) + 0.75 * patches)


def _optical_depth(
    view: Projection, thorax: Thorax, consolidation: float
) -> tuple[Pixels, NDArray[np.bool_]]:
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


def _lung_fields(x: Pixels, field: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Labels of the fields on either side of the midline, without the few pixels that a sharp
    angle, sampled, leaves on their own.
    """
    labels = np.zeros(field.shape, np.uint8)
    for label, side in ((RIGHT_LUNG, x < 0), (LEFT_LUNG, x >= 0)):
        _, components, table, _ = cv2.connectedComponentsWithStats(
            (field & side).astype(np.uint8), connectivity=4
        )
        if len(table) > 1:
            labels[components == 1 + np.argmax(table[1:, cv2.CC_STAT_AREA])] = label.number
    return labels


def radiograph_phantom(
    shape: tuple[int, int] = (512, 512),
    *,
    seed: int = 0,
    spacing: tuple[float, float] | None = None,
    consolidation: float = 0.0,
    bits: Literal[8, 16] = 8,
    layers: Layers = LUNG_LAYER,
) -> Phantom:
    """A frontal chest radiograph of a synthetic thorax, with its lungs.

    Args:
        shape: rows, columns.
        seed: decides the patient and the noise; the same seed gives the same thorax at any shape
            and spacing.
        spacing: millimetres between rows and between columns; by default such that the shorter side
            of the film is 358 mm.
        consolidation: 0 to 1, how far the lower zone of one lung is filled by fluid. The
            ground truth does not change.
        bits: of a pixel: 8 (uint8) or 16 (uint16), the full range either way.
        layers: of the ground truth: names of structures, "right lung", "left lung", "heart" and
            "trachea", those of one layer together.

    Raises:
        UsageError: `consolidation` is outside 0 to 1, or shape or spacing are not those of an
            image, or `layers` names something else.
    """
    if not 0.0 <= consolidation <= 1.0:
        raise UsageError(f"consolidation is between 0 and 1, not {consolidation}")
    spacing = spacing or (FIELD / max(1, min(shape)),) * 2
    geometry = ImageGeometry(shape, spacing)
    thorax = sample_thorax(np.random.default_rng(seed))
    view = Projection(shape, spacing, thorax.tilt, thorax.shift)
    depth, field = _optical_depth(view, thorax, consolidation)
    exposed = expose(
        view,
        depth,
        midpoint=thorax.midpoint,
        latitude=thorax.latitude,
        seed=thorax.noise_seed,
    )
    grey = np.rint(exposed * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    image = Image(grey, geometry, Provenance(f"phantom {seed}"))
    lungs = _lung_fields(view.grid[0], field)
    masks = {lung.name: lungs == lung.number for lung in LUNGS} | {
        HEART.name: np.maximum(*_heart(view, thorax)) > 0,
        TRACHEA.name: _trachea(view) > 1,  # a filter leaves traces everywhere
    }
    return Phantom(image, image.with_layers(*label_maps(masks, layers)))
