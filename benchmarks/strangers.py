"""Pictures that are no frontal chest radiographs: files of folders, cuts and projections of CT
volumes, and drawings. For `benchmarks/judge.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.ct.slices import clip_hounsfield
from lungseg.errors import InputError
from lungseg.image import Image
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import read_volume

Array = NDArray[Any]

STEP = 9
"""Between the axial slices of a volume that are used."""

ANGLES = (60, 75, 90, -60, -75, -90)
"""Degrees from the frontal projection, of the projections through a volume: oblique and lateral."""

ATTENUATION = 0.07
"""Per centimetre of water; less than that of X-rays, so that a thorax seen from the side is not
white throughout."""

DRAWN = 12
"""Of each kind of drawing."""


@dataclass(frozen=True)
class Stranger:
    """A picture, or an image that was read; what it is, and a name shared by those of one
    patient.
    """

    name: str
    group: str
    patient: str
    picture: Image | Array


def half(patient: str) -> int:
    """0, the half that is learned from, or 1, the half that is reported; the same for all pictures
    of a patient.
    """
    return int(int(hashlib.md5(patient.encode()).hexdigest()[:8], 16) >= 2**31)


def in_folder(folder: Path, take_every: int = 1) -> Iterator[Stranger]:
    """Pictures and DICOM files below a folder, colour ones made grey, and cuts and projections of
    NIfTI volumes.

    The first six characters of a file's name stand for its patient: so the pictures of one patient
    stay together, and some of several do.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    volumes = [path for path in files if path.name.endswith("_ct.nii.gz")]
    for path in volumes:
        yield from _of_volume(path)
    if volumes:
        return
    for path in files[::take_every]:
        try:
            picture: Image | Array | None = RadiographSegmenter.read(path)
        except InputError:  # a photograph in colour, or no picture
            picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if picture is not None:
            yield Stranger(str(path), folder.name, path.name[:6], picture)


def _of_volume(path: Path) -> Iterator[Stranger]:
    volume = read_volume(path)
    voxels = clip_hounsfield(volume.geometry.to_axial().apply(volume.array)).astype(
        np.float32
    )  # slices from the feet, rows from the front
    upright = voxels[::-1]
    grid = volume.geometry.to_axial().geometry(volume.geometry)
    spacing = grid.spacing or (1.0, 1.0, 1.0)
    for i in range(0, len(voxels), STEP):
        yield Stranger(
            f"{path}:axial{i}", "axial cuts", path.name[:6], np.ascontiguousarray(voxels[i])
        )
    for i in range(40, voxels.shape[1] - 40, 50):
        yield Stranger(
            f"{path}:coronal{i}", "coronal cuts", path.name[:6], np.ascontiguousarray(upright[:, i])
        )
    for i in range(20, voxels.shape[2] - 20, 40):
        yield Stranger(
            f"{path}:sagittal{i}",
            "sagittal cuts",
            path.name[:6],
            np.ascontiguousarray(upright[:, :, i]),
        )
    for angle in ANGLES:
        yield Stranger(
            f"{path}:projection{angle}",
            "lateral projections",
            path.name[:6],
            projection(upright + 1000, spacing, angle),
        )


def projection(density: Array, spacing: tuple[float, ...], angle: float) -> NDArray[np.uint16]:
    """A radiograph (rows, columns) computed from a volume: what parallel rays leave of the light,
    bone bright.

    Args:
        density: (slices from the head, rows, columns), about 1000 for water.
        spacing: millimetres between slices, rows and columns.
        angle: degrees from the frontal view.
    """
    _, rows, columns = density.shape
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), angle, 1.0)
    turned = [cv2.warpAffine(axial, matrix, (columns, rows)) for axial in density]
    water = (
        np.stack([axial.sum(axis=0) for axial in turned]) * spacing[1] / 10 / 1000
    )  # centimetres
    shown = 1 - np.exp(-ATTENUATION * water)
    height = max(1, round(len(density) * spacing[0] / spacing[2]))
    return np.asarray(cv2.resize((shown * 60000).astype(np.uint16), (columns, height)))


def drawn() -> Iterator[Stranger]:
    """Noise, clouds, ramps of grey, text, and ellipses."""
    rng = np.random.default_rng(5)
    for i in range(DRAWN):
        clouds = cv2.resize(
            rng.normal(0, 1, (int(rng.uniform(3, 40)),) * 2).astype(np.float32),
            (400, 400),
            interpolation=cv2.INTER_CUBIC,
        )
        y, x = np.mgrid[:300, :300].astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        paper = np.full((600, 450), 255 * (i % 2), np.uint8)
        for line in range(20):
            text = "".join(rng.choice(list("abcdefgh ijkl mno pqr st"), 40))
            cv2.putText(
                paper,
                text,
                (10, 40 + 28 * line),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.7,
                255 * (1 - i % 2),
                2,
            )
        shapes = np.zeros((400, 400), np.uint8)
        for _ in range(rng.integers(1, 5)):
            at, axes = rng.integers(50, 350, 2).tolist(), rng.integers(20, 150, 2).tolist()
            cv2.ellipse(
                shapes, at, axes, float(rng.uniform(0, 180)), 0, 360, int(rng.integers(60, 255)), -1
            )
        pictures = {
            "noise": rng.integers(0, 255, (256, 256), dtype=np.uint8),
            "clouds": clouds,
            "ramps": (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32),
            "text": paper,
            "ellipses": shapes if i % 2 else 255 - shapes,
        }
        for kind, picture in pictures.items():
            yield Stranger(f"{kind}{i}", kind, f"{kind}{i}", picture)
