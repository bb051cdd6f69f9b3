"""Before and after the network looks: whether a volume lies as it says, and is as large.

What it says counts, unless what is seen speaks against it for certain; either way it is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.orientation import (
    Glimpse,
    Planes,
    as_labels,
    certainty,
    exchanged,
    is_at_origin,
    likeliest,
    spine_in_front,
    turned_over,
)
from lungseg.ct.plausible_size import body_size, lung_size
from lungseg.readers.notes import NO_ORIENTATION
from lungseg.readers.stated_spacing import LOST, is_lost
from lungseg.result import Result
from lungseg.volume import Volume

SAMPLED: Final = 24
"""Slices, evenly spread, in which the spine is looked for."""

FRONT_IN_BACK: Final = (
    "front and back look exchanged: the spine lies before the lungs, as where rows were turned "
    "over and the header was left as it was; right and left are those of the affine"
)
SIDES_EXCHANGED: Final = (
    "by the picture alone right and left look exchanged; they are those of the affine"
)
SIDES_UNCERTAIN: Final = (
    "right and left lie the other way round than in an axial slice with the front at the top, as "
    "in one whose rows were turned over, of a patient who lies prone, or in a coronal one: they "
    "are uncertain"
)
SIDES_ASSUMED: Final = (
    "what is seen does not tell right from left: they were assumed to lie as in an axial slice "
    "with the front at the top"
)

AXES: Final = ("from right to left", "from front to back", "from the feet to the head")
"""What an affine may call an axis of its array."""


def placed(
    volume: Volume, glimpse: Glimpse, spacing: tuple[float, ...] | None = None
) -> tuple[Volume, tuple[str, ...]]:
    """The volume as it is segmented, and notes: its orientation replaced by the likeliest where it
    says nothing of it and is no chest as it is, its spacing unknown where the body would have an
    impossible size.

    Args:
        volume: as it was read.
        glimpse: see `lungseg.ct.orientation.Glimpse`.
        spacing: that its user stated, if any: between slices, rows and columns, as it is found to
            lie.
    """
    notes: tuple[str, ...] = ()
    if is_at_origin(volume.geometry):
        grid = likeliest(volume, glimpse)
        if grid is not volume.geometry:
            turn = grid.to_axial()
            called = np.abs(np.array(volume.geometry.affine)[:3, turn.order[0]]).argmax()
            notes = (
                "as its affine says it lies it is no chest; it was taken as it looks like one, "
                f"with axial slices along the axis that the affine calls {AXES[called]}",
            )
            if spacing is not None and len(spacing) == 3:
                slices, rows, columns = (spacing[turn.order.index(axis)] for axis in range(3))
                grid = grid.with_spacing((slices, rows, columns))
            volume = with_doubt(replace(volume, geometry=grid), "orientation_assumed")
    size = body_size(volume) if spacing is None else ""
    return (without_spacing(volume), (*notes, size)) if size else (volume, notes)


def righted(
    volume: Volume, planes: Planes, lungs: list[int], look: Callable[[Volume], Planes]
) -> tuple[Volume, Planes, tuple[str, ...]]:
    """The volume as the network is to see it, what it saw, and notes.

    Where front and back are exchanged, it is looked at once more with its rows turned over, and
    that counts of which the network is surer, or which alone has the lungs on their sides. Right
    and left follow the affine of several slices, unless that says nothing of them; else they are
    those that the network saw, and where these do not lie as in an axial slice that is seen from
    the feet, the front at the top, that is said. A single slice whose mirror image has them lie so
    has the sides of such a slice: the network does not know.

    Args:
        volume: as it was looked at.
        planes: (slices, structures, rows, columns), see `lungseg.ct.slices.Planes`.
        lungs: where right and left lung are among the structures.
        look: gives the planes of a volume.
    """
    turn = volume.geometry.to_axial()
    stated = volume.geometry.affine is not None and NO_ORIENTATION not in volume.notes
    if LOST in volume.doubts and is_lost(volume.geometry.affine):
        return volume, planes, ()
    if not stated or len(planes) == 1:
        if not exchanged(planes[:, lungs]):
            return volume, planes, ()
        note = SIDES_UNCERTAIN
        if len(planes) == 1 and not exchanged(look(mirrored(volume))[:, lungs]):
            planes[:, lungs], note = planes[:, lungs[::-1]], SIDES_ASSUMED
        return with_doubt(volume, "orientation_mismatch"), planes, (note,)
    notes: tuple[str, ...] = ()
    numbers = np.unique(np.linspace(0, len(planes) - 1, SAMPLED).round().astype(int))
    seen = as_labels(planes[numbers][:, lungs])
    if volume.hounsfield and spine_in_front(seen, _shrunk(turn.apply(volume.array)[numbers], seen)):
        other = replace(volume, geometry=turned_over(volume.geometry))
        second = look(other)
        first, turned = planes[:, lungs], second[:, lungs]
        sides_tell = exchanged(first) and not exchanged(turned)
        if sides_tell or certainty(turned) >= certainty(first):
            volume, planes, notes = other, second, (FRONT_IN_BACK,)
    if exchanged(planes[:, lungs]):
        planes[:, lungs] = planes[:, lungs[::-1]]
        notes = (*notes, SIDES_EXCHANGED)
    return (with_doubt(volume, "orientation_mismatch") if notes else volume), planes, notes


def _shrunk(voxels: NDArray[Any], labels: NDArray[np.uint8]) -> NDArray[Any]:
    """Slices on the grid of labels, each voxel the nearest."""
    rows, columns = (
        (np.arange(count) * of + of // 2) // count
        for count, of in zip(labels.shape[1:], voxels.shape[1:], strict=True)
    )
    return voxels[:, rows][:, :, columns]


def possible(volume: Volume, labels: NDArray[np.uint8]) -> tuple[Volume, tuple[str, ...]]:
    """The volume, with its spacing unknown where its lungs would have an impossible size, and
    notes; `labels` are (slices, rows, columns) in axial order.
    """
    size = lung_size(volume, labels)
    return (without_spacing(volume), (size,)) if size else (volume, ())


def without_spacing(volume: Volume) -> Volume:
    """The volume without the millimetres that it states."""
    return with_doubt(replace(volume, geometry=replace(volume.geometry, spacing_known=False)), LOST)


def mirrored(volume: Volume) -> Volume:
    """The volume with right and left exchanged, on the grid that it had."""
    return replace(volume, array=np.flip(volume.array, volume.geometry.to_axial().order[2]))


def with_doubt(volume: Volume, code: str) -> Volume:
    """The volume with one more reason to look at what is made of it."""
    return replace(volume, doubts=(*volume.doubts, code))


def on_grid_of(result: Result[Volume], volume: Volume) -> Result[Volume]:
    """The result of a volume that was turned over for the network, as one of that volume."""
    found = result.segmentation
    known = result.image.geometry.spacing_known
    back = replace(result.image, geometry=replace(volume.geometry, spacing_known=known))
    return replace(
        result, image=back, segmentation=back.with_layers(found.layers, found.structures)
    )
