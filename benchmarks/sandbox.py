"""What `lungseg segment --sandbox` costs a folder: with and without it, side by side, on phantom
films drawn on the fly, as a Markdown table.

    python benchmarks/sandbox.py [--images 60] [--repeat 5] [--workers N] [--rows 2048]

In each turn the folder is done once in threads, as ever, once in processes (`--job-timeout`), and
once in confined processes, in another order each time, so that what slows the machine down for a
while slows all. A ratio is the median of those of the turns; the first turn warms the disk cache
and does not count. Seconds are those of the wall; those of the processor, of all processes
together, tell the same on a machine that others use, too. The masks of all ways have to be equal to
the byte.

Exit status: 0 they are, 1 they are not, or this system cannot confine.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2

from lungseg.confine import lacking
from lungseg.phantom.radiograph import radiograph_phantom

WAYS: Final[dict[str, tuple[str, ...]]] = {
    "threads": (),
    "processes": ("--job-timeout", "3600"),
    "confined processes": ("--sandbox",),
}


def main() -> None:
    """Reads the flags and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=60, help="films in the folder [60]")
    parser.add_argument("--repeat", type=int, default=5, help="turns that count [5]")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="[one a processor]")
    parser.add_argument("--rows", type=int, default=2048, help="of a film, and columns [2048]")
    flags = parser.parse_args()
    if missing := lacking():
        raise SystemExit(f"this system cannot confine processes: it lacks {missing}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}", end="")
    print(f"; {flags.images} films of {flags.rows} x {flags.rows}, {flags.workers} workers\n")
    turns: list[dict[str, tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as name:
        films = Path(name) / "films"
        films.mkdir()
        for number in range(flags.images):
            size = flags.rows, flags.rows - number  # so that no two are the same
            cv2.imwrite(str(films / f"{number:04}.png"), radiograph_phantom(size).image.array)
        for turn in range(flags.repeat + 1):
            ways = list(WAYS)[turn % 3 :] + list(WAYS)[: turn % 3]
            masks: list[dict[str, bytes]] = []
            found = {}
            for way in ways:
                with tempfile.TemporaryDirectory(dir=name) as out:
                    found[way] = timed(films, Path(out), flags.workers, WAYS[way])
                    masks.append({path.name: path.read_bytes() for path in Path(out).glob("*.png")})
            if any(one != masks[0] for one in masks) or not masks[0]:
                raise SystemExit("the files are not the same")
            turns.append(found)
    print_table(turns[1:])


def timed(films: Path, out: Path, workers: int, more: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of the wall and of the processor that the folder takes."""
    command = [sys.executable, "-m", "lungseg", "segment", str(films), "-o", str(out), "--quiet"]
    before, start = processor_seconds(), time.perf_counter()
    subprocess.run([*command, "--workers", str(workers), *more], check=True, capture_output=True)
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """That all processes took that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_table(turns: list[dict[str, tuple[float, float]]]) -> None:
    """A row a way; ratios are to threads."""

    def middle(value: Callable[[dict[str, tuple[float, float]]], float]) -> float:
        return statistics.median(map(value, turns))

    print("| | s | ratio | processor s | ratio |\n|---|---|---|---|---|")
    for way in WAYS:
        cells = []
        for which in (0, 1):
            seconds = middle(lambda turn: turn[way][which])  # noqa: B023 (called at once)
            ratio = middle(lambda turn: turn[way][which] / turn["threads"][which])  # noqa: B023
            cells += [f"{seconds:.2f}", f"{ratio:.3f}"]
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
