"""Arrays on the grid of a volume, or on a part of it, as the bytes of an NRRD file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import VolumeGeometry
from lungseg.provenance import Format
from lungseg.volume import Volume
from lungseg.writers.gzipped import gzipped

PLACE = frozenset(
    {
        "space",
        "space dimension",
        "space units",
        "space origin",
        "space directions",
        "measurement frame",
    }
    | {
        "spacings",
        "thicknesses",
        "axis mins",
        "axis maxs",
        "axismins",
        "axismaxs",
        "centers",
        "centerings",
        "kinds",
        "units",
    }
)
"""The fields that say where the grid lies."""

TYPES = {"uint8": "uint8", "uint16": "uint16", "int16": "int16", "float32": "float"}


def nrrd(
    arrays: Iterable[NDArray[Any]], volume: Volume, box: tuple[slice, ...], *, channels: int = 1
) -> bytes:
    """An NRRD file with compressed data.

    Where the volume came from an NRRD file and the whole grid is written, the fields that say where
    it lies are that file's, letter by letter.

    Args:
        arrays: (slices, rows, columns), one for each channel, all of one type; made one by one, as
            they are compressed.
        volume: what they belong to.
        box: which part of it they cover, along its axes; steps of 1.
        channels: how many arrays there are.
    """
    sizes = [side.stop - side.start for side in reversed(box)] + [channels] * (channels > 1)
    arrays = iter(arrays)
    first = next(arrays)
    whole = channels == 1 and tuple(sizes[::-1]) == volume.geometry.shape
    lines = [
        *(
            "NRRD0005",
            f"type: {TYPES[first.dtype.name]}",
            f"dimension: {len(sizes)}",
            f"sizes: {' '.join(map(str, sizes))}",
        ),
        *(
            (list(_own_fields(volume)) if whole else [])
            or _new_fields(volume.geometry, box, channels)
        ),
        *("endian: little", "encoding: gzip", "", ""),
    ]
    return "\n".join(lines).encode() + gzipped(_little(first, arrays))


def _little(first: NDArray[Any], others: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    stored = first.dtype.newbyteorder("<")
    yield first.astype(stored, copy=False)
    for array in others:
        yield array.astype(stored, copy=False)


def _own_fields(volume: Volume) -> Iterator[str]:
    if volume.provenance.format is not Format.NRRD:
        return
    fields = dict(
        line.split(": ", 1)
        for line in volume.source_header.decode("utf-8", "replace").splitlines()
        if ": " in line
    )
    if fields.get("dimension", "").strip() == "3":
        yield from (f"{field}: {value}" for field, value in fields.items() if field in PLACE)


def _new_fields(grid: VolumeGeometry, box: tuple[slice, ...], channels: int) -> list[str]:
    several = channels > 1
    kinds = f"kinds: domain domain domain{' list' * several}"
    if grid.affine is None:
        return [kinds]
    origin = grid.affine @ [*(side.start for side in box), 1]
    directions = " ".join(_vector(grid.affine[:3, axis]) for axis in (2, 1, 0))
    place = (
        f"space directions: {directions}{' none' * several}",
        f"space origin: {_vector(origin[:3])}",
    )
    return ["space: left-posterior-superior", *place, kinds]


def _vector(values: NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"
