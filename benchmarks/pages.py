"""How whole pictures are found that fill a part of a page, and how much of the page is left beside
them: a table of docs/frames.md.

    python benchmarks/pages.py FOLDER [--every 14]

FOLDER has cxr and ct. Every N-th film and slice of the halves that nothing was fitted to is brought
to 480 pixels and laid on pages of one grey, with letters beside it and without.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from framed_pictures import FILMS, SLICES, Framed, Picture, grey_picture, pictures
from lungseg.readers.frames import find_frame

SIDE: Final = 480
GREYS: Final = {"white": 255, "light grey": 224, "dark grey": 64, "black": 0}
PAGES: Final[dict[str, tuple[float, float, float, float]]] = {
    "above and below .1, at the sides .6": (0.1, 0.1, 0.6, 0.6),
    "all round .6": (0.6, 0.6, 0.6, 0.6),
    "all round .3": (0.3, 0.3, 0.3, 0.3),
    "in the left half": (0.05, 0.05, 0.05, 1.2),
    "in the left half, letters on the right": (0.3, 0.1, 0.1, 1.2),
    "in the upper half": (0.2, 1.2, 0.1, 0.1),
}
"""Margins above, below, left and right, as fractions of the picture's rows and columns."""


def on_page(picture: Picture, name: str, grey: int, random: np.random.Generator) -> Framed:
    """A picture on a page."""
    sides = np.repeat(picture.shape, 2)
    top, bottom, left, right = (round(w * s) for w, s in zip(PAGES[name], sides, strict=True))
    page = np.pad(picture, ((top, bottom), (left, right)), constant_values=grey)
    rows, columns = picture.shape
    if "letters" in name:
        for number in range(4):
            letters = "".join(random.choice(list("ABCDEFGHKLMNPRSTUVXYZ 0123456789"), size=24))
            at = left + columns + 8, top + round(rows * (0.2 + 0.2 * number))
            ink = 0 if grey > 128 else 255
            cv2.putText(page, letters, at, 0, rows / 700, ink, 1, cv2.LINE_AA)
    return Framed(page, (slice(top, top + rows), slice(left, left + columns)))


def cut_and_left(framed: Framed, *, of_slice: bool) -> tuple[float, float]:
    """The larger fraction of rows or columns that is cut off, and that is left beside them."""
    frame = find_frame(framed.pixels, of_slice=of_slice)
    box = [slice(0, side) for side in framed.pixels.shape] if frame is None else frame.box
    cut, left = [], []
    for found, true in zip(box, framed.box, strict=True):
        size = true.stop - true.start
        cut.append((max(0, found.start - true.start) + max(0, true.stop - found.stop)) / size)
        left.append((max(0, true.start - found.start) + max(0, found.stop - true.stop)) / size)
    return max(cut), max(left)


def line(
    name: str, grey: str, those: Sequence[tuple[Path, Picture]], *, of_slice: bool
) -> tuple[str, ...]:
    """Cells of the table."""
    found = []
    for path, picture in those:
        random = np.random.default_rng(zlib.crc32(f"{path.name}{name}".encode()))
        framed = on_page(picture, name, GREYS[grey], random)
        found.append(cut_and_left(framed, of_slice=of_slice))
    cut, left = np.array(found).T
    fractions = [np.mean(cut > 0.03), np.mean(cut > 0.1), np.mean(left > 0.1)]
    return (f"{len(found)}", *(f"{one:.1%}" for one in fractions))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=14)
    flags = parser.parse_args()
    print("| pictures | page | margins | n | cut by 3 % | by 10 % | left beside it, 10 % |")
    print("|---|---|---|---|---|---|---|")
    for kind, sets in (("films", FILMS), ("slices", SLICES)):
        those = []
        for _, path in pictures(flags.folder, sets, "report", every=flags.every):
            picture = grey_picture(path)
            scale = SIDE / max(picture.shape)
            size = [round(side * scale) for side in picture.shape[::-1]]
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            those.append((path, np.asarray(small, np.uint8)))
        for grey in GREYS:
            if kind == "slices" and grey in ("white", "black"):
                continue  # what bodies are set in, and the air about them
            for name in PAGES:
                cells = line(name, grey, those, of_slice=kind == "slices")
                print(f"| {kind} | {grey} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
