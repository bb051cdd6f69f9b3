"""The road of a CT volume.

It is cut into axial slices, which go through the network one by one, on as many threads as there
are cores: while one prepares its slice, another one's is in the network. Batches of two to eight
slices would take as long and up to 600 MB more. On the volume's own grid there are never more than
labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.ct.slices import Planes, blacken_surround, clip_hounsfield, fill_between, seen_slices
from lungseg.errors import UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.morphology.sides import sides
from lungseg.predict import Predictor, processors
from lungseg.preprocess import restored, shrink_labels, to_network
from lungseg.quality.confidence import Confidence, confidence
from lungseg.quality.features import Signs, first_signs, second_signs
from lungseg.quality.model import ExpectedDice, as_measurements, read_beside
from lungseg.quality.model_ct import LearnedVolume
from lungseg.result import VolumeResult
from lungseg.structures import MIRRORED_CHANNELS
from lungseg.timing import Seconds, timed
from lungseg.volume import Volume

Labels = NDArray[np.uint8]

Progress = Callable[[float], None]
"""Called with the share of the slices that the network has seen, above 0 to 1, again and again."""


SURE_SLICES = 100
"""Slices, evenly spread, that tell how sure the network is."""

SECOND_LOOKS = 12
"""Slices, evenly spread over the lungs, that the network sees a second time, in a mirror: a tenth
of a volume's."""


class VolumeSegmenter:
    """Finds the lungs in CT volumes, with the model kept loaded; may be used from several threads
    at once, which share its threads.
    """

    def __init__(self, model: str | Path = "ct", *, threads: int | None = None) -> None:
        """Loads a model.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside
                it.
            threads: how many threads all volumes together are computed with; None for one on each
                core.

        Raises:
            ModelError: the model, its card, or what was learned to judge its masks is missing or
                broken, or they do not belong together.
            UsageError: `threads` is below 1.
        """
        if threads is not None and threads < 1:
            raise UsageError(f"a network needs at least 1 thread, not {threads}")
        # Slices side by side, each on one thread, are faster than one slice on all of them.
        self._predictor = Predictor(model, threads=1)
        self._learned = _learned(self._predictor)
        self._pool = ThreadPoolExecutor(threads or processors(), "lungseg-slices")

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._predictor.card

    def __call__(
        self,
        volume: Volume,
        *,
        quick: bool = False,
        progress: Progress | None = None,
        seconds: Seconds | None = None,
    ) -> VolumeResult:
        """The lungs of a volume; times are added to those in `seconds`. With `quick` the expected
        Dice is left out.

        Raises:
            ModelError: the network could not be computed.
        """
        seconds = {} if seconds is None else seconds
        return self.finish(
            volume,
            self.infer(volume, progress=progress, seconds=seconds),
            quick=quick,
            seconds=seconds,
        )

    def infer(
        self, volume: Volume, *, progress: Progress | None = None, seconds: Seconds | None = None
    ) -> Planes:
        """First stage: probabilities on the network's grid."""
        slices = volume.geometry.to_axial().apply(volume.array)
        planes = np.empty((len(slices), 2, *self.card.input_size), np.uint8)
        seen = seen_slices(volume.geometry)
        start = time.perf_counter()
        spent = np.zeros(2)
        for count, two in enumerate(
            self._pool.map(partial(self._look, volume, slices, planes), seen), start=1
        ):
            spent += two
            if progress is not None:
                progress(count / len(seen))
        if seconds is not None:
            # The threads do both at once, so the time that passes is parted as theirs is.
            for step, share in zip(("prepare", "predict"), spent / spent.sum(), strict=True):
                seconds[step] = float(share) * (time.perf_counter() - start)
        with timed("interpolate", seconds):
            fill_between(planes, seen)
        return planes

    def _look(
        self, volume: Volume, slices: NDArray[Any], planes: Planes, number: int
    ) -> tuple[float, float]:
        """Enters the probabilities of one slice into `planes`; returns the seconds of preparing,
        and of the network.
        """
        start = time.perf_counter()
        batch = self._picture(volume, slices[number])[np.newaxis]
        prepared = time.perf_counter()
        lungs = self._predictor(batch)[0, 1:]
        predicted = time.perf_counter()
        planes[number] = np.rint(lungs * np.float32(255.0))
        return prepared - start, predicted - prepared

    def _picture(self, volume: Volume, plane: NDArray[Any]) -> NDArray[np.float32]:
        """What the network sees of a slice: (1, rows, columns) on its own grid."""
        pixels = clip_hounsfield(plane) if volume.hounsfield else blacken_surround(plane)
        return to_network(pixels, self.card.input_size, self.card.clip)

    def finish(
        self, volume: Volume, planes: Planes, *, quick: bool = False, seconds: Seconds | None = None
    ) -> VolumeResult:
        """Second stage: the result of what `infer` gave, on the volume's grid. With `quick` the
        expected Dice is left out.
        """
        from lungseg.ct.bowel_gas import remove_bowel_gas
        from lungseg.ct.judge import judge_volume
        from lungseg.ct.lung_bases import complete_bases
        from lungseg.ct.measure import measure_volume
        from lungseg.ct.postprocess import clean_volume
        from lungseg.ct.trachea import remove_windpipe

        seconds = {} if seconds is None else seconds
        turn = volume.geometry.to_axial()
        axial = turn.geometry(volume.geometry)
        with timed("restore", seconds):
            labels = np.zeros(axial.shape, np.uint8)
            self._fill(labels, partial(_labels_of, planes=planes, threshold=self.card.threshold))
        with timed("clean", seconds):
            if volume.hounsfield:
                remove_windpipe(labels, turn.apply(volume.array), axial.spacing)
                remove_bowel_gas(labels, turn.apply(volume.array), axial.spacing)
            labels = clean_volume(labels, axial.spacing)
            if volume.hounsfield:
                complete_bases(labels, turn.apply(volume.array), axial.spacing)
            segmentation = volume.with_labels(turn.invert(labels))
        with timed("measure", seconds):
            sure = _sureness(labels, planes)
            measurements = measure_volume(volume, segmentation, sure)
        with timed("judge", seconds):
            expected = None if quick else self._expected_dice(volume, planes, labels)
            measurements += as_measurements(expected)
            verdict = judge_volume(volume, segmentation, measurements, self._seen(expected))
        return VolumeResult(
            volume=volume,
            segmentation=segmentation,
            measurements=measurements,
            verdict=verdict,
            card=self.card,
            seconds=seconds,
            restore_probability=partial(self._probability, volume.geometry, planes),
        )

    def signs(self, volume: Volume, planes: Planes, labels: Labels) -> Signs:
        """What can be seen of a mask without knowing the truth: means over slices, weighted by
        their lung; costs `SECOND_LOOKS` looks.

        Args:
            volume: what was segmented.
            planes: what `infer` gave.
            labels: (slices, rows, columns) in axial order, not empty, as they were cleaned.
        """
        slices = volume.geometry.to_axial().apply(volume.array)
        sizes = np.count_nonzero(labels, axis=(1, 2))
        with_lung = np.flatnonzero(sizes)
        chosen = with_lung[
            np.unique(np.linspace(0, with_lung.size - 1, SECOND_LOOKS).round().astype(int))
        ]
        each = list(
            self._pool.map(
                lambda i: self._signs_of(
                    self._picture(volume, slices[i]), _real(planes[i]), labels[i]
                ),
                chosen,
            )
        )
        return pooled(each, sizes[chosen])

    def _signs_of(
        self, picture: NDArray[np.float32], lungs: NDArray[np.float32], labels: Labels
    ) -> Signs:
        """Of one slice, from the network's picture (1, rows, columns) and its probabilities (2,
        rows, columns), and the labels found.
        """
        probabilities = np.concatenate([1.0 - lungs.sum(axis=0, keepdims=True), lungs])
        small = shrink_labels(labels, lungs.shape[1:])
        mirrored = self._predictor(np.ascontiguousarray(picture[np.newaxis, :, :, ::-1]))[0][
            MIRRORED_CHANNELS, :, ::-1
        ]
        own = confidence(
            sides(mirrored[1], mirrored[2], self.card.threshold), mirrored[1], mirrored[2]
        ).lungs
        once = first_signs(picture[0], probabilities, small, confidence(small, lungs[0], lungs[1]))
        return once | second_signs(probabilities, mirrored, small, own)

    def _expected_dice(self, volume: Volume, planes: Planes, labels: Labels) -> ExpectedDice | None:
        """None where nothing was learned for the model, or there is no lung."""
        if self._learned is None or not labels.any():
            return None
        return self._learned.expected_dice(
            self.signs(volume, planes, labels), single=len(labels) == 1
        )

    def _seen(self, expected: ExpectedDice | None) -> set[str]:
        """Names of the reasons in `lungseg.ct.judge.REASONS` that the expected Dice gives."""
        bad = (
            expected is not None
            and self._learned is not None
            and expected.value < self._learned.uncertain
        )
        return {"uncertain"} if bad else set()

    def _probability(self, grid: VolumeGeometry, planes: Planes, lung: int) -> NDArray[np.uint8]:
        """The probability of the lung with that number, in 255ths, on the grid of a volume."""
        whole = np.zeros(grid.shape, np.uint8)
        self._fill(
            grid.to_axial().apply(whole),
            lambda i, shape: np.rint(
                restored(_real(planes[i, lung - 1]), shape) * np.float32(255.0)
            ),
        )
        return whole

    def _fill(
        self, slices: NDArray[Any], make: Callable[[int, tuple[int, int]], NDArray[Any] | None]
    ) -> None:
        """Sets each slice to what `make` gives for its number and shape, side by side; None leaves
        it as it is.
        """

        def enter(number: int) -> None:
            made = make(number, slices.shape[1:])
            if made is not None:
                slices[number] = made

        list(self._pool.map(enter, range(len(slices))))


def pooled(signs: Sequence[Signs], weights: NDArray[Any]) -> Signs:
    """The weighted mean of each sign over the slices that have it."""
    means = {}
    for name in sorted(set().union(*signs)):
        there = [i for i, of_slice in enumerate(signs) if name in of_slice]
        means[name] = float(np.average([signs[i][name] for i in there], weights=weights[there]))
    return means


def _real(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    return plane.astype(np.float32) * np.float32(1 / 255)


def _labels_of(
    number: int, shape: tuple[int, int], *, planes: Planes, threshold: float
) -> Labels | None:
    """Labels (rows, columns) of one slice, as `lungseg.radiograph.postprocess.clean` begins; None
    where the network saw no lung.
    """
    if int(planes[number, 0].max()) + int(planes[number, 1].max()) < 255 * threshold:
        return None
    right, left = (restored(_real(plane), shape) for plane in planes[number])
    return sides(right, left, threshold)


def _sureness(labels: Labels, planes: Planes) -> Confidence:
    """How sure the network is of axial labels, by `SURE_SLICES` of them on its own grid."""
    chosen = np.unique(np.linspace(0, len(planes) - 1, SURE_SLICES).astype(int))
    small = np.stack([shrink_labels(labels[i], planes.shape[2:]) for i in chosen])
    right, left = (_real(planes[chosen, channel]) for channel in (0, 1))
    return confidence(small, right, left)


def _learned(predictor: Predictor) -> LearnedVolume | None:
    """What was learned to judge this model's masks; None where nothing lies beside it."""
    card = predictor.card
    return (
        read_beside(predictor.path, card.sha256, LearnedVolume.read, "judge_ct.py")
        if card.modality == "ct"
        else None
    )
