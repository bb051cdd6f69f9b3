"""Forward passes over one radiograph: as it lies, in the best orientation, and with test-time
augmentation where the network is in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.morphology.sides import sides
from lungseg.preprocess import negative, standardised, zero_mean
from lungseg.quality.confidence import confidence
from lungseg.quality.features import Features, mask_features
from lungseg.quality.model import FrontalModel
from lungseg.radiograph.orientation import AS_USUAL, View, is_negative, tilt, turn
from lungseg.radiograph.postprocess import postprocess_lungs
from lungseg.readers.frames import Frame
from lungseg.sided import SidedPredictor
from lungseg.structures import LUNGS, PLURAL, Structure

Float = NDArray[np.float32]

MIN_CONFIDENCE = 0.975
"""Below this confidence of the network's own output, on its own grid, there are two further passes,
over the thorax set upright and its mirror image. Of the validation patients of version 1.3
that is a quarter of the diseased adults and half of the children, and next to none elsewhere."""

MAX_TILT_DEGREES = 4.0
"""Where the thorax is tilted by more than this, there are too."""

MIN_CORRECTION_DEGREES = 1.0
"""Less is not worth a resampling."""


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A picture as the network saw it, and what it made of it, on the network's grid.

    Attributes:
        picture: (rows, columns), of `lungseg.preprocess.picture_of`, the chest upright and bone
            bright as far as that is known.
        channels: (channels, rows, columns), probabilities in that picture, as the card names them.
        card: of the model.
        view: how the picture was turned and mirrored.
        inverted: whether its greys were inverted.
        before: the pass over the same picture that left the network in doubt, if there was one.
        stated: the view that the header asks for, where it does and was followed.
        wrong_side: whether the picture clearly speaks against what the header says of it.
        remarks: on right and left, in words.
        frame: what was left out of the image as it was given.
    """

    picture: Float
    channels: Float
    card: ModelCard
    view: View = AS_USUAL
    inverted: bool = False
    before: ForwardPass | None = None
    stated: View = AS_USUAL
    wrong_side: bool = False
    remarks: tuple[str, ...] = ()
    frame: Frame | None = None

    @property
    def quarter_turns(self) -> int:
        """By how many, anticlockwise, the picture was turned."""
        return self.view.quarter_turns

    @property
    def is_rotated(self) -> bool:
        """Whether the chest lies otherwise than the header says, or, where it says nothing, than
        films do.
        """
        return self.quarter_turns != self.stated.quarter_turns

    def of(self, structure: Structure) -> Float:
        """(rows, columns): the probability of a structure in that picture."""
        return self.channels[self.card.channel(structure)]

    @property
    def lungs(self) -> tuple[Float, Float]:
        """(rows, columns) each: the probability of the right and of the left lung."""
        right, left = (self.of(lung) for lung in LUNGS)
        return right, left

    @cached_property
    def standardised(self) -> Float:
        """(rows, columns): that picture with mean 0 and standard deviation 1."""
        return standardised(self.picture, self.card)

    @property
    def first_features(self) -> Features:
        """The features of the first pass, whether or not there was another one."""
        return self.features if self.before is None else self.before.features

    @property
    def as_given(self) -> Float:
        """(channels, rows, columns), of the image as it was given, without its frame."""
        return np.ascontiguousarray(self.view.undone(self.channels))

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(rows, columns), the lungs in that picture."""
        return postprocess_lungs(*self.lungs, self.card.threshold)

    @property
    def has_both(self) -> bool:
        """Whether both lungs were found."""
        return all((self.labels == lung.number).any() for lung in LUNGS)

    @cached_property
    def features(self) -> Features:
        """Of their mask."""
        lungs = np.stack(self.lungs)
        return mask_features(self.standardised, lungs, self.labels, confidence(self.labels, lungs))


def first_pass(predictor: SidedPredictor, picture: Float, view: View = AS_USUAL) -> ForwardPass:
    """What the network makes of a picture (rows, columns) that was brought to a view; a negative is
    inverted.
    """
    first = _forward(predictor, picture, view=view)
    if not first.card.has_lungs or first.card.modality != "radiograph":
        return first
    if is_negative(first.standardised, np.add(*first.lungs) >= first.card.threshold):
        # The network has seen negatives, but it is steadier on what it has seen most.
        return _forward(predictor, negative(picture, first.card), view=view, inverted=True)
    return first


def _forward(
    predictor: SidedPredictor, picture: Float, *, view: View, inverted: bool = False
) -> ForwardPass:
    channels = predictor(picture[np.newaxis, np.newaxis])[0]
    return ForwardPass(picture, channels, predictor.card, view, inverted)


def best_orientation(
    predictor: SidedPredictor, first: ForwardPass, frontal: FrontalModel
) -> ForwardPass:
    """The pass over the same picture turned by quarters, or inverted, if that is clearly a chest;
    else the one that is given.
    """
    rows, columns = first.picture.shape
    passes = []  # one by one: all at once take no less time and 175 MB more
    step = 1 if rows == columns else 2  # on its side an oblong picture does not fit the network
    for turns in range(0, 4, step):
        for picture, inverted in (
            (first.picture, first.inverted),
            (negative(first.picture, first.card), not first.inverted),
        ):
            if turns or inverted != first.inverted:
                turned = np.ascontiguousarray(np.rot90(picture, turns))
                view = first.view.turned(turns)
                passes.append(_forward(predictor, turned, view=view, inverted=inverted))
    best = max(
        (other for other in passes if other.has_both),
        key=lambda other: frontal.log_odds(other.features),
        default=first,
    )
    return best if frontal.log_odds(best.features) >= frontal.clear else first


def with_augmentation(
    predictor: SidedPredictor, first: ForwardPass, shape: tuple[int, int]
) -> ForwardPass:
    """The mean of two passes over the thorax set upright, one of them mirrored, where the network
    was in doubt or the thorax tilted; else the pass that is given.

    Args:
        predictor: the network.
        first: the pass so far, of a model with both lungs.
        shape: rows, columns of the image as it was given.
    """
    shape = shape[::-1] if first.quarter_turns % 2 else shape
    right, left = (lung >= first.card.threshold for lung in first.lungs)
    degrees = tilt(right, left, shape)
    if abs(degrees) <= MAX_TILT_DEGREES and not _is_doubtful(first):
        return first
    tilted = abs(degrees) > MIN_CORRECTION_DEGREES
    picture = first.picture
    if tilted:
        picture = turn(picture, -degrees, shape, float(picture.min()))
        if first.card.intensity == "percentile":
            picture = zero_mean(picture)
    plain, mirrored = predictor(np.stack([picture, picture[:, ::-1]])[:, np.newaxis])
    channels = (plain + mirrored[first.card.mirrored_channels, :, ::-1]) / 2
    if tilted:
        outside = first.card.outside
        channels = np.stack(
            [
                turn(channel, degrees, shape, fill)
                for channel, fill in zip(channels, outside, strict=True)
            ]
        )
    return replace(first, channels=channels, before=first)


def _is_doubtful(first: ForwardPass) -> bool:
    right, left = first.lungs
    return confidence(sides(right, left, 0.5), (right, left))[PLURAL] < MIN_CONFIDENCE
