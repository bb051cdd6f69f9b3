"""Cases of the fuzzer: which seed, which damage and which reader a number stands for, and what
comes of it."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from fuzz.mutate import damaged
from fuzz.seeds import Seed, with_content
from fuzz.targets import KIN, SEGMENTED, SEGMENTED_FRACTION, TARGETS, WEIGHTS, Target

OUTCOMES: Final = ("read", "refused", "foreign exception", "over 1 GB", "hang", "crash")


@dataclass(frozen=True, slots=True)
class Case:
    """One input and its reader.

    Attributes:
        seed: with its damage.
        target: that reads it.
    """

    seed: Seed
    target: Target


class Cases:
    """All cases of a number to start from.

    Args:
        seeds: whole ones.
        start: what everything is drawn from; the same gives the same cases.
        targets: by group of seeds.
    """

    def __init__(
        self,
        seeds: Sequence[Seed],
        start: int,
        targets: Any = TARGETS,
    ) -> None:
        self._start, self._targets = start, targets
        self._by_group: dict[str, list[Seed]] = {}
        for seed in seeds:
            self._by_group.setdefault(seed.group, []).append(seed)
        self.groups = sorted(self._by_group)
        self._weights = [WEIGHTS.get(group, 1) for group in self.groups]

    def __getitem__(self, number: int) -> Case:
        rng = Random(f"{self._start} {number}")
        group = self.group(rng)
        seed = rng.choice(self._by_group[group])
        other = rng.choice(self._by_group[group])
        for _ in range(1 if seed.damaged == 1 else rng.randrange(1, 3)):
            name = rng.choice(list(seed.files)[: seed.damaged])
            theirs = next(iter(other.files.values()))
            seed = with_content(seed, name, damaged(seed.files[name], seed.kind, rng, theirs))
        targets = self._targets[group]
        if rng.random() < SEGMENTED_FRACTION:
            targets = SEGMENTED.get(group, targets)
        return Case(seed, rng.choice(targets))

    def group(self, rng: Random) -> str:
        """The group of a case, which is drawn first."""
        return rng.choices(self.groups, self._weights)[0]

    def group_of(self, number: int) -> str:
        """The group of a case by its number."""
        return self.group(Random(f"{self._start} {number}"))


def lay_out(seed: Seed, folder: Path) -> Path:
    """Writes the files of a seed into an empty folder; what is to be read."""
    for name, content in seed.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / seed.source


def outcome_of(case: Case, folder: Path) -> tuple[str, str]:
    """One of `OUTCOMES` that a process survives, and where a foreign exception arose."""
    folder.mkdir()
    try:
        return attempt(case.target, lay_out(case.seed, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def attempt(target: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """What comes of a reader with a path."""
    try:
        target(path)
    except KIN:
        return "refused", ""
    except MemoryError as problem:
        return "over 1 GB", place_of(problem)
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt):
            raise
        return "foreign exception", place_of(problem)
    return "read", ""


def place_of(problem: BaseException) -> str:
    """Its kind, and the last line of the package that it came through."""
    trace = traceback.extract_tb(problem.__traceback__)
    frames = [frame for frame in trace if "lungseg" in frame.filename]
    last = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(problem).__name__} at {last}: {str(problem)[:100]!r}"
