"""Phantoms in the folders that the pages of the five references name, each as its data set lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom
from phantom_radiographs import write_radiographs
from readers.conftest import make_dataset

Pixels = NDArray[np.uint8]


def film(seed: int, side: int = 64) -> tuple[Pixels, Pixels]:
    """A film and its label map."""
    drawn = radiograph_phantom((side, side), seed=seed)
    return drawn.image.array, drawn.ground_truth.labels


def white(mask: NDArray[np.bool_]) -> Pixels:
    return np.where(mask, 255, 0).astype(np.uint8)


def write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def write_kaggle_set(folder: Path) -> None:
    """Chest Xray Masks and Labels: films of Montgomery and of Shenzhen in one folder, one of them
    without a mask, and one whose mask is in question."""
    for i in range(16):
        pixels, labels = film(i)
        name, end = (f"CHNCXR_{i:04d}_0", "_mask") if i % 2 else (f"MCUCXR_{i:04d}_0", "")
        write(folder / "CXR_png" / f"{name}.png", pixels)
        write(folder / "masks" / f"{name}{end}.png", white(labels > 0))
    write(folder / "test" / "CHNCXR_0099_0.png", film(99)[0])
    flags = {"aerated_or_partial_lung_only": ["CHNCXR_0001_0"]}
    (folder / "questionable_masks.json").write_text(json.dumps(flags))


def write_nlm_sets(folder: Path) -> None:
    """Montgomery and Shenzhen, as the NLM ships them; of Montgomery with a mask for each lung."""
    montgomery, shenzhen = folder / "MontgomerySet", folder / "ChinaSet_AllFiles"
    for i in range(6):
        pixels, labels = film(i)
        write(montgomery / "CXR_png" / f"MCUCXR_{i:04d}_0.png", pixels)
        for side, number in (("rightMask", 1), ("leftMask", 2)):
            write(
                montgomery / "ManualMask" / side / f"MCUCXR_{i:04d}_0.png", white(labels == number)
            )
        pixels, labels = film(6 + i)
        write(shenzhen / "CXR_png" / f"CHNCXR_{i:04d}_0.png", pixels)
        write(shenzhen / "mask" / f"CHNCXR_{i:04d}_0_mask.png", white(labels > 0))


def write_dicom(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    make_dataset(pixels, PatientID=path.stem).save_as(path, enforce_file_format=True)


def write_gathered(folder: Path) -> None:
    """Folders with the splits; DICOM images, some PNG, with PNG masks."""
    for split, seeds in {"train": range(6), "val": range(6, 8), "test": range(8, 10)}.items():
        for seed in seeds:
            pixels, labels = film(seed)
            write(folder / split / "masks" / f"film{seed}.png", white(labels > 0))
            if seed == 0:
                write(folder / split / "images" / f"film{seed}.png", pixels)
            else:
                write_dicom(folder / split / "images" / f"film{seed}.dcm", pixels)


def write_rsna(folder: Path) -> None:
    """RSNA Pneumonia Detection Challenge: two films, one of them with a box."""
    for i in range(2):
        write_dicom(folder / "stage_2_train_images" / f"p{i}.dcm", film(i, 128)[0])
    (folder / "stage_2_train_labels.csv").write_text(
        "patientId,x,y,width,height,Target\np0,20,40,30,30,1\np1,,,,,0\n"
    )


def slices(first_seed: int, scans: int) -> Iterator[tuple[int, NDArray[np.int16], Pixels]]:
    """Number, Hounsfield units and mask (0, 255) of two slices of each scan."""
    for seed in range(first_seed, first_seed + scans):
        scan = ct_phantom((12, 128, 128), seed=seed)
        lungs = scan.ground_truth.labels > 0
        for number in np.argsort(lungs.sum(axis=(1, 2)))[-2:]:
            yield int(number), scan.volume.array[number], white(lungs[number])


def windowed(units: NDArray[np.int16]) -> Pixels:
    """In a window for lungs."""
    return ((np.clip(units, -1000, 400) + 1000.0) * (255 / 1400)).astype(np.uint8)


def write_finding_lungs(folder: Path) -> None:
    """Finding and Measuring Lungs in CT Data: TIFF with Hounsfield units."""
    for name in ("2d_images", "2d_masks"):
        (folder / name).mkdir(parents=True)
    for i, (number, units, mask) in enumerate(slices(0, 4)):
        name = f"ID_{i // 2:04d}_Z_{number:04d}.tif"
        Picture.fromarray(units.astype(np.int32)).save(folder / "2d_images" / name)
        Picture.fromarray(mask).save(folder / "2d_masks" / name)


def write_bmp(folder: Path) -> None:
    """BMP, whose masks have soft edges."""
    for i, (_, units, mask) in enumerate(slices(10, 2), 1):
        write(folder / "images" / f"CT_{i:03d}.bmp", windowed(units))
        write(folder / "masks" / f"CT_{i:03d}.bmp", cv2.blur(mask, (3, 3)).astype(np.uint8))


def write_covid19(folder: Path) -> None:
    """Slices of one patient in `ct`, and their masks in `lungs`."""
    for number, units, mask in slices(20, 1):
        write(folder / "ct" / f"case0_{number:03d}.png", windowed(units))
        write(folder / "lungs" / f"case0_{number:03d}.png", mask)


def write_sick_films(folder: Path) -> None:
    """What lies beside the sets of a page and is none of its data."""
    write_radiographs(folder, count=2, first_seed=40)


KAGGLE = {"data/cxr/masks_and_labels": write_kaggle_set}
NLM = {"data/cxr/masks_and_labels": write_nlm_sets}
BESIDE = {"data/cxr/diseased_adults": write_sick_films}
DATA = {
    "r1": {**KAGGLE, **BESIDE, "data/rsna": write_rsna},
    "r2": {**KAGGLE, **BESIDE},
    "r3": {"data/gathered": write_gathered},
    "r4": {
        "data/ct/bmp": write_bmp,
        "data/ct/finding_lungs": write_finding_lungs,
        "data/ct/covid19": write_covid19,
    },
    "r5": {**NLM, **BESIDE},
}
"""For each page what it names, and who writes it there."""
