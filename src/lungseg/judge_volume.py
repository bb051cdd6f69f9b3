"""Whether a reader should look before a mask of CT is used."""

from __future__ import annotations

from typing import Final

import numpy as np

from lungseg.findings import Measurement, Verdict
from lungseg.labels import LUNGS
from lungseg.volume import Volume, VolumeSegmentation

LOWEST_CONFIDENCE = 0.9
"""Of both lungs together, as in `lungseg.judge`: a round figure, not calibrated on masks that failed."""

SMALLEST_VOLUME, LARGEST_VOLUME = 800.0, 12000.0
"""Millilitres of both lungs. Breathing out as far as can be leaves a woman of 1.45 m at 20 years some 900; full inspiration gives a man of
2.05 m some 9300, with a standard deviation of 700 (P. H. Quanjer et al., "Lung volumes and forced ventilatory flows", Eur. Respir. J. 6
Suppl. 16, 1993, table 5), and emphysema adds to that. Those of small children are smaller."""

LARGEST_ASYMMETRY = 40.0
"""Percent: one lung 2.3 times as large as the other."""

LARGEST_FACE = 0.005
"""Share of the first or last slice, row or column that one lung may cover."""

REASONS: Final = {
    "no lung": "no lungs were found: this may be no CT of a chest",
    "one lung": "only one lung was found",
    "cut off": "a lung reaches the first or last slice, so its volume is only that of the part that was scanned",
    "edge": "a lung reaches the edge of the slices and may be cut off",
    "gaps": "slices are missing, so sizes are estimates",
    "small": "the lungs are unusually small",
    "large": "the lungs are unusually large",
    "asymmetric": "one lung is much larger than the other",
    "uncertain": "the network is unsure of this mask",
}
"""Every reason there is, for a person, by a short name."""


def judge_volume(volume: Volume, segmentation: VolumeSegmentation, measurements: tuple[Measurement, ...]) -> Verdict:
    """The status "ok", or "review" with every reason that speaks against using the mask unseen.

    Args:
        volume: what was segmented.
        segmentation: its lungs.
        measurements: of them, from `lungseg.measure_volume.measure_volume`.
    """
    values = {(m.name, m.label): m for m in measurements}
    size = "area" if ("area", "lungs") in values else "volume"
    sizes = [values[size, lung.name].value for lung in LUNGS]
    if not any(sizes):
        return Verdict("review", (REASONS["no lung"],))
    both = values[size, "lungs"]
    in_millilitres = both.unit.startswith("mL")
    ends, sides = _faces(segmentation)
    speaks = {
        "one lung": not all(sizes),
        "cut off": ends > LARGEST_FACE,
        "edge": sides > LARGEST_FACE,
        "gaps": volume.gaps > 0,
        "small": in_millilitres and both.value < SMALLEST_VOLUME,
        "large": in_millilitres and both.value > LARGEST_VOLUME,
        # One slice says little of the size of a lung: near the diaphragm one may end before the other.
        "asymmetric": size == "volume" and all(sizes) and abs(values["asymmetry", "lungs"].value) > LARGEST_ASYMMETRY,
        "uncertain": values["confidence", "lungs"].value < LOWEST_CONFIDENCE,
    }
    reasons = tuple(REASONS[name] for name, holds in speaks.items() if holds)
    return Verdict("review" if reasons else "ok", reasons)


def _faces(segmentation: VolumeSegmentation) -> tuple[float, float]:
    """The largest share that one lung covers of the first or last axial slice, and of the planes at the four sides.

    Of a single slice the first is 0, and the second of its lines.
    """
    labels = segmentation.grid.to_axial().apply(segmentation.labels)
    ends = (labels[0], labels[-1]) if labels.shape[0] > 1 else ()
    sides = labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]
    shares = [max((float(np.mean(face == lung.number)) for face in faces for lung in LUNGS), default=0.0) for faces in (ends, sides)]
    return shares[0], shares[1]
