"""How well right and left follow a header, and a picture that contradicts it is noticed: the table
of docs/verdicts.md.

    python benchmarks/sides.py DIR ... --every 3

Of each folder every so many films is segmented as it is, and the heart looked for; then as its
mirror image would be. Each tenth of these is also stored in the eight ways that PatientOrientation
can state, and right and left compared with those of the film as it hangs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import InputError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.radiograph.orientation import WRONG_SIDE, heart_log_odds
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.scores import dice

STORED: dict[str, Callable[[Any], Any]] = {
    "L\\F": lambda plane: plane,
    "R\\F": np.fliplr,
    "R\\H": lambda plane: np.rot90(plane, 2),
    "L\\H": np.flipud,
    "F\\R": np.rot90,
    "H\\L": lambda plane: np.rot90(plane, -1),
    "F\\L": np.transpose,
    "H\\R": lambda plane: np.rot90(np.transpose(plane), 2),
}
"""How a film that hangs as usual is stored, by what its header then says."""

COLUMNS = (
    "films",
    "heart on the wrong side",
    "the same of mirror images",
    "stored as stated",
    "right and left right",
    "same verdict",
    "contradictions to review",
)


def main() -> None:
    """Reads the flags, measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take each so-many-th film")
    arguments = parser.parse_args()
    segmenter = RadiographSegmenter()
    print(f"| folder | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for folder in arguments.folders:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        counts = _measure(segmenter, files[:: arguments.every])
        print(f"| {folder.name} | {' | '.join(str(counts[name]) for name in COLUMNS)} |")


def _measure(segmenter: RadiographSegmenter, files: list[Path]) -> dict[str, int]:
    counts = dict.fromkeys(COLUMNS, 0)
    for path in files:
        try:
            image = segmenter.read(path)
        except InputError:  # no film
            continue
        odds = heart_log_odds(segmenter.infer(image).labels)
        counts["films"] += 1
        counts["heart on the wrong side"] += odds < WRONG_SIDE
        counts["the same of mirror images"] += -odds < WRONG_SIDE
        if counts["films"] % 10 == 1:
            _measure_stored(segmenter, image, counts)
    return counts


def _measure_stored(segmenter: RadiographSegmenter, image: Image, counts: dict[str, int]) -> None:
    usual = segmenter(_film(image, image.array, "L\\F"))
    for orientation, stored in STORED.items():
        result = segmenter(_film(image, stored(image.array), orientation))
        counts["stored as stated"] += 1
        counts["right and left right"] += all(
            dice(stored(usual.mask) == side, result.mask == side) > 0.98 for side in (1, 2)
        )
        counts["same verdict"] += result.verdict == usual.verdict
    wrong = segmenter(_film(image, np.fliplr(image.array), "L\\F"))
    counts["contradictions to review"] += "side_mismatch" in wrong.verdict.codes


def _film(image: Image, pixels: NDArray[Any], orientation: str) -> Image:
    rows, columns = pixels.shape
    provenance = replace(image.provenance, patient_orientation=orientation)
    return Image(np.ascontiguousarray(pixels), ImageGeometry((rows, columns)), provenance)


if __name__ == "__main__":
    main()
