"""How many films as they are have a frame found round them, and what that does to their masks: the
last table of docs/frames.md.

    python benchmarks/clean_films.py FOLDER [--every N]

FOLDER has cxr; the halves of its sets are used that nothing was fitted to. Dice is that with the
reader's mask, both lungs together.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from framed_pictures import FILMS, pictures
from frames import ground_truth
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import read_image
from lungseg.readers.frames import find_frame
from lungseg.scores import dice


def main() -> None:
    """Prints a line for each set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1)
    flags = parser.parse_args()
    cv2.setNumThreads(1)
    segmenter = RadiographSegmenter(threads=1)
    print(
        "| set | films | frame found | Dice of these as if there were none | with the frame left "
        "out | `ok` as if there were none | with the frame left out |\n" + "|---" * 7 + "|"
    )
    for name, pattern in FILMS:
        paths = [
            path
            for _, path in pictures(flags.folder, ((name, pattern),), "report", every=flags.every)
        ]
        framed = [path for path in paths if find_frame(read_image(path).array) is not None]
        scores, verdicts = [], []
        for path in framed:
            image = read_image(path)
            with mock.patch("lungseg.radiograph.segment.frame_of", return_value=None):
                before = segmenter(image)
            after = segmenter(image)
            verdicts.append([one.verdict.status == "ok" for one in (before, after)])
            drawn = ground_truth(path)
            if drawn is not None:
                lungs: NDArray[np.bool_] = drawn > 0
                scores.append([dice(lungs, one.mask > 0) for one in (before, after)])
        means = [f"{mean:.4f}" for mean in np.mean(scores, axis=0)] if scores else ["", ""]
        counts = [str(count) for count in np.sum(verdicts, axis=0)] if verdicts else ["0", "0"]
        print(f"| {' | '.join([name, str(len(paths)), str(len(framed)), *means, *counts])} |")


if __name__ == "__main__":
    main()
