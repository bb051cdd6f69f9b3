"""Whether a reader should look before the mask is used."""

from __future__ import annotations

from typing import Final

import numpy as np

from lungseg.findings import Measurement, Verdict
from lungseg.image import Segmentation
from lungseg.labels import LUNGS

LOWEST_CONFIDENCE = 0.9
"""Of both lungs together, see `docs/measurements.md`. A round figure, not calibrated on masks that failed."""

SMALLEST_SHARE, LARGEST_SHARE = 0.06, 0.65
"""Of the image. Hand-drawn masks of 1061 radiographs (Montgomery, Shenzhen and V7 Labs, the last with the heart inside) cover 0.083 to
0.61."""

LARGEST_ASYMMETRY = 40.0
"""Percent. The 99th percentile of the same masks is 37 in Shenzhen's, where lungs destroyed by tuberculosis are left out, and 25
elsewhere."""

LONGEST_EDGE = 0.1
"""Share of one side of the image that a lung may lie along. In 99 of 100 films of Montgomery and Shenzhen it is 0.055 at most."""

REASONS: Final = {
    "no lung": "no lung was found: this may be no frontal chest radiograph",
    "one lung": "only one lung was found",
    "small": "the lungs cover unusually little of the image",
    "large": "the lungs cover unusually much of the image",
    "asymmetric": "one lung is much larger than the other",
    "cut off": "a lung reaches the edge of the image and may be cut off",
    "uncertain": "the network is unsure of this mask",
}
"""Every reason there is, for a person, by a short name."""


def judge(segmentation: Segmentation, measurements: tuple[Measurement, ...]) -> Verdict:
    """The status "ok", or "review" with every reason that speaks against using the mask unseen.

    Args:
        segmentation: the lungs.
        measurements: of them, from `lungseg.measure.measure`.
    """
    values = {(m.name, m.label): m.value for m in measurements}
    areas = [values["area", lung.name] for lung in LUNGS]
    if not any(areas):
        return Verdict("review", (REASONS["no lung"],))
    share = values["share", "lungs"] / 100.0
    speaks = {
        "one lung": not all(areas),
        "small": share < SMALLEST_SHARE,
        "large": share > LARGEST_SHARE,
        "asymmetric": all(areas) and abs(values["asymmetry", "lungs"]) > LARGEST_ASYMMETRY,
        "cut off": _edge_share(segmentation) > LONGEST_EDGE,
        "uncertain": values["confidence", "lungs"] < LOWEST_CONFIDENCE,
    }
    reasons = tuple(REASONS[name] for name, holds in speaks.items() if holds)
    return Verdict("review" if reasons else "ok", reasons)


def _edge_share(segmentation: Segmentation) -> float:
    """Of the four sides of the image, the largest share that one lung lies along."""
    labels = segmentation.labels
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    return max(float(np.mean(side == lung.number)) for side in sides for lung in LUNGS)
