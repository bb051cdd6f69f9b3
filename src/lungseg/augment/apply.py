"""Changes pictures and their sets of allowed classes as `lungseg.augment.parameters` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.augment import Array, Float
from lungseg.augment.degradations import jpeg
from lungseg.augment.opacities import OPACITIES
from lungseg.augment.parameters import AugmentationParameters
from lungseg.datasets.label_sets import (
    LUNG_LAYERS,
    ONLY_BACKGROUND,
    LayerClasses,
    Sets,
    lungs_of,
    mirror_table,
    reopened,
)

VISIBLE: Final = 0.03
"""Change of grey, of 0 to 1, from which on a painted opacity may be taken for one."""


def apply_parameters(
    picture: NDArray[np.uint8],
    allowed: Sets,
    parameters: AugmentationParameters,
    size: tuple[int, int],
    layers: Sequence[LayerClasses] = LUNG_LAYERS,
) -> tuple[Float, Sets]:
    """Changes a picture, and its sets of allowed classes along with it.

    Args:
        picture: (rows, columns), grey.
        allowed: (layers, rows, columns), sets of allowed classes.
        parameters: of `lungseg.augment.parameters.sample_parameters`.
        size: rows and columns of the result.
        layers: the classes of each layer.

    Returns:
        The changed picture (rows, columns), float32, of any range, before standardisation, and the
        sets of allowed classes (layers, rows, columns).
    """
    grey, sets = _move(picture, allowed, parameters, size)
    if parameters.mirror:
        grey, sets = grey[:, ::-1].copy(), mirrored(sets, layers)
    if parameters.flip:
        grey, sets = grey[::-1].copy(), sets[:, ::-1].copy()
    if parameters.rotate_180:
        grey, sets = grey[::-1, ::-1].copy(), sets[:, ::-1, ::-1].copy()
    rng = np.random.default_rng(parameters.seed)
    lungs = lungs_of(sets, layers)
    for thing in parameters.occlusions:
        before, grey = grey, thing.paint(grey, lungs, rng)
        if isinstance(thing, OPACITIES):
            sets = reopened(sets, layers, np.abs(grey - before) > VISIBLE)
    return _recolour(grey, parameters, rng), sets


def mirrored(sets: Sets, layers: Sequence[LayerClasses]) -> Sets:
    """Sets of allowed classes (layers, rows, columns) in a mirror: right lung is left lung."""
    tables = [mirror_table(classes) for classes in layers]
    return np.stack([table[each[:, ::-1]] for each, table in zip(sets, tables, strict=True)])


def _move(
    picture: Array, allowed: Array, parameters: AugmentationParameters, size: tuple[int, int]
) -> tuple[Float, Sets]:
    rows, columns = size
    x, y = (
        (np.arange(columns) + 0.5) / columns - 0.5,
        ((np.arange(rows) + 0.5) / rows - 0.5)[:, np.newaxis],
    )
    m = parameters.matrix
    elastic = [
        cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)
        if field.any()
        else np.float32(0)
        for field in parameters.elastic
    ]
    height, width = picture.shape
    at_x = ((m[0, 0] * x + m[0, 1] * y + m[0, 2] + elastic[0] + 0.5) * width - 0.5).astype(
        np.float32
    )
    at_y = ((m[1, 0] * x + m[1, 1] * y + m[1, 2] + elastic[1] + 0.5) * height - 0.5).astype(
        np.float32
    )
    fill = parameters.fill * 255
    grey = cv2.remap(
        picture, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    sets = [
        cv2.remap(
            each,
            at_x,
            at_y,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=ONLY_BACKGROUND,
        )
        for each in allowed
    ]
    return grey.astype(np.float32) / 255, np.stack(sets).astype(np.uint8)


def _recolour(grey: Float, parameters: AugmentationParameters, rng: np.random.Generator) -> Float:
    rows, columns = grey.shape
    if parameters.equalise is not None:
        grey = (
            cv2.createCLAHE(parameters.equalise, (8, 8))
            .apply((np.clip(grey, 0, 1) * 255).astype(np.uint8))
            .astype(np.float32)
            / 255
        )
    grey = np.clip(grey, 0, 1)
    if parameters.gamma != 1:
        grey = grey**parameters.gamma
    grey = (grey - 0.5) * parameters.contrast + 0.5 + parameters.brightness
    if parameters.bias_field is not None:
        grey = grey + cv2.resize(
            parameters.bias_field, (columns, rows), interpolation=cv2.INTER_CUBIC
        )
    if parameters.blur:
        grey = cv2.GaussianBlur(grey, (0, 0), parameters.blur)
    if parameters.noise:
        grey = grey + rng.normal(0, parameters.noise, grey.shape).astype(np.float32)
    if parameters.downsampling > 1:
        small = (
            max(int(columns / parameters.downsampling), 8),
            max(int(rows / parameters.downsampling), 8),
        )
        grey = cv2.resize(
            cv2.resize(grey, small, interpolation=cv2.INTER_AREA),
            (columns, rows),
            interpolation=cv2.INTER_LINEAR,
        )
    low, high = parameters.window
    grey = np.clip((grey - low) / (1 - low - high), 0, 1)
    if parameters.jpeg is not None:
        grey = jpeg(grey, parameters.jpeg)
    return 1 - grey if parameters.negative else grey
