"""A block of tissue with two dark ellipsoids, as a CT volume, for the network of `tiny_model`."""

from __future__ import annotations

import numpy as np

from lungseg.geometry import AXIAL, Reorientation, VolumeGeometry
from lungseg.volume import Volume


def ellipsoids(
    shape: tuple[int, int, int] = (40, 80, 96),
    *,
    spacing: tuple[float, float, float] = (5.0, 3.0, 3.0),
    right: bool = True,
    left: bool = True,
    lung: int = -960,
) -> tuple[Volume, np.ndarray]:
    """A volume in axial order, int16 Hounsfield units, and its labels. A `lung` below -940 HU is
    gas alone, and where it is small, taken for bowel."""
    z, y, x = ((np.indices(shape).T + 0.5) / shape).T
    labels = np.zeros(shape, np.uint8)
    for number, middle in ((1, 0.28), (2, 0.72)):
        if (right, left)[number - 1]:
            labels[
                ((x - middle) / 0.17) ** 2 + ((y - 0.5) / 0.36) ** 2 + ((z - 0.5) / 0.4) ** 2 < 1
            ] = number
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * spacing
    affine[:3, 3] = -100.0, -120.0, 30.0
    noise = np.random.default_rng(0).integers(-20, 20, shape)
    voxels = (np.where(labels > 0, lung, 40) + noise).astype(np.int16)
    return Volume(voxels, VolumeGeometry(shape, affine), True), labels


def turned(volume: Volume, turn: Reorientation) -> Volume:
    """The same voxels in the same places of the patient, stored in another order."""
    return Volume(
        np.ascontiguousarray(turn.apply(volume.array)),
        turn.geometry(volume.geometry),
        volume.hounsfield,
    )
