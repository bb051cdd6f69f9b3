"""What verdicts CT gets of which it is known what is wrong with it.

    python benchmarks/verdicts_ct.py FOLDER
    python benchmarks/verdicts_ct.py FOLDER --bowel-gas

FOLDER holds lctsc, as for `benchmarks/ct_scores.py`, and whatever else: single slices and series in
it are judged as they are; of folders with many every third. Of the volumes of lctsc every fourth
slice is taken, and each is cut, painted, scaled and turned.

With --bowel-gas FOLDER holds the two abdomens whose bottom cuts the colon, and a table says what of
its gas is still taken for lung.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from scipy import ndimage

from lungseg.calibrate.out_of_distribution import clouds, head, noise, volume_of
from lungseg.errors import LungsegError
from lungseg.phantom.ct import Disease, ct_phantom
from lungseg.preprocess import clip_hounsfield
from lungseg.segmenter import Segmenter
from lungseg.volume import Volume
from quality_ct import Array, read_mask_volume, volume_source

EVERY = 4
MANY = 50
MOUSE = (0.5, 0.31, 0.31)
ORIGIN = -250.0, -250.0, -700.0
"""Millimetres; at 0, 0, 0 a volume is taken to say nothing of where it lies."""
SHIFT = 40.0
"""Millimetres, by which a mediastinum moves."""
BOWEL_GAS = {
    "abdomen_with_bases": ((135.2, 90.8), (76.1, 43.7)),
    "abdomen_no_lung": ((60.0, 47.1), (0.0, 0.0)),
}
"""Millilitres right and left: what version 0.1.0 found, and what is lung."""
Trial = tuple[str, Volume]


def main() -> None:
    """Prints a line for each kind of trial: how often each verdict and reason was given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bowel-gas", action="store_true")
    flags = parser.parse_args()
    folder = flags.folder
    segmenter = Segmenter(modality="ct", volume_threads=2)
    if flags.bowel_gas:
        print_bowel_gas(folder, segmenter)
        return
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    expected: dict[str, list[float]] = defaultdict(list)
    trials: list[tuple[str, Volume | Path]] = [*drawn(), *real(folder), *files(folder)]
    for name, source in trials:
        try:
            result = segmenter(source)
        except LungsegError:
            continue  # pictures of something else, which are errors and no verdicts
        assert isinstance(result.image, Volume)
        verdicts[name][result.verdict.status] += 1
        reasons[name].update(result.verdict.codes)
        expected[name] += [
            m.value for m in result.measurements.values() if m.name == "expected_dice"
        ]
    print(
        "| input | number | ok | review | refused | reasons | expected Dice "
        "|\n|---|---|---|---|---|---|---|"
    )
    for name, counts in verdicts.items():
        why = "; ".join(f"{reason} ({n})" for reason, n in reasons[name].most_common())
        columns = " | ".join(str(counts[status]) for status in ("ok", "review", "refused"))
        values = f"{min(expected[name]):.2f} to {max(expected[name]):.2f}" if expected[name] else ""
        print(f"| {name} | {counts.total()} | {columns} | {why} | {values} |")


def print_bowel_gas(folder: Path, segmenter: Segmenter) -> None:
    """Prints a line for each abdomen."""
    print("| volume | version 0.1.0, right and left, mL | now | what is lung | verdict | reasons |")
    print("|---|---|---|---|---|---|")
    for name, (before, lung) in BOWEL_GAS.items():
        result = segmenter(folder / f"{name}.nii.gz")
        found = [
            m.value if (m := result.measurements.get(("volume", f"{side} lung"))) else 0.0
            for side in ("right", "left")
        ]
        pairs = (f"{right:.1f} and {left:.1f}" for right, left in (before, found, lung))
        codes = " ".join(f"`{code}`" for code in result.verdict.codes)
        print(f"| {name} | {' | '.join(pairs)} | {result.verdict.status} | {codes} |")


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files and series that are there."""
    for kind in (
        "bmp/images",
        "prone",
        "transfer_syntaxes",
        "odd",
        "finding_lungs/2d_images",
        "covid19/ct",
    ):
        paths = sorted((folder / kind).glob("*"))
        yield from ((kind, path) for path in paths[:: 3 if len(paths) > MANY else 1])
    yield from ((kind, folder / kind) for kind in ("series_lidc",) if (folder / kind).is_dir())
    yield from (
        ("small_volumes", path) for path in sorted((folder / "small_volumes").glob("*ct*.nrrd"))
    )


def real(folder: Path) -> Iterator[Trial]:
    """What is made of the volumes of lctsc."""
    for path in sorted((folder / "lctsc").glob("*_ct.nii.gz")):
        mask = read_mask_volume(path.with_name(path.name.replace("_ct", "_lung")))
        source = volume_source("lctsc", path.name, path, mask)
        axial = source.volume.geometry.to_axial()
        grid = axial.geometry(source.volume.geometry).spacing
        assert grid is not None
        spacing = grid[0] * EVERY, grid[1], grid[2]
        voxels = clip_hounsfield(axial.apply(source.volume.array)[::EVERY]).astype(np.float32)
        for name, changed in changes(voxels, source.lungs[::EVERY]):
            yield f"lctsc {name}", placed(changed, spacing)
        for name, changed in bodies(
            voxels, right_lung(source.lungs)[::EVERY], source.lungs[::EVERY], spacing[1]
        ):
            yield f"lctsc {name}", placed(changed, spacing)
        greys = np.rint(255 * np.clip((voxels + 1350) / 1500, 0, 1))
        yield "lctsc in 256 greys", volume_of(greys, spacing, hounsfield=False)
        higher = volume_of(voxels + 1000, spacing, hounsfield=False)
        yield "lctsc 1000 higher, not called Hounsfield units", higher


def placed(voxels: Array, spacing: tuple[float, float, float]) -> Volume:
    """A volume of Hounsfield units that says where it lies, as a series of DICOM does."""
    volume = volume_of(voxels, spacing)
    affine = np.array(volume.geometry.affine)
    affine[:3, 3] = ORIGIN
    return replace(volume, geometry=replace(volume.geometry, affine=affine))


def right_lung(lungs: Array) -> Array:
    """Of a mask of two lungs that do not touch, in axial order."""
    numbered, _ = ndimage.label(lungs)
    sizes = np.bincount(numbered.ravel())[1:]
    pair = np.argsort(sizes)[-2:] + 1
    columns = [np.nonzero(numbered == number)[2].mean() for number in pair]
    return np.asarray(numbered == pair[int(np.argmin(columns))])


def changes(voxels: Array, lungs: Array) -> Iterator[tuple[str, Array]]:
    """All that stays in numbers called Hounsfield units."""
    at = np.flatnonzero(lungs.any(axis=(1, 2)))
    low, high = int(at[0]), int(at[-1])
    cut = max(2, round(0.12 * at.size))
    columns = np.nonzero(lungs)[2]
    first = np.arange(lungs.shape[2]) < np.median(columns)
    white = 40 + 20 * np.random.default_rng(0).standard_normal(voxels.shape)
    rows = np.arange(lungs.shape[1])[:, np.newaxis]
    yield "as it is", voxels
    yield "cut at the top", voxels[: high - cut]
    yield "cut at the bottom", voxels[low + cut :]
    yield "abdomen, with the lungs' bases", voxels[: low + 3]
    yield "abdomen, without lungs", voxels[: max(low - 1, 2)]
    yield "neck", voxels[high + 2 :]
    yield "one lung white", np.where(lungs & first, white, voxels)
    yield (
        "one lung white from the middle backwards",
        np.where(lungs & first & (rows > np.nonzero(lungs)[1].mean()), white, voxels),
    )
    yield "1000 higher, called Hounsfield units", voxels + 1000
    yield "divided by 0.817", voxels / 0.817
    yield "half a turn", voxels[:, ::-1, ::-1]
    yield "front and back exchanged", voxels[:, ::-1]
    yield "right and left exchanged", voxels[:, :, ::-1]
    yield "coronal slices called axial", voxels.transpose(1, 0, 2)[:, ::-1]


def bodies(voxels: Array, one: Array, lungs: Array, pixel: float) -> Iterator[tuple[str, Array]]:
    """One lung beside air, gone or new, and both worn.

    Args:
        voxels: of a healthy patient.
        one: the right lung.
        lungs: both.
        pixel: its side in mm.
    """
    rng = np.random.default_rng(0)
    wall = np.zeros(lungs.shape)
    for number in np.flatnonzero(one.any(axis=(1, 2))):
        hull = np.zeros(lungs.shape[1:], np.uint8)
        points = cv2.findNonZero(lungs[number].astype(np.uint8))
        cv2.fillConvexPoly(hull, cv2.convexHull(points), (1,))
        wall[number] = cv2.distanceTransform(hull, cv2.DIST_L2, 5) * pixel
    for thickness in (10, 20, 40, 60):
        collapsed = np.where(one, np.minimum(voxels + 4 * thickness, 50), voxels)
        noise = -1000 + 12 * rng.standard_normal(voxels.shape)
        air = one & (wall < thickness)
        yield f"air of {thickness} mm beside a lung", np.where(air, noise, collapsed)
    fluid = 12 + 12 * rng.standard_normal(voxels.shape)
    collapse = 40 + 20 * rng.standard_normal(voxels.shape)
    clouds = np.stack([cv2.GaussianBlur(p, (0, 0), 4) for p in rng.standard_normal(voxels.shape)])
    worn = clouds > 0.3 * clouds.std()
    for name, lung in (("right", one), ("left", lungs & ~one)):
        filled = np.where(lung, fluid, voxels)
        yield f"fluid in place of the {name} lung", filled
        shifted = drawn_across(filled, lung, pixel)
        yield f"fluid in place of the {name} lung, the other one across the middle", shifted
        shifted = drawn_across(np.where(lung, collapse, voxels), lung, pixel)
        yield f"the {name} lung collapsed, the other one across the middle", shifted
        shifted = drawn_across(np.where(lungs & ~lung & worn, -975, voxels), lung, pixel)
        yield f"emphysema but in a transplanted {name} lung, which is small", shifted
    yield "emphysema", np.where(lungs & worn, -975, voxels)


def drawn_across(voxels: Array, lung: Array, pixel: float) -> Array:
    """With what lies in the middle drawn towards one lung, as the mediastinum moves where that is
    gone or shrinks: by `SHIFT` mm at most.
    """
    columns = np.nonzero(lung)[2]
    towards = 1 if columns.mean() > lung.shape[2] / 2 else -1
    x = np.arange(lung.shape[2], dtype=np.float32)
    middle = columns.min() if towards > 0 else columns.max()
    away = SHIFT / pixel * np.exp(-(((x - middle) * pixel / (1.6 * SHIFT)) ** 2))
    places = np.broadcast_to(x - towards * away, lung.shape[1:]).astype(np.float32)
    rows = np.broadcast_to(
        np.arange(lung.shape[1], dtype=np.float32)[:, np.newaxis], places.shape
    ).copy()
    planes = [
        cv2.remap(plane, places, rows, cv2.INTER_LINEAR) for plane in voxels.astype(np.float32)
    ]
    return np.stack(planes)


def disc(x: Array, y: Array, radius: float, centre: tuple[float, float] = (0, 0)) -> Array:
    """Where a cylinder along z is."""
    return np.asarray(np.hypot(x - centre[0], y - centre[1]) < radius)


def places() -> tuple[Array, Array, Array]:
    """z, y, x in mm of 36 x 128 x 128 voxels of 5 x 3 x 3 mm."""
    z, y, x = np.indices((36, 128, 128)).astype(np.float64)
    return (z - 18) * 5, (y - 64) * 3, (x - 64) * 3


def leg(rng: np.random.Generator) -> Array:
    """Two thighs."""
    _, y, x = places()
    voxels = np.full(x.shape, -1000.0)
    for side in (-90, 90):
        for radius, value in ((80, -100), (70, 55), (16, 900), (9, -50)):
            voxels[disc(x, y, radius, (side, 0))] = value
    return np.asarray(voxels + 15 * rng.standard_normal(voxels.shape))


def pelvis(rng: np.random.Generator) -> Array:
    """A trunk with hip bones and five loops of bowel."""
    z, y, x = places()
    voxels = np.full(x.shape, -1000.0)
    voxels[disc(x / 180, y / 115, 1)] = -100
    voxels[disc(x / 160, y / 95, 1)] = 45
    voxels[disc(x, y, 22, (0, 70))] = 500
    for side in (-95, 95):
        voxels[disc((x - side) / 1.6, y - 20, 28) & ~disc((x - side) / 1.6, y - 20, 18)] = 600
    for loop in range(5):
        away = x - rng.uniform(-80, 80) - 12 * np.sin(z / 25 + loop)
        gas = disc(away, y - rng.uniform(-60, 0) - 8 * np.cos(z / 20 + loop), rng.uniform(12, 28))
        voxels[gas & (np.abs(z - rng.uniform(-50, 50)) < 45)] = -990
    return np.asarray(voxels + 15 * rng.standard_normal(voxels.shape))


def cylinder(rng: np.random.Generator) -> Array:
    """Of plastic, with rods, two of them of air, as scanners are tested with."""
    _, y, x = places()
    voxels = np.where(disc(x, y, 100), 90.0, -1000.0)
    for i, value in enumerate((-1000, -200, -100, -35, 120, 340, 990, -1000)):
        angle = i * np.pi / 4
        voxels[disc(x, y, 7, (58 * np.cos(angle), 58 * np.sin(angle)))] = value
    return np.asarray(voxels + 15 * rng.standard_normal(voxels.shape))


def drawn() -> Iterator[Trial]:
    """Phantoms, and what is no chest."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        for disease in (None, *get_args(Disease)):
            phantom = ct_phantom((60, 128, 128), seed=seed, disease=disease)
            yield f"phantom, {disease or 'healthy'}", phantom.volume
        yield "phantom, bowel full of gas", ct_phantom((60, 128, 128), seed=seed, bowel=True).volume
        for name, drawn_body in (("leg", leg), ("pelvis", pelvis), ("test object", cylinder)):
            yield name, volume_of(drawn_body(rng), (5.0, 3.0, 3.0))
        yield "mouse", volume_of(ct_phantom((60, 128, 128), seed=seed).volume.array, MOUSE)
        phantom = ct_phantom((40, 128, 128), seed=seed)
        voxels, labels = phantom.volume.array, phantom.ground_truth.labels
        spacing = phantom.volume.geometry.spacing
        assert spacing is not None
        white = np.where(
            labels == 1 + seed % 2, 40 + 15 * rng.standard_normal(voxels.shape), voxels
        )
        yield "phantom, one lung white", volume_of(white, spacing)
        first = int(np.flatnonzero(labels.any(axis=(1, 2)))[0])
        yield "phantom, abdomen", volume_of(voxels[:first], spacing)
        grain = rng.standard_normal((40, 128, 128))
        yield "noise", noise(grain)
        yield "clouds", clouds(grain)
        yield "head", head(rng)


if __name__ == "__main__":
    main()
