"""Fits what tells a radiograph from a slice of CT, `src/lungseg/readers/film_or_slice.json`.

    python benchmarks/film_or_slice.py FOLDER [--every N] [--write]

FOLDER has cxr, cxr_more and ct. Only halves of its sets are used that `frames.py` does not report
on, none whose terms forbid it, and phantoms; each picture graded, framed, rotated and mirrored at
random, of CT also in several windows and planes.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from framed_pictures import (
    FILMS,
    FRAMES,
    GRADINGS,
    SLICES,
    Picture,
    Random,
    eight_bits,
    graded_and_framed,
    grey_picture,
    half_of,
    pictures,
)
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.readers import read_volume
from lungseg.readers.frames import find_frame
from lungseg.readers.looks_like_ct import WEIGHTS, features

RIDGE = 100.0
"""Penalty of squared weights, of features in standard deviations. In four folds by picture 9 of
7,438 films and 3 of 2,390 slices are plainly on the wrong side (log odds beyond 2.5) with it, with
30 14 and 8; with 300 5 and 2, but then both networks are asked for one film in seven."""
PHANTOMS = 40
MORE_FILMS = ("cxr_more/covid_qu_ex/Train/*/images/*", "cxr_more/wingspan/images/*")
AIR = -500
"""Hounsfield units."""
EVERY_MORE, EVERY_SLICE = 6, 4
VARIANTS = {"film": 6, "slice": 12}
Sample = tuple[bool, NDArray[np.float64]]


def main() -> None:
    """Reads the flags, fits, and tells how many of the pictures themselves are told apart."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    flags = parser.parse_args()
    with Pool(flags.processes) as pool:
        jobs = list(_jobs(flags.folder, flags.every))
        rows = [row for some in pool.imap_unordered(_rows, jobs, chunksize=4) for row in some]
    is_slice = np.array([is_slice for is_slice, _ in rows])
    columns = np.stack([found for _, found in rows])
    print(f"{(~is_slice).sum()} pictures of films, {is_slice.sum()} of slices")
    mean, std = columns.mean(axis=0), columns.std(axis=0) + 1e-6
    weights = _logistic((columns - mean) / std, is_slice)
    odds = (columns - mean) / std @ weights[:-1] + weights[-1]
    wrong = (odds > 0) != is_slice
    print(f"of them told wrongly: {wrong[~is_slice].sum()} films, {wrong[is_slice].sum()} slices")
    if flags.write:
        entry = {"mean": mean, "std": std, "weights": weights[:-1]}
        lists = {name: [round(float(v), 5) for v in values] for name, values in entry.items()}
        text = json.dumps(lists | {"offset": round(float(weights[-1]), 5)})
        WEIGHTS.write_text(text + "\n", "utf-8")


def _jobs(folder: Path, every: int) -> Iterator[tuple[str, str]]:
    for kind, sets in (("film", FILMS), ("slice", SLICES)):
        yield from ((kind, str(path)) for _, path in pictures(folder, sets, "tune", every=every))
    for pattern in MORE_FILMS:
        step = every * (EVERY_MORE if "covid" in pattern else 1)
        yield from (("film", str(path)) for path in sorted(folder.glob(pattern))[::step])
    for path in sorted(folder.glob("cxr/not_frontal/lateral/*")):
        if half_of("lateral", path) == "tune":
            yield "film", str(path)
    yield from (("volume", str(path)) for path in sorted(folder.glob("ct/lctsc/*_ct.nii.gz")))
    yield "volume", str(folder / "ct/series_lidc")
    yield from (("phantom", str(number)) for number in range(0, PHANTOMS, every))


def _rows(job: tuple[str, str]) -> list[Sample]:
    kind, name = job
    random = np.random.default_rng(zlib.crc32(Path(name).name.encode()))
    made: list[tuple[bool, Picture]]
    if kind == "volume":
        made = [(True, pixels) for pixels in _cuts(Path(name), random)]
    elif kind == "phantom":
        made = list(_phantoms(int(name), random))
    else:
        pixels = _smaller(grey_picture(Path(name)))
        made = [(kind == "slice", pixels)] * VARIANTS[kind]
    return [
        (is_slice, features(_shown(pixels, random, plain=number % 3 == 0)))
        for number, (is_slice, pixels) in enumerate(made)
    ]


def _smaller(pixels: Picture, side: int = 512) -> Picture:
    scale = side / max(pixels.shape)
    if scale >= 1:
        return pixels
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _shown(pixels: Picture, random: Random, *, plain: bool) -> Picture:
    """What is looked at of a picture that was graded, framed and turned at random."""
    rows, columns = pixels.shape
    cut = [int(random.uniform(0, 0.08) * side) for side in (rows, rows, columns, columns)]
    pixels = pixels[cut[0] : rows - cut[1], cut[2] : columns - cut[3]]
    if random.random() < 0.3:
        pixels = np.rot90(pixels, int(random.integers(4)))
    if random.random() < 0.5:
        pixels = pixels[:, ::-1]
    pixels = np.ascontiguousarray(pixels)
    grading = "as it is" if plain else str(random.choice(list(GRADINGS)))
    frame = "none" if plain or random.random() < 0.3 else str(random.choice(list(FRAMES)))
    whole = graded_and_framed(pixels, grading, frame, random)[1].pixels
    found = find_frame(whole)
    return whole if found is None else whole[found.box]


def _cuts(path: Path, random: Random) -> Iterator[Picture]:
    """Slices of a volume in Hounsfield units, in three planes and several windows."""
    volume = read_volume(path)
    voxels = volume.geometry.to_axial().apply(volume.array).astype(np.float32)
    step = volume.geometry.to_axial().geometry(volume.geometry).spacing or (1.0, 1.0, 1.0)
    for number in range(0, len(voxels), EVERY_SLICE):
        yield from (_windowed(voxels[number], random) for _ in range(3))
    for axis in (1, 2):
        for number in range(voxels.shape[axis] // 4, voxels.shape[axis] * 3 // 4, EVERY_SLICE):
            plane = np.take(voxels, number, axis=axis)[::-1]
            rows = round(plane.shape[0] * step[0] / step[3 - axis])
            size = plane.shape[1], max(64, rows)
            plane = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            body = np.argwhere(plane > AIR)
            if random.random() < 0.7 and len(body):  # as such cuts are shown
                (top, left), (bottom, right) = np.percentile(body, (1, 99), axis=0).astype(int)
                plane = plane[top : bottom + 1, left : right + 1]
            if min(plane.shape) > 64:
                yield _windowed(np.ascontiguousarray(plane), random)


def _windowed(plane: NDArray[np.float32], random: Random) -> Picture:
    middle, wide = ((-600, 1500), (40, 400), (0, 2000), (-200, 3000), (-500, 1400), (50, 350))[
        int(random.integers(6))
    ]
    centre, width = middle + random.uniform(-100, 100), wide * random.uniform(0.7, 1.4)
    return np.rint(np.clip((plane - centre) * (255 / width) + 127.5, 0, 255)).astype(np.uint8)


def _phantoms(seed: int, random: Random) -> Iterator[tuple[bool, Picture]]:
    yield False, eight_bits(radiograph_phantom((256, 224 + seed), seed=seed).image.array)
    volume = ct_phantom(seed=seed).volume.array.astype(np.float32)
    for number in range(len(volume) // 4, len(volume) * 3 // 4, max(1, len(volume) // 6)):
        yield True, _windowed(volume[number], random)


def _logistic(columns: NDArray[np.float64], is_slice: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Newton's method; both kinds weigh alike; the last weight is the offset."""
    columns = np.column_stack([columns, np.ones(len(columns))])
    share = np.where(is_slice, 0.5 / is_slice.mean(), 0.5 / (1 - is_slice.mean()))
    penalty = np.full(columns.shape[1], RIDGE)
    penalty[-1] = 0
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(columns @ weights, -50, 50)))
        slope = columns.T @ (share * (chance - is_slice)) + penalty * weights
        curve = (columns.T * (share * chance * (1 - chance) + 1e-9)) @ columns + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-7:
            break
    return weights


if __name__ == "__main__":
    main()
