from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lungseg.batch import segment_many
from lungseg.card import ModelCard, file_sha256
from lungseg.errors import UnreadableError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement, Measurements
from lungseg.modality import Modality
from lungseg.options import SegmentOptions
from lungseg.provenance import Format, Provenance
from lungseg.result import Result
from lungseg.runner import Outcome, RunOptions
from lungseg.timing import Progress, no_progress
from lungseg.verdict import Verdict
from made_up_probabilities import probabilities_of

FIELDS = {option.name for option in fields(SegmentOptions)}


@dataclass
class FakeSegmenter:
    """Reads what OpenCV reads, finds a lung in each half, and remembers what it was asked."""

    calls: list[tuple[Path, SegmentOptions]] = field(default_factory=list)
    before: Callable[[Path], None] = lambda path: None
    verdict: Verdict = field(default_factory=lambda: Verdict("ok"))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def modality(self, options: SegmentOptions) -> Modality | None:
        return options.modality

    def card(self, modality: Modality, options: SegmentOptions) -> ModelCard:
        return ModelCard(
            "fake",
            "1",
            "radiograph",
            (("right lung", "left lung"),),
            "none",
            (64, 64),
            "f00d",
        )

    def __call__(
        self, source: Path, options: SegmentOptions, *, progress: Progress = no_progress
    ) -> Result:
        with self.lock:
            self.calls.append((source, options))
        self.before(source)
        pixels = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise UnreadableError("is no image", where=source, cure="export it again")
        image = Image(
            pixels,
            ImageGeometry(pixels.shape),
            Provenance(str(source), Format.PNG, file_sha256(source)),
        )
        labels = np.zeros(pixels.shape, np.uint8)
        labels[10:30, 5:15] = 1
        labels[10:30, 25:35] = 2
        measurements = Measurements([Measurement("area", "lungs", float(pixels.max()), "pixels")])
        return Result(
            image,
            image.with_labels(labels),
            measurements,
            self.verdict,
            self.card("radiograph", options),
            probabilities_of(image, labels),
            {"read": 0.5},
            options=options,
        )

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path, _ in self.calls)


@pytest.fixture
def segmenter() -> FakeSegmenter:
    return FakeSegmenter()


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """Draws a 40 x 40 PNG at a path below the test's folder, its brightest pixel of the given
    value."""

    def draw(name: str, brightest: int = 200) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((40, 40), np.uint8)
        pixels[0, 0] = brightest
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        return path

    return draw


@pytest.fixture
def run(segmenter: FakeSegmenter) -> Callable[..., list[Outcome]]:
    """Segments files into a folder, `threads` at a time, and gives what became of them in their
    order; other settings are those of `SegmentOptions` and `RunOptions`."""

    def run(
        files: Sequence[Path], folder: Path, *, threads: int | None = None, **settings: Any
    ) -> list[Outcome]:
        own = {name: settings.pop(name) for name in set(settings) & FIELDS}
        outcomes = segment_many(
            files,
            SegmentOptions(**own),
            RunOptions(folder, **settings),
            threads,
            segmenter=segmenter,
        )
        return sorted(outcomes, key=lambda outcome: files.index(outcome.source))

    return run
