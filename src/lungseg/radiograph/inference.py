"""What the network is shown of one radiograph, and what it makes of it: the first look, upright or
turned, and a second one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.sides import sides
from lungseg.predict import Predictor
from lungseg.preprocess import centred
from lungseg.quality.confidence import confidence
from lungseg.quality.features import Signs, first_signs
from lungseg.quality.model import Learned
from lungseg.radiograph.orientation import is_negative, tilt, turn
from lungseg.radiograph.postprocess import clean
from lungseg.structures import LUNGS, MIRRORED_CHANNELS

Float = NDArray[np.float32]


OUTSIDE = (1.0, 0.0, 0.0)
"""What the channels are beyond the picture."""

SECOND_LOOK = 0.975
"""Below this confidence of the network's own output, on its own grid, it looks again, at the thorax
set upright and at its mirror image. Of the validation patients (`docs/models.md`) that is a quarter
of the diseased adults and half of the children, and next to none elsewhere."""

TILTED = 4.0
"""Degrees; where the thorax lies more askew than this, the network looks again too."""

ASKEW = 1.0
"""Degrees; less is not worth a resampling."""


@dataclass(frozen=True, eq=False)
class Look:
    """A picture as the network saw it, and what it made of it, on the network's grid.

    Attributes:
        picture: (rows, columns), mean 0, deviation 1, the chest upright and bone bright as far as
            that is known.
        planes: (3, rows, columns), probabilities of background, right and left lung in that
            picture.
        threshold: of the model, from which on a pixel is lung.
        quarters: by how many quarter turns, anticlockwise, the picture was turned.
        negative: whether its greys were turned round.
        before: the look at the same picture that left the network in doubt, if there was one.
    """

    picture: Float
    planes: Float
    threshold: float
    quarters: int = 0
    negative: bool = False
    before: Look | None = None

    @property
    def first_signs(self) -> Signs:
        """The signs of the first look, whether or not there was another one."""
        return self.signs if self.before is None else self.before.signs

    @property
    def probabilities(self) -> Float:
        """(3, rows, columns), of the image as it was given."""
        return np.ascontiguousarray(np.rot90(self.planes, -self.quarters, axes=(1, 2)))

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(rows, columns), the lungs in that picture."""
        return clean(self.planes[1], self.planes[2], self.threshold)

    @property
    def has_both(self) -> bool:
        """Whether both lungs were found."""
        return all((self.labels == lung.number).any() for lung in LUNGS)

    @cached_property
    def signs(self) -> Signs:
        """What can be seen of them."""
        return first_signs(
            self.picture,
            self.planes,
            self.labels,
            confidence(self.labels, self.planes[1], self.planes[2]),
        )


def first_look(predictor: Predictor, picture: Float) -> Look:
    """What the network makes of a picture (rows, columns) as it lies; a negative is put right."""
    look = _look(predictor, picture)
    if predictor.card.modality == "radiograph" and is_negative(
        picture, look.planes[1:].sum(axis=0) >= look.threshold
    ):
        # The network has seen negatives, but it is steadier on what it has seen most.
        return _look(predictor, -picture, negative=True)
    return look


def _look(
    predictor: Predictor, picture: Float, *, quarters: int = 0, negative: bool = False
) -> Look:
    return Look(
        picture,
        predictor(picture[np.newaxis, np.newaxis])[0],
        predictor.card.threshold,
        quarters,
        negative,
    )


def upright(predictor: Predictor, look: Look, learned: Learned) -> Look:
    """The look at the same picture turned by quarters, or its greys turned round, if that is
    clearly a chest; else the look itself.
    """
    rows, columns = look.picture.shape
    looks = []  # one by one: all at once take no less time and 175 MB more
    for quarters in range(
        0, 4, 1 if rows == columns else 2
    ):  # lying on its side an oblong picture does not fit the network
        for picture, negative in (
            (look.picture, look.negative),
            (-look.picture, not look.negative),
        ):
            if quarters or negative != look.negative:
                turned = np.ascontiguousarray(np.rot90(picture, quarters))
                looks.append(_look(predictor, turned, quarters=quarters, negative=negative))
    best = max(
        (other for other in looks if other.has_both),
        key=lambda other: learned.frontal(other.signs),
        default=look,
    )
    return best if learned.frontal(best.signs) >= learned.clear else look


def again(predictor: Predictor, look: Look, shape: tuple[int, int]) -> Look:
    """The mean of two looks at the thorax set upright, where the first look was in doubt or the
    thorax askew; else the look itself.

    Args:
        predictor: the network.
        look: the first one.
        shape: rows, columns of the image as it was given.
    """
    shape = shape[::-1] if look.quarters % 2 else shape
    right, left = look.planes[1:] >= look.threshold
    degrees = tilt(right, left, shape)
    if abs(degrees) <= TILTED and not _doubtful(look.planes):
        return look
    askew = abs(degrees) > ASKEW
    picture = (
        centred(turn(look.picture, -degrees, shape, float(look.picture.min())))
        if askew
        else look.picture
    )
    plain, mirrored = predictor(np.stack([picture, picture[:, ::-1]])[:, np.newaxis])
    mean = (plain + mirrored[MIRRORED_CHANNELS, :, ::-1]) / 2
    planes = (
        np.stack(
            [turn(plane, degrees, shape, fill) for plane, fill in zip(mean, OUTSIDE, strict=True)]
        )
        if askew
        else mean
    )
    return replace(look, planes=planes, before=look)


def _doubtful(planes: Float) -> bool:
    right, left = planes[1:]
    return confidence(sides(right, left, 0.5), right, left).lungs < SECOND_LOOK
