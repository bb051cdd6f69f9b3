"""The road of a radiograph, from a source to a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.clean import check_radius, clean, dilate, smooth
from lungseg.errors import UsageError
from lungseg.image import Array, Image
from lungseg.judge import judge
from lungseg.measure import confidence, measure
from lungseg.pipeline.timing import Seconds, timed
from lungseg.predict import Predictor
from lungseg.prepare import centred, is_negative, restore, tilt, to_network, turn
from lungseg.read import read
from lungseg.result import Result

Source = str | Path | Array | Image
"""A file, an array (rows, columns), or an image that was read before."""

MIRRORED_CHANNELS = (0, 2, 1)
"""Background, left lung, right lung: what the channels are in a mirror."""

OUTSIDE = (1.0, 0.0, 0.0)
"""What the channels are beyond the picture."""

SECOND_LOOK = 0.975
"""Below this confidence of the network's own output, on its own grid, it looks again, at the thorax set upright and at its mirror image. Of
the validation patients (`docs/models.md`) that is a quarter of the diseased adults and half of the children, and next to none elsewhere."""

TILTED = 4.0
"""Degrees; where the thorax lies more askew than this, the network looks again too."""

ASKEW = 1.0
"""Degrees; less is not worth a resampling."""


def _doubtful(probabilities: NDArray[np.float32]) -> bool:
    right, left = probabilities[1:]
    labels = np.where(right + left >= 0.5, np.where(right > left, 1, 2), 0).astype(np.uint8)
    return confidence(labels, right, left).lungs < SECOND_LOOK


class RadiographSegmenter:
    """Finds the lungs of radiographs, with the model kept loaded; may be used from several threads at once.

    Calling it does everything. Its three stages, `read`, `infer` and `finish`, can also be called one by one, each on another
    thread, so that decoding, network and cleaning of different images overlap.
    """

    def __init__(self, model: str | Path = "cxr", *, threads: int | None = None) -> None:
        """Loads a model.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside it.
            threads: how many threads the network computes one image with; None for one on each core.

        Raises:
            ModelError: the model or its card is missing or broken, or the two do not belong together.
        """
        self._predictor = Predictor(model, threads=threads)

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
        seconds: Seconds | None = None,
    ) -> Result:
        """The lungs of one image.

        Args:
            source: path of a file, an array (rows, columns), or an `Image`.
            spacing: millimetres between rows and between columns, in the patient; instead of what the file says.
            page: which page of a file with several, counted from 1.
            dilate: how far the mask is widened: in millimetres where the spacing is known, else in pixels.
            seconds: times of steps that were done before; those of the others are added.

        Raises:
            InputError: the source cannot be used; its subclasses say why.
            UsageError: a setting has no meaning.
            ModelError: the network could not be computed.
        """
        seconds = {} if seconds is None else seconds
        check_radius(dilate)
        image = self.read(source, spacing=spacing, page=page, seconds=seconds)
        probabilities = self.infer(image, seconds=seconds)
        return self.finish(image, probabilities, dilate=dilate, seconds=seconds)

    @staticmethod
    def read(
        source: Source,
        *,
        spacing: tuple[float, float] | None = None,
        page: int | None = None,
        seconds: Seconds | None = None,
    ) -> Image:
        """First stage: the image of a source; an `Image` is passed on. The time is entered into `seconds`."""
        with timed("read", seconds):
            if not isinstance(source, Image):
                return read(source, spacing=spacing, page=page)
            if spacing is not None or page is not None:
                raise UsageError("an image that was read before has its spacing and page", where=source.source, cure="leave both out")
            return source

    def infer(self, image: Image, *, seconds: Seconds | None = None) -> NDArray[np.float32]:
        """Second stage: probabilities (3, rows, columns) on the network's grid: background, right, left lung.

        A negative is put right, and where the network is in doubt or the thorax askew, it looks again, at the thorax set upright.
        """
        with timed("prepare", seconds):
            batch = to_network(image.pixels, self.card.input_size, self.card.clip)[np.newaxis]
        with timed("predict", seconds):
            probabilities: NDArray[np.float32] = self._predictor(batch)[0]
            found = probabilities[1:].sum(axis=0) >= self.card.threshold
            if self.card.kind == "radiograph" and is_negative(batch[0, 0], found):
                # The network has seen negatives, but it is steadier on what it has seen most.
                batch = -batch
                probabilities = self._predictor(batch)[0]
            right, left = probabilities[1:] >= self.card.threshold
            degrees = tilt(right, left, image.geometry.shape)
            if abs(degrees) > TILTED or _doubtful(probabilities):
                probabilities = self._look_again(batch[0, 0], degrees, image.geometry.shape)
        return probabilities

    def _look_again(self, picture: NDArray[np.float32], degrees: float, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Probabilities (3, rows, columns) from the mean of two looks, at the thorax set upright and at its mirror image."""
        askew = abs(degrees) > ASKEW
        upright = centred(turn(picture, -degrees, shape, float(picture.min()))) if askew else picture
        plain, mirrored = self._predictor(np.stack([upright, upright[:, ::-1]])[:, np.newaxis])
        mean = (plain + mirrored[MIRRORED_CHANNELS, :, ::-1]) / 2
        return np.stack([turn(plane, degrees, shape, fill) for plane, fill in zip(mean, OUTSIDE, strict=True)]) if askew else mean

    def finish(self, image: Image, probabilities: NDArray[np.float32], *, dilate: float = 0.0, seconds: Seconds | None = None) -> Result:
        """Third stage: the result of what `infer` gave, on the image's grid. Its `seconds` are those passed in and its own."""
        check_radius(dilate)
        seconds = {} if seconds is None else seconds
        with timed("clean", seconds):
            right, left = (restored(plane, image.geometry.shape) for plane in probabilities[1:])
            labels = clean(right, left, self.card.threshold)
        with timed("measure", seconds):
            sure = confidence(labels, right, left)
        if dilate:
            with timed("dilate", seconds):
                labels, image = _widened(labels, image, dilate)
        segmentation = image.with_labels(labels)
        with timed("measure", seconds):
            measurements = measure(segmentation, sure)
        with timed("judge", seconds):
            verdict = judge(segmentation, measurements)
        return Result(
            image=image,
            segmentation=segmentation,
            measurements=measurements,
            verdict=verdict,
            card=self.card,
            seconds=seconds,
            restore_probabilities=lambda: _all_restored(probabilities, image.geometry.shape),
        )


def restored(plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """One channel (rows, columns) of the network's grid on an image's, without the corners that enlarging leaves."""
    enlargement = shape[0] / plane.shape[0], shape[1] / plane.shape[1]
    return smooth(restore(plane, shape), enlargement)


def _all_restored(probabilities: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.stack([restored(plane, shape) for plane in probabilities])


def _widened(labels: NDArray[np.uint8], image: Image, radius: float) -> tuple[NDArray[np.uint8], Image]:
    """The labels widened, and the image with a note of it: whoever reads the record must know."""
    spacing = image.geometry.spacing
    note = f"mask widened by {radius:g} {'pixels' if spacing is None else 'mm'}"
    return dilate(labels, radius, spacing), replace(image, notes=(*image.notes, note))
