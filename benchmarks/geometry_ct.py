"""What comes of CT whose header says something else than its voxels, or whose slices are not evenly
spaced, as a Markdown table.

    python benchmarks/geometry_ct.py FOLDER [--cases case3 case4]
    python benchmarks/geometry_ct.py --solids

FOLDER holds lctsc, as for `benchmarks/ct_scores.py`. Of its volumes every second row and column is
taken. Each is stored in many ways, as a NIfTI file or as a DICOM series, segmented, and compared
with its mask: right and left with the Dice, and the volume with that of the mask where there are
millilitres, and the number of its voxels elsewhere. Needs nibabel.

With --solids two ellipsoids, of which everything is known, are cut into slices at many heights,
read as a series, and measured without a network: by how many percent volume and mass are off.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from lungseg.ct.judge import judge_volume
from lungseg.ct.measure import measure_volume
from lungseg.errors import LungsegError
from lungseg.geometry import AXIAL, to_ras
from lungseg.options import SegmentOptions
from lungseg.readers import read_volume
from lungseg.scores import dice
from lungseg.segmenter import Segmenter

Array = NDArray[Any]
library: Any = nibabel
"""It states no types."""
SIDE, PIXEL = 160, 2.0
MIDDLES = {"right lung": (-60.0, 5.0, 77.0), "left lung": (62.0, 0.0, 72.0)}
HALVES = {"right lung": (45.0, 60.0, 66.0), "left lung": (35.0, 55.0, 58.0)}
"""Millimetres of two ellipsoids: x, y, z."""
LUNG, TISSUE, AIR = -850, 40, -1000


@dataclass(frozen=True, slots=True)
class Chest:
    """A volume in axial order.

    Attributes:
        voxels: (slices, rows, columns), Hounsfield units.
        labels: the same shape, 1 right and 2 left lung.
        spacing: millimetres between slices, rows and columns.
    """

    voxels: Array
    labels: Array
    spacing: tuple[float, float, float]

    @property
    def affine(self) -> Array:
        """From (slice, row, column) to LPS."""
        affine = np.eye(4)
        affine[:3, :3] = AXIAL * self.spacing
        affine[:3, 3] = -180.0, -160.0, -310.0
        return affine


@dataclass(frozen=True, slots=True)
class Trial:
    """A chest in another form.

    Attributes:
        name: of the form.
        path: of the file or folder.
        labels: in the order of its array.
        voxel: cubic millimetres of one voxel of `labels`.
        spacing: as an option, if any.
    """

    name: str
    path: Path
    labels: Array
    voxel: float
    spacing: tuple[float, float, float] | None = None


def main() -> None:
    """Reads the flags and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cases", nargs="+", default=["case3", "case4"])
    parser.add_argument("--solids", action="store_true")
    flags = parser.parse_args()
    if flags.solids:
        print_solids()
        return
    if flags.folder is None:
        parser.error("name the folder that holds lctsc, or --solids")
    segmenter = Segmenter(modality="ct")
    rows: dict[str, list[list[str]]] = defaultdict(list)
    for case in flags.cases:
        chest = chest_of(flags.folder / "lctsc" / f"{case}_ct.nii.gz")
        with tempfile.TemporaryDirectory() as folder:
            for trial in trials(chest, Path(folder)):
                rows[trial.name].append(outcome(segmenter, trial))
    print("| input | verdict | volume / that of the mask | Dice, right | left |")
    print("|---|---|---|---|---|")
    for name, found in rows.items():
        columns = [", ".join(dict.fromkeys(column)) for column in zip(*found, strict=True)]
        print(f"| {name} | {' | '.join(columns)} |")


def chest_of(path: Path) -> Chest:
    """A volume of LCTSC and its mask; what lies to the patient's right of the middle between the
    columns of both lungs is the right one.
    """
    image, mask = (
        library.as_closest_canonical(nibabel.load(one))
        for one in (path, path.with_name(path.name.replace("_ct", "_lung")))
    )
    # From RAS (column, row, slice) to slices, rows from the front, columns from the right.
    voxels, inside = (
        np.asarray(one.dataobj).transpose(2, 1, 0)[:, ::-2, ::2] for one in (image, mask)
    )
    across = np.flatnonzero((inside > 0).any(axis=(0, 1)))
    middle = (across[0] + across[-1]) // 2
    labels = (inside > 0).astype(np.uint8)
    labels[:, :, middle:] *= 2
    spacing = [float(side) for side in image.header.get_zooms()]
    return Chest(voxels.astype(np.int16), labels, (spacing[2], 2 * spacing[1], 2 * spacing[0]))


def outcome(segmenter: Segmenter, trial: Trial) -> list[str]:
    """Verdict with codes, volume, and Dice of both lungs."""
    try:
        result = segmenter(trial.path, SegmentOptions(spacing=trial.spacing))
    except LungsegError as error:
        return [f"failed: {error.what}", "", "", ""]
    found = result.measurements["volume", "lungs"]
    voxels = np.count_nonzero(trial.labels)
    whole = voxels * trial.voxel / 1000 if found.unit == "mL" else voxels
    codes = " ".join(f"`{code}`" for code in result.verdict.codes)
    scores = [f"{dice(trial.labels == n, result.mask == n):.3f}" for n in (1, 2)]
    ratio = f"{found.value / whole:.3f}" + (" (voxels)" if found.unit == "voxels" else "")
    return [f"{result.verdict.status} {codes}".strip(), ratio, *scores]


def trials(chest: Chest, folder: Path) -> Iterator[Trial]:
    """All forms of a chest."""
    voxel = float(np.prod(chest.spacing))
    affine = to_ras(chest.affine)
    own, labels = chest.voxels.T, chest.labels.T

    def file(name: str, voxels: Array, matrix: Array, marked: Array, **more: Any) -> Trial:
        path = folder / f"{name.replace(' ', '_').replace('/', '_')}.nii.gz"
        nibabel.save(library.Nifti1Image(voxels, matrix), path)
        return Trial(name, path, marked.T, voxel, **more)

    yield file("as it is", own, affine, labels)
    yield file("rows turned over, header not", own[:, ::-1], affine, labels[:, ::-1])
    lost = np.diag([-1.0, -1.0, 1.0, 1.0])
    yield file("spacing lost", own, lost, labels)
    yield file("spacing lost, and given", own, lost, labels, spacing=chest.spacing)
    first = chest.voxels, np.eye(4), chest.labels
    yield file("slices first, identity affine", *first)
    yield file("slices first, spacing given", *first, spacing=chest.spacing)
    dstack = chest.voxels.transpose(1, 2, 0), np.eye(4), chest.labels.transpose(1, 2, 0)
    yield file("slices last, identity affine", *dstack)
    thin = affine @ np.diag([1, 1, 1 / chest.spacing[0] / 2, 1])
    yield file("distance of slices 0.5 mm", own, thin, labels)
    metres = affine @ np.diag([1000, 1000, 1000, 1])
    yield file("micrometres called millimetres", own, metres, labels)
    for filling in (-1024, 0):
        cut = np.where(labels > 0, own, filling).astype(np.int16)
        yield file(f"all but the lungs {filling}", cut, affine, labels)
    larger = affine @ np.diag([1.15, 1.15, 1.15, 1])
    image = library.Nifti1Image(own, larger)
    image.header["pixdim"][1:4] = chest.spacing[::-1]
    (folder / "twice.nii").write_bytes(image.to_bytes())
    yield Trial("sform 15 % larger than pixdim", folder / "twice.nii", chest.labels, voxel)
    yield from series(chest, folder)


def series(chest: Chest, folder: Path) -> Iterator[Trial]:
    """DICOM series of slices at other heights, each the mean of its neighbours."""
    height = (len(chest.voxels) - 1) * chest.spacing[0]

    def steps(*parts: tuple[int, float]) -> Array:
        at = np.append(0.0, np.cumsum(np.concatenate([[step] * count for count, step in parts])))
        return at[at <= height]

    even = steps((999, 3.0))
    gap = np.delete(even, [40, 41, 60, 75])
    half = len(even) // 2
    overlap = np.sort(np.append(even[: half + 1], even[half - 1 :] + 1.1))
    kinds = {
        "3 mm, chest 5 mm": steps((45, 3.0), (30, 5.0), (999, 3.0)),
        "3 mm, then 2.2": steps((60, 3.0), (999, 2.2)),
        "2.2 mm, then 3": steps((80, 2.2), (999, 3.0)),
        "4 mm, then 5": steps((45, 4.0), (999, 5.0)),
        "6 mm, then 3": steps((32, 6.0), (999, 3.0)),
        "four slices missing": gap,
        "two pieces that overlap": overlap[overlap <= height],
    }
    for name, heights in kinds.items():
        own = folder / name.replace(" ", "_").replace(",", "")
        own.mkdir()
        number = np.minimum((heights / chest.spacing[0]).astype(int), len(chest.voxels) - 2)
        weight = (heights / chest.spacing[0] - number)[:, np.newaxis, np.newaxis]
        planes = (1 - weight) * chest.voxels[number] + weight * chest.voxels[number + 1]
        for at, plane in zip(heights, planes, strict=True):
            write_slice(own / f"{at:07.2f}.dcm", plane, float(at), chest.spacing)
        nearest = np.rint(heights / chest.spacing[0]).astype(int)
        # Of the volume, not of the slices that are there.
        whole = np.count_nonzero(chest.labels) / np.count_nonzero(chest.labels[nearest])
        voxel = float(np.prod(chest.spacing)) * whole
        yield Trial(f"series: {name}", own, chest.labels[nearest], voxel)


def steps_of(*parts: tuple[int, float]) -> Array:
    """Heights from 0 on: so many slices at such a distance, part by part."""
    return np.append(0.0, np.cumsum(np.concatenate([[step] * count for count, step in parts])))


def heights_of_solids() -> dict[str, tuple[Array, float]]:
    """For each kind of series its heights, in the order of the files, and their thickness."""
    even, half = steps_of((50, 3.0)), steps_of((25, 3.0))
    cut = steps_of((15, 3.0), (12, 5.0), (15, 3.0))
    return {
        "every 3 mm": (even, 3),
        "every 2.5 mm, 5 mm thick": (steps_of((60, 2.5)), 5),
        "two pieces that overlap": (np.append(half, 73.7 + half), 3),
        "three pieces that overlap by 10 slices": (
            np.concatenate([even[:24], even[14:38] + 1.3, even[28:] + 2.1]), 3,
        ),
        "descending": (even[::-1], 3),
        "in no order": (np.random.default_rng(0).permutation(even), 3),
        "ten slices doubled": (np.append(even, even[20:30]), 3),
        "each slice doubled": (np.repeat(even, 2), 3),
        "one slice missing": (np.delete(even, 15), 3),
        "three single slices missing": (np.delete(even, [10, 25, 35]), 3),
        "three slices in a row missing": (np.delete(even, [20, 21, 22]), 3),
        "3 mm, chest 5 mm": (cut, 3),
        "3 mm, chest 5 mm, three slices missing": (np.delete(cut, [7, 20, 21]), 3),
        "3 mm, then 2.2": (steps_of((25, 3.0), (35, 2.2)), 3),
        "2.2 mm, then 3": (steps_of((35, 2.2), (25, 3.0)), 3),
        "4 mm, then 5": (steps_of((18, 4.0), (16, 5.0)), 4),
        "6 mm, then 3": (steps_of((13, 6.0), (25, 3.0)), 3),
    }  # fmt: skip


def solid_plane(height: float) -> Array:
    """Hounsfield units (rows, columns) at a height in millimetres."""
    y, x = ((np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) * PIXEL).reshape(2, SIDE, SIDE)
    plane = np.full((SIDE, SIDE), TISSUE, np.float64)
    for (a, b, c), (u, v, w) in zip(MIDDLES.values(), HALVES.values(), strict=True):
        inside = ((x - a) / u) ** 2 + ((y - b) / v) ** 2 + ((height - c) / w) ** 2 < 1
        plane[inside] = LUNG
    plane[0] = AIR
    return plane


def print_solids() -> None:
    """The table of ellipsoids."""
    print("| series | reasons | slices missing | right | left | both | mass of both |")
    print("|---|---|---|---|---|---|---|")
    exact = {name: 4 / 3 * np.pi * float(np.prod(halves)) / 1000 for name, halves in HALVES.items()}
    exact["lungs"] = sum(exact.values())
    sure = dict.fromkeys(exact, 0.99)
    for name, (heights, thickness) in heights_of_solids().items():
        with tempfile.TemporaryDirectory() as folder:
            for number, at in enumerate(heights.tolist()):
                path = Path(folder) / f"{number:03}.dcm"
                write_slice(path, solid_plane(at), at, (3.0, PIXEL, PIXEL), thickness)
            volume = read_volume(folder)
        labels = np.where(volume.array == LUNG, 1, 0).astype(np.uint8)
        labels[..., SIDE // 2 :] *= 2
        segmentation = volume.with_labels(labels)
        measured = measure_volume(volume, segmentation, sure)
        codes = [
            f"`{code}`"
            for code in judge_volume(volume, segmentation, measured).codes
            if code.startswith("slices_")
        ]
        off = [
            f"{100 * (measured['volume', lung].value / exact[lung] - 1):+.2f} %" for lung in exact
        ]
        mass = exact["lungs"] * (1 + LUNG / 1000)
        off.append(f"{100 * (measured['mass', 'lungs'].value / mass - 1):+.2f} %")
        print(f"| {name} | {' '.join(codes)} | {volume.missing_slices} | {' | '.join(off)} |")


def write_slice(
    path: Path, plane: Array, height: float, spacing: tuple[float, ...], thickness: float = 3.0
) -> None:
    """One CT slice at a height in millimetres."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SeriesInstanceUID = "CT", "1.2.3"
    dataset.Rows, dataset.Columns = plane.shape
    dataset.ImagePositionPatient = [0.0, 0.0, height]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = list(spacing[1:]), thickness
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept = 1, 1, 0
    dataset.PixelData = np.rint(plane).astype(np.int16).tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    main()
