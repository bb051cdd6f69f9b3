"""Whether numbers are Hounsfield units, told by where air and soft tissue lie among them."""

from __future__ import annotations

from typing import Final

import numpy as np

from lungseg.errors import InputError
from lungseg.segmentation import Array

LIMITS: Final = np.iinfo(np.int16)
"""Hounsfield units are kept in 16 bits; metal, the densest, is cut off there."""
PADDING: Final = -1100
"""HU; scanners put -2000, -2048 or -3024 where nothing was measured. Air, the least dense that
there is, lies at -1000 and some noise."""
AIR: Final = -950
"""HU; the darkest thousandth of a chest, paddings left out, is air. In 60 CT files of six sources
it lay at -981 or below. Where it lies higher, the intercept was left out, or the values were
shifted, scaled or windowed; what was scaled by less than a tenth is not noticed."""
SOFT_TISSUE: Final = (-150, 150)
"""HU; fat, water, blood and muscle."""
MIN_SOFT_TISSUE_FRACTION: Final = 0.01
"""Of all voxels, paddings left out; a chest has 0.2 and more, a piece cut out of a lung little."""
MIN_DISTINCT_VALUES: Final = 32
"""An image with fewer different values than that is a map of labels."""
CUT_OUT: Final = (-980, -500)
"""HU; between them lies the median of lungs that were cut out."""
MIN_BLANK: Final = 0.4
"""Of all voxels; from here on the most frequent value may be what was left blank around them."""
MAX_TISSUE: Final = 0.25
"""Of the others, how much may be soft tissue: vessels, and what is dense in sick lungs. Of a body
more is."""
_SAMPLES = 200_000


def is_hounsfield(voxels: Array) -> bool:
    """Whether whole numbers can be Hounsfield units: the darkest is air, and there is soft tissue;
    or they are those of lungs that were cut out.

    Args:
        voxels: of any shape, int16.
    """
    if blank_around(voxels) is not None:
        return True
    sample = _sample(voxels)
    sample = sample[sample > PADDING]
    if not sample.size or np.percentile(sample, 0.1) > AIR:
        return False
    return bool(
        ((sample >= SOFT_TISSUE[0]) & (sample <= SOFT_TISSUE[1])).mean() >= MIN_SOFT_TISSUE_FRACTION
    )


def blank_around(voxels: Array) -> int | None:
    """The one value of all but the lungs, where they were cut out of a volume in Hounsfield units;
    None where nothing was.

    Args:
        voxels: of any shape, int16.
    """
    values, counts = np.unique(_sample(voxels), return_counts=True)
    most = int(counts.argmax())
    if counts[most] < MIN_BLANK * counts.sum():
        return None
    others = np.delete(counts, most)
    left = np.delete(values, most).astype(np.int64)
    if not others.any():
        return None
    reached = np.cumsum(others)
    median = left[np.searchsorted(reached, reached[-1] / 2)]
    tissue = others[(left >= SOFT_TISSUE[0]) & (left <= SOFT_TISSUE[1])].sum() / others.sum()
    cut_out = CUT_OUT[0] <= median <= CUT_OUT[1] and tissue <= MAX_TISSUE
    return int(values[most]) if cut_out else None


def is_label_map(voxels: Array) -> bool:
    """Whether there are so few different values that they must be labels."""
    return np.unique(_sample(voxels)).size < MIN_DISTINCT_VALUES


def refuse_label_map(voxels: Array, *, source: str) -> None:
    """Refuses what is no image.

    Raises:
        InputError: there are so few different values that they must be labels.
    """
    if is_label_map(voxels):
        raise InputError(
            "it has so few different values that it is a map of labels, no image",
            where=source,
            cure="give the image itself",
        )


def padding_notes(voxels: Array) -> tuple[str, ...]:
    """What is to be said of voxels, in Hounsfield units, that were never measured."""
    sample = _sample(voxels)
    fraction = float((sample < PADDING).mean())
    return (
        (f"{fraction:.0%} of the voxels are padding, down to {int(sample.min())}",)
        if fraction >= 0.005
        else ()
    )


def as_greys(voxels: Array) -> tuple[Array, list[str]]:
    """Whole numbers of 16 or 32 bits and a sign as greys of 16 bits without, or as real numbers
    where these will not do; and what is to be said of it.
    """
    low = int(voxels.min())
    if voxels.dtype == np.int32:
        if low < 0 or int(voxels.max()) >= 2**16:
            return voxels.astype(np.float32), []
        return voxels.astype(np.uint16), []
    if low >= 0:
        return voxels.view(np.uint16), []
    shifted = voxels.view(np.uint16)
    shifted -= np.uint16(low % 2**16)  # wraps around exactly where the sign does
    return shifted, [f"{-low} added to every voxel, so that none is below 0"]


def _sample(voxels: Array) -> Array:
    """Every n-th voxel, n odd, so that it walks through rows and columns."""
    flat = voxels.reshape(-1)
    return flat[:: max(1, flat.size // _SAMPLES) | 1]
