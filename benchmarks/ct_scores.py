"""How well the embedded `ct` model finds lungs, by `lungseg.segment` as users run it, as Markdown tables.

    python benchmarks/ct_scores.py FOLDER                    # all slices of finding_lungs
    python benchmarks/ct_scores.py FOLDER --cases cases.csv  # of those only the validation cases of a manifest

FOLDER holds these, and what is missing is left out:

- lctsc/caseN_ct.nii.gz and caseN_lung.nii.gz: volumes of the 2017 AAPM Lung CT Segmentation Challenge. All but case3 trained the model.
- small_volumes/ct-64.nrrd and lm-64.nrrd, and the same turned: a volume of the Chest Imaging Platform with the lungs in thirds.
- finding_lungs/2d_images/*.tif and 2d_masks: slices of "Finding and Measuring Lungs in CT Data". The masks of `WRONG` are left out.
- covid19/ct/*.png and lungs: slices of one volume of the COVID-19 CT set, on which nothing was trained.

A truth is taken as it is, holes included. Dice of a volume counts its voxels at once. HD95 is the larger of the two directed 95th
percentiles between outlines (voxels with one of six neighbours outside), in millimetres.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import lungseg
from lungseg.datasets.truth import is_lung
from lungseg.labels import LEFT_LUNG, LUNGS, RIGHT_LUNG
from lungseg.read import read_mask
from lungseg.result import VolumeResult
from lungseg.scores import SurfaceDistances, dice

HELD_OUT = "case3"
"""The volume of LCTSC that was not trained on; it is among the validation cases, by which training chooses what it keeps."""

WRONG = ("ID_0254", "ID_0052", "ID_0079")
"""Patients of finding_lungs whose masks are wrong; that of the first labels the outside as lung."""

THIRDS = {9: LEFT_LUNG, 10: LEFT_LUNG, 11: LEFT_LUNG, 12: RIGHT_LUNG, 13: RIGHT_LUNG, 14: RIGHT_LUNG}
"""Chest regions of the Chest Imaging Platform (cipChestConventions.h), in the lower byte of a label: upper, middle and lower third of
each lung. The upper byte is what kind of tissue it is; airways and vessels outside of all regions have 0 in the lower."""

Mask = NDArray[Any]


def main() -> None:
    """Reads the flags and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=Path, help="manifest whose validation cases of the source finding_lungs are scored")
    flags = parser.parse_args()
    volumes(flags.folder)
    slices(flags.folder, flags.cases)


def volumes(folder: Path) -> None:
    """Prints a line for each volume."""
    print("| volume | Dice | HD95, mm | Dice, right lung | Dice, left lung | verdict |\n|---|---|---|---|---|---|")
    for path in sorted((folder / "lctsc").glob("*_ct.nii.gz")):
        name = path.name.removesuffix("_ct.nii.gz")
        truth = np.asanyarray(nibabel.Nifti1Image.from_filename(path.with_name(f"{name}_lung.nii.gz")).dataobj).T
        print_volume(f"**lctsc {name}, not in training**" if name == HELD_OUT else f"lctsc {name}, in training", path, truth, sides=False)
    for path in sorted((folder / "small_volumes").glob("ct-*.nrrd")):
        regions = nrrd.read(str(path.with_name(path.name.replace("ct-", "lm-"))))[0].T & 255
        truth = np.zeros(regions.shape, np.uint8)
        for region, lung in THIRDS.items():
            truth[regions == region] = lung.number
        print_volume(f"small_volumes {path.stem}", path, truth, sides=True)


def print_volume(name: str, path: Path, truth: Mask, *, sides: bool) -> None:
    """One line; `sides` says whether the truth, (slices, rows, columns), tells the lungs apart."""
    found = lungseg.segment(path)
    assert isinstance(found, VolumeResult)
    spacing = found.volume.grid.spacing
    assert spacing is not None
    each = [f"{dice(truth == lung.number, found.mask == lung.number):.4f}" if sides else "" for lung in LUNGS]
    both = truth > 0, found.mask > 0
    whole = f"{dice(*both):.4f} | {hd95(*both, spacing):.2f}"
    print(f"| {name} | {whole} | {' | '.join(each)} | {found.verdict.status} |", flush=True)


def hd95(truth: Mask, found: Mask, spacing: tuple[float, float, float]) -> float:
    """Millimetres between the outlines of two masks (slices, rows, columns) of which neither is empty."""
    box = ndimage.find_objects((truth | found).astype(np.uint8))[0]
    outlines = [mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (truth, found)]
    to_truth, to_found = (ndimage.distance_transform_edt(~outline, sampling=spacing) for outline in outlines)
    return SurfaceDistances(to_found[outlines[0]], to_truth[outlines[1]]).hd95


def slices(folder: Path, cases: Path | None) -> None:
    """Prints a line for each set of slices."""
    sets = {}
    pictures = sorted((folder / "finding_lungs" / "2d_images").glob("*.tif"))
    right = [path for path in pictures if path.stem[:7] not in WRONG]
    if cases:
        with cases.open(newline="") as file:
            chosen = {row["case"] for row in csv.DictReader(file) if (row["source"], row["split"]) == ("finding_lungs", "validation")}
        right = [path for path in right if path.stem in chosen]
    sets[f"finding_lungs, {'validation' if cases else 'training and validation'}"] = [
        (p, p.parents[1] / "2d_masks" / p.name) for p in right
    ]
    sets["covid19, not in training"] = [(p, p.parents[1] / "lungs" / p.name) for p in sorted((folder / "covid19" / "ct").glob("*.png"))]
    print("\n| slices | with lung | Dice, mean | median | min | nothing found | without lung | lung claimed | not taken for CT |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, pairs in sets.items():
        if pairs:
            print_slices(name, pairs)
    print(f"\nLeft out of finding_lungs, because their masks are wrong: {', '.join(WRONG)}. Dice is of the slices with lung in the truth.")
    print('"Not taken for CT" are those that `lungseg segment` would take for radiographs; here they are scored as CT (`--kind ct`).')


def print_slices(name: str, pairs: list[tuple[Path, Path]]) -> None:
    """One line for pairs of slice and mask."""
    scores: dict[str, float] = {}
    empty = claimed = missed = others = 0
    for path, mask in pairs:
        found = lungseg.segment(path)
        if not isinstance(found, VolumeResult):
            others += 1
            found = lungseg.segment(path, kind="ct")
        truth, lungs = is_lung(read_mask(mask)), found.mask.reshape(found.mask.shape[-2:]) > 0
        if truth.any():
            scores[path.stem] = dice(truth, lungs)
            missed += not lungs.any()
        else:
            empty += 1
            claimed += bool(lungs.any())
    worst = min(scores, key=scores.__getitem__)
    figures = f"{np.mean(list(scores.values())):.4f} | {np.median(list(scores.values())):.4f} | {scores[worst]:.4f} ({worst})"
    print(f"| {name} | {len(scores)} | {figures} | {missed} | {empty} | {claimed} | {others} |", flush=True)


if __name__ == "__main__":
    main()
