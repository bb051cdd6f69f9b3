"""Proves that a change of the code changes no mask: writes down what the embedded models make of a
folder of images, and compares.

    python benchmarks/baseline.py write BASELINE.jsonl [--data DATA] [--every N]
    python benchmarks/baseline.py check BASELINE.jsonl [--data DATA] [--every N]

Write with the code before the change, check with that after it. Of every image, slice, series and
volume below DATA that is no mask, the SHA-256 of its label array, each measurement to full
precision, and the verdict with its reasons are kept; radiographs are also done with a dilated mask,
with the hull, turned by a quarter, and as a negative. `--every N` takes only each Nth input of a
folder. The exit status is 0 where nothing differs, else 1. Values are compared by names; what was
renamed since is in the tables below.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import lungseg
from lungseg.options import SegmentOptions
from lungseg.readers import find_inputs, read_image
from lungseg.segmenter import Segmenter

ROOT = Path(__file__).resolve().parent.parent
MASKS = {"masks", "lung masks", "infection masks", "2d_masks", "lungs", "heart"}
"""Folders of masks, which are no images to segment."""
MASK_ENDINGS = ("_lung.nii.gz", "_labelmap.nrrd")
MASK_STARTS = ("lm-",)

READ_SINCE = (".webp", ".avif")
"""What the first baseline refused and is read now; such inputs are not compared."""

MEASUREMENTS = {
    "share": "image_fraction",
    "slices": "slice_fraction",
    "deviation": "std",
    "expected Dice": "expected_dice",
    "expected Dice low": "expected_dice_low",
    "expected Dice high": "expected_dice_high",
}
"""Names of measurements that changed since the first baseline: from the old one to today's."""
RESTRICTIONS = {
    "detector plane": " at detector",
    "sparse slices": " from sparse slices",
    "slices missing": " with slices missing",
}
"""How the first baseline says in the unit what is said in the restriction today."""
REASONS = {
    "review: no lungs were found: this may be no CT of a chest": (
        "no lungs were found in this slice: it may lie above or below them, or be no CT of a chest"
    ),
    "review: the image lies on its side or upside down: the lungs were found after turning it": (
        "the image lies on its side or upside down: the lungs were found after rotating it"
    ),
    "review: the lungs do not lie as the orientation says, so right and left may be exchanged": (
        "the lungs do not lie as the orientation says, so right and left may be swapped"
    ),
}
"""Reasons that changed since the first baseline, behind the verdict: from the old one to
today's."""


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("write", "check"))
    parser.add_argument("baseline", type=Path)
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder of images [shared/data beside this repository]",
    )
    parser.add_argument("--every", type=int, default=1, help="take each Nth input of a folder [1]")
    parser.add_argument("--workers", type=int, default=2, help="processes [2]")
    flags = parser.parse_args()
    start = time.perf_counter()
    inputs = list(inputs_of(flags.data, flags.every))
    with ProcessPoolExecutor(flags.workers) as pool:
        found = dict(
            entry
            for entries in pool.map(entries_of, [flags.data] * len(inputs), inputs, chunksize=1)
            for entry in entries
        )
    print(f"{len(inputs)} inputs, {len(found)} results, in {time.perf_counter() - start:.0f} s")
    if flags.action == "write":
        flags.baseline.write_text(
            "".join(json.dumps([key, value]) + "\n" for key, value in found.items()),
            encoding="utf-8",
        )
        return
    before = dict(
        json.loads(line) for line in flags.baseline.read_text(encoding="utf-8").splitlines()
    )
    refused = tuple(
        key for key, entry in before.items() if key.endswith(READ_SINCE) and "error" in entry
    )
    found = {key: entry for key, entry in found.items() if not key.startswith(refused)}
    wanted = {key: renamed(before[key]) for key in found if key in before}
    missing = sorted(set(found) - set(before))
    different = [key for key, value in wanted.items() if value != found[key]]
    for key in different[:20]:
        print(f"{key}\n  was {wanted[key]}\n  is  {found[key]}")
    print(f"{len(wanted)} compared, {len(different)} differ, {len(missing)} not in the baseline")
    sys.exit(1 if different or missing or not wanted else 0)


def inputs_of(data: Path, every: int) -> Iterator[str]:
    """Paths below `data`, from the largest to the smallest, so that the last worker is not left
    alone with a volume.
    """
    folders: dict[Path, list[Path]] = {}
    for path in find_inputs([data]).files:
        if not is_mask(path.relative_to(data)):
            folders.setdefault(path.parent, []).append(path)
    chosen = [path for paths in folders.values() for path in paths[::every]]
    yield from (str(path.relative_to(data)) for path in sorted(chosen, key=weight, reverse=True))


def weight(path: Path) -> int:
    """Bytes of a file, or of the files in a folder."""
    return (
        sum(file.stat().st_size for file in path.iterdir())
        if path.is_dir()
        else path.stat().st_size
    )


def is_mask(path: Path) -> bool:
    """By the names that the data sets give to masks."""
    name = path.name.lower()
    return (
        bool(MASKS & set(path.parts)) or name.endswith(MASK_ENDINGS) or name.startswith(MASK_STARTS)
    )


@cache
def segmenter() -> Segmenter:
    """One a process."""
    return Segmenter(threads=1, volume_threads=1)


def entries_of(data: Path, name: str) -> list[tuple[str, Any]]:
    """What becomes of one input, in each of its variants."""
    path = data / name
    plain = entry_of(lambda: segmenter()(path))
    entries = [(name, plain)]
    if "lungs/area" in "".join(plain.get("measurements", ())) and plain["kind"] == "radiograph":
        pixels = read_image(path).array
        variants: dict[str, Callable[[], Any]] = {
            "dilated": lambda: segmenter()(path, SegmentOptions(dilate=5.0)),
            "hull": lambda: segmenter()(path, SegmentOptions(hull=True)),
            "turned": lambda: segmenter()(np.ascontiguousarray(np.rot90(pixels))),
            "negative": lambda: segmenter()(pixels.max() - pixels),
        }
        entries += [(f"{name} {variant}", entry_of(make)) for variant, make in variants.items()]
    return entries


def entry_of(make: Callable[[], Any]) -> dict[str, Any]:
    """A result, or the error that came instead, in what can be compared."""
    try:
        result = make()
    except lungseg.LungsegError as error:
        return {"error": type(error).__name__}
    labels = np.ascontiguousarray(result.mask)
    measurements = {
        f"{m.structure}/{m.name}/{m.unit}{restriction(m, result)}": repr(m.value)
        for m in result.measurements.values()
    }
    return {
        "kind": "radiograph" if labels.ndim == 2 else "ct",
        "labels": f"{labels.shape} {hashlib.sha256(labels.tobytes()).hexdigest()}",
        "measurements": measurements,
        "verdict": result.verdict.status,
        "reasons": list(result.verdict.reasons),
    }


def restriction(measurement: Any, result: Any) -> str:
    """As the first baseline said it; it did not have "implausible spacing", but the plane."""
    now = measurement.restriction
    if now == "implausible spacing" and result.image.geometry.spacing_plane == "detector":
        now = "detector plane"
    return RESTRICTIONS.get(now, "")


def renamed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the baseline in today's names."""
    if "error" in entry:
        return entry
    measurements = {}
    for key, value in entry["measurements"].items():
        structure, name, unit = key.split("/")
        measurements[f"{structure}/{MEASUREMENTS.get(name, name)}/{unit}"] = value
    return entry | {
        "measurements": measurements,
        "reasons": [
            REASONS.get(f"{entry['verdict']}: {reason}", reason) for reason in entry["reasons"]
        ],
    }


if __name__ == "__main__":
    main()
