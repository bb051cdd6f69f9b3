"""How well the judge of radiographs knows strangers and bad masks; and how what it knows is
learned.

    python benchmarks/judge.py CASES --stranger DIR ... --fit     # learns, and writes
    cxr.judge.json beside the model python benchmarks/judge.py CASES --stranger DIR ... --frontal
    DIR ...     # prints the tables of docs/verdicts.md

CASES is the cases.csv that `lungseg train` left: it is learned from its training patients, and
reported on its validation patients. Folders of strangers hold pictures that are no frontal chest
radiographs, DICOM files, or CT volumes (`*_ct.nii.gz`); half of them, by patient, is learned from
and the other half reported. Folders of frontal radiographs without masks are reported only.

Pictures are made hard by `benchmarks/hard_pictures.py`. What was computed for a picture is kept in
--keep, so that a run that was interrupted goes on where it stopped; what another model found, or
what was judged before something else was learned, is not used again. Whoever changes a sign, a
hardship or the choice of pictures has to delete it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np

import judge_learning
import judge_tables
from hard_pictures import hardened, shrunk
from lungseg.datasets import Case, read_labels, read_manifest
from lungseg.datasets.label_sets import mediastinal_band
from lungseg.errors import InputError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.predict import Predictor, find_model
from lungseg.quality.model import learned_path
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.scores import count
from lungseg.segmentation import Array
from strangers import Stranger, drawn, half, in_folder

log = logging.getLogger("judge")

HARD = {"train": 1, "validation": 2}
"""Hard pictures made of each."""

PLAIN = 0.4
"""Share of the training patients whose pictures are learned from as they are too; the network knows
them all too well."""

TURNED = {"train": 0.06, "validation": 0.25}
"""Share of the patients whose pictures are turned by quarters."""

Row = dict[str, Any]
Job = tuple[Row, Image | Array, Array | None, Array | None]
"""What is known of a picture before it is looked at, the picture, its truth, and where that can be
judged."""


def main() -> None:
    """Reads the flags, looks at what was not looked at before, and learns or prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument(
        "--stranger",
        type=Path,
        action="append",
        default=[],
        help="a folder of pictures that are no frontal radiographs",
    )
    parser.add_argument(
        "--frontal",
        type=Path,
        action="append",
        default=[],
        help="a folder of frontal radiographs without masks",
    )
    parser.add_argument("--model", default="cxr", help="name or path")
    parser.add_argument(
        "--fit", action="store_true", help="learn, and write what was learned beside the model"
    )
    parser.add_argument(
        "--every",
        type=int,
        default=3,
        help="of folders with more than a hundred files, take one in so many",
    )
    parser.add_argument(
        "--keep", type=Path, default=Path("judge.jsonl"), help="where what was computed is kept"
    )
    parser.add_argument("--curve", type=Path, help="PNG of the calibration curve to be drawn")
    parser.add_argument("--jobs", type=int, default=2)
    flags = parser.parse_args()
    model = find_model(flags.model)
    strangers = [
        stranger
        for folder in flags.stranger
        for stranger in in_folder(folder, _step(folder, flags.every))
    ]
    strangers += drawn()
    if flags.fit:
        # Without what was learned before, the road takes every picture as it lies.
        with tempfile.TemporaryDirectory() as folder:
            bare = Path(copy(model, folder))
            copy(model.with_suffix(".json"), folder)
            rows = look_at(
                RadiographSegmenter(bare, threads=1),
                learning(flags.cases, strangers),
                Kept(flags.keep, bare),
                flags.jobs,
            )
        learned = judge_learning.learn(rows, Predictor(model).card.sha256)
        learned.write(learned_path(model))
        return
    segmenter = RadiographSegmenter(model, threads=1)
    rows = look_at(
        segmenter,
        reporting(flags.cases, strangers, flags.frontal),
        Kept(flags.keep, model),
        flags.jobs,
    )
    judge_tables.show(rows, flags.curve)
    print_cost(segmenter)


def print_cost(segmenter: RadiographSegmenter, rounds: int = 20) -> None:
    """What judging costs beside the network, on one core."""
    image = radiograph_phantom((1024, 1024), seed=0).image
    steps = [segmenter(image).seconds for _ in range(rounds)]
    network, judging = (
        1000 * float(np.median([step[name] for step in steps])) for name in ("predict", "judge")
    )
    print(
        f"One phantom of 1024 x 1024 on one core: network and signs {network:.0f} ms, all else "
        f"of judging {judging:.0f} ms."
    )


def _step(folder: Path, every: int) -> int:
    return every if sum(1 for _ in folder.rglob("*")) > 100 else 1


def learning(cases: Path, strangers: list[Stranger]) -> Iterator[Job]:
    """What is learned from."""
    yield from _films(cases, "train")
    yield from _turned(cases, "train")
    yield from (_job(stranger) for stranger in strangers if half(stranger.patient) == 0)


def reporting(cases: Path, strangers: list[Stranger], frontal: list[Path]) -> Iterator[Job]:
    """What is reported."""
    yield from (_job(stranger) for stranger in strangers if half(stranger.patient) == 1)
    for folder in frontal:
        for found in in_folder(folder):
            yield (
                {
                    "key": found.name,
                    "kind": "frontal",
                    "group": found.group,
                    "patient": found.patient,
                },
                found.picture,
                None,
                None,
            )
    for seed in range(20):
        yield (
            {"key": f"phantom{seed}", "kind": "frontal", "group": "phantoms"},
            radiograph_phantom((512, 512), seed=seed).image,
            None,
            None,
        )
    yield from _films(cases, "validation")
    yield from _turned(cases, "validation")


def _job(stranger: Stranger) -> Job:
    known = {
        "key": stranger.name,
        "kind": "stranger",
        "group": stranger.group,
        "patient": stranger.patient,
    }
    return known, stranger.picture, None, None


def _films(cases: Path, split: str) -> Iterator[Job]:
    """Films as they are, and made hard."""
    for case, image, labels, judged in _cases(cases, split):
        known = {"group": case.source, "patient": case.patient}
        if split == "validation" or _share(case.patient) < PLAIN:
            yield {"key": f"{case.case} plain", "kind": "plain", **known}, image, labels, judged
        rng = np.random.default_rng(zlib.crc32(case.case.encode()))
        picture, made = shrunk(image.array, labels, judged), 0
        for _ in range(20):
            found = hardened(picture, rng)
            if found is None:
                continue
            hard, what = found
            grey = np.rint(hard.grey * 255).astype(np.uint8)
            yield (
                {"key": f"{case.case} hard{made}", "kind": "hard", "what": what, **known},
                grey,
                hard.labels,
                hard.judged,
            )
            made += 1
            if made == HARD[split]:
                break


def _turned(cases: Path, split: str) -> Iterator[Job]:
    """Films on their side and on their head."""
    for case, image, labels, judged in _cases(cases, split):
        if _share(case.patient) >= TURNED[split]:
            continue
        for quarters in (1, 2, 3):
            known = {
                "key": f"{case.case} turned{quarters}",
                "kind": "turned",
                "group": f"turned by {90 * quarters} degrees",
            }
            pixels, truth, where = (
                np.ascontiguousarray(np.rot90(a, quarters)) for a in (image.array, labels, judged)
            )
            yield known | {"patient": case.patient, "back": 4 - quarters}, pixels, truth, where


def _share(patient: str) -> float:
    return zlib.crc32(patient.encode()) / 2**32


def _cases(cases: Path, split: str) -> Iterator[tuple[Case, Image, Array, Array]]:
    for case in read_manifest(cases):
        if case.split == split and case.mask is not None and case.notes != "questionable":
            image = RadiographSegmenter.read(case.image)
            labels = read_labels(case, image.geometry.shape)
            judged = (
                ~mediastinal_band(labels)
                if case.convention == "lung and heart"
                else np.ones(labels.shape, bool)
            )
            yield case, image, labels, judged


class Kept:
    """What was computed for pictures by the same model and the same judge, kept in a file."""

    def __init__(self, path: Path, model: Path) -> None:
        content = b"".join(
            file.read_bytes() for file in (model, learned_path(model)) if file.is_file()
        )
        self.path, self.by = path, hashlib.sha256(content).hexdigest()
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = {row["key"]: row for row in map(json.loads, lines) if row["by"] == self.by}

    def add(self, row: Row) -> None:
        """Keeps it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"by": self.by}) + "\n")


def look_at(
    segmenter: RadiographSegmenter, jobs: Iterable[Job], kept: Kept, workers: int
) -> list[Row]:
    """What was found on each picture, before or now."""

    def one(job: Job) -> Row | None:
        return kept.rows.get(job[0]["key"]) or _look(segmenter, *job)

    found = []
    with ThreadPoolExecutor(workers) as pool:
        for row in _in_turn(pool, one, jobs, 4 * workers):
            if row is not None:
                found.append(row)
                if row["key"] not in kept.rows:
                    kept.add(row)
    return found


def _in_turn(
    pool: ThreadPoolExecutor, work: Any, jobs: Iterable[Job], most: int
) -> Iterator[Row | None]:
    """Like the pool's own map, but with no more than so many pictures in memory."""
    waiting: list[Any] = []
    for job in jobs:
        waiting.append(pool.submit(work, job))
        if len(waiting) > most:
            yield waiting.pop(0).result()
    yield from (item.result() for item in waiting)


def _look(
    segmenter: RadiographSegmenter,
    known: Row,
    picture: Image | Array,
    truth: Array | None,
    judged: Array | None,
) -> Row | None:
    try:
        image = (
            picture
            if isinstance(picture, Image)
            else Image(picture, ImageGeometry((picture.shape[0], picture.shape[1])))
        )
    except InputError as error:
        log.warning("%s: %s", known["key"], error)
        return None
    look = segmenter.infer(image)
    result = segmenter.finish(image, look)
    row = known | {
        "first": look.first_signs,
        "signs": look.signs,
        "quarters": look.quarters,
        "negative": look.negative,
    }
    row |= {"verdict": result.verdict.status, "codes": result.verdict.codes}
    row |= {m.name: m.value for m in result.measurements.values() if m.name.startswith("expected")}
    if truth is not None:
        where = np.ones(truth.shape, bool) if judged is None else judged
        row["dice"] = count((truth > 0)[where], (result.mask > 0)[where]).dice
    return row


if __name__ == "__main__":
    main()
