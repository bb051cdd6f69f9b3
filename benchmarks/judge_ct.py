"""How well the judge of CT knows bad masks and bad volumes; and how what it knows is learned.

    python benchmarks/judge_ct.py FOLDER --fit     # learns, and writes ct.judge.json beside the
    model python benchmarks/judge_ct.py FOLDER           # prints the tables of docs/verdicts_ct.md
    python benchmarks/judge_ct.py FOLDER --model mine.onnx --cases cases.csv --fit

FOLDER is that of `benchmarks/ct_scores.py`: lctsc, finding_lungs, covid19 and small_volumes. What
the model was trained on is learned from, made hard by `benchmarks/hard_volumes.py`, and what it was
not trained on is reported; of another model than the embedded one a manifest says which is which.
covid19 and small_volumes are reported only. Stacks of a volume's slices stand for the volume, and
single slices for themselves.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from shutil import copy
from typing import Any

import nrrd
import numpy as np
from numpy.typing import NDArray

import judge_learning
from ct_scores import KEPT_BACK, THIRDS, WRONG
from hard_volumes import Stack, from_greys, from_hounsfield, hardened
from judge_ct_tables import Row, show
from lungseg.card import read_card
from lungseg.ct.segment import VolumeSegmenter, pooled
from lungseg.datasets.ground_truth import is_lung
from lungseg.options import SegmentOptions
from lungseg.predict import find_model
from lungseg.quality.model import Calibration, learned_path
from lungseg.quality.model_ct import LearnedVolume
from lungseg.readers import read, read_mask, read_volume
from lungseg.scores import dice

Array = NDArray[Any]

SLICES = 14
"""Of a volume that stand for it, evenly spread over the lungs and a little beyond."""

HARD = {
    "learn": {"lctsc": 9, "finding_lungs": 1},
    "report": {"lctsc": 10, "small_volumes": 4, "finding_lungs": 2, "covid19": 1},
}
"""Hard stacks or slices made of each volume or slice."""

PLAIN = {
    "learn": {"lctsc": 2, "finding_lungs": 0.4},
    "report": {"lctsc": 2, "small_volumes": 1, "finding_lungs": 1, "covid19": 1},
}
"""As they are; below 1 it is the share of them. Of volumes other slices each time."""

DRAWS = 4
"""Times that half of a stack's slices are drawn, as a volume of its own."""

STEADY = ("agreement", "mask agreement", "lower agreement", "other confidence")
"""How well the network agrees with itself in a mirror."""

SIGNS = judge_learning.DECIDED + STEADY + judge_learning.SHAPE

SLICES_IN_BIN, VOLUMES_IN_BIN = 30, 15
"""Of the calibration."""

WIDER = 1.5
"""What a Dice lacks to 1 is taken this much farther at both ends of an interval, because the
network has seen the patients learned from: without it, 0.79 of the masks of finding_lungs'
validation slices and 0.86 of those of small_volumes lay within, with it 0.96 and 0.97."""

UNCERTAIN = 0.9
"""Expected Dice below which a reader should look."""


@dataclass(frozen=True)
class Source:
    """A volume or slice with its truth, and how it is called."""

    group: str
    patient: str
    stack: Stack


def main() -> None:
    """Reads the flags, looks at everything, and learns or prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--cases", type=Path, help="manifest whose validation cases the model was not trained on"
    )
    parser.add_argument("--model", default="ct", help="name or path")
    parser.add_argument(
        "--fit", action="store_true", help="learn, and write what was learned beside the model"
    )
    parser.add_argument("--curve", type=Path, help="PNG of the calibration curves to be drawn")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, help="where what was computed is kept, and taken from if it is there"
    )
    flags = parser.parse_args()
    model = find_model(flags.model)
    unseen = validated(flags.cases) if flags.cases else set(chain(*KEPT_BACK.values()))
    if flags.fit:
        # Without what was learned before, which may be of another model and would be refused.
        with tempfile.TemporaryDirectory() as bare:
            copies = [Path(copy(path, bare)) for path in (model, model.with_suffix(".json"))]
            rows = kept(
                flags.keep,
                look_at(copies[0], sources(flags.folder, unseen, "learn"), "learn", flags.jobs),
            )
        learn(rows, read_card(model.with_suffix(".json")).sha256).write(learned_path(model))
    else:
        rows = kept(
            flags.keep,
            look_at(model, sources(flags.folder, unseen, "report"), "report", flags.jobs),
        )
        show(rows, LearnedVolume.read(learned_path(model)), flags.curve)


def validated(manifest: Path) -> set[str]:
    """Cases and patients that were for validation."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            name
            for row in rows
            if row["split"] == "validation"
            for name in (row["case"], row["patient"])
        }


def kept(path: Path | None, rows: Iterator[Row]) -> list[Row]:
    """The rows, written to a file; or those that it holds."""
    if path is not None and path.exists():
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = list(rows)
    if path is not None:
        path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return found


def sources(folder: Path, unseen: set[str], what: str) -> Iterator[Source]:
    """Volumes and slices; to learn from those that the model was trained on, to report the
    others.
    """
    for path in sorted((folder / "lctsc").glob("*_ct.nii.gz")):
        name = path.name.removesuffix("_ct.nii.gz")
        if (name in unseen) == (what == "report"):
            yield Source(
                "lctsc",
                name,
                stack_of(path, read_mask_volume(path.with_name(f"{name}_lung.nii.gz"))),
            )
    for path in sorted((folder / "finding_lungs" / "2d_images").glob("*.tif")):
        if path.stem[:7] not in WRONG and (path.stem in unseen) == (what == "report"):
            yield Source(
                "finding_lungs", path.stem, _slice(path, path.parents[1] / "2d_masks" / path.name)
            )
    if what == "report":
        for path in sorted((folder / "small_volumes").glob("ct-64.nrrd")):
            regions = nrrd.read(str(path.with_name("lm-64.nrrd")))[0].T & 255
            yield Source(
                "small_volumes",
                path.stem,
                stack_of(path, np.isin(regions, [*chain(*THIRDS.values())])),
            )
        for path in sorted((folder / "covid19" / "ct").glob("*.png"))[::2]:
            yield Source("covid19", "covid19", _slice(path, path.parents[1] / "lungs" / path.name))


def read_mask_volume(path: Path) -> Array:
    """A label volume in NIfTI as it is stored: (slices, rows, columns)."""
    import nibabel

    return np.asanyarray(nibabel.Nifti1Image.from_filename(path).dataobj).T > 0


def stack_of(path: Path, lungs: Array) -> Stack:
    """A volume with its lungs, in axial order."""
    volume = read_volume(path)
    turn = volume.geometry.to_axial()
    spacing = turn.geometry(volume.geometry).spacing
    assert spacing is not None
    return from_hounsfield(turn.apply(volume.array), turn.apply(lungs), spacing)


def _slice(path: Path, mask: Path) -> Stack:
    return from_greys(read(path).array, is_lung(read_mask(mask)))


def made_of(source: Source, what: str) -> Iterator[tuple[Stack, str]]:
    """Stacks as they are, and made hard, with what was done."""
    rng = np.random.default_rng(zlib.crc32(f"{source.group} {source.patient}".encode()))
    plain = PLAIN[what][source.group]
    for _ in range(int(plain + rng.random())):
        yield _some(source.stack, rng), "plain"
    made = 0
    for _ in range(100):
        hard = hardened(_some(source.stack, rng), rng)
        if hard is not None:
            yield hard
            made += 1
        if made == HARD[what][source.group]:
            return


def _some(stack: Stack, rng: np.random.Generator) -> Stack:
    """`SLICES` of a volume, from somewhat below the lungs to somewhat above, beginning somewhere; a
    single slice as it is.
    """
    if len(stack.grey) <= SLICES or stack.spacing is None:
        return stack
    at = np.flatnonzero(stack.lungs.any(axis=(1, 2)))
    step = (at[-1] - at[0] + 1) / (SLICES - 2)
    chosen = np.unique(
        np.clip(
            at[0] + step * (np.arange(SLICES) - 1 + rng.uniform(0, 1)), 0, len(stack.grey) - 1
        ).astype(int)
    )
    return Stack(
        stack.grey[chosen],
        stack.lungs[chosen],
        hounsfield=True,
        spacing=(stack.spacing[0] * step, *stack.spacing[1:]),
    )


def look_at(model: Path, found: Iterable[Source], what: str, jobs: int) -> Iterator[Row]:
    """Rows of all that can be made of the sources."""
    segmenter = VolumeSegmenter(model, threads=1)
    with ThreadPoolExecutor(jobs) as pool:
        for source in found:
            for rows in pool.map(
                lambda made, of=source: list(_rows(segmenter, of, *made)), made_of(source, what)
            ):
                yield from rows


def _rows(segmenter: VolumeSegmenter, source: Source, stack: Stack, done: str) -> Iterator[Row]:
    """A row for each slice with a mask, and where there are several one for the whole and for
    halves of it.
    """
    volume = stack.volume
    planes = segmenter.infer(volume)
    result = segmenter.finish(volume, planes, SegmentOptions(skip_quality=done != "plain"))
    known = {
        "group": source.group,
        "patient": source.patient,
        "done": done,
        "single": len(planes) == 1,
    }
    at = np.flatnonzero(result.mask.any(axis=(1, 2)))
    each = {}
    for i in at.tolist():
        one = Stack(
            stack.grey[i : i + 1],
            stack.lungs[i : i + 1],
            hounsfield=stack.hounsfield,
            spacing=stack.spacing,
        )
        each[i] = segmenter.signs(one.volume, planes[i : i + 1], result.mask[i : i + 1])
        yield (
            known
            | {
                "signs": each[i],
                "dice": dice(stack.lungs[i] > 0, result.mask[i] > 0),
                "single": True,
            }
            | _verdict(result, len(planes))
        )
    if len(planes) == 1 or not at.size:
        return
    rng = np.random.default_rng(len(at))
    for draw in range(DRAWS + 1):
        those = np.sort(rng.choice(at, -(-len(at) // 2), replace=False)) if draw else at
        others = np.setdiff1d(np.arange(len(planes)), at) if not draw else []
        signs = pooled(
            [each[i] for i in those.tolist()], np.count_nonzero(result.mask[those], axis=(1, 2))
        )
        taken = np.append(those, others).astype(int)
        row = known | {"signs": signs, "dice": dice(stack.lungs[taken] > 0, result.mask[taken] > 0)}
        yield row if draw else row | _verdict(result, 1)


def _verdict(result: Any, slices: int) -> Row:
    """Of what was judged as it was looked at."""
    return {"verdict": result.verdict.status, "codes": result.verdict.codes} if slices == 1 else {}


def learn(rows: list[Row], model: str) -> LearnedVolume:
    """One line of signs for slices and volumes, and what its scores are worth for each."""
    slices, volumes = ([row for row in rows if row["single"] is single] for single in (True, False))
    line, knots = judge_learning.learn_dice(slices, SIGNS, SLICES_IN_BIN)
    scores = []
    for patient in sorted({row["patient"] for row in volumes}):
        # Scores by a line that has not seen the patient.
        other, _ = judge_learning.learn_dice(
            [row for row in slices if row["patient"] != patient], SIGNS
        )
        scores += [
            (other(row["signs"]), row["dice"]) for row in volumes if row["patient"] == patient
        ]
    worth = judge_learning.calibration(*np.array(scores).T, size=VOLUMES_IN_BIN)
    return LearnedVolume(model, line, widened(knots), widened(worth), UNCERTAIN)


def widened(knots: tuple[tuple[float, ...], ...]) -> Calibration:
    """Scores, expected, low and high, the last two farther apart by `WIDER`."""
    scores, expected, low, high = knots
    # A mean of few may lie outside of the quantiles of most.
    lower = tuple(
        max(0.0, min(1 - WIDER * (1 - x), value)) for x, value in zip(low, expected, strict=True)
    )
    upper = tuple(max(1 - (1 - x) / WIDER, value) for x, value in zip(high, expected, strict=True))
    return Calibration(scores, expected, lower, upper)


if __name__ == "__main__":
    main()
