"""Where the pixels of an image lie, and where the voxels of a volume do: shape, spacing,
orientation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError

SpacingPlane = Literal["patient", "detector"]


@dataclass(frozen=True, slots=True)
class ImageGeometry:
    """The grid of an image; array order is (row, column), row 0 at the top.

    Attributes:
        shape: rows, columns.
        spacing: millimetres between the centres of neighbouring rows, and of neighbouring columns;
            None where it is not known, and then millimetres are refused, never guessed.
        spacing_plane: where that spacing was measured: in the "patient", or at the "detector"
            (DICOM ImagerPixelSpacing), where a projection radiograph shows everything magnified.

    Raises:
        UsageError: the shape is not two positive integers, or the spacing not two positive finite
            numbers.
    """

    shape: tuple[int, int]
    spacing: tuple[float, float] | None = None
    spacing_plane: SpacingPlane = "patient"

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise UsageError(
                f"the shape of an image is (rows, columns), both at least 1, not {self.shape}"
            )
        if self.spacing is not None:
            try:
                rows, columns = (float(s) for s in self.spacing)
            except (TypeError, ValueError):
                rows = columns = math.nan
            if not (0 < rows < math.inf and 0 < columns < math.inf):
                raise UsageError(
                    "spacing is (between rows, between columns) in millimetres, both above 0, "
                    f"not {self.spacing}"
                )
            # Also where an array or a list was given: a frozen value holds nothing that can be
            # changed, and JSON knows no NumPy.
            object.__setattr__(self, "spacing", (rows, columns))

    @property
    def pixel_area(self) -> float | None:
        """Square millimetres of one pixel, None where the spacing is not known."""
        return None if self.spacing is None else self.spacing[0] * self.spacing[1]


AXIAL: Final = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=np.float64)
"""Directions of the axes (slice, row, column), as columns in LPS, of the one orientation that
networks see: slices from the feet to the head, rows from front to back, columns from the patient's
right to the left, as axial slices are looked at."""

FINEST: Final = 0.25
"""Of the mean distance of unevenly spaced planes: nearer to each other are those of no even grid
that is made of them."""

SLIGHTEST: Final = 1e-6
"""Smallest volume of a cell, as a fraction of the product of its edges, that still counts as three
axes."""


@dataclass(frozen=True, slots=True, eq=False)
class VolumeGeometry:
    """The grid of a volume; array order is (slice, row, column).

    Attributes:
        shape: slices, rows, columns.
        affine: (4, 4), from homogeneous (slice, row, column) indices to millimetres in LPS (DICOM's
            patient coordinates: towards the patient's left, back and head); None where only the
            order of pixels is known, as in pictures, and then the array is taken as axial slices as
            they are looked at, and millimetres are refused.
        planes: where the planes across `uneven_axis` lie, in steps of the affine along that axis
            from the first of them, which is at 0, to the last, ascending; None where they are
            evenly spaced, as they are along the other axes.
        uneven_axis: of the array; has no meaning where `planes` is None.
        spacing_known: whether the affine's millimetres are to be believed; where they are not it
            only says how the axes lie.

    Raises:
        UsageError: the shape is not three positive integers, the affine is not invertible or not
            finite, or the planes are not as said.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64] | None = None
    planes: tuple[float, ...] | None = None
    uneven_axis: int = 0
    spacing_known: bool = True

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise UsageError(
                "the shape of a volume is (slices, rows, columns), all at least 1, not "
                f"{self.shape}"
            )
        if self.affine is None:
            return
        affine = np.array(self.affine, dtype=np.float64)
        if not is_affine(affine):
            raise UsageError(
                "the affine of a volume is a finite, invertible (4, 4) matrix whose last row is "
                "0 0 0 1"
            )
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        if self.planes is not None:
            self._check_planes(self.planes)

    def _check_planes(self, planes: tuple[float, ...]) -> None:
        count = self.shape[self.uneven_axis]
        if (
            len(planes) != count
            or count < 2
            or not np.allclose((planes[0], planes[-1]), (0, count - 1))
            or not (np.diff(planes) > 0).all()
        ):
            raise UsageError(
                "planes have a position each, in steps of the affine, ascending from 0 to the "
                "number of the last"
            )

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Millimetres between neighbouring slices, rows and columns, the mean where planes are
        unevenly spaced; None where they are not known.
        """
        if self.affine is None or not self.spacing_known:
            return None
        slices, rows, columns = (
            float(edge) for edge in np.linalg.norm(self.affine[:3, :3], axis=0)
        )
        return slices, rows, columns

    @property
    def voxel_volume(self) -> float | None:
        """Cubic millimetres of one voxel (the cell may be skewed, as with a tilted gantry), the
        mean where planes are unevenly spaced; None where it is not known.
        """
        if self.affine is None or not self.spacing_known:
            return None
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def places(self, axis: int) -> NDArray[np.float64]:
        """Where the planes across an axis of the array lie, in steps of the affine: 0, 1, 2, ...
        unless they are unevenly spaced.
        """
        if self.planes is None or axis != self.uneven_axis:
            return np.arange(self.shape[axis], dtype=np.float64)
        return np.array(self.planes)

    def widths(self, axis: int) -> NDArray[np.float64]:
        """The space that each plane across an axis of the array stands for, in steps of the affine:
        half of the way to either neighbour, and at the ends as much outwards as inwards, unless
        only the last plane is far away from the others.
        """
        apart = np.diff(self.places(axis))
        if not apart.size:
            return np.ones(1)
        before, after = apart[:2].min(), apart[-2:].min()
        widths: NDArray[np.float64] = (np.append(before, apart) + np.append(apart, after)) / 2
        return widths

    def largest_step(self) -> float | None:
        """The largest distance in millimetres of neighbouring planes along any axis; None where it
        is not known.
        """
        spacing = self.spacing
        if spacing is None:
            return None
        steps = [max(np.diff(self.places(axis)), default=1.0) for axis in range(3)]
        return max(float(step) * side for step, side in zip(steps, spacing, strict=True))

    def even(self) -> tuple[VolumeGeometry, NDArray[np.intp]]:
        """The evenly spaced grid from the first to the last plane of unevenly spaced ones, and of
        each of its planes the number of the nearest one here.

        Its planes are as far apart as the nearest two here, but not nearer than `FINEST` of the
        mean, as where two pieces of a scan overlap.
        """
        places, axis = self.places(self.uneven_axis), self.uneven_axis
        last = max(1, len(places) - 1)
        count = 1 + max(1, round(last / max(FINEST, float(np.diff(places).min(initial=1.0)))))
        wanted = np.linspace(0.0, places[-1], count)
        nearest = np.abs(places - wanted[:, np.newaxis]).argmin(axis=1)
        sides = list(self.shape)
        sides[axis] = count
        affine = None if self.affine is None else np.array(self.affine)
        if affine is not None:
            affine[:3, axis] *= last / (count - 1)
        slices, rows, columns = sides
        grid = VolumeGeometry((slices, rows, columns), affine, spacing_known=self.spacing_known)
        return grid, nearest

    def with_spacing(self, spacing: tuple[float, float, float]) -> VolumeGeometry:
        """The grid with other millimetres between slices, rows and columns, all evenly spaced, its
        first voxel where it was; where none were known, axial slices as they are looked at.
        """
        if self.affine is None:
            affine, axes = np.eye(4), AXIAL
        else:
            affine = np.array(self.affine)
            axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        affine[:3, :3] = axes * spacing
        return VolumeGeometry(self.shape, affine)

    def to_axial(self) -> Reorientation:
        """The turn, of axes and directions only, that brings the array as close as can be to
        `AXIAL`; nothing is resampled.
        """
        if self.affine is None:
            return Reorientation((0, 1, 2), (False, False, False))
        axes = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        likeness = AXIAL.T @ axes  # [wanted axis, axis of the array]
        order = max(
            ((p, sum(abs(likeness[i, p[i]]) for i in range(3))) for p in _ORDERS),
            key=lambda pair: pair[1],
        )[0]
        return Reorientation(order, tuple(bool(likeness[i, order[i]] < 0) for i in range(3)))


def is_affine(matrix: NDArray[np.float64]) -> bool:
    """Whether a matrix is (4, 4), finite, ends in the row 0 0 0 1, and has three independent
    axes.
    """
    if (
        matrix.shape != (4, 4)
        or not np.isfinite(matrix).all()
        or not np.array_equal(matrix[3], (0, 0, 0, 1))
    ):
        return False
    edges = np.linalg.norm(matrix[:3, :3], axis=0)
    return bool(edges.all() and abs(np.linalg.det(matrix[:3, :3] / edges)) >= SLIGHTEST)


def to_ras(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine as NIfTI has it, from (column, row, slice) indices to RAS (right, front, head), of
    one from (slice, row, column) to LPS.

    It is its own inverse, and exact: signs and places change, no digit does.
    """
    exchanged: NDArray[np.float64] = (
        affine[:, (2, 1, 0, 3)] * np.array([[-1.0], [-1.0], [1.0], [1.0]]) + 0.0
    )  # no minus zeros
    return exchanged


def rotation(b: float, c: float, d: float) -> NDArray[np.float64]:
    """The rotation (3, 3) of a unit quaternion a + bi + cj + dk, of which a, not negative, is not
    stored (method 2 of nifti1.h).
    """
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    length = np.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = (number / length for number in (a, b, c, d))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c],
            [2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b],
            [2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b],
        ]
    )


def quaternion(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """b, c and d of a rotation (3, 3): the inverse of `rotation`.

    From the sums and differences of nifti1.h ("Orientation information"), which are 4 times the
    products of any two of a, b, c and d: the row with the largest square is taken, so that nothing
    is divided by a small number (S. W. Shepperd, J. Guidance and Control 1, 1978).
    """
    (r11, r12, r13), (r21, r22, r23), (r31, r32, r33) = matrix.tolist()
    products = np.array(
        [
            [1 + r11 + r22 + r33, r32 - r23, r13 - r31, r21 - r12],
            [r32 - r23, 1 + r11 - r22 - r33, r12 + r21, r13 + r31],
            [r13 - r31, r12 + r21, 1 - r11 + r22 - r33, r23 + r32],
            [r21 - r12, r13 + r31, r23 + r32, 1 - r11 - r22 + r33],
        ]
    )
    row = products[np.argmax(np.diag(products))]
    _, b, c, d = (float(number) for number in row / np.copysign(np.linalg.norm(row), row[0]))
    return b, c, d


_ORDERS: Final = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


@dataclass(frozen=True, slots=True)
class Reorientation:
    """An order of axes and a choice of directions, and the way back.

    Attributes:
        order: which axis of the array becomes the first, the second, the third.
        flipped: whether each of them, in the new order, is then reversed.
    """

    order: tuple[int, ...]
    flipped: tuple[bool, ...]

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of an array in its own order, turned."""
        return array.transpose(self.order)[
            tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        ]

    def invert(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of a turned array in its own order again: the inverse of `apply`."""
        straight = array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]
        return straight.transpose(tuple(int(i) for i in np.argsort(self.order)))

    def geometry(self, grid: VolumeGeometry) -> VolumeGeometry:
        """The grid of the turned array; every voxel stays where it is in the patient."""
        shape = tuple(grid.shape[axis] for axis in self.order)
        if grid.affine is None:
            return VolumeGeometry((shape[0], shape[1], shape[2]))
        uneven = self.order.index(grid.uneven_axis)
        planes = grid.planes
        if planes is not None and self.flipped[uneven]:
            planes = tuple(planes[-1] - place for place in reversed(planes))
        affine = np.array(grid.affine)
        affine[:, :3] = grid.affine[:, list(self.order)]
        for axis, flip in enumerate(self.flipped):
            if flip:
                affine[:, 3] += affine[:, axis] * (shape[axis] - 1)
                affine[:, axis] *= -1
        return VolumeGeometry(
            (shape[0], shape[1], shape[2]), affine, planes, uneven, grid.spacing_known
        )
