"""The pipeline of a CT volume.

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
from lungseg.ct.bowel_gas import remove_bowel_gas
from lungseg.ct.cut_out import cut_out_lungs
from lungseg.ct.field_of_view import in_greys
from lungseg.ct.judge import judge_volume
from lungseg.ct.layers import as_segmentation, certain_planes, layer_of, thresholded
from lungseg.ct.lung_bases import complete_bases
from lungseg.ct.measure import measure_volume
from lungseg.ct.opaque_lung import remove_fat, settle_lung_alone
from lungseg.ct.placing import on_grid_of, placed, possible, righted, with_doubt
from lungseg.ct.postprocess import postprocess_volume
from lungseg.ct.sides import cut_planes, open_slices, settle_sides
from lungseg.ct.slices import Planes, fill_between, sampled_slices
from lungseg.ct.trachea import remove_trachea
from lungseg.errors import UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.morphology.sides import sides
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.predict import processors
from lungseg.preprocess import picture_of, shrink_labels, standardised
from lungseg.quality.confidence import confidence
from lungseg.quality.features import Features, agreement_features, mask_features
from lungseg.quality.files import quality_model_of
from lungseg.quality.model import ExpectedDice, as_measurements
from lungseg.readers.hounsfield import blank_around
from lungseg.result import Result, notes_on_sides
from lungseg.segmentation import (
    Layers,
    Probabilities,
    Segmentation,
    as_fraction,
    probabilities_without_sides,
    without_sides,
)
from lungseg.sided import SidedPredictor
from lungseg.structures import LUNGS, LUNGS_AS_ONE, PLURAL, Structure
from lungseg.timing import Seconds, timed
from lungseg.volume import Volume

Labels = NDArray[np.uint8]

Progress = Callable[[float], None]
"""Called with the fraction of the slices that the network has seen, above 0 to 1, again and
again."""


CONFIDENCE_SLICES = 100
"""Slices, evenly spread, on which the network's confidence is measured."""

MIRRORED_SLICES = 12
"""Slices, evenly spread over the lungs, that the network sees a second time, in a mirror: a tenth
of a volume's."""


class VolumeSegmenter:
    """Finds the lungs in CT volumes, with the model kept loaded; may be used from several threads
    at once, which share its threads.
    """

    def __init__(
        self,
        model: str | Path = "ct",
        *,
        threads: int | None = None,
        with_quality_model: bool = True,
    ) -> None:
        """Loads a model.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside
                it.
            threads: how many threads all volumes together are computed with; None for one on each
                core.
            with_quality_model: judge with what lies beside the model; without it nothing is
                expected.

        Raises:
            ModelError: the model, its card or its quality model is missing or broken, or they do
                not belong together.
            UsageError: `threads` is below 1.
        """
        if threads is not None and threads < 1:
            raise UsageError(f"a network needs at least 1 thread, not {threads}")
        # Slices side by side, each on one thread, are faster than one slice on all of them.
        self._predictor = SidedPredictor(model, threads=1)
        self._card = self._predictor.file_card
        self._quality = (
            quality_model_of(self._predictor.path, self.card, "ct") if with_quality_model else None
        )
        card = self._predictor.card
        self._names = tuple(name for layer in card.layers for name in layer)
        self._channels = [card.outputs.index(name) for name in self._names]
        self._lungs = [self._names.index(lung.name) for lung in LUNGS] if card.has_lungs else []
        self._pool = ThreadPoolExecutor(threads or processors(), "lungseg-slices")

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._card

    def __call__(
        self,
        volume: Volume,
        options: SegmentOptions = DEFAULTS,
        *,
        progress: Progress | None = None,
        seconds: Seconds | None = None,
    ) -> Result[Volume]:
        """The lungs of a volume that was read as the options say; times are added to those in
        `seconds`.

        Raises:
            ModelError: the network could not be computed.
        """
        seconds = {} if seconds is None else seconds
        if (blank := self._blank_around(volume)) is not None:
            return self._cut_out(volume, blank, options, seconds)
        lungs = self._lungs
        notes: tuple[str, ...] = ()
        if lungs:
            volume, notes = placed(volume, self._glimpse, options.spacing)
        planes = self.infer(volume, progress=progress, seconds=seconds)
        if not lungs:
            return self.finish(volume, planes, options, seconds=seconds)
        look = partial(self.infer, seconds=seconds)
        seen, planes, more = righted(volume, planes, lungs, look)
        result = self.finish(seen, planes, options, seconds=seconds, notes=(*notes, *more))
        return result if seen.geometry is volume.geometry else on_grid_of(result, volume)

    def _glimpse(self, volume: Volume, numbers: NDArray[np.intp]) -> Planes:
        """Probabilities of the lungs in some axial slices, by their numbers."""
        slices = volume.geometry.to_axial().apply(volume.array)
        planes = np.zeros((len(slices), len(self._names), *self.card.input_size), np.uint8)
        list(self._pool.map(partial(self._predict_slice, volume, slices, planes), numbers))
        return planes[numbers][:, self._lungs]

    def _blank_around(self, volume: Volume) -> int | None:
        """The value of all but the lungs, where they were cut out before and nothing else is asked
        for.
        """
        alone = len(self._lungs) == len(self._names)
        return blank_around(volume.array) if alone and volume.hounsfield else None

    def _cut_out(
        self, volume: Volume, blank: int, options: SegmentOptions, seconds: Seconds
    ) -> Result[Volume]:
        """The result of a volume of which a network can tell nothing, since all but its lungs is
        blank.
        """
        with timed("clean", seconds):
            lungs = cut_out_lungs(volume, blank)
            planes = certain_planes(lungs, self._names, self.card.input_size)
        volume = with_doubt(volume, "cut_out")
        return self.finish(volume, planes, options, seconds=seconds, lungs=lungs)

    def infer(
        self, volume: Volume, *, progress: Progress | None = None, seconds: Seconds | None = None
    ) -> Planes:
        """First stage: probabilities on the network's grid."""
        slices = volume.geometry.to_axial().apply(volume.array)
        planes = np.empty((len(slices), len(self._names), *self.card.input_size), np.uint8)
        seen = sampled_slices(volume.geometry)
        start = time.perf_counter()
        spent = np.zeros(2)
        for count, two in enumerate(
            self._pool.map(partial(self._predict_slice, volume, slices, planes), seen), start=1
        ):
            spent += two
            if progress is not None:
                progress(count / len(seen))
        if seconds is not None:
            # The threads do both at once, so the time that passes is parted as theirs is.
            for step, fraction in zip(("prepare", "predict"), spent / spent.sum(), strict=True):
                own = float(fraction) * (time.perf_counter() - start)
                seconds[step] = seconds.get(step, 0.0) + own
        with timed("interpolate", seconds):
            axial = volume.geometry.to_axial().geometry(volume.geometry)
            fill_between(planes, seen, axial.places(0))
            if not self.card.tells_sides:
                settle_sides(planes, self._lungs, self.card.threshold)
        return planes

    def _predict_slice(
        self, volume: Volume, slices: NDArray[Any], planes: Planes, number: int
    ) -> tuple[float, float]:
        """Enters the probabilities of one slice into `planes`; returns the seconds of preparing,
        and of the network.
        """
        start = time.perf_counter()
        batch = self._picture(volume, slices[number])[np.newaxis]
        prepared = time.perf_counter()
        channels = self._predictor(batch)[0, self._channels]
        predicted = time.perf_counter()
        planes[number] = np.rint(channels * np.float32(255.0))
        return prepared - start, predicted - prepared

    def _picture(self, volume: Volume, plane: NDArray[Any]) -> NDArray[np.float32]:
        """What the network sees of a slice: (1, rows, columns) on its own grid."""
        return picture_of(in_greys(volume, plane), self.card)

    def finish(
        self,
        volume: Volume,
        planes: Planes,
        options: SegmentOptions = DEFAULTS,
        *,
        seconds: Seconds | None = None,
        lungs: Labels | None = None,
        notes: tuple[str, ...] = (),
    ) -> Result[Volume]:
        """Second stage: the result of what `infer` gave, on the volume's grid.

        Args:
            volume: what was looked at.
            planes: what was seen.
            options: that the result is made with.
            seconds: times are added to these.
            lungs: their labels in axial order, where they are known otherwise than by the network;
                then no Dice is to be expected.
            notes: of the result.
        """
        seconds = {} if seconds is None else seconds
        known = lungs is not None
        undecided = not (known or self.card.tells_sides) and self._is_undecided(planes)
        with timed("restore", seconds):
            shape = volume.geometry.to_axial().geometry(volume.geometry).shape
            cut = cut_planes(planes, self._lungs) if undecided else planes
            found = thresholded(cut, shape, self._predictor.card, self._pool)
        with timed("clean", seconds):
            if known:
                del found[PLURAL]
            elif self._lungs:
                lungs = self._cleaned_lungs(volume, found)
            if lungs is not None and options.spacing is None:
                volume, more = possible(volume, lungs)
                notes += more
            structures = self._predictor.card.layers_of(options.structures)
            layers = [layer_of(those, lungs, found) for those in structures]
            if undecided:
                layers, structures = without_sides(layers, structures)
            segmentation = as_segmentation(volume, layers, structures)
        with timed("measure", seconds):
            confidences = self._confidences(layers, structures, planes)
            measurements = measure_volume(volume, segmentation, confidences)
        with timed("judge", seconds):
            unasked = options.skip_quality or known or undecided
            expected = None if unasked else self._expected_dice(volume, planes, lungs)
            measurements |= as_measurements(expected)
            verdict = judge_volume(volume, segmentation, measurements, self._evidence(expected))
        return Result(
            image=volume,
            segmentation=segmentation,
            measurements=measurements,
            verdict=verdict,
            card=self.card,
            probabilities=self._probabilities(volume, planes, segmentation),
            seconds=seconds,
            notes=(*notes, *notes_on_sides(self.card, segmentation)),
            options=options,
        )

    def _probabilities(
        self, volume: Volume, planes: Planes, segmentation: Segmentation[VolumeGeometry]
    ) -> Probabilities:
        seen = Probabilities(self._names, np.moveaxis(planes, 1, 0), volume.geometry)
        return seen if segmentation.tells_sides else probabilities_without_sides(seen)

    def _is_undecided(self, planes: Planes) -> bool:
        """Whether nothing tells right from left."""
        return bool(open_slices(planes, self._lungs, self.card.threshold).any())

    def _cleaned_lungs(self, volume: Volume, found: dict[str, Labels]) -> Labels:
        turn = volume.geometry.to_axial()
        spacing = turn.geometry(volume.geometry).spacing
        labels, voxels = found.pop(PLURAL), turn.apply(volume.array)
        if volume.hounsfield:
            remove_trachea(labels, voxels, spacing)
            remove_bowel_gas(labels, voxels, spacing)
        labels = postprocess_volume(labels, spacing)
        if volume.hounsfield:
            remove_fat(labels, voxels)
            settle_lung_alone(labels, voxels)
            complete_bases(labels, voxels, spacing)
        return labels

    def features(self, volume: Volume, planes: Planes, labels: Labels) -> Features:
        """What can be seen of a mask without knowing the ground truth: means over slices, weighted
        by their lung; costs `MIRRORED_SLICES` forward passes.

        Args:
            volume: what was segmented.
            planes: what `infer` gave.
            labels: (slices, rows, columns) in axial order, not empty, as they were cleaned.
        """
        slices = volume.geometry.to_axial().apply(volume.array)
        sizes = np.count_nonzero(labels, axis=(1, 2))
        with_lung = np.flatnonzero(sizes)
        chosen = with_lung[
            np.unique(np.linspace(0, with_lung.size - 1, MIRRORED_SLICES).round().astype(int))
        ]
        each = list(
            self._pool.map(
                lambda i: self._features_of(
                    self._picture(volume, slices[i]),
                    as_fraction(planes[i][self._lungs]),
                    labels[i],
                ),
                chosen,
            )
        )
        return pooled(each, sizes[chosen])

    def _features_of(
        self, picture: NDArray[np.float32], lungs: NDArray[np.float32], labels: Labels
    ) -> Features:
        """Of one slice, from the network's picture (1, rows, columns) and its probabilities (2,
        rows, columns), and the labels found.
        """
        small = shrink_labels(labels, lungs.shape[1:])
        mirrored = self._predictor(np.ascontiguousarray(picture[np.newaxis, :, :, ::-1]))[0][
            self._predictor.card.mirrored_channels, :, ::-1
        ]
        other = mirrored[[self._predictor.card.channel(lung) for lung in LUNGS]]
        own = confidence(sides(other[0], other[1], self.card.threshold), other)[PLURAL]
        seen = standardised(picture[0], self.card)
        once = mask_features(seen, lungs, small, confidence(small, lungs))
        return once | agreement_features(lungs, other, small, own)

    def _expected_dice(
        self, volume: Volume, planes: Planes, labels: Labels | None
    ) -> ExpectedDice | None:
        """None where the model has no quality model, or there is no lung."""
        if self._quality is None or labels is None or not labels.any():
            return None
        return self._quality.expected_dice(
            self.features(volume, planes, labels), "slice" if len(labels) == 1 else "volume"
        )

    def _evidence(self, expected: ExpectedDice | None) -> set[str]:
        """Codes of the reasons that the expected Dice gives."""
        bad = (
            expected is not None
            and self._quality is not None
            and expected.value < self._quality.uncertain
        )
        return {"uncertain"} if bad else set()

    def _confidences(
        self, layers: Sequence[Labels], structures: Layers, planes: Planes
    ) -> dict[str, float]:
        """Of each structure and pair in axial label maps, by `CONFIDENCE_SLICES` of them on the
        network's grid.
        """
        chosen = np.unique(np.linspace(0, len(planes) - 1, CONFIDENCE_SLICES).astype(int))
        found: dict[str, float] = {}
        for labels, those in zip(layers, structures, strict=True):
            small = np.stack([shrink_labels(labels[i], planes.shape[2:]) for i in chosen])
            channels = [self._fraction_of(structure, planes[chosen]) for structure in those]
            found |= confidence(small, channels, those)
        return found

    def _fraction_of(self, structure: Structure, planes: Planes) -> NDArray[np.float32]:
        """The probability of a structure in planes, 0 to 1; of the lungs as one that of both."""
        if structure is LUNGS_AS_ONE:
            both = sum(as_fraction(planes[:, lung]) for lung in self._lungs)
            return np.minimum(both, np.float32(1))
        return as_fraction(planes[:, self._names.index(structure.name)])


def pooled(features: Sequence[Features], weights: NDArray[Any]) -> Features:
    """The weighted mean of each feature over the slices that have it."""
    means = {}
    for name in sorted(set().union(*features)):
        there = [i for i, of_slice in enumerate(features) if name in of_slice]
        means[name] = float(np.average([features[i][name] for i in there], weights=weights[there]))
    return means
