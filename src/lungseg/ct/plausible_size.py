"""Whether body and lungs can be as large as the spacing makes them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.orientation import TISSUE
from lungseg.geometry import VolumeGeometry
from lungseg.morphology.boxes import enclosing_box
from lungseg.segmentation import Segmentation
from lungseg.structures import LUNGS
from lungseg.volume import Volume

BODY_MM: Final = (60.0, 900.0)
"""Millimetres across a trunk: no newborn is narrower, and the bore of no scanner is wider."""

LUNG_MM: Final = 500.0
"""Millimetres across both lungs, and from their tops to their bases, that no patient reaches: full
inspiration of the tallest makes some 350."""

HEIGHT_TO_WIDTH: Final = (0.3, 2.5)
"""Between them lies the height of both lungs to their width, where both are there and neither is
cut off: 0.7 to 0.9 in the patients at hand."""

USUAL_HEIGHT_TO_WIDTH: Final = (0.5, 1.4)
"""Between them it should lie: in the seven patients at hand it is 0.78 to 1.12, so where a slice
thickness was written for the distance of slices, twice or half of it, it does not."""

MIN_FILLED: Final = 0.2
"""Fraction of their box that two lungs fill: 0.26 to 0.33 in the patients at hand, and 0.16 the gas
of a bowel, which has any proportions."""

MAX_OUTER: Final = 0.005
"""Fraction of an outer plane of the volume that lungs may cover which are not cut off; of those
that are, and of what is no chest, the size says nothing."""

AIR_AROUND: Final = 0.02
"""Fraction of body at the borders of slices up to which the whole of it is seen."""

SAMPLED: Final = 12
"""Slices in which the body is looked at."""

MIN_SHARE: Final = 0.05
"""Fraction of a column, and of a row, from which body is more than a cable or a table."""


def body_size(volume: Volume) -> str:
    """What is said of a body of impossible size, which the spacing is made responsible for; nothing
    where it is possible, or not known: without Hounsfield units or spacing.
    """
    turn = volume.geometry.to_axial()
    spacing = turn.geometry(volume.geometry).spacing
    if spacing is None or not volume.hounsfield:
        return ""
    voxels = turn.apply(volume.array)
    body = voxels[:: -(-len(voxels) // SAMPLED)] > TISSUE
    rims = [body[:, 0], body[:, -1], body[:, :, 0], body[:, :, -1]]
    whole = max(float(rim.mean()) for rim in rims) <= AIR_AROUND
    across = max(_extent(plane.mean(axis=0)) for plane in body) * spacing[2]
    field = voxels.shape[2] * spacing[2]
    small = 0 < across < BODY_MM[0] and (whole or field < BODY_MM[0])
    large = across > BODY_MM[1]
    return _note(f"the body would be {across:.0f} mm wide") if small or large else ""


def _extent(fractions: NDArray[np.float64]) -> int:
    inside = np.flatnonzero(fractions >= MIN_SHARE)
    return int(inside[-1] - inside[0] + 1) if inside.size else 0


def lung_size(volume: Volume, labels: NDArray[np.uint8]) -> str:
    """What is said of lungs of impossible size; nothing where it is possible, or not known.

    Args:
        volume: what was segmented.
        labels: (slices, rows, columns) in axial order.
    """
    size = _height_and_width(volume.geometry, labels)
    if size is None:
        return ""
    high, wide = size
    possible = max(high, wide) <= LUNG_MM and (
        not _are_two(labels) or HEIGHT_TO_WIDTH[0] <= high / wide <= HEIGHT_TO_WIDTH[1]
    )
    words = f"the lungs would be {high:.0f} mm high and {wide:.0f} mm wide"
    return "" if possible else _note(words)


def has_odd_proportions(
    segmentation: Segmentation[VolumeGeometry], labels: NDArray[np.uint8]
) -> bool:
    """Whether two lungs are so high or low for their width as hardly any are.

    Args:
        segmentation: knows their grid.
        labels: (slices, rows, columns) in axial order.
    """
    size = _height_and_width(segmentation.geometry, labels)
    if size is None or not _are_two(labels):
        return False
    return not USUAL_HEIGHT_TO_WIDTH[0] <= size[0] / size[1] <= USUAL_HEIGHT_TO_WIDTH[1]


def _height_and_width(
    geometry: VolumeGeometry, labels: NDArray[np.uint8]
) -> tuple[float, float] | None:
    """Of both lungs, in millimetres; None where it is not known, or where they are cut off or fill
    too little of their box to be lungs.
    """
    grid = geometry.to_axial().geometry(geometry)
    if grid.spacing is None or len(labels) == 1 or not labels.any():
        return None
    box = enclosing_box(labels)
    outer = [labels[at] for at in (0, -1)] + [labels[:, at] for at in (0, -1)]
    outer += [labels[:, :, at] for at in (0, -1)]
    cut_off = max(float(np.mean(plane > 0)) for plane in outer) > MAX_OUTER
    if cut_off or np.count_nonzero(labels) < MIN_FILLED * labels[box].size:
        return None
    heights, columns = (np.flatnonzero(labels.any(axis=axes)) for axes in ((1, 2), (0, 1)))
    high = float(grid.widths(0)[heights[0] : heights[-1] + 1].sum()) * grid.spacing[0]
    return high, float(columns[-1] - columns[0] + 1) * grid.spacing[2]


def _are_two(labels: NDArray[np.uint8]) -> bool:
    return all((labels == lung.number).any() for lung in LUNGS)


def _note(size: str) -> str:
    return (
        f"by the spacing that is stated {size}, which is impossible: it is taken as unknown; give "
        "the right one as `spacing`"
    )
