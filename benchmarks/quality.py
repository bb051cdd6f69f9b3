"""How well radiographs, other pictures and bad masks are told apart: the tables of
docs/verdicts.md.

    python benchmarks/quality.py CASES --out-of-distribution DIR ... --frontal DIR ...

CASES is a list of cases such as the cases.csv that `lungseg train` left; those of --split are
measured, which neither the network nor its quality model may have been fitted to. Of the folders of
pictures that are no frontal chest radiographs, and of those that are drawn, the half is measured
that the embedded quality model was not fitted to, by patient; of another model's, whose `lungseg
calibrate` was given other folders, --all of them. Folders of frontal radiographs have no masks.

What was computed for a picture is kept in --keep, so that a run that was interrupted goes on where
it stopped; what another model or another quality model said is not used again. Whoever changes a
feature, a degradation or the choice of pictures has to delete it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

import quality_tables
from lungseg.calibrate.out_of_distribution import drawn_pictures, pictures_in
from lungseg.calibrate.radiograph import RadiographItem, as_image, case_items, sample_of
from lungseg.calibrate.run import bounded_map, choose_cases
from lungseg.datasets import read_manifest
from lungseg.errors import InputError
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.predict import find_model
from lungseg.quality.files import quality_model_path
from lungseg.radiograph.segment import RadiographSegmenter

ROTATED = 0.25
"""Fraction of the patients whose images are rotated by quarter turns."""

PHANTOMS = 20

Row = dict[str, Any]


def main() -> None:
    """Reads the flags, measures what was not measured before, and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument(
        "--out-of-distribution",
        type=Path,
        action="append",
        default=[],
        help="a folder of pictures that are no frontal radiographs",
    )
    parser.add_argument("--all", action="store_true", help="measure both halves of these")
    parser.add_argument(
        "--frontal",
        type=Path,
        action="append",
        default=[],
        help="a folder of frontal radiographs without masks",
    )
    parser.add_argument("--model", default="cxr", help="name or path")
    parser.add_argument("--split", default="validation", help="whose cases are measured")
    parser.add_argument("--degraded", type=int, default=2, help="made of each case [2]")
    parser.add_argument("--masks-alone", action="store_true", help="show no other pictures")
    parser.add_argument(
        "--keep", type=Path, default=Path("quality.jsonl"), help="where what was computed is kept"
    )
    parser.add_argument("--curve", type=Path, help="PNG of the calibration curve to be drawn")
    parser.add_argument("--workers", type=int, default=2)
    flags = parser.parse_args()
    model = find_model(flags.model)
    segmenter = RadiographSegmenter(model, threads=1)
    rest = chain(others(flags.out_of_distribution, both_halves=flags.all), frontal(flags.frontal))
    items = chain(
        () if flags.masks_alone else rest,
        radiographs(flags.cases, flags.split, flags.degraded),
    )
    rows = measured(segmenter, items, Kept(flags.keep, model), flags.workers)
    quality_tables.show(rows, flags.curve)
    print_cost(segmenter)


def print_cost(segmenter: RadiographSegmenter, rounds: int = 20) -> None:
    """What judging costs beside the network, on one core."""
    image = radiograph_phantom((1024, 1024), seed=0).image
    steps = [segmenter(image).seconds for _ in range(rounds)]
    network, judging = (
        1000 * float(np.median([step[name] for step in steps])) for name in ("predict", "judge")
    )
    print(
        f"One phantom of 1024 x 1024 on one core: network and features {network:.0f} ms, all else "
        f"of judging {judging:.0f} ms."
    )


Item = tuple[str, RadiographItem]
"""Of which table it is, and the item."""


def others(folders: Iterable[Path], *, both_halves: bool) -> Iterator[Item]:
    """Pictures that are no frontal chest radiographs."""
    for item in chain(*(pictures_in(folder) for folder in folders), drawn_pictures()):
        if both_halves or second_half(item.patient):
            yield item.kind, item


def second_half(patient: str) -> bool:
    """Whether a patient is of the half that the embedded quality model was not fitted to."""
    return int(hashlib.md5(patient.encode()).hexdigest()[:8], 16) >= 2**31


def frontal(folders: Iterable[Path]) -> Iterator[Item]:
    """Frontal radiographs without masks, and phantoms."""
    for item in chain(*(pictures_in(folder) for folder in folders)):
        yield "frontal", item
    for seed in range(PHANTOMS):
        image = radiograph_phantom((512, 512), seed=seed).image
        name = f"phantom{seed}"
        yield "frontal", RadiographItem(name, "out_of_distribution", "phantoms", name, image)


def radiographs(cases: Path, split: str, degraded: int) -> Iterator[Item]:
    """Cases as they are and so many times degraded; where they are, some are rotated too."""
    for case in choose_cases(read_manifest(cases), [split]):
        rotated = degraded > 0 and zlib.crc32(case.patient.encode()) / 2**32 < ROTATED
        for item in case_items(case, degraded=degraded, rotated=rotated):
            yield item.kind, item


class Kept:
    """What was computed for pictures by the same model and the same quality model."""

    def __init__(self, path: Path, model: Path) -> None:
        files = [file for file in (model, quality_model_path(model)) if file.is_file()]
        content = b"".join(file.read_bytes() for file in files)
        self.path, self.by = path, hashlib.sha256(content).hexdigest()
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = {row["key"]: row for row in map(json.loads, lines) if row["by"] == self.by}

    def add(self, row: Row) -> None:
        """Keeps it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"by": self.by}) + "\n")


def measured(
    segmenter: RadiographSegmenter, items: Iterable[Item], kept: Kept, workers: int
) -> list[Row]:
    """What was found on each picture, before or now."""

    def one(item: Item) -> Row | None:
        return kept.rows.get(item[1].key) or row_of(segmenter, *item)

    rows = []
    for _, row in bounded_map(one, items, workers):
        if row is not None:
            rows.append(row)
            if row["key"] not in kept.rows:
                kept.add(row)
    return rows


def row_of(segmenter: RadiographSegmenter, kind: str, item: RadiographItem) -> Row | None:
    """What was found on one picture; None where it is none."""
    try:
        image = as_image(item.image)
    except InputError as error:
        print(f"{item.key} is left out: {error}")
        return None
    prediction = segmenter.infer(image)
    result = segmenter.finish(image, prediction)
    expected = {
        m.name: m.value for m in result.measurements.values() if m.name.startswith("expected")
    }
    return {
        **asdict(sample_of(item, prediction, result)),
        "key": item.key,
        "kind": kind,
        "what": item.degradations,
        "quarter_turns": prediction.quarter_turns,
        "verdict": result.verdict.status,
        "codes": result.verdict.codes,
        **expected,
    }


if __name__ == "__main__":
    main()
