"""Whether the spacing that a volume states is one that was measured."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

UNIT: Final = 1e-6
"""Millimetres that an edge may differ from 1."""
AGREE: Final = 0.02
"""Fraction by which two statements of one spacing may differ; header fields are rounded to fewer
digits than that."""

LOST: Final = "spacing_unknown"
CONTRADICTORY: Final = "spacing_contradictory"
"""Codes of reasons in `lungseg.verdict`."""

LOST_NOTE: Final = (
    "it states cubes of exactly 1 mm from (0, 0, 0) on, an identity affine, as is written where "
    "the header of the original was not copied: the spacing is taken as unknown, and right and "
    "left are only assumed; give the right one as `spacing`"
)


def is_lost(affine: NDArray[np.float64] | None) -> bool:
    """Whether an affine, (4, 4), says what is written where nobody knew: cubes of exactly 1 mm
    along the axes of space, the first of them at 0, 0, 0.
    """
    if affine is None or affine[:3, 3].any():
        return False
    edges = np.sort(np.abs(affine[:3, :3]), axis=0)
    return bool(np.allclose(edges, [[0.0], [0.0], [1.0]], rtol=0, atol=UNIT))


def disagreement(
    stated: NDArray[np.float64], affine: NDArray[np.float64] | None
) -> tuple[str, ...]:
    """A note where a header states other distances than its affine has; none where they agree.

    Args:
        stated: (3,): millimetres between slices, rows and columns.
        affine: (4, 4) from (slice, row, column) to LPS millimetres.
    """
    if affine is None or not (np.isfinite(stated).all() and (stated > 0).all()):
        return ()
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    # Under a tilted gantry slices are nearer to each other than the edge of a cell is long.
    nearer = np.array([abs(np.linalg.det(affine[:3, :3])) / (edges[1] * edges[2]), *edges[1:]])
    if any((np.abs(stated - of) <= AGREE * of).all() for of in (edges, nearer)):
        return ()
    own, other = (" x ".join(f"{side:.4g}" for side in of) for of in (edges, stated))
    return (
        f"its affine has voxels of {own} mm (slices, rows, columns), and its pixdim says {other} "
        "mm: the affine was taken; give the right one as `spacing`",
    )
