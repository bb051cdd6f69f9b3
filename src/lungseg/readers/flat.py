"""Pictures that have an affine, as volume files and images of other libraries do: turned as they
are looked at.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.readers.notes import NO_ORIENTATION
from lungseg.segmentation import Array

Spacing = tuple[float, float]
_RAS: Final = np.diag([-1.0, -1.0, 1.0])[:, ::-1]
"""Steps of an affine that states nothing: the identity from (column, row, slice) to RAS, which
stands where nobody gave one."""


def is_flat(shape: tuple[int, ...]) -> bool:
    """Whether one of three axes, and no other, has the length 1."""
    return len(shape) == 3 and shape.count(1) == 1


def as_hung(
    voxels: Array, affine: NDArray[np.float64] | None, *, assumed: bool = False
) -> tuple[Array, Spacing | None, tuple[str, ...]]:
    """The picture (rows, columns), millimetres between its rows and columns, and notes.

    Columns are to lead to the patient's left, and rows to the back or the feet, as a film seen from
    the front and an axial slice are hung. Where nothing is stated, or the identity that stands
    where nobody stated anything, the picture is taken as it is stored.

    Args:
        voxels: (slices, rows, columns), one of them 1.
        affine: (4, 4) from there to LPS millimetres; None where not even a spacing is stated.
        assumed: whether the directions of the affine were not stated.
    """
    across = voxels.shape.index(1)
    plane = np.squeeze(voxels, axis=across)
    if affine is None:
        return plane, None, ()
    steps = np.delete(affine[:3, :3], across, axis=1)
    edges = np.linalg.norm(steps, axis=0)
    # What states no spacing has one of 1 there.
    spacing = None if (edges == 1).all() else (float(edges[0]), float(edges[1]))
    if np.array_equal(affine[:3, :3], _RAS) and not affine[:3, 3].any():
        return plane, None, (NO_ORIENTATION,)
    return (plane, spacing, ()) if assumed else _hung(plane, steps / edges, spacing)


def _hung(
    plane: Array, axes: NDArray[np.float64], spacing: Spacing | None
) -> tuple[Array, Spacing | None, tuple[str, ...]]:
    """Turned by the directions in LPS of its rows and its columns, (3, 2)."""
    pairs = [(rows, columns) for rows in range(3) for columns in range(3) if rows != columns]
    along_rows, along_columns = max(
        pairs, key=lambda pair: abs(axes[pair[0], 0]) + abs(axes[pair[1], 1])
    )
    notes: tuple[str, ...] = ()
    signs = [np.sign(axes[along_rows, 0]), np.sign(axes[along_columns, 1])]
    if along_rows < along_columns:
        plane, notes = plane.T, ("rows and columns exchanged, as its directions ask",)
        spacing = None if spacing is None else spacing[::-1]
        along_rows, signs = along_columns, signs[::-1]
    down, across = signs[0] * (-1 if along_rows == 2 else 1), signs[1]
    if across < 0:
        plane, notes = plane[:, ::-1], (*notes, "mirrored, as its directions ask")
    if down < 0:
        plane, notes = plane[::-1], (*notes, "flipped, as its directions ask")
    return plane, spacing, notes
