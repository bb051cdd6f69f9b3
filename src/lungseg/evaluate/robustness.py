"""How steady a model is: the same picture, changed in ways that leave the lungs where they are or
move them by a known amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.scores import Counts, count
from lungseg.segmenter import Segmenter
from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One way to change a picture.

    Attributes:
        name: in words.
        picture: (rows, columns), uint8 -> the changed picture.
        mask: a label map of the picture -> where its labels are in the changed picture.
    """

    name: str
    picture: Callable[[Array], Array]
    mask: Callable[[Array], Array]


def changes() -> list[Change]:
    """All changes: negative, mirrored, rotated, quarter and twice the contrast, half and double
    size, JPEG of quality 50.
    """

    def same(mask: Array) -> Array:
        return mask

    def sized(factor: float) -> Change:
        def picture(pixels: Array) -> Array:
            return cv2.resize(
                pixels,
                None,
                fx=factor,
                fy=factor,
                interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
            )

        def mask(labels: Array) -> Array:
            return cv2.resize(
                labels, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST_EXACT
            )

        return Change(f"{factor:g} times the size", picture, mask)

    def turned(degrees: float) -> Change:
        return Change(
            f"rotated by {degrees:g} degrees",
            lambda pixels: _rotate(pixels, degrees, cv2.INTER_LINEAR),
            lambda labels: _rotate(labels, degrees, cv2.INTER_NEAREST),
        )

    return [
        Change("negative", lambda pixels: 255 - pixels, same),
        Change("mirrored", lambda pixels: pixels[:, ::-1].copy(), _mirror),
        *(turned(angle) for angle in (-15, -7, 7, 15)),
        Change("a quarter of the contrast", lambda pixels: _contrast(pixels, 0.25), same),
        Change("twice the contrast", lambda pixels: _contrast(pixels, 2), same),
        sized(0.5),
        sized(2),
        Change("JPEG of quality 50", _jpeg, same),
    ]


def steadiness(
    segmenter: Segmenter | RadiographSegmenter, pictures: Iterable[Array]
) -> dict[str, list[float]]:
    """For each change, the Dice between the plain mask, changed likewise, and the mask of the
    changed picture.

    One for each picture in which lungs are found; where none are, there is nothing that could hold
    still. Each lung counts as its own: a right lung called left is as wrong as a lung not found.
    """
    found: dict[str, list[float]] = {change.name: [] for change in changes()}
    for picture in pictures:
        mask = segmenter(picture).mask
        if not mask.any():
            continue
        for change in changes():
            found[change.name].append(
                _labelled_dice(change.mask(mask), segmenter(change.picture(picture)).mask)
            )
    return found


def _labelled_dice(truth: Array, prediction: Array) -> float:
    total = Counts(0, 0, 0, 0)
    for label in LUNGS:
        total = total + count(truth == label.number, prediction == label.number)
    return total.dice


def _mirror(mask: Array) -> Array:
    swapped = np.array([0, LEFT_LUNG.number, RIGHT_LUNG.number], np.uint8)
    return swapped[mask[:, ::-1]]


def _rotate(pixels: Array, degrees: float, interpolation: int) -> Array:
    rows, columns = pixels.shape
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1)
    return cv2.warpAffine(pixels, matrix, (columns, rows), flags=interpolation)


def _contrast(pixels: Array, factor: float) -> Array:
    mean = float(pixels.mean())
    return np.clip(np.round((pixels - mean) * factor + mean), 0, 255).astype(np.uint8)


def _jpeg(pixels: Array) -> Array:
    _, code = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 50))
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE))
