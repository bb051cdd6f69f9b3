"""Whether a reader should look before the mask is used."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.measurement import Measurements
from lungseg.segmentation import Array, Segmentation
from lungseg.structures import ANY_LUNG, LUNGS, PLURAL
from lungseg.verdict import Verdict, verdict_of

MIN_CONFIDENCE = 0.9
"""Of both lungs together, see `docs/measurements.md`; decides where there is no expected Dice."""

MIN_FRACTION, MAX_FRACTION = 0.06, 0.65
"""Of the image. Hand-drawn masks of 1061 radiographs (Montgomery, Shenzhen and V7 Labs, the last
with the heart inside) cover 0.083 to 0.61."""

MAX_ASYMMETRY = 40.0
"""Percent. The 99th percentile of the same masks is 37 in Shenzhen's, where lungs destroyed by
tuberculosis are left out, and 25 elsewhere."""

MAX_EDGE_FRACTION = 0.1
"""Fraction of one side of the image that a lung may lie along. In 99 of 100 films of Montgomery and
Shenzhen it is 0.055 at most."""

EDGE = 0.008
"""Of the image's longer side: masks of a lung that is cut off end a pixel or two of the network's
grid, of 192, before the edge."""

BLACK = 0.02
"""Fraction of the range of all greys; what is no brighter is black. JPEG leaves as many levels of 8
bits in what was black."""

MIN_LOST_ROWS = 0.04
"""Fraction of the rows that lack their picture, from which on that is a reason."""

Box = tuple[slice, slice]
"""Rows and columns."""

WHOLE: Final[Box] = slice(None), slice(None)


def judge(
    segmentation: Segmentation[ImageGeometry],
    measurements: Measurements,
    evidence: Collection[str] = (),
    shown: Box = WHOLE,
) -> Verdict:
    """The verdict on a mask, with every reason that speaks against using it unseen.

    Args:
        segmentation: the lungs.
        measurements: of them, from `lungseg.radiograph.measure.measure`; with "expected_dice" where
            it is known.
        evidence: codes of reasons that were found elsewhere than on the mask: "not_frontal",
            "doubtful_view", "ct_slice", "truncated", "rotated", "side_mismatch", "uncertain".
        shown: where in the image there is a picture, see `without_padding`.
    """
    values = {key: m.value for key, m in measurements.items()}
    found = dict.fromkeys(evidence, True)
    if ("area", PLURAL) not in values:  # the model was not asked for lungs
        return verdict_of("radiograph", found)
    # Of lungs whose sides nobody knows each may be there.
    halves = [lung.name if segmentation.tells_sides else PLURAL for lung in LUNGS]
    areas = [values["area", name] for name in halves]
    if not any(areas):
        return verdict_of("radiograph", found | {"no_lung": True})
    fraction = values["image_fraction", PLURAL] / 100.0
    found |= {
        "one_lung": not all(areas),
        "small": fraction < MIN_FRACTION,
        "large": fraction > MAX_FRACTION,
        "asymmetric": all(areas) and abs(values.get(("asymmetry", PLURAL), 0)) > MAX_ASYMMETRY,
        "cut_off": _edge_fraction(segmentation.labels[shown]) > MAX_EDGE_FRACTION,
    }
    unsure = values["confidence", PLURAL] < MIN_CONFIDENCE
    if ("expected_dice", PLURAL) not in values and unsure:
        found["uncertain"] = True
    return verdict_of("radiograph", found)


def _edge_fraction(labels: NDArray[np.uint8]) -> float:
    """Of the four sides, the largest fraction that one lung lies along, within a band of `EDGE`."""
    band = math.ceil(EDGE * max(labels.shape))
    sides = (labels[:band].T, labels[-band:].T, labels[:, :band], labels[:, -band:])
    return max(
        float(np.mean(side == lung.number, axis=0).max()) for side in sides for lung in ANY_LUNG
    )


def without_padding(pixels: Array, *, negative: bool) -> Box:
    """What is left of an image (rows, columns) without the rows and columns at its edges that are
    black, or of a `negative` white.
    """
    low, high = float(pixels.min()), float(pixels.max())
    box = []
    for axis in (1, 0):
        farthest = pixels.min(axis=axis) if negative else pixels.max(axis=axis)
        told = np.flatnonzero(np.abs(farthest - (high if negative else low)) > BLACK * (high - low))
        box.append(slice(int(told[0]), int(told[-1]) + 1))
    return box[0], box[1]


def is_cut_short(pixels: Array) -> bool:
    """Whether an image (rows, columns) ends in rows of one even grey, which is what decoders put
    where data are missing.

    Rows of black or white at the edge are nothing unusual: they fill up a picture.
    """
    least, most = pixels.min(axis=1).astype(np.float64), pixels.max(axis=1).astype(np.float64)
    low, high = least.min(), most.max()
    margin = BLACK * (high - low)
    grey = (most - least <= margin) & (least > low + 5 * margin) & (most < high - 5 * margin)
    even = int(np.argmin(grey[::-1])) if not grey.all() else len(grey)
    return even >= MIN_LOST_ROWS * len(grey)
