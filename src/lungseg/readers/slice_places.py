"""Where slices stand, or, where none of them says so, in which order they are to be taken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UnsupportedError
from lungseg.readers.dicom_ct import Slice

NO_POSITION: Final = "it states no position"
"""Of a single slice, which needs none."""
_SAME_SHIFT: Final = 1.0
"""Millimetres by which positions may stray from what SliceLocation says of them."""


def places_of(
    slices: list[Slice], normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], str, tuple[str, ...]]:
    """The places of slices of one orientation.

    Args:
        slices: in any order.
        normal: (3,), of length 1, LPS.

    Returns:
        (slices, 3), LPS millimetres; what the order was taken from where no slice states a
        position, then places are numbers along the normal and no millimetres, else nothing; notes.

    Raises:
        UnsupportedError: some state a position, and that of the others cannot be told.
    """
    stated = [slice_ for slice_ in slices if slice_.position is not None]
    alike = _all_at_one_place(slices)
    if len(stated) == len(slices) and not alike:
        return np.array([slice_.position for slice_ in slices]), "", ()
    if len(slices) == 1:
        return np.zeros((1, 3)), "", (NO_POSITION,)
    if stated and not alike:
        return _by_location(slices, stated, normal)
    order, name = _order(slices)
    what = "all slices state the same position" if alike else "no slice states its position"
    note = (
        f"{what}: the order was taken from {name}, which end is the head is "
        "not known, and nothing is given in millimetres"
    )
    return np.outer(order, normal), name, (note,)


def _all_at_one_place(slices: list[Slice]) -> bool:
    """Whether three or more different objects state the very same position, as those do whose
    writer had none: the origin, or that of one slice although their SliceLocations differ. Other
    slices at one place were scanned one after the other there, as to wait for contrast medium.
    """
    uids = {one.provenance.instance_uids for one in slices}
    places = {None if one.position is None else tuple(one.position) for one in slices}
    if len(uids) < 3 or len(places) != 1 or None in places:
        return False
    return not np.any(slices[0].position) or len({one.location for one in slices}) > 1


def _by_location(
    slices: list[Slice], stated: list[Slice], normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], str, tuple[str, ...]]:
    """Positions that a few slices lack, from the SliceLocation of all."""
    lacking = [slice_ for slice_ in slices if slice_.position is None]
    refused = UnsupportedError(
        "it states no position in the patient, so that its place among the others is not known",
        where=lacking[0].file.name,
        cure="take it out of the folder",
    )
    known = [one.location for one in slices if one.location is not None]
    if len(known) < len(slices) or len(stated) < 2:
        raise refused
    locations = np.array([one.location for one in stated], np.float64)
    places = np.array([one.position for one in stated], np.float64)
    heights = places @ normal
    way = np.sign(np.dot(heights - heights.mean(), locations - locations.mean()))
    offsets = heights - way * locations
    if not way or np.abs(offsets - np.median(offsets)).max() > _SAME_SHIFT:
        raise refused
    found = []
    for slice_, location in zip(slices, known, strict=True):
        nearest = int(np.abs(locations - location).argmin())
        moved = places[nearest] + normal * way * (location - locations[nearest])
        found.append(moved if slice_.position is None else slice_.position)
    return (
        np.array(found),
        "",
        (f"placed by SliceLocation, for want of a position: {len(lacking)}",),
    )


def _order(slices: list[Slice]) -> tuple[list[int], str]:
    """The rank of each slice, equal for copies of one, and what it was taken from."""
    objects = [("".join(one.provenance.instance_uids) or str(i), i) for i, one in enumerate(slices)]
    first = {(uid, slices[i].frame): i for uid, i in reversed(objects)}
    ranks, name = _order_of_different([slices[i] for i in first.values()])
    rank = dict(zip(first, ranks, strict=True))
    return [rank[uid, slices[i].frame] for uid, i in objects], name


def _order_of_different(slices: list[Slice]) -> tuple[list[int], str]:
    locations = [one.location for one in slices if one.location is not None]
    if len(set(locations)) == len(slices):
        return _ranks(locations), "SliceLocation"
    numbers = [(one.instance, one.frame) for one in slices if one.instance is not None]
    if len(set(numbers)) == len(slices):
        only_frames = len({number for number, _ in numbers}) == 1
        return _ranks(numbers), "the frames" if only_frames else "instance numbers"
    names = [(_natural(one.file.name), one.frame) for one in slices]
    only_frames = len({one.file.name for one in slices}) == 1
    return _ranks(names), "the frames" if only_frames else "the names of the files"


def _ranks(keys: Sequence[Any]) -> list[int]:
    """Of things that can be compared; equal ones stay in their order."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ranks = [0] * len(keys)
    for rank, number in enumerate(order):
        ranks[number] = rank
    return ranks


def _natural(name: str) -> list[tuple[int, str]]:
    """So that "IM9" comes before "IM10"."""
    return [
        (int(digits), "") if digits else (-1, rest.casefold())
        for digits, rest in re.findall(r"(\d+)|(\D+)", name)
    ]
