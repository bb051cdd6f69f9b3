"""The road of a radiograph, from a source to a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.errors import UsageError
from lungseg.image import Image
from lungseg.measurement import Measurement
from lungseg.options import check_radius
from lungseg.predict import Predictor
from lungseg.preprocess import restored, to_network
from lungseg.quality.confidence import confidence
from lungseg.quality.model import ExpectedDice, Learned, as_measurements, read_beside
from lungseg.radiograph.inference import Look, again, first_look, upright
from lungseg.radiograph.judge import is_cut_short, judge, without_padding
from lungseg.radiograph.measure import doubt_of_scale, measure
from lungseg.radiograph.postprocess import clean, dilate, hull
from lungseg.readers import looks_like_ct, read
from lungseg.result import Result
from lungseg.segmentation import Array
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

    def __init__(self, model: str | Path = "cxr", *, threads: int | None = None) -> None:
        """Loads a model.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside
                it.
            threads: how many threads the network computes one image with; None for one on each
                core.

        Raises:
            ModelError: the model, its card, or what was learned to judge its masks is missing or
                broken, or they do not belong together.
        """
        self._predictor = Predictor(model, threads=threads)
        self._learned = _learned(self._predictor)

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._predictor.card

    def __call__(
        self,
        source: Source,
        *,
        spacing: tuple[float, float] | None = None,
        page: int | None = None,
        dilate: float = 0.0,
        hull: bool = False,
        seconds: Seconds | None = None,
    ) -> Result:
        """The lungs of one image.

        Args:
            source: path of a file, an array (rows, columns), or an `Image`.
            spacing: millimetres between rows and between columns, in the patient; instead of what
                the file says.
            page: which page of a file with several, counted from 1.
            dilate: how far the mask is widened: in millimetres where the spacing is known, else in
                pixels.
            hull: take what lies between the lungs into the mask, the heart too, before it is
                widened.
            seconds: times of steps that were done before; those of the others are added.

        Raises:
            InputError: the source cannot be used; its subclasses say why.
            UsageError: a setting has no meaning.
            ModelError: the network could not be computed.
        """
        seconds = {} if seconds is None else seconds
        check_radius(dilate)
        image = self.read(source, spacing=spacing, page=page, seconds=seconds)
        look = self.infer(image, seconds=seconds)
        return self.finish(image, look, dilate=dilate, hull=hull, seconds=seconds)

    @staticmethod
    def read(
        source: Source,
        *,
        spacing: tuple[float, float] | None = None,
        page: int | None = None,
        seconds: Seconds | None = None,
    ) -> Image:
        """First stage: the image of a source; an `Image` is passed on. The time is entered into
        `seconds`.
        """
        with timed("read", seconds):
            if not isinstance(source, Image):
                return read(source, spacing=spacing, page=page)
            if spacing is not None or page is not None:
                raise UsageError(
                    "an image that was read before has its spacing and page",
                    where=source.source,
                    cure="leave both out",
                )
            return source

    def infer(self, image: Image, *, seconds: Seconds | None = None) -> Look:
        """Second stage: what the network makes of the image, on its own grid.

        A negative is put right. Where the result may be that of no frontal chest radiograph, or a
        lung is missing, the other quarter turns are looked at, and one of them is taken if it
        clearly is one. Where the network is in doubt or the thorax askew, it looks again, at the
        thorax set upright.
        """
        with timed("prepare", seconds):
            picture = to_network(image.array, self.card.input_size, self.card.clip)[0]
        with timed("predict", seconds):
            look = first_look(self._predictor, picture)
            if self._learned is not None and (
                self._learned.frontal(look.signs) < self._learned.doubt or not look.has_both
            ):
                look = upright(self._predictor, look, self._learned)
            return again(self._predictor, look, image.geometry.shape)

    def finish(
        self,
        image: Image,
        look: Look,
        *,
        dilate: float = 0.0,
        hull: bool = False,
        seconds: Seconds | None = None,
    ) -> Result:
        """Third stage: the result of what `infer` gave, on the image's grid. Its `seconds` are
        those passed in and its own.
        """
        check_radius(dilate)
        seconds = {} if seconds is None else seconds
        probabilities = look.probabilities
        with timed("clean", seconds):
            right, left = (restored(plane, image.geometry.shape) for plane in probabilities[1:])
            labels = clean(right, left, self.card.threshold)
        segmentation = image.with_labels(labels)
        with timed("measure", seconds):
            sure = confidence(labels, right, left)
            measurements = measure(segmentation, sure)
        image = _noted(image, look, measurements)
        with timed("judge", seconds):
            expected = self.expected_dice(look)
            of_quality = as_measurements(expected)
            shown = without_padding(image.array, negative=look.negative)
            seen = self._seen(look, expected) | (
                {"damaged"} if is_cut_short(image.array) else set()
            )
            verdict = judge(segmentation, measurements + of_quality, seen, shown)
        if (
            dilate or hull
        ):  # of the judged mask: a wider one may reach the edge, and no lung be cut off
            with timed("dilate", seconds):
                labels, image = _widened(labels, image, dilate, bridged=hull)
                segmentation = image.with_labels(labels)
            with timed("measure", seconds):
                measurements = measure(segmentation, sure)
        return Result(
            image=image,
            segmentation=segmentation,
            measurements=measurements + of_quality,
            verdict=verdict,
            card=self.card,
            seconds=seconds,
            restore_probabilities=lambda: _all_restored(probabilities, image.geometry.shape),
        )

    def expected_dice(self, look: Look) -> ExpectedDice | None:
        """Of the mask, before it is widened. None where nothing was learned for the model, or there
        is no lung.
        """
        if self._learned is None or not look.labels.any():
            return None
        return self._learned.expected_dice(look.signs)

    def _seen(self, look: Look, expected: ExpectedDice | None) -> set[str]:
        """Names of the reasons in `lungseg.quality.REASONS` that the picture itself gives."""
        if self._learned is None:
            return set()
        odds = self._learned.frontal(look.first_signs)
        seen = {
            "not frontal": odds < self._learned.refuse,
            "doubtful": self._learned.refuse <= odds < self._learned.doubt,
            "slice": looks_like_ct(look.picture),
            "turned": look.quarters > 0,
            "uncertain": expected is not None and expected.value < self._learned.uncertain,
        }
        return {name for name, holds in seen.items() if holds}


def _learned(predictor: Predictor) -> Learned | None:
    """What was learned to judge this model's masks; None where nothing lies beside it, or the model
    is for slices of CT.
    """
    card = predictor.card
    return (
        read_beside(predictor.path, card.sha256, Learned.read, "judge.py")
        if card.modality == "radiograph"
        else None
    )


def _noted(image: Image, look: Look, measurements: tuple[Measurement, ...]) -> Image:
    """The image with notes of what had to be done to it, and of what is doubtful about it."""
    doubt = doubt_of_scale(measurements)
    notes = [] if doubt is None else [doubt]
    if look.negative:
        notes.append("seems to be a negative: its greys were turned round for the network")
    if look.quarters:
        notes.append(
            f"was turned by {90 * look.quarters} degrees anticlockwise for the network, so that "
            "the chest stands upright"
        )
    return replace(image, notes=(*image.notes, *notes)) if notes else image


def _all_restored(
    probabilities: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    return np.stack([restored(plane, shape) for plane in probabilities])


def _widened(
    labels: NDArray[np.uint8], image: Image, radius: float, *, bridged: bool
) -> tuple[NDArray[np.uint8], Image]:
    """The labels widened, and the image with a note of it: whoever reads the record must know."""
    spacing = image.geometry.spacing
    notes = []
    if bridged:
        labels = hull(labels)
        notes.append("mask widened to the convex hull of both lungs")
    if radius:
        labels = dilate(labels, radius, spacing)
        notes.append(f"mask widened by {radius:g} {'pixels' if spacing is None else 'mm'}")
    return labels, replace(image, notes=(*image.notes, *notes))
