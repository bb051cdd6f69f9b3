"""Volumes that lie elsewhere than when they were done: series of slices, and those in several
files.
"""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lungseg.batch import segment_many
from lungseg.card import ModelCard
from lungseg.measurement import Measurement, Measurements
from lungseg.modality import Modality
from lungseg.options import SegmentOptions
from lungseg.readers import Probe, find_inputs, read
from lungseg.readers.folders import absolute
from lungseg.result import Result
from lungseg.runner import RunOptions
from lungseg.timing import Progress, no_progress
from lungseg.verdict import Verdict
from made_up_probabilities import probabilities_of
from metaimage_files import meta_fields, write_meta
from phantom_volumes import AFFINE, CHEST, write_series

FEW = CHEST[7:13]


@dataclass
class ReadingSegmenter:
    """Reads what it is given, finds a lung in each half, and remembers what it was asked."""

    calls: list[str] = field(default_factory=list)

    def modality(self, options: SegmentOptions) -> Modality | None:
        return options.modality

    def card(self, modality: Modality, options: SegmentOptions) -> ModelCard:
        layers = (("right lung", "left lung"),)
        return ModelCard("fake", "1", "ct", layers, "none", (64, 64), "f00d")

    def __call__(
        self, source: Any, options: SegmentOptions, *, progress: Progress = no_progress
    ) -> Result:
        volume = read(source, modality="ct", series=options.series)
        self.calls.append(volume.source)
        labels = np.zeros(volume.array.shape, np.uint8)
        labels[:, 10:30, 5:15], labels[:, 10:30, 25:35] = 1, 2
        volumes = Measurements([Measurement("volume", "lungs", 1.0, "mL")])
        return Result(
            volume,
            volume.with_labels(labels),
            volumes,
            Verdict("ok"),
            self.card("ct", options),
            probabilities_of(volume, labels),
            {"read": 0.5},
            options=options,
        )


class Runs:
    """Runs in one folder, with what is found in paths, as the command line has it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.segmenter = folder, ReadingSegmenter()

    def __call__(self, *paths: Path, **options: Any) -> list[str]:
        found = find_inputs(paths)
        given: list[Path | Probe] = [found.probes.get(absolute(path), path) for path in found.files]
        outcomes = segment_many(
            given,
            SegmentOptions(**options),
            RunOptions(self.folder, outputs=("mask",)),
            1,
            segmenter=self.segmenter,  # type: ignore[arg-type]
        )
        statuses = {outcome.source: outcome.status for outcome in outcomes}
        return [statuses[absolute(path)] for path in found.files]

    def inputs(self) -> list[str]:
        """Of the records, which the table has in the same order."""
        lines = (self.folder / "results.jsonl").read_text().splitlines()
        found = [json.loads(line)["input"] for line in lines]
        with (self.folder / "summary.csv").open(newline="") as stream:
            assert [row["input"] for row in csv.DictReader(stream)] == found
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(tmp_path / "out")
    yield runs
    assert len(runs.inputs()) == len(set(runs.inputs()))


def renamed(folder: Path) -> None:
    """Calls the slices otherwise, so that by name they are in another order."""
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        path.rename(path.with_name(f"IM{number}"))


def test_a_record_follows_its_series(run: Runs, tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "ct", FEW, AFFINE)
    assert run(tmp_path / "a") == ["done"]
    moved = tmp_path / "sorted" / "ann"
    moved.parent.mkdir()
    (tmp_path / "a" / "ct").rename(moved)
    renamed(moved)
    assert run(tmp_path / "sorted") == ["skipped"]
    assert run.inputs() == [str(moved)]
    assert run.segmenter.calls == [str(tmp_path / "a" / "ct")]
    # Beside it a new one, with slices at the same places.
    other = np.ascontiguousarray(FEW[:, :, ::-1])
    write_series(tmp_path / "sorted" / "bob", other, AFFINE, SeriesInstanceUID="4.5.6")
    assert run(tmp_path / "sorted") == ["skipped", "done"]
    # Into a folder of its own within.
    (moved / "ct").mkdir()
    for path in moved.glob("IM*"):
        path.rename(moved / "ct" / path.name)
    assert run(tmp_path / "sorted") == ["skipped", "skipped"]
    assert run.inputs() == [str(moved / "ct"), str(tmp_path / "sorted" / "bob")]


def test_one_of_several_series_is_known_by_what_was_chosen(run: Runs, tmp_path: Path) -> None:
    write_series(tmp_path / "a", FEW, AFFINE)
    for path in write_series(tmp_path / "b", FEW[:5], AFFINE, SeriesInstanceUID="4.5.6"):
        path.rename(tmp_path / "a" / f"b{path.name}")
    assert run(tmp_path / "a", series="4.5.6") == ["done"]
    (tmp_path / "a").rename(tmp_path / "c")
    assert run(tmp_path / "c", series="4.5.6") == ["skipped"]
    assert run.inputs() == [str(tmp_path / "c")]


def test_a_copy_of_a_series_that_is_still_there_is_an_input_of_its_own(
    run: Runs, tmp_path: Path
) -> None:
    write_series(tmp_path / "a", FEW, AFFINE)
    run(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert run(tmp_path / "b") == ["done"]
    assert run.inputs() == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_a_series_that_lost_a_slice_is_done(run: Runs, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", FEW, AFFINE)
    run(tmp_path / "a")
    paths[-1].unlink()
    (tmp_path / "a").rename(tmp_path / "b")
    assert run(tmp_path / "b") == ["done"]


def test_what_was_in_an_archive_is_known_beside_it(run: Runs, tmp_path: Path) -> None:
    paths = write_series(tmp_path / "ann" / "ct", FEW, AFFINE)
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in paths:
            file.write(path, path.relative_to(tmp_path))
    shutil.rmtree(tmp_path / "ann")
    assert run(archive) == ["done"]
    archive.rename(tmp_path / "ct.zip")
    assert run(tmp_path / "ct.zip") == ["skipped"]
    assert run.inputs() == [str(tmp_path / "ct.zip" / "ann" / "ct")]
    with zipfile.ZipFile(tmp_path / "ct.zip") as file:
        file.extractall(tmp_path / "unpacked")
    (tmp_path / "ct.zip").unlink()
    assert run(tmp_path / "unpacked") == ["skipped"]
    assert run.inputs() == [str(tmp_path / "unpacked" / "ann" / "ct")]


def test_a_record_follows_a_header_and_its_voxels(run: Runs, tmp_path: Path) -> None:
    for name, slices in (("a", CHEST), ("b", CHEST[::-1])):  # headers of the same bytes
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x.raw").write_bytes(np.ascontiguousarray(slices).tobytes())
        write_meta(folder / "x.mhd", meta_fields(ElementDataFile="x.raw"))
    assert run(tmp_path / "a") == ["done"]
    (tmp_path / "a").rename(tmp_path / "c")
    assert run(tmp_path / "b", tmp_path / "c") == ["done", "skipped"]
    assert run.inputs() == [str(tmp_path / name / "x.mhd") for name in "bc"]
