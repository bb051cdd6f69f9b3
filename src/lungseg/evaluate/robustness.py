"""Robustness of a model: the same picture, perturbed in ways that leave its structures where they
are or move them by a known amount.
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
from lungseg.structures import STRUCTURES, partner

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One way to perturb a picture.

    Attributes:
        name: in words.
        picture: (rows, columns), uint8 -> the perturbed picture.
        mask: a label map of the picture -> where its labels are in the perturbed picture.
    """

    name: str
    picture: Callable[[Array], Array]
    mask: Callable[[Array], Array]


def perturbations() -> list[Perturbation]:
    """All of them: negative, mirrored, rotated, quarter and twice the contrast, half and double
    size, JPEG of quality 50.
    """

    def same(mask: Array) -> Array:
        return mask

    def sized(factor: float) -> Perturbation:
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

        return Perturbation(f"{factor:g} times the size", picture, mask)

    def rotated(degrees: float) -> Perturbation:
        return Perturbation(
            f"rotated by {degrees:g} degrees",
            lambda pixels: _rotate(pixels, degrees, cv2.INTER_LINEAR),
            lambda labels: _rotate(labels, degrees, cv2.INTER_NEAREST),
        )

    return [
        Perturbation("negative", lambda pixels: 255 - pixels, same),
        Perturbation("mirrored", lambda pixels: pixels[:, ::-1].copy(), _mirror),
        *(rotated(angle) for angle in (-15, -7, 7, 15)),
        Perturbation("a quarter of the contrast", lambda pixels: _contrast(pixels, 0.25), same),
        Perturbation("twice the contrast", lambda pixels: _contrast(pixels, 2), same),
        sized(0.5),
        sized(2),
        Perturbation("JPEG of quality 50", _jpeg, same),
    ]


def measure_robustness(
    segmenter: Segmenter | RadiographSegmenter, pictures: Iterable[Array]
) -> dict[str, list[float]]:
    """For each perturbation, the Dice between the mask of the picture, perturbed likewise, and the
    mask of the perturbed picture.

    One for each picture in which something is found; where nothing is, there is nothing that could
    hold still. Each structure counts as its own: a right lung called left is as wrong as a lung not
    found.
    """
    found: dict[str, list[float]] = {one.name: [] for one in perturbations()}
    for picture in pictures:
        before = segmenter(picture)
        labels = before.segmentation.labels
        if not labels.any():
            continue
        for one in perturbations():
            expected = one.mask(labels)
            after = segmenter(one.picture(picture)).segmentation.labels
            total = Counts(0, 0, 0, 0)
            for structure in before.segmentation.shown:
                number = structure.number
                total = total + count(expected == number, after == number)
            found[one.name].append(total.dice)
    return found


def _mirror(mask: Array) -> Array:
    others = np.arange(256, dtype=np.uint8)
    for structure in STRUCTURES:
        others[structure.number] = partner(structure).number
    return others[mask[:, ::-1]]


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
