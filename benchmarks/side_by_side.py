"""Times two checkouts of lungseg in turn, as whole processes on phantoms drawn on the fly, and
prints the ratios as a Markdown table.

    git worktree add ../before v0.1.0
    python benchmarks/side_by_side.py ../before          # against this checkout
    python benchmarks/side_by_side.py ../before ../after --repeat 9

Both run in this environment, whichever checkout is installed in it. In each turn every command runs
once from each checkout, and the other one begins in the next turn, so what slows the machine down
for a while slows both. A ratio is the median of those of the turns; below 1 the second checkout is
faster, or smaller. The first turn warms the disk cache and does not count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ct import draw_phantom
from speed import ROOT, draw_phantoms, run

HEIGHT = 300.0
"""Millimetres that the volume shows."""


def main() -> None:
    """Reads the flags and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="folder of a checkout")
    parser.add_argument("after", type=Path, nargs="?", default=ROOT, help="another [this one]")
    parser.add_argument("--repeat", type=int, default=5, help="turns that count [5]")
    parser.add_argument("--images", type=int, default=60, help="radiographs in the folder [60]")
    parser.add_argument("--slices", type=int, default=150, help="of the volume, 512 x 512 [150]")
    flags = parser.parse_args()
    checkouts = [environment(place) for place in (flags.before, flags.after)]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films, volume = folder / "films", folder / "volume.nii.gz"
        # In processes of their own: the peak memory of a child counts from what its parent had.
        for draw in ((draw_phantoms, films, flags.images), (draw_phantom, volume, flags.slices)):
            extra = (HEIGHT,) if draw[0] is draw_phantom else ()
            drawing = multiprocessing.get_context("spawn").Process(
                target=draw[0], args=(*draw[1:], *extra)
            )
            drawing.start()
            drawing.join()
        print("| | before, s | after, s | ratio | before, MB | after, MB | ratio |")
        print("|---|---|---|---|---|---|---|")
        for title, arguments in {
            "one radiograph": [str(min(films.iterdir()))],
            f"{flags.images} radiographs": [str(films)],
            f"{flags.images} radiographs with reports": [str(films), "--report"],
            f"CT, 512 x 512 x {flags.slices}": [str(volume)],
            f"CT, 512 x 512 x {flags.slices}, with a report": [str(volume), "--report"],
        }.items():
            compare(title, arguments, checkouts, folder, flags.repeat)


def environment(checkout: Path) -> dict[str, str]:
    """Variables with which this Python imports lungseg from a checkout.

    Raises:
        SystemExit: it imports another one.
    """
    source = checkout.resolve() / "src"
    variables = os.environ | {"PYTHONPATH": str(source)}
    command = [sys.executable, "-c", "import lungseg; print(lungseg.__file__)"]
    found = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if not found.stdout.startswith(str(source)):
        raise SystemExit(f"{checkout} is no checkout of lungseg: {found.stdout or found.stderr}")
    return variables


def compare(
    title: str, arguments: list[str], checkouts: list[dict[str, str]], folder: Path, repeat: int
) -> None:
    """Runs `lungseg segment` with the arguments in turn from both checkouts, and prints a row."""
    turns: list[list[tuple[float, float]]] = []
    for turn in range(repeat + 1):
        found: dict[int, tuple[float, float]] = {}
        for which in (0, 1) if turn % 2 else (1, 0):
            with tempfile.TemporaryDirectory(dir=folder) as out:
                command = [sys.executable, "-m", "lungseg", "segment", *arguments, "-o", out]
                found[which] = run(command, checkouts[which], folder)
        turns.append([found[0], found[1]])
    cells = [title]
    for quantity, digits in ((0, 2), (1, 0)):
        values = [(before[quantity], after[quantity]) for before, after in turns[1:]]
        medians = [statistics.median(column) for column in zip(*values, strict=True)]
        ratio = statistics.median(after / before for before, after in values)
        cells += [*(f"{median:.{digits}f}" for median in medians), f"{ratio:.3f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
