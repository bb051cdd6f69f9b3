"""How well a CT model finds lungs: `lungseg evaluate` on every CT set that has masks, as Markdown
tables.

    python benchmarks/ct_scores.py FOLDER
    python benchmarks/ct_scores.py FOLDER -o OUT --model mine.onnx

FOLDER holds these, and what is missing is left out:

- lctsc/caseN_ct.nii.gz and caseN_lung.nii.gz: volumes of the 2017 AAPM Lung CT Segmentation
  Challenge.
- small_volumes/ct-64.nrrd and lm-64.nrrd, and the same turned: a volume of the Chest Imaging
  Platform with the lungs in thirds, which become right and left lung here.
- finding_lungs/2d_images/*.tif and 2d_masks: slices of "Finding and Measuring Lungs in CT Data".
  The masks of `WRONG` are left out.
- covid19/ct/*.png and lungs: slices of one volume of the COVID-19 CT set, on which nothing was
  trained.

OUT gets what `lungseg evaluate` leaves, the worst as pictures among it. After its tables comes one
of covid19 by height.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nrrd
import numpy as np

from lungseg.datasets import Case, discover
from lungseg.evaluate import evaluate
from lungseg.structures import LEFT_LUNG, RIGHT_LUNG

# fmt: off
KEPT_BACK = {
    "lctsc": ("case3",),
    "finding_lungs": (
        "ID_0000_Z_0142", "ID_0006_Z_0206", "ID_0013_Z_0047", "ID_0016_Z_0208", "ID_0047_Z_0272",
        "ID_0051_Z_0130", "ID_0095_Z_0097", "ID_0099_Z_0069", "ID_0102_Z_0238", "ID_0103_Z_0069",
        "ID_0104_Z_0101", "ID_0121_Z_0245", "ID_0132_Z_0069", "ID_0136_Z_0122", "ID_0137_Z_0155",
        "ID_0138_Z_0063", "ID_0139_Z_0056", "ID_0140_Z_0230", "ID_0144_Z_0224", "ID_0166_Z_0072",
        "ID_0180_Z_0086", "ID_0203_Z_0079", "ID_0204_Z_0066", "ID_0210_Z_0140", "ID_0215_Z_0238",
        "ID_0245_Z_0318", "ID_0262_Z_0064",
    ),
}
# fmt: on
"""What the embedded model was not trained on. They were its validation cases, at which one looks
while a model is made."""

WRONG = ("ID_0254", "ID_0052", "ID_0079")
"""Patients of finding_lungs whose masks are wrong; that of the first labels the outside as lung."""

THIRDS = {RIGHT_LUNG: (12, 13, 14), LEFT_LUNG: (9, 10, 11)}
"""Chest regions of the Chest Imaging Platform (cipChestConventions.h), in the lower byte of a
label: upper, middle and lower third of each lung. The upper byte is what kind of tissue it is;
airways and vessels outside of all regions have 0 in the lower."""

BAND = 10
"""Slices of covid19 that a line of its table is about."""


def main() -> None:
    """Reads the flags and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("ct-scores"),
        help="folder of the report [ct-scores]",
    )
    parser.add_argument("--model", default="ct")
    flags = parser.parse_args()
    flags.output.mkdir(parents=True, exist_ok=True)
    print(evaluate([flags.model], list(gathered(flags.folder, flags.output)), flags.output).text)
    by_height(flags.output / "scores.csv")


def gathered(folder: Path, output: Path) -> Iterator[Case]:
    """The cases of the folder, their source told apart by whether they trained the embedded model;
    labels of thirds are written to `output` as labels of lungs.
    """
    for data_set in discover(folder):
        for case in data_set.cases:
            if case.source == "small_volumes" and case.case.startswith("ct-"):
                yield replace(case, mask=lungs_of_thirds(case, output))
            elif case.source in KEPT_BACK and not case.case.startswith(WRONG):
                seen = "kept back" if case.case in KEPT_BACK[case.source] else "trained on"
                yield replace(case, source=f"{case.source}, {seen}")
            elif case.source == "covid19":
                yield case


def lungs_of_thirds(case: Case, output: Path) -> Path:
    """Writes the labels of a case as right and left lung, and returns the file."""
    regions, header = nrrd.read(str(case.mask))
    lungs = np.zeros(regions.shape, np.uint8)
    for lung, thirds in THIRDS.items():
        lungs[np.isin(regions & 255, thirds)] = lung.number
    path = output / f"{case.case}_lungs.nrrd"
    nrrd.write(
        str(path),
        lungs,
        {
            name: entry
            for name, entry in header.items()
            if name not in ("type", "endian", "encoding")
        },
    )
    return path


def by_height(scores: Path) -> None:
    """Prints a line for each `BAND` slices of covid19, from the feet to the head, and the
    percentiles of all.
    """
    with scores.open(newline="") as file:
        rows = sorted(
            (row for row in csv.DictReader(file) if row["source"] == "covid19"),
            key=lambda row: row["case"],
        )
    if not rows:
        return
    print(
        "\n| covid19, from the feet | slices | Dice | lowest | IoU | too much, fraction of lung | "
        "too little |\n|---|---|---|---|---|---|---|"
    )
    for first in range(0, len(rows), BAND):
        band = rows[first : first + BAND]
        dice, iou, precision, recall = (
            np.array([float(row[name]) for row in band])
            for name in ("lungs_dice", "lungs_iou", "lungs_precision", "lungs_recall")
        )
        surplus = (recall / precision * (1 - precision)).mean()
        metrics = (
            f"{dice.mean():.4f} | {dice.min():.4f} | {iou.mean():.4f} | {surplus:.3f} | "
            f"{(1 - recall).mean():.3f}"
        )
        print(f"| {band[0]['case']} to {band[-1]['case']} | {len(band)} | {metrics} |")
    for name in ("dice", "iou"):
        values = np.array([float(row[f"lungs_{name}"]) for row in rows])
        percentiles = ", ".join(
            f"{p} %: {np.percentile(values, p):.4f}" for p in (5, 25, 50, 75, 95)
        )
        low = ", ".join(f"under {limit}: {(values < limit).sum()}" for limit in (0.9, 0.95))
        print(f"\n{name} of covid19: mean {values.mean():.4f}; {percentiles}; {low}")


if __name__ == "__main__":
    main()
