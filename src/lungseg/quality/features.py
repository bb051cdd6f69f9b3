"""What can be seen of a mask of the lungs without knowing the ground truth: numbers on the
network's grid, from which its quality is estimated.

A mask is measured on what the network saw and on what it gave: a network that takes a knee for a
chest does so hesitantly, on both sides at once, with steps where a lung has a smooth border, and in
shapes that no pair of lungs has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.morphology.sides import lung_mask, sides
from lungseg.scores import dice
from lungseg.structures import LUNGS, PLURAL

Float = NDArray[np.float32]
Labels = NDArray[np.uint8]
Features = dict[str, float]
"""By name. What cannot be told, because a lung is missing, is absent."""

CERTAINTY_FEATURES: Final = (
    "confidence",
    "min_confidence",
    "undecided",
    "side_overlap",
    "removed_fraction",
    "contrast",
    "edge_gradient",
    "roughness",
    "probability_gradient",
    "intensity_std",
)
"""How decided the network was, and the greys inside, at and around the outline."""

SHAPE_FEATURES: Final = (
    "area", "top", "bottom", "height", "width", "solidity", "inverse_circularity", "taper",
    "elongation", "extent", "centroid_x", "min_solidity", "log_aspect_ratio", "separation", "gap",
    "outward_orientation", "common_orientation", "area_asymmetry", "height_asymmetry",
    "top_asymmetry", "taper_asymmetry", "solidity_asymmetry",
)  # fmt: skip
"""How the lungs are shaped and placed, and how unequal they are."""

AGREEMENT_FEATURES: Final = (
    "agreement",
    "mask_agreement",
    "min_agreement",
    "mirrored_confidence",
)
"""How well two forward passes agree."""

UNDECIDED: Final = 0.1, 0.9
"""Between these probabilities a pixel is undecided."""

SURROUNDINGS_PIXELS: Final = 10
"""How far around the lungs pixels are compared with them."""

MIN_SIDE_OVERLAP: Final = 1e-3
"""Fraction of the lungs that both sides may claim without its telling anything."""

SMOOTHING_SIGMA: Final = 1.5
"""Standard deviation in pixels, before the gradient of greys is taken."""

MIN_AREA_PIXELS: Final = 30
"""A smaller lung has no shape."""


def mask_features(
    image: Float, probabilities: Float, labels: Labels, confidence: Mapping[str, float]
) -> Features:
    """Features of a mask, from one forward pass.

    Args:
        image: (rows, columns), as the network saw it: mean 0, standard deviation 1.
        probabilities: (2, rows, columns): right lung, left lung.
        labels: (rows, columns), after postprocessing; structures other than the lungs do not
            count.
        confidence: of those labels, as `lungseg.quality.confidence.confidence` gives it.

    Returns:
        `CERTAINTY_FEATURES` and `SHAPE_FEATURES`: sizes and places as fractions of the image's
        sides, angles in radians. Without lung there are no greys to compare, and without both lungs
        no shapes.
    """
    lungs = lung_mask(labels)
    together = probabilities.sum(axis=0)
    raw = together >= 0.5
    found = float(np.count_nonzero(raw))
    undecided = np.count_nonzero((together > UNDECIDED[0]) & (together < UNDECIDED[1]))
    claimed_twice = float(probabilities.min(axis=0).sum()) / max(float(together.sum()), 1.0)
    features = {
        "confidence": confidence[PLURAL],
        "min_confidence": min(confidence[lung.name] for lung in LUNGS),
        # The outline's length grows with the root of the area, and so does the number of undecided
        # pixels beside it.
        "undecided": undecided / max(found, 1.0) ** 0.5,
        "side_overlap": float(np.log10(claimed_twice + MIN_SIDE_OVERLAP)),
        "removed_fraction": np.count_nonzero(raw & ~lungs) / max(found, 1.0),
    }
    if lungs.any():
        features |= _intensity_features(image, together, lungs)
    shapes = [_shape(labels == lung.number) for lung in LUNGS]
    if all(shapes):
        features |= _pair_features(shapes[0], shapes[1])
    return features


def agreement_features(
    probabilities: Float, mirrored: Float, labels: Labels, mirrored_confidence: float
) -> Features:
    """How well two forward passes agree on the same image.

    Args:
        probabilities: (2, rows, columns): right lung, left lung.
        mirrored: the same, of the image's mirror image, brought back to the first one's grid.
        labels: (rows, columns), after postprocessing.
        mirrored_confidence: of both lungs, of the mirror image's mask before postprocessing.

    Returns:
        `AGREEMENT_FEATURES`, each 0 to 1.
    """
    one, two = probabilities.sum(axis=0), mirrored.sum(axis=0)
    total = float(one.sum() + two.sum())
    other = sides(mirrored[0], mirrored[1], 0.5)
    return {
        "agreement": 2 * float(np.minimum(one, two).sum()) / total if total else 0.0,
        "mask_agreement": dice(lung_mask(labels), other > 0),
        "min_agreement": min(dice(labels == lung.number, other == lung.number) for lung in LUNGS),
        "mirrored_confidence": mirrored_confidence,
    }


def _intensity_features(image: Float, together: Float, lungs: NDArray[np.bool_]) -> Features:
    inside = lungs.view(np.uint8)
    side = 2 * SURROUNDINGS_PIXELS + 1
    around = cv2.dilate(inside, np.ones((side, side), np.uint8)).view(np.bool_) & ~lungs
    edge = lungs & (cv2.erode(inside, np.ones((3, 3), np.uint8)) == 0)
    smooth = cv2.GaussianBlur(image, (0, 0), SMOOTHING_SIGMA)
    gradient = _gradient(smooth)
    return {
        "contrast": float(image[around].mean() - image[lungs].mean()) if around.any() else 0.0,
        "edge_gradient": _mean(gradient[edge]) / (float(gradient.mean()) + 1e-6),
        "roughness": float(np.abs(image - smooth).mean()),
        "probability_gradient": _mean(_gradient(together)[edge]),
        "intensity_std": float(image[lungs].std()),
    }


def _mean(values: Float) -> float:
    """0 of nothing, as of the edge of a mask that covers the whole picture."""
    return float(values.mean()) if values.size else 0.0


def _gradient(plane: Float) -> Any:
    return np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)) / 8


def _shape(lung: NDArray[np.bool_]) -> Features:
    """Of one lung: places and sizes as fractions of the image's sides; nothing of a lung of fewer
    than `MIN_AREA_PIXELS`.
    """
    inside = lung.view(np.uint8)
    m = cv2.moments(inside, binaryImage=True)
    if m["m00"] < MIN_AREA_PIXELS:
        return {}
    rows, columns = lung.shape
    x, y, width, height = cv2.boundingRect(inside)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    widths = lung[y : y + height].sum(axis=1)
    third = max(1, height // 3)
    return {
        "area": m["m00"] / lung.size,
        "centroid_x": m["m10"] / m["m00"] / columns,
        "first_column": x / columns,
        "last_column": (x + width) / columns,
        "top": y / rows,
        "bottom": (y + height) / rows,
        "height": height / rows,
        "width": width / columns,
        "solidity": m["m00"] / max(cv2.contourArea(cv2.convexHull(outline)), 1.0),
        "inverse_circularity": cv2.arcLength(outline, closed=True) ** 2 / (4 * np.pi * m["m00"]),
        "taper": float(widths[:third].mean() / widths[-third:].mean()),
        # The ratio of the axes of inertia, and the angle of the long one from the vertical.
        "elongation": float(
            np.hypot(m["mu20"] - m["mu02"], 2 * m["mu11"]) / (m["mu20"] + m["mu02"])
        ),
        "orientation": float(np.arctan2(-2 * m["mu11"], m["mu02"] - m["mu20"]) / 2),
        "extent": m["m00"] / (width * height),
    }


def _pair_features(right: Features, left: Features) -> Features:
    """Of both lungs together: means, and what sets one apart from the other."""
    mean = {name: (right[name] + left[name]) / 2 for name in right}
    means: Features = {name: mean[name] for name in SHAPE_FEATURES if name in mean}
    distance = left["centroid_x"] - right["centroid_x"]
    return {
        **means,
        "min_solidity": min(right["solidity"], left["solidity"]),
        "log_aspect_ratio": float(np.log(mean["height"] / mean["width"])),
        "separation": distance / (right["width"] + left["width"]),
        "gap": left["first_column"] - right["last_column"],
        "outward_orientation": (right["orientation"] - left["orientation"]) / 2,
        "common_orientation": abs(right["orientation"] + left["orientation"]) / 2,
        "area_asymmetry": abs(float(np.log(right["area"] / left["area"]))),
        "height_asymmetry": abs(float(np.log(right["height"] / left["height"]))),
        "top_asymmetry": abs(right["top"] - left["top"]) / mean["height"],
        "taper_asymmetry": abs(float(np.log(right["taper"] / left["taper"]))),
        "solidity_asymmetry": abs(right["solidity"] - left["solidity"]),
    }
