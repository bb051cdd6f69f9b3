"""Inputs that a model is not made for: files of folders, cuts and projections of CT volumes, and
what is drawn. Whatever a network finds in them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.calibrate.ct import StackItem, some_slices
from lungseg.calibrate.radiograph import RadiographItem
from lungseg.datasets.folders import VOLUME_ENDINGS
from lungseg.errors import InputError
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.image import Image
from lungseg.preprocess import clip_hounsfield
from lungseg.readers import read, read_volume
from lungseg.volume import Volume

Array = NDArray[Any]
Rng = np.random.Generator

MAX_FILES: Final = 100
"""Of a folder; of more, so many evenly spread are taken."""

_PHOTOGRAPHS: Final = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
"""What Pillow calls the formats of pictures in colour that are taken."""

AXIAL_STEP: Final = 9
CORONAL: Final = 40, 50
SAGITTAL: Final = 20, 40
"""Between the axial slices of a volume that are used; the margin, and the step between coronal and
sagittal ones; in voxels."""

ANGLES: Final = (60, 75, 90, -60, -75, -90)
"""Degrees from the frontal projection, of the projections through a volume: oblique and lateral."""

ATTENUATION: Final = 0.07
"""Per centimetre of water; less than that of X-rays, so that a thorax seen from the side is not
white throughout."""

DRAWINGS: Final = 12
"""Of each kind, for models for radiographs."""

DRAWN_VOLUMES: Final = 2
"""Of each kind, for models for CT."""


def drawn_pictures() -> Iterator[RadiographItem]:
    """Noise, clouds, ramps of grey, text, and ellipses; the same at every call."""
    rng = np.random.default_rng(5)
    for i in range(DRAWINGS):
        for kind, picture in _drawings(rng, inverted=bool(i % 2)).items():
            yield _picture_item(f"{kind}{i}", kind, f"{kind}{i}", picture)


def pictures_in(folder: Path) -> Iterator[RadiographItem]:
    """Pictures and DICOM files below a folder, colour ones made grey, and cuts and projections of
    its volumes.

    The first six characters of a file's name stand for its patient: so the pictures of one patient
    stay together, and some of several do. What cannot be read is left out.
    """
    for path in _files(folder):
        patient = path.name[:6]
        if path.name.lower().endswith(VOLUME_ENDINGS):
            try:
                volume = read_volume(path)
            except InputError:
                continue
            for name, group, picture in _of_volume(volume):
                yield _picture_item(f"{path}:{name}", group, patient, picture)
            continue
        try:
            image: Image | Array | None = read(path, modality="radiograph")
        except InputError:  # a photograph in colour, or no picture
            image = _photograph(path)
        if image is not None:
            yield _picture_item(str(path), folder.name, patient, image)


def _photograph(path: Path) -> Array | None:
    """A picture in colour as grey, upright; None where it is none."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with Pillow.open(path, formats=_PHOTOGRAPHS) as opened:
            return np.asarray(ImageOps.exif_transpose(opened).convert("L"))
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError):
        return None


def drawn_volumes() -> Iterator[StackItem]:
    """Noise, clouds, and a head; the same at every call."""
    for seed in range(DRAWN_VOLUMES):
        rng = np.random.default_rng(seed)
        grain = rng.standard_normal((40, 128, 128))
        volumes = {"noise": noise(grain), "clouds": clouds(grain), "head": head(rng)}
        for kind, volume in volumes.items():
            yield _stack_item(f"{kind}{seed}", kind, f"{kind}{seed}", volume, rng)


def volumes_in(folder: Path) -> Iterator[StackItem]:
    """Volumes and pictures of slices below a folder; what cannot be read is left out."""
    rng = np.random.default_rng(6)
    for path in _files(folder):
        try:
            volume = read(path, modality="ct")
        except InputError:
            continue
        yield _stack_item(str(path), folder.name, path.name[:6], volume, rng)


def _files(folder: Path) -> Sequence[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return files[:: -(-len(files) // MAX_FILES) or 1]


def _picture_item(key: str, group: str, patient: str, picture: Image | Array) -> RadiographItem:
    return RadiographItem(key, "out_of_distribution", group, patient, picture)


def _stack_item(key: str, group: str, patient: str, volume: Volume, rng: Rng) -> StackItem:
    nowhere = volume.geometry.to_axial().apply(np.zeros(volume.array.shape, bool))
    stack = some_slices(volume, nowhere, rng)
    return StackItem(key, "out_of_distribution", group, patient, stack)


def _of_volume(volume: Volume) -> Iterator[tuple[str, str, Array]]:
    """Name, group and picture of cuts and projections."""
    turn = volume.geometry.to_axial()
    # Slices from the feet, rows from the front.
    voxels = clip_hounsfield(turn.apply(volume.array)).astype(np.float32)
    upright = voxels[::-1]
    for i in range(0, len(voxels), AXIAL_STEP):
        yield f"axial{i}", "axial cuts", np.ascontiguousarray(voxels[i])
    margin, step = CORONAL
    for i in range(margin, voxels.shape[1] - margin, step):
        yield f"coronal{i}", "coronal cuts", np.ascontiguousarray(upright[:, i])
    margin, step = SAGITTAL
    for i in range(margin, voxels.shape[2] - margin, step):
        yield f"sagittal{i}", "sagittal cuts", np.ascontiguousarray(upright[:, :, i])
    spacing = turn.geometry(volume.geometry).spacing or (1.0, 1.0, 1.0)
    for angle in ANGLES:
        picture = projection(upright + 1000, spacing, angle)
        yield f"projection{angle}", "lateral projections", picture


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
    rotated = [cv2.warpAffine(axial, matrix, (columns, rows)) for axial in density]
    # In centimetres of water.
    water = np.stack([axial.sum(axis=0) for axial in rotated]) * spacing[1] / 10 / 1000
    shown = 1 - np.exp(-ATTENUATION * water)
    height = max(1, round(len(density) * spacing[0] / spacing[2]))
    return np.asarray(cv2.resize((shown * 60000).astype(np.uint16), (columns, height)))


def _drawings(rng: Rng, *, inverted: bool) -> dict[str, Array]:
    side = int(rng.uniform(3, 40))
    coarse = rng.normal(0, 1, (side, side)).astype(np.float32)
    y, x = np.mgrid[:300, :300].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    paper = _text(rng, inverted=inverted)
    shapes = np.zeros((400, 400), np.uint8)
    for _ in range(rng.integers(1, 5)):
        at, axes = rng.integers(50, 350, 2).tolist(), rng.integers(20, 150, 2).tolist()
        turn, grey = float(rng.uniform(0, 180)), int(rng.integers(60, 255))
        cv2.ellipse(shapes, at, axes, turn, 0, 360, grey, -1)
    return {
        "noise": rng.integers(0, 255, (256, 256), dtype=np.uint8),
        "clouds": cv2.resize(coarse, (400, 400), interpolation=cv2.INTER_CUBIC),
        "ramps": (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32),
        "text": paper,
        "ellipses": shapes if inverted else 255 - shapes,
    }


def _text(rng: Rng, *, inverted: bool) -> Array:
    paper = np.full((600, 450), 255 * inverted, np.uint8)
    for line in range(20):
        text = "".join(rng.choice(list("abcdefgh ijkl mno pqr st"), 40))
        at, ink = (10, 40 + 28 * line), 255 * (not inverted)
        cv2.putText(paper, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, 2)
    return paper


def noise(grain: Array) -> Volume:
    """Voxels that know nothing of each other, from `grain` (slices, rows, columns) of mean 0 and
    standard deviation 1.
    """
    return volume_of(400 * grain - 300, (5.0, 3.0, 3.0))


def clouds(grain: Array) -> Volume:
    """The same `grain`, blurred."""
    blurred = np.stack(
        [cv2.GaussianBlur(plane, (0, 0), 4) for plane in grain + np.roll(grain, 1, 0)]
    )
    return volume_of(400 * blurred / blurred.std() - 400, (5.0, 3.0, 3.0))


def head(rng: Rng) -> Volume:
    """An ellipsoid of brain in bone, with frontal and maxillary sinuses, and the air cells of both
    temporal bones.
    """
    size = rng.uniform(0.9, 1.1)
    z, y, x = (np.indices((36, 128, 128)) - np.array([18, 64, 64]).reshape(3, 1, 1, 1)) * np.array(
        [5.0, 1.8, 1.8]
    ).reshape(3, 1, 1, 1)

    def ball(centre: tuple[float, ...], radii: tuple[float, ...]) -> Array:
        away = sum(
            (size * r - c) ** 2 / q**2 for r, c, q in zip((x, y, z), centre, radii, strict=True)
        )
        return np.asarray(away < 1)

    voxels = np.where(ball((0, 0, 0), (75, 95, 85)), 1000.0, -1000.0)
    voxels[ball((0, 0, 0), (68, 88, 78))] = 35
    voxels[ball((0, -70, -40), (18, 14, 18))] = -990
    for side in (-1, 1):
        voxels[ball((30 * side, -50, -35), (16, 16, 16))] = -980
        cells = ball((58 * side, 20, -45), (10, 14, 12))
        voxels[cells] = rng.normal(-600, 250, int(cells.sum()))
    return volume_of(voxels + rng.normal(0, 15, voxels.shape), (5.0, 1.8, 1.8))


def volume_of(
    voxels: Array, spacing: tuple[float, float, float], *, hounsfield: bool = True
) -> Volume:
    """Voxels (slices from the feet, rows, columns) as a volume in axial order, `spacing` in
    millimetres; of Hounsfield units, which are rounded, or of greys.
    """
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * spacing
    kept: Array = np.rint(voxels).astype(np.int16) if hounsfield else voxels.astype(np.float32)
    grid = VolumeGeometry(kept.shape, affine)
    return Volume(np.ascontiguousarray(kept), grid, hounsfield=hounsfield)
