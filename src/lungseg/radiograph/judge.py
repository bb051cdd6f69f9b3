"""Whether a reader should look before the mask is used."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import ImageGeometry
from lungseg.measurement import Measurement
from lungseg.segmentation import Array, Segmentation
from lungseg.structures import LUNGS, PLURAL
from lungseg.verdict import Verdict, verdict_of

LOWEST_CONFIDENCE = 0.9
"""Of both lungs together, see `docs/measurements.md`; decides where there is no expected Dice."""

SMALLEST_SHARE, LARGEST_SHARE = 0.06, 0.65
"""Of the image. Hand-drawn masks of 1061 radiographs (Montgomery, Shenzhen and V7 Labs, the last
with the heart inside) cover 0.083 to 0.61."""

LARGEST_ASYMMETRY = 40.0
"""Percent. The 99th percentile of the same masks is 37 in Shenzhen's, where lungs destroyed by
tuberculosis are left out, and 25 elsewhere."""

LONGEST_EDGE = 0.1
"""Share of one side of the image that a lung may lie along. In 99 of 100 films of Montgomery and
Shenzhen it is 0.055 at most."""

BLACK = 0.02
"""Share of the range of all greys; what is no brighter is black. JPEG leaves as many levels of 8
bits in what was black."""

SMALLEST_LOSS = 0.04
"""Share of the rows that lack their picture, from which on that is a reason."""

Box = tuple[slice, slice]
"""Rows and columns."""

WHOLE: Final[Box] = slice(None), slice(None)

REASONS: Final = {
    "not frontal": "this is no frontal chest radiograph, as far as the mask and the picture show",
    "no lung": "no lung was found: this may be no frontal chest radiograph",
    "doubtful": "this may be no frontal chest radiograph",
    "slice": "this looks like a slice of CT, not like a radiograph",
    "damaged": (
        "the lower part of the image is one even grey, as where a file was cut short or damaged"
    ),
    "turned": "the image lies on its side or upside down: the lungs were found after turning it",
    "one lung": "only one lung was found",
    "small": "the lungs cover unusually little of the image",
    "large": "the lungs cover unusually much of the image",
    "asymmetric": "one lung is much larger than the other",
    "cut off": "a lung reaches the edge of the image and may be cut off",
    "uncertain": "the network is unsure of this mask",
}
"""Every reason there is, for a person, by a short name. `docs/verdicts.md` says more of each."""

REFUSED: Final = frozenset({"not frontal", "no lung"})
"""Names of the reasons for which an input is refused; the others send it to review."""


def judge(
    segmentation: Segmentation[ImageGeometry],
    measurements: tuple[Measurement, ...],
    seen: Collection[str] = (),
    shown: Box = WHOLE,
) -> Verdict:
    """The status "ok", or with every reason that speaks against using the mask unseen "review", or
    "refused" where one of `REFUSED` is among them.

    Args:
        segmentation: the lungs.
        measurements: of them, from `lungseg.radiograph.measure.measure`; with "expected Dice" where
            it is known.
        seen: names of reasons that were found elsewhere than on the mask: "not frontal",
            "doubtful", "slice", "damaged", "turned", "uncertain".
        shown: where in the image there is a picture, see `without_padding`.
    """
    values = {(m.name, m.label): m.value for m in measurements}
    speaks = dict.fromkeys(seen, True)
    if ("area", PLURAL) not in values:  # the model was not asked for lungs
        return verdict_of(speaks, REASONS, REFUSED)
    areas = [values["area", lung.name] for lung in LUNGS]
    if not any(areas):
        return verdict_of(speaks | {"no lung": True}, REASONS, REFUSED)
    share = values["share", "lungs"] / 100.0
    speaks |= {
        "one lung": not all(areas),
        "small": share < SMALLEST_SHARE,
        "large": share > LARGEST_SHARE,
        "asymmetric": all(areas) and abs(values["asymmetry", "lungs"]) > LARGEST_ASYMMETRY,
        "cut off": _edge_share(segmentation.labels[shown]) > LONGEST_EDGE,
    }
    if ("expected Dice", "lungs") not in values and values[
        "confidence", "lungs"
    ] < LOWEST_CONFIDENCE:
        speaks["uncertain"] = True
    return verdict_of(speaks, REASONS, REFUSED)


def _edge_share(labels: NDArray[np.uint8]) -> float:
    """Of the four sides, the largest share that one lung lies along."""
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    return max(float(np.mean(side == lung.number)) for side in sides for lung in LUNGS)


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
    return even >= SMALLEST_LOSS * len(grey)
