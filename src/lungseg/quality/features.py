"""What can be seen of a mask without knowing the truth: numbers on the network's grid, from which a
judgement is learned.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.quality.confidence import Confidence
from lungseg.scores import dice
from lungseg.structures import LUNGS

Float = NDArray[np.float32]
Labels = NDArray[np.uint8]
Signs = dict[str, float]
"""By name. What cannot be told, because a lung is missing, is absent."""

SURE: Final = 0.1, 0.9
"""Between these probabilities a pixel is undecided."""

NEAR: Final = 10
"""Pixels around the lungs that are compared with them."""

NEXT_TO_NONE: Final = 1e-3
"""Share of the lungs that both sides may claim without its telling anything."""

SMOOTH: Final = 1.5
"""Standard deviation in pixels, before the steepness of greys is taken."""

LEAST: Final = 30
"""Pixels; a smaller lung has no shape."""


def first_signs(picture: Float, probabilities: Float, labels: Labels, sure: Confidence) -> Signs:
    """Signs of one look.

    Args:
        picture: (rows, columns), as the network saw it: mean 0, deviation 1.
        probabilities: (3, rows, columns): background, right, left lung.
        labels: (rows, columns), the lungs after cleaning.
        sure: of those labels.

    Returns:
        How decided the network was, how the greys lie inside, at and around the outline, and how
        the lungs are shaped and placed; the names say what each is, and `docs/verdicts.md` lists
        them.
    """
    lungs = labels > 0
    together = probabilities[1:].sum(axis=0)
    raw = together >= 0.5
    found = float(np.count_nonzero(raw))
    undecided = np.count_nonzero((together > SURE[0]) & (together < SURE[1]))
    signs = {
        "confidence": sure.lungs,
        "lower confidence": min(sure.right, sure.left),
        # The outline's length grows with the root of the area, and so does the number of undecided
        # pixels beside it.
        "undecided": undecided / max(found, 1.0) ** 0.5,
        "both sides": float(
            np.log10(
                float(probabilities[1:].min(axis=0).sum()) / max(float(together.sum()), 1.0)
                + NEXT_TO_NONE
            )
        ),
        "dropped": np.count_nonzero(raw & ~lungs) / max(found, 1.0),
    }
    if lungs.any():
        signs |= _grey_signs(picture, together, lungs)
    shapes = [_shape(labels == lung.number) for lung in LUNGS]
    if all(shapes):
        signs |= _pair_signs(shapes[0], shapes[1])
    return signs


def second_signs(probabilities: Float, other: Float, labels: Labels, other_sure: float) -> Signs:
    """How well two looks at the same picture agree.

    Args:
        probabilities: (3, rows, columns).
        other: the same, of the other look, brought back to the first one's grid.
        labels: (rows, columns), the lungs after cleaning.
        other_sure: confidence of the other look's own, uncleaned mask.
    """
    one, two = probabilities[1:].sum(axis=0), other[1:].sum(axis=0)
    total = float(one.sum() + two.sum())
    sides = np.where(two >= 0.5, np.where(other[1] > other[2], 1, 2), 0)
    return {
        "agreement": 2 * float(np.minimum(one, two).sum()) / total if total else 0.0,
        "mask agreement": dice(labels > 0, sides > 0),
        "lower agreement": min(dice(labels == lung.number, sides == lung.number) for lung in LUNGS),
        "other confidence": other_sure,
    }


def _grey_signs(picture: Float, together: Float, lungs: NDArray[np.bool_]) -> Signs:
    inside = lungs.view(np.uint8)
    around = (
        cv2.dilate(inside, np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)).view(np.bool_) & ~lungs
    )
    edge = lungs & (cv2.erode(inside, np.ones((3, 3), np.uint8)) == 0)
    smooth = cv2.GaussianBlur(picture, (0, 0), SMOOTH)
    steepness = _steepness(smooth)
    return {
        "contrast": float(picture[around].mean() - picture[lungs].mean()) if around.any() else 0.0,
        "edge": float(steepness[edge].mean()) / (float(steepness.mean()) + 1e-6),
        "roughness": float(np.abs(picture - smooth).mean()),
        "steepness": float(_steepness(together)[edge].mean()),
        "spread": float(picture[lungs].std()),
    }


def _steepness(plane: Float) -> Any:
    return np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)) / 8


def _shape(lung: NDArray[np.bool_]) -> Signs:
    """Of one lung: places and sizes as shares of the picture's sides; nothing of a lung that has
    next to no pixels.
    """
    inside = lung.view(np.uint8)
    m = cv2.moments(inside, binaryImage=True)
    if m["m00"] < LEAST:
        return {}
    rows, columns = lung.shape
    x, y, width, height = cv2.boundingRect(inside)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    across = lung[y : y + height].sum(axis=1)
    third = max(1, height // 3)
    # The ratio of the axes of inertia, and the long one's lean from the vertical.
    stretch = np.hypot(m["mu20"] - m["mu02"], 2 * m["mu11"]) / (m["mu20"] + m["mu02"])
    return {
        "area": m["m00"] / lung.size,
        "x": m["m10"] / m["m00"] / columns,
        "first": x / columns,
        "last": (x + width) / columns,
        "top": y / rows,
        "bottom": (y + height) / rows,
        "height": height / rows,
        "width": width / columns,
        "solidity": m["m00"] / max(cv2.contourArea(cv2.convexHull(outline)), 1.0),
        "length": cv2.arcLength(outline, closed=True) ** 2 / (4 * np.pi * m["m00"]),
        "taper": float(across[:third].mean() / across[-third:].mean()),
        "stretch": float(stretch),
        "lean": float(np.arctan2(-2 * m["mu11"], m["mu02"] - m["mu20"]) / 2),
        "fill": m["m00"] / (width * height),
    }


def _pair_signs(right: Signs, left: Signs) -> Signs:
    """Of both lungs together: means, and what sets one apart from the other."""
    mean = {name: (right[name] + left[name]) / 2 for name in right}
    apart = left["x"] - right["x"]
    return {
        **{
            name: mean[name]
            for name in (
                "area",
                "top",
                "bottom",
                "height",
                "width",
                "solidity",
                "length",
                "taper",
                "stretch",
                "fill",
                "x",
            )
        },
        "lower solidity": min(right["solidity"], left["solidity"]),
        "slenderness": float(np.log(mean["height"] / mean["width"])),
        "apart": apart / (right["width"] + left["width"]),
        "gap": left["first"] - right["last"],
        "outward lean": (right["lean"] - left["lean"]) / 2,
        "common lean": abs(right["lean"] + left["lean"]) / 2,
        "unequal areas": abs(float(np.log(right["area"] / left["area"]))),
        "unequal heights": abs(float(np.log(right["height"] / left["height"]))),
        "unequal tops": abs(right["top"] - left["top"]) / mean["height"],
        "unequal tapers": abs(float(np.log(right["taper"] / left["taper"]))),
        "unequal solidities": abs(right["solidity"] - left["solidity"]),
    }
