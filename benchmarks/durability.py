"""What it costs to have results on the disk, and not only on their way there, when the power fails.

    python benchmarks/durability.py FOLDER [--inputs 200]

Writes the files of made-up inputs into FOLDER, on the disk that is asked about: without sync, with
an fsync of each file before its renaming, with one of the record behind it, and with one of the
folder, too. The ways are taken in turn, a few inputs at a time, so that what else the machine does
falls on all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

WAYS = ("no sync", "each file", "each file and its record", "these and the folder")
AT_A_TIME = 10
KINDS = {"radiograph": (20_000, 900_000), "CT": (400_000, 1_500_000)}
"""Bytes of mask and overlay, as of films of 2000 x 2000 and of scans of 300 slices."""


def write(folder: Path, number: int, sizes: tuple[int, ...], way: str) -> None:
    """The files of one input, as `lungseg.writers.atomic.write_files` writes them, and its line."""
    names = []
    for order, size in enumerate(sizes):
        temporary = folder / f"{number}_{order}.tmp"
        with temporary.open("xb") as stream:
            stream.write(os.urandom(size))
            if way != WAYS[0]:
                stream.flush()
                os.fsync(stream.fileno())
        names.append(temporary)
    for temporary in names:
        temporary.replace(temporary.with_suffix(".png"))
    if way == WAYS[3]:
        place = os.open(folder, os.O_RDONLY)
        os.fsync(place)
        os.close(place)
    with (folder / "results.jsonl").open("ab", buffering=0) as stream:
        stream.write(b"x" * 3000 + b"\n")
        if way in WAYS[2:]:
            os.fsync(stream.fileno())


def main() -> None:
    """Prints a table of milliseconds an input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--inputs", type=int, default=200)
    arguments = parser.parse_args()
    print(f"| {'files of a':10s} | " + " | ".join(f"{way}, ms" for way in WAYS) + " |")
    print("|---" * (len(WAYS) + 1) + "|")
    for kind, sizes in KINDS.items():
        places = {way: arguments.folder / "durability" / str(n) for n, way in enumerate(WAYS)}
        taken = dict.fromkeys(WAYS, 0.0)
        for place in places.values():
            place.mkdir(parents=True)
        for first in range(0, arguments.inputs, AT_A_TIME):
            for way, place in places.items():
                start = time.perf_counter()
                for number in range(first, min(first + AT_A_TIME, arguments.inputs)):
                    write(place, number, sizes, way)
                taken[way] += (time.perf_counter() - start) / arguments.inputs * 1e3
        shutil.rmtree(arguments.folder / "durability")
        print(f"| {kind:10s} | " + " | ".join(f"{one:.1f}" for one in taken.values()) + " |")


if __name__ == "__main__":
    main()
