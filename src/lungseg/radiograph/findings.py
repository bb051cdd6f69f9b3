"""What is measured of heart and opacities, in terms of the lungs. None of it is a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement, Measurements
from lungseg.radiograph.orientation import AS_USUAL, View
from lungseg.segmentation import Segmentation
from lungseg.structures import HEART, LUNGS, OPACITY, PLURAL
from lungseg.verdict import Verdict

Point = tuple[int, int]
"""Row and column."""

RATIO: Final = ("cardiothoracic_ratio", "")
"""The key of the cardiothoracic ratio among measurements."""

THIRDS: Final = ("upper", "middle", "lower")


def measure_findings(
    segmentation: Segmentation[ImageGeometry], view: View = AS_USUAL
) -> Measurements:
    """The cardiothoracic ratio, where heart and both lungs were found, and the opacity fractions,
    where opacities were looked for.

    The ratio is the largest width of the heart by the largest inner width of the chest, each from
    its first to its last column (C. S. Danzer, "The cardiothoracic ratio: an index of cardiac
    enlargement", Am. J. Med. Sci. 157, 1919); that of the chest reaches from the outer border of
    one lung to that of the other. An opacity fraction is the part of a lung, or of a third of its
    height, that is opaque, in percent; NaN of what is empty.

    Args:
        segmentation: what was found on the picture as it was given.
        view: that sets the chest upright; widths are measured across it.
    """
    return Measurements([*_cardiothoracic(segmentation, view), *_opacities(segmentation, view)])


def ratio_error(
    found: Measurements,
    image: Image,
    ground_truth: NDArray[np.uint8],
    others: Mapping[str, NDArray[np.bool_]],
) -> float:
    """How much a cardiothoracic ratio is above that of hand-drawn masks; NaN where either has none.

    Args:
        found: what was measured on the image.
        image: upright.
        ground_truth: labels (rows, columns) of its lungs, and of its heart where that is drawn
            in the same map.
        others: where structures are that have a mask of their own, by their names.
    """
    if RATIO not in found:
        return float("nan")
    heart = others.get(HEART.name, ground_truth == HEART.number)
    numbers = [lung.number for lung in LUNGS]
    lungs = np.where(np.isin(ground_truth, numbers), ground_truth, np.uint8(0))
    layers = [lungs, heart.astype(np.uint8) * np.uint8(HEART.number)]
    drawn = measure_findings(image.with_layers(layers, [LUNGS, (HEART,)]))
    if RATIO not in drawn:
        return float("nan")
    return float(found[RATIO].value) - float(drawn[RATIO].value)


def no_ratio(segmentation: Segmentation[ImageGeometry]) -> str | None:
    """Why there is no cardiothoracic ratio although the heart was looked for; None where there is
    one, or it was not.
    """
    names = segmentation.names
    if HEART.name not in names or PLURAL not in names:
        return None
    asked = [name for name in (*(s.name for s in LUNGS), PLURAL, HEART.name) if name in names]
    missing = [name for name in asked if not segmentation.mask(name).any()]
    if not missing:
        return None
    return f"there is no cardiothoracic ratio: no {missing[0]} was found"


def of_frontal(
    findings: Measurements, segmentation: Segmentation[ImageGeometry], verdict: Verdict
) -> tuple[Measurements, tuple[str, ...]]:
    """Without the ratio where the picture is no frontal chest; and notes that say why there is
    none.

    Args:
        findings: what `measure_findings` gave.
        segmentation: that they were measured on.
        verdict: on it.
    """
    if "not_frontal" in verdict.codes and RATIO in findings:
        rest = Measurements(one for key, one in findings.items() if key != RATIO)
        return rest, ("there is no cardiothoracic ratio: this is no frontal chest radiograph",)
    why = no_ratio(segmentation)
    return findings, () if why is None else (why,)


def _cardiothoracic(segmentation: Segmentation[ImageGeometry], view: View) -> list[Measurement]:
    names = segmentation.names
    if HEART.name not in names or PLURAL not in names or no_ratio(segmentation) is not None:
        return []
    heart, chest = (_ends(view.of(segmentation.mask(name))) for name in (HEART.name, PLURAL))
    ratio = _width(heart) / _width(chest)
    points = tuple(_as_given(end, segmentation.geometry.shape, view) for end in (*heart, *chest))
    return [Measurement(*RATIO, ratio, "1", points=points)]


def _opacities(segmentation: Segmentation[ImageGeometry], view: View) -> list[Measurement]:
    if OPACITY.name not in segmentation.names or PLURAL not in segmentation.names:
        return []
    opacity = view.of(segmentation.mask(OPACITY.name))
    halves = [lung for lung in LUNGS if lung.name in segmentation.names]
    lungs = {
        name: view.of(segmentation.mask(name)) for name in (*(lung.name for lung in halves), PLURAL)
    }
    fractions = [("opacity_fraction", name, lung) for name, lung in lungs.items()]
    fractions += [
        (f"opacity_fraction_{third}", lung.name, part)
        for lung in halves
        for third, part in zip(THIRDS, _thirds(lungs[lung.name]), strict=True)
    ]
    return [
        Measurement(name, of, _percent(opacity, lung), "percent") for name, of, lung in fractions
    ]


def _percent(opacity: NDArray[np.bool_], lung: NDArray[np.bool_]) -> float:
    size = int(np.count_nonzero(lung))
    return 100.0 * int(np.count_nonzero(opacity & lung)) / size if size else float("nan")


def _thirds(lung: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The lung's pixels in each third of its height, the upper one first."""
    rows = np.flatnonzero(lung.any(axis=1))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    borders = [round(top + (bottom - top) * part / 3) for part in range(4)]
    parts = []
    for first, last in pairwise(borders):
        part = np.zeros_like(lung)
        part[first:last] = lung[first:last]
        parts.append(part)
    return parts


def _ends(mask: NDArray[np.bool_]) -> tuple[Point, Point]:
    """In the mask's first and in its last column, the middle row."""
    columns = np.flatnonzero(mask.any(axis=0))[[0, -1]]
    first, last = ((int(np.median(np.flatnonzero(mask[:, c]))), int(c)) for c in columns)
    return first, last


def _width(ends: tuple[Point, Point]) -> int:
    return ends[1][1] - ends[0][1] + 1


def _as_given(point: Point, shape: tuple[int, int], view: View) -> tuple[float, float]:
    """A point of the upright picture in the picture as it was given, which has this shape."""
    rows, columns = (np.broadcast_to(axis, shape) for axis in np.ogrid[: shape[0], : shape[1]])
    return float(view.of(rows)[point]), float(view.of(columns)[point])
