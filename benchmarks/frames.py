"""Films and slices of CT in frames: the tables of docs/frames.md.

    python benchmarks/frames.py FOLDER [--every N] [--masks-every M] [--kind slices] [--seed S]

FOLDER has cxr and ct. Only the halves of its sets are used that nothing was fitted to. Each
picture gets every frame, each with a grading drawn at random, and the other way round; of these
pictures every N-th is made, and of those that are plainly of one kind every M-th is segmented, with
the frame and without.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from framed_pictures import (
    FILMS,
    FRAMES,
    GRADINGS,
    SLICES,
    Framed,
    Picture,
    graded_and_framed,
    grey_picture,
    pictures,
)
from lungseg.modality import Modality
from lungseg.options import SegmentOptions
from lungseg.readers.frames import find_frame
from lungseg.readers.image import read_mask
from lungseg.readers.looks_like_ct import DOUBT, ct_log_odds
from lungseg.result import Result
from lungseg.scores import dice
from lungseg.segmenter import Segmenter
from lungseg.structures import LUNGS

GOOD = 0.95
"""Dice with the mask without frame; a mask from here on is good if that was `ok`."""
MAX_SIDE = 1024
MASKS = {"2d_images": "2d_masks", "ct": "lungs"}
"""Folders of masks, by the one of their pictures."""
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One picture to be made."""

    is_slice: bool
    source: str
    path: Path
    frame: str
    grading: str
    with_masks: bool


@dataclass
class Outcome:
    """What came of it; None where that was not looked at.

    Attributes:
        right: whether it was taken for what it is.
        exchanged: whether right and left lung are exchanged against the mask without frame.
        dice: with the mask without frame, mean of both lungs.
        with_reader: Dice of both lungs together with the reader's, in the frame and without.
        good: whether the mask without frame is `ok` and that in the frame like it.
        review: whether the mask in the frame is not `ok`.
    """

    job: Job
    right: bool
    exchanged: bool | None = None
    dice: float | None = None
    with_reader: tuple[float, float] | None = None
    good: bool | None = None
    review: bool | None = None


@dataclass
class Group:
    """Outcomes that belong together."""

    outcomes: list[Outcome] = field(default_factory=list)

    def of(self, value: Callable[[Outcome], Any]) -> list[Any]:
        """What is known of them."""
        return [found for one in self.outcomes if (found := value(one)) is not None]


def main() -> None:
    """Reads the flags, makes the pictures, and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--masks-every", type=int, default=1)
    parser.add_argument("--kind", choices=("films", "slices"))
    parser.add_argument("--seed", type=int, default=1, help="of gradings and samples")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--wrong", action="store_true", help="list what was taken for the other")
    flags = parser.parse_args()
    jobs = [
        job
        for job in _jobs(flags.folder, flags.every, flags.masks_every, flags.seed)
        if flags.kind in (None, "slices" if job.is_slice else "films")
    ]
    with Pool(flags.processes) as pool:
        outcomes = list(pool.imap_unordered(_outcome, jobs, chunksize=8))
    for is_slice, kind in ((False, "films"), (True, "slices")):
        if flags.kind not in (None, kind):
            continue
        of_kind = [one for one in outcomes if one.job.is_slice == is_slice]
        for title, key in (
            ("frame", lambda one: one.job.frame),
            ("grading", lambda one: one.job.grading),
            ("set", lambda one: one.job.source),
        ):
            _print(kind, title, of_kind, key)
    if flags.wrong:
        for one in outcomes:
            if not one.right or one.exchanged:
                print(one.job.source, one.job.path.name, one.job.frame, "/", one.job.grading)


def _jobs(folder: Path, every: int, masks_every: int, seed: int) -> Iterator[Job]:
    random = np.random.default_rng(seed)
    for is_slice, sets in ((False, FILMS), (True, SLICES)):
        for source, path in pictures(folder, sets, "report"):
            pairs = [(frame, str(random.choice(list(GRADINGS)))) for frame in FRAMES]
            pairs += [(str(random.choice(list(FRAMES))), grading) for grading in GRADINGS]
            pairs += [("none", "as it is")]
            for frame, grading in pairs:
                if random.random() < 1 / every:
                    with_masks = bool(random.random() < 1 / masks_every)
                    yield Job(is_slice, source, path, frame, grading, with_masks)


@cache
def _segmenter() -> Segmenter:
    cv2.setNumThreads(1)
    return Segmenter(threads=1, volume_threads=1)


def _outcome(job: Job) -> Outcome:
    random = np.random.default_rng(zlib.crc32(f"{job.path.name}{job.frame}{job.grading}".encode()))
    pixels = grey_picture(job.path)
    if max(pixels.shape) > MAX_SIDE:
        scale = MAX_SIDE / max(pixels.shape)
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale), np.uint8)
    graded, framed = graded_and_framed(pixels, job.grading, job.frame, random)
    frame = find_frame(framed.pixels)
    odds = ct_log_odds(framed.pixels if frame is None else framed.pixels[frame.box])
    if abs(odds) >= DOUBT and not job.with_masks:
        return Outcome(job, (odds > 0) == job.is_slice)
    found = _segmenter()(framed.pixels)
    outcome = Outcome(job, (found.card.modality == "ct") == job.is_slice)
    if job.with_masks:
        _compare(outcome, found, framed, graded)
    return outcome


def _compare(outcome: Outcome, found: Result[Any], framed: Framed, graded: Picture) -> None:
    """With what is found where there is no frame."""
    job = outcome.job
    modality: Modality = "ct" if job.is_slice else "radiograph"
    without = _segmenter()(graded, SegmentOptions(modality=modality))
    labels = found.mask[0] if found.mask.ndim == 3 else found.mask
    outside = labels.copy()
    outside[framed.box] = 0
    within = labels[framed.box]
    reference = without.mask[0] if without.mask.ndim == 3 else without.mask
    numbers = [lung.number for lung in LUNGS]
    straight = [dice(within == n, reference == n) for n in numbers]
    crossed = [
        dice(within == n, reference == m) for n, m in zip(numbers, numbers[::-1], strict=True)
    ]
    outcome.exchanged = sum(crossed) > sum(straight)
    outcome.dice = float(np.mean(straight))
    if outside.any():
        outcome.dice *= 1 - outside.astype(bool).sum() / max(1, (labels > 0).sum())
    outcome.good = without.verdict.status == "ok" and outcome.dice >= GOOD
    outcome.review = found.verdict.status != "ok"
    lungs = ground_truth(job.path)
    if lungs is not None:
        size = reference.shape[::-1]
        drawn = cv2.resize(lungs, size, interpolation=cv2.INTER_NEAREST) > 0
        outcome.with_reader = dice(within > 0, drawn), dice(reference > 0, drawn)


def ground_truth(path: Path) -> Labels | None:
    """The lungs that a reader drew, where one did in black and white."""
    if path.suffix == ".bmp":
        return None
    folder = path.parent.parent / MASKS.get(path.parent.name, "masks")
    for name in (path.stem, f"{path.stem}_mask"):
        for mask in folder.glob(f"{name}.*"):
            return np.asarray(read_mask(mask) > 0, np.uint8)
    return None


def _print(
    kind: str, title: str, outcomes: Sequence[Outcome], key: Callable[[Outcome], str]
) -> None:
    lines: dict[str, Group] = defaultdict(Group)
    for one in outcomes:
        lines[key(one)].outcomes.append(one)
        lines["all"].outcomes.append(one)
    order = [*(FRAMES if title == "frame" else GRADINGS), *sorted(lines)]
    names = [name for name in dict.fromkeys(order) if name in lines and name != "all"] + ["all"]
    columns = (
        f"{kind}, {title}",
        "pictures",
        f"taken for {kind}",
        "sides exchanged",
        "Dice with the mask without frame",
        "Dice with the reader's, without frame",
        "in it",
        "good masks sent to review",
    )
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in names:
        if name not in lines:
            continue
        line = lines[name]
        right = line.of(lambda one: one.right)
        exchanged, dice = line.of(lambda one: one.exchanged), line.of(lambda one: one.dice)
        lungs = line.of(lambda one: one.with_reader)
        good = [one for one in line.outcomes if one.good]
        cells = [
            f"{len(right)}",
            f"{sum(right)} ({sum(right) / len(right):.1%})",
            f"{sum(exchanged)} of {len(exchanged)}",
            f"{np.mean(dice):.4f}" if dice else "",
            f"{np.mean([b for _, b in lungs]):.4f}" if lungs else "",
            f"{np.mean([a for a, _ in lungs]):.4f}" if lungs else "",
            f"{sum(bool(one.review) for one in good)} of {len(good)}",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
