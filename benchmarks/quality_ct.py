"""How well bad masks of CT are told from good ones: the tables of docs/verdicts_ct.md.

    python benchmarks/quality_ct.py FOLDER
    python benchmarks/quality_ct.py FOLDER --model mine.onnx --cases cases.csv

FOLDER is that of `benchmarks/ct_scores.py`: lctsc, finding_lungs, covid19 and small_volumes. What
the model was not trained on is measured, as it is and degraded; of another model than the embedded
one a list of cases says which that is. Its quality model must not have been fitted to them either.
Stacks of a volume's slices stand for the volume, and single slices for themselves.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
from numpy.typing import NDArray

from ct_scores import KEPT_BACK, THIRDS, WRONG
from lungseg.calibrate.ct import StackItem, samples_of, volume_items
from lungseg.ct.segment import VolumeSegmenter
from lungseg.datasets import read_manifest
from lungseg.datasets.mask_meaning import is_inside
from lungseg.predict import find_model
from lungseg.quality.files import read_quality_model
from lungseg.readers import read, read_mask, read_volume
from lungseg.volume import Volume
from quality_ct_tables import Row, show

Array = NDArray[Any]

DEGRADED = {"lctsc": 10, "small_volumes": 4, "finding_lungs": 2, "covid19": 1}
"""Made of each volume or slice."""

AS_IS = {"lctsc": 2, "small_volumes": 1, "finding_lungs": 1, "covid19": 1}
"""Of volumes other slices each time."""


@dataclass(frozen=True)
class Source:
    """A volume or slice with its ground truth (slices, rows, columns) in axial order, and how it is
    called.
    """

    group: str
    patient: str
    volume: Volume
    lungs: Array


def main() -> None:
    """Reads the flags, measures everything, and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--cases", type=Path, help="list whose validation cases the model was not trained on"
    )
    parser.add_argument("--model", default="ct", help="name or path")
    parser.add_argument("--curve", type=Path, help="PNG of the calibration curves to be drawn")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, help="where what was computed is kept, and taken from if it is there"
    )
    flags = parser.parse_args()
    unseen = validated(flags.cases) if flags.cases else set(chain(*KEPT_BACK.values()))
    segmenter = VolumeSegmenter(flags.model, threads=1)
    quality = read_quality_model(find_model(flags.model), segmenter.card.sha256)
    if quality is None:
        parser.error("the model has no quality model; run `lungseg calibrate`")
    rows = kept(flags.keep, measured(segmenter, sources(flags.folder, unseen), flags.workers))
    for row in rows:
        expected = quality.expected_dice(row["features"], row["scope"])
        if expected is not None:
            row |= {"expected": expected.value, "low": expected.low, "high": expected.high}
    show([row for row in rows if "expected" in row], quality.uncertain, flags.curve)


def validated(manifest: Path) -> set[str]:
    """Cases and patients that were for validation."""
    cases = [case for case in read_manifest(manifest) if case.split == "validation"]
    return {name for case in cases for name in (case.case, case.patient)}


def kept(path: Path | None, rows: Iterator[Row]) -> list[Row]:
    """The rows, written to a file; or those that it holds."""
    if path is not None and path.exists():
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = list(rows)
    if path is not None:
        path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return found


def sources(folder: Path, unseen: set[str]) -> Iterator[Source]:
    """Volumes and slices that the model was not trained on."""
    for path in sorted((folder / "lctsc").glob("*_ct.nii.gz")):
        name = path.name.removesuffix("_ct.nii.gz")
        if name in unseen:
            lungs = read_mask_volume(path.with_name(f"{name}_lung.nii.gz"))
            yield volume_source("lctsc", name, path, lungs)
    for path in sorted((folder / "finding_lungs" / "2d_images").glob("*.tif")):
        if path.stem[:7] not in WRONG and path.stem in unseen:
            mask = path.parents[1] / "2d_masks" / path.name
            yield slice_source("finding_lungs", path.stem, path, mask)
    for path in sorted((folder / "small_volumes").glob("ct-64.nrrd")):
        regions = nrrd.read(str(path.with_name("lm-64.nrrd")))[0].T & 255
        lungs = np.isin(regions, [*chain(*THIRDS.values())])
        yield volume_source("small_volumes", path.stem, path, lungs)
    for path in sorted((folder / "covid19" / "ct").glob("*.png"))[::2]:
        yield slice_source("covid19", path.stem, path, path.parents[1] / "lungs" / path.name)


def read_mask_volume(path: Path) -> Array:
    """A label volume in NIfTI as it is stored: (slices, rows, columns)."""
    import nibabel

    return np.asanyarray(nibabel.Nifti1Image.from_filename(path).dataobj).T > 0


def volume_source(group: str, patient: str, path: Path, lungs: Array) -> Source:
    """A volume with its lungs as they are stored."""
    volume = read_volume(path)
    return Source(group, patient, volume, volume.geometry.to_axial().apply(lungs))


def slice_source(group: str, name: str, path: Path, mask: Path) -> Source:
    """A slice in a picture with its mask."""
    return Source(group, name, read(path, modality="ct"), is_inside(read_mask(mask))[np.newaxis])


def measured(segmenter: VolumeSegmenter, found: Iterable[Source], workers: int) -> Iterator[Row]:
    """Rows of all that is made of the sources."""
    with ThreadPoolExecutor(workers) as pool:
        for source in found:
            items = volume_items(
                f"{source.group}/{source.patient}",
                source.group,
                source.patient,
                source.volume,
                source.lungs,
                as_is=AS_IS[source.group],
                degraded=DEGRADED[source.group],
            )
            for rows in pool.map(lambda item: rows_of(segmenter, item), items):
                yield from rows


def rows_of(segmenter: VolumeSegmenter, item: StackItem) -> list[Row]:
    """A row for each sample; with the verdict where one was given, on a single slice and on all of
    several.
    """
    volume = item.stack.volume
    planes = segmenter.infer(volume)
    result = segmenter.finish(volume, planes)
    rows: list[Row] = [asdict(sample) for sample in samples_of(segmenter, item, planes, result)]
    judged = "slice" if len(planes) == 1 else "volume"
    whole = next((row for row in rows if row["scope"] == judged), None)
    if whole is not None:
        whole |= {"verdict": result.verdict.status, "codes": result.verdict.codes}
    return rows


if __name__ == "__main__":
    main()
