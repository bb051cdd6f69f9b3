"""The pipeline of a radiograph, from a source to a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.morphology.dilation import dilate
from lungseg.morphology.hull import hull
from lungseg.morphology.sides import cut_in_the_middle, is_undecided
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.preprocess import picture_of
from lungseg.quality.confidence import confidences
from lungseg.quality.files import quality_model_of
from lungseg.quality.model import ExpectedDice, FrontalModel, as_measurements
from lungseg.radiograph.findings import measure_findings, of_frontal
from lungseg.radiograph.inference import (
    ForwardPass,
    best_orientation,
    first_pass,
    with_augmentation,
)
from lungseg.radiograph.judge import is_cut_short, judge, without_padding
from lungseg.radiograph.lung_extent import NOTE as THROUGH_HEART
from lungseg.radiograph.lung_extent import lungs_apart, through_heart
from lungseg.radiograph.measure import doubt_of_scale, doubted, measure
from lungseg.radiograph.orientation import View
from lungseg.radiograph.postprocess import postprocess_layers
from lungseg.radiograph.sides import with_stated_sides
from lungseg.readers import read_image
from lungseg.readers.frames import Frame, frame_of
from lungseg.readers.looks_like_ct import DOUBT, ct_log_odds
from lungseg.result import Result, notes_on_sides
from lungseg.segmentation import (
    Array,
    Layers,
    Probabilities,
    Segmentation,
    probabilities_without_sides,
    without_sides,
)
from lungseg.sided import SidedPredictor
from lungseg.structures import LUNGS, PLURAL, groups, sided
from lungseg.timing import Seconds, timed

Source = str | Path | Array | Image
"""A file, an array (rows, columns), or an image that was read before."""


class RadiographSegmenter:
    """Finds the lungs of radiographs, with the model kept loaded; may be used from several threads
    at once.

    Calling it does everything. Its three stages, `read`, `infer` and `finish`, can also be called
    one by one, each on another thread, so that decoding, network and cleaning of different images
    overlap.
    """

    def __init__(
        self,
        model: str | Path = "cxr",
        *,
        threads: int | None = None,
        with_quality_model: bool = True,
    ) -> None:
        """Loads a model.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside
                it.
            threads: how many threads the network computes one image with; None for one on each
                core.
            with_quality_model: judge with what lies beside the model; without it no picture is
                rotated, and nothing is expected.

        Raises:
            ModelError: the model, its card or its quality model is missing or broken, or they do
                not belong together.
        """
        self._predictor = SidedPredictor(model, threads=threads)
        self._card = self._predictor.file_card
        self._quality = (
            quality_model_of(self._predictor.path, self.card, "radiograph")
            if with_quality_model
            else None
        )

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._card

    def __call__(
        self,
        source: Source,
        options: SegmentOptions = DEFAULTS,
        *,
        seconds: Seconds | None = None,
    ) -> Result[Image]:
        """The lungs of one image.

        Args:
            source: path of a file, an array (rows, columns), or an `Image` that was read as the
                options say.
            options: how it is read, and what the result is like.
            seconds: times of steps that were done before; those of the others are added.

        Raises:
            InputError: the source cannot be used; its subclasses say why.
            UsageError: an option has no meaning.
            ModelError: the network could not be computed.
        """
        seconds = {} if seconds is None else seconds
        image = self.read(source, options, seconds=seconds)
        return self.finish(image, self.infer(image, seconds=seconds), options, seconds=seconds)

    @staticmethod
    def read(
        source: Source, options: SegmentOptions = DEFAULTS, *, seconds: Seconds | None = None
    ) -> Image:
        """First stage: the image of a source; an `Image` is passed on. The time is entered into
        `seconds`.
        """
        if isinstance(source, Image):
            return source
        spacing = None if options.spacing is None else (options.spacing[0], options.spacing[1])
        with timed("read", seconds):
            return read_image(source, spacing=spacing, frame=options.frame)

    @property
    def _frontal(self) -> FrontalModel | None:
        return None if self._quality is None else self._quality.frontal

    def infer(self, image: Image, *, seconds: Seconds | None = None) -> ForwardPass:
        """Second stage: what the network makes of the image, on its own grid.

        What frames the image is left out. A negative is inverted. Where the result may be that of
        no frontal chest radiograph, or a lung is missing, the other quarter turns are tried, and
        one of them is taken if it clearly is one. Where the network is in doubt or the thorax
        tilted, there are two further passes, over the thorax set upright. A model that does not
        predict both lungs gets one pass.

        A picture whose header says how it lies is brought to how films hang first, so right and
        left are those of the header; see `lungseg.radiograph.sides`.
        """
        with timed("prepare", seconds):
            frame = frame_of(image)
            shown = image if frame is None else frame.within(image)
            picture = picture_of(shown.array, self.card)[0]
        with timed("predict", seconds):
            if self.card.has_lungs:
                prediction = with_stated_sides(
                    lambda view: self._passes(shown, picture, view), image.provenance
                )
            else:
                prediction = first_pass(self._predictor, picture)
        return prediction if frame is None else replace(prediction, frame=frame)

    def _passes(self, image: Image, picture: NDArray[np.float32], view: View) -> ForwardPass:
        """The forward passes over an image, whose `picture` for the network is brought to a view,
        or to another one where that is clearly a chest.
        """
        rows, columns = self.card.input_size
        if view.quarter_turns % 2 and rows != columns:  # the picture would not fit the network
            turned = np.ascontiguousarray(view.of(image.array))
            seen = picture_of(turned, self.card)[0]
        else:
            seen = np.ascontiguousarray(view.of(picture))
        prediction = first_pass(self._predictor, seen, view)
        frontal = self._frontal
        if frontal is not None and (
            frontal.log_odds(prediction.features) < frontal.doubt or not prediction.has_both
        ):
            prediction = best_orientation(self._predictor, prediction, frontal)
        return with_augmentation(self._predictor, prediction, image.geometry.shape)

    def finish(
        self,
        image: Image,
        prediction: ForwardPass,
        options: SegmentOptions = DEFAULTS,
        *,
        seconds: Seconds | None = None,
    ) -> Result[Image]:
        """Third stage: the result of what `infer` gave, on the image's grid. Its `seconds` are
        those passed in and its own.
        """
        seconds = {} if seconds is None else seconds
        frame = prediction.frame
        shown = image if frame is None else frame.within(image)
        self.card.check_extent(options.lung_extent)
        structures = self._predictor.card.layers_of(options.structures)
        probabilities = self._probabilities(shown, prediction.as_given, structures)
        with timed("clean", seconds):
            segmentation, found, probabilities = self._cleaned(shown, probabilities, structures)
        with timed("measure", seconds):
            sure = confidences(segmentation, found)
            measurements = measure(segmentation, sure)
        doubt = doubt_of_scale(measurements)
        notes = _notes(image, prediction, doubt) + notes_on_sides(self.card, segmentation)
        findings = measure_findings(_in_frame(image, frame, segmentation), prediction.view)
        with timed("judge", seconds):
            asked = segmentation.tells_sides and not options.skip_quality
            expected = self.expected_dice(prediction) if asked else None
            of_quality = as_measurements(expected)
            evidence = self._evidence(image, prediction, expected)
            box = without_padding(shown.array, negative=prediction.inverted)
            verdict = judge(segmentation, measurements | of_quality, evidence, box)
            findings, why = of_frontal(findings, segmentation, verdict)
            notes += why
        judged = segmentation  # not a wider one, which may reach the edge though no lung is cut off
        segmentation, probabilities, drawn = self._as_asked(
            shown, prediction, options, (segmentation, probabilities), seconds
        )
        notes += drawn
        segmentation = _in_frame(image, frame, segmentation)
        if frame is not None:
            probabilities = replace(probabilities, geometry=image.geometry, box=frame.box)
        if segmentation is not judged or frame is not None:
            with timed("measure", seconds):
                measurements = measure(segmentation, sure)
        return Result(
            image=image,
            segmentation=segmentation,
            measurements=(measurements if doubt is None else doubted(measurements))
            | of_quality
            | findings,
            verdict=verdict,
            card=self.card,
            probabilities=probabilities,
            notes=notes,
            seconds=seconds,
            options=options,
        )

    def _as_asked(
        self,
        shown: Image,
        prediction: ForwardPass,
        options: SegmentOptions,
        found: tuple[Segmentation[ImageGeometry], Probabilities],
        seconds: Seconds,
    ) -> tuple[Segmentation[ImageGeometry], Probabilities, tuple[str, ...]]:
        """What was found with its lungs drawn and widened as asked, and notes of it."""
        segmentation, probabilities = found
        notes: tuple[str, ...] = ()
        if options.lung_extent == "through-heart":
            with timed("clean", seconds):
                layers = lungs_apart(tuple(sided(layer) for layer in segmentation.structures))
                drawn = through_heart(prediction.as_given, self._predictor.card)
                probabilities = self._probabilities(shown, drawn, layers)
                segmentation, _, probabilities = self._cleaned(shown, probabilities, layers)
            notes += (THROUGH_HEART,)
        if options.dilate or options.hull:
            with timed("dilate", seconds):
                segmentation, of_width = _widened(
                    segmentation, shown, options.dilate, bridged=options.hull
                )
            notes += of_width
        return segmentation, probabilities, notes

    def _probabilities(
        self, shown: Image, channels: NDArray[np.float32], structures: Layers
    ) -> Probabilities:
        names = tuple(structure.name for layer in structures for structure in layer)
        outputs = self._predictor.card.outputs
        return Probabilities(names, channels[[outputs.index(n) for n in names]], shown.geometry)

    def _cleaned(
        self, shown: Image, probabilities: Probabilities, structures: Layers
    ) -> tuple[Segmentation[ImageGeometry], dict[str, Array], Probabilities]:
        """The structures, and the probabilities that they were made of, restored and not; both
        lungs as one where nothing tells their sides.
        """
        found, threshold = dict(probabilities), self.card.threshold
        right, left = (lung.name for lung in LUNGS)
        undecided = (
            not self.card.tells_sides and is_undecided(found[right], found[left], threshold).any()
        )
        if undecided:
            found[right], found[left] = cut_in_the_middle(found[right], found[left])
        # Each half of lungs that were cut in the middle is as large as half of one may be.
        layers = postprocess_layers(found, structures, threshold, least=0.5 if undecided else 1.0)
        if undecided:
            layers, structures = without_sides(layers, structures)
            probabilities = probabilities_without_sides(probabilities)
            found = dict(probabilities)
        return shown.with_layers(layers, structures), found, probabilities

    def expected_dice(self, prediction: ForwardPass) -> ExpectedDice | None:
        """Of the mask, before it is widened. None where the model has no quality model, or
        there is no lung.
        """
        if self._quality is None or not prediction.labels.any():
            return None
        return self._quality.expected_dice(prediction.features, "radiograph")

    def _evidence(
        self, image: Image, prediction: ForwardPass, expected: ExpectedDice | None
    ) -> set[str]:
        """Codes of the reasons that the picture itself gives."""
        frame = prediction.frame
        lower = frame is None or frame.is_below
        found = {
            "side_mismatch": prediction.wrong_side,
            "rotated": prediction.is_rotated,
            "truncated": lower and is_cut_short(image.array),
        }
        if self._quality is None:
            return {code for code, holds in found.items() if holds}
        frontal = self._frontal
        odds = 0.0 if frontal is None else frontal.log_odds(prediction.first_features)
        is_clear = frontal is not None and odds >= frontal.clear
        found |= {
            "ct_slice": not image.is_stated_film
            and ct_log_odds(prediction.standardised) > (DOUBT if is_clear else 0.0),
            "uncertain": expected is not None and expected.value < self._quality.uncertain,
        }
        if frontal is not None:
            found |= {
                "not_frontal": odds < frontal.refuse,
                "doubtful_view": frontal.refuse <= odds < frontal.doubt,
            }
        return {code for code, holds in found.items() if holds}


def _in_frame(
    image: Image, frame: Frame | None, segmentation: Segmentation[ImageGeometry]
) -> Segmentation[ImageGeometry]:
    """What was found within the frame of an image, on all of the image."""
    if frame is None:
        return segmentation
    layers = [frame.whole(labels) for labels in segmentation.layers]
    return image.with_layers(layers, segmentation.structures)


def _notes(image: Image, prediction: ForwardPass, doubt: str | None) -> tuple[str, ...]:
    """What had to be done to the image, and what is doubtful about it."""
    notes = [] if doubt is None else [doubt]
    if image.provenance.presentation_intent.upper() == "FOR PROCESSING":
        notes.append("raw image, FOR PROCESSING: its greys were not made for being looked at")
    if prediction.frame is not None:
        notes.append(prediction.frame.note)
    if prediction.inverted:
        notes.append("seems to be a negative: its greys were turned round for the network")
    if prediction.quarter_turns:
        notes.append(
            f"was turned by {90 * prediction.quarter_turns} degrees anticlockwise for the network, "
            "so that the chest stands upright"
        )
    return (*notes, *prediction.remarks)


def _widened(
    segmentation: Segmentation[ImageGeometry], image: Image, radius: float, *, bridged: bool
) -> tuple[Segmentation[ImageGeometry], tuple[str, ...]]:
    """With the lungs widened, and a note of it: whoever reads the record must know."""
    if PLURAL not in segmentation.names:
        raise UsageError(
            "the model finds no lungs, which could be widened",
            where=image.source,
            cure="leave out `dilate` and `hull`",
        )
    spacing = image.geometry.spacing
    numbers = groups(segmentation.shown)[PLURAL]
    layers, notes = list(segmentation.layers), []
    where = next(i for i, labels in enumerate(layers) if labels is segmentation.labels)
    if bridged:
        layers[where] = hull(layers[where], numbers)
        notes.append("mask widened to the convex hull of both lungs")
    if radius:
        layers[where] = dilate(layers[where], radius, numbers, spacing)
        notes.append(f"mask widened by {radius:g} {'pixels' if spacing is None else 'mm'}")
    return image.with_layers(layers, segmentation.structures), tuple(notes)
