"""Slices under one series UID that are not of one volume (two phases, two reconstructions), parted;
and which series is meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import InputError, UnsupportedError
from lungseg.readers.dicom_ct import Slice
from lungseg.readers.slice_traits import LABELS, clock, plane_of, shown_number, span

_SAME_DIRECTION: Final = 1e-2
"""Cosines that differ by less are one orientation; what scanners write varies in the sixth
digit."""
_SAME_PLACE: Final = 0.01
"""Millimetres, as in `lungseg.readers.slice_stack`."""
_SHARED: Final = 0.5
"""Of the slices of a part; where more of them lie among those of another, both show one place,
where fewer do, they are pieces of one scan."""
_SAME_THICKNESS: Final = 0.1
"""Relative; thicknesses nearer to each other are rounded differently."""
_EVEN: Final = 0.1
"""Of the mean distance; slices that interlock more evenly are one stack, scanned in two turns."""


MAX_LISTED: Final = 30
"""Series that an error lists."""


@dataclass(slots=True)
class Series:
    """Slices of one series that have one orientation, and may be one volume."""

    uid: str
    number: int
    description: str
    slices: list[Slice] = field(default_factory=list)

    def has(self, slice_: Slice) -> bool:
        """Whether a slice has its UID and orientation."""
        mine, its = self.slices[0].orientation, slice_.orientation
        if self.uid != slice_.provenance.series_uid:
            return False
        if mine is None or its is None:
            return mine is its
        return np.allclose(mine, its, atol=_SAME_DIRECTION)

    def traits(self) -> dict[str, str]:
        """What is the same in all of its slices, by the names in `LABELS`; the time is the
        earliest.
        """
        kinds: dict[str, list[str]] = {
            "kernel": [one.traits.kernel for one in self.slices],
            "thickness": [shown_number(one.thickness) for one in self.slices],
            "acquisition": [shown_number(one.traits.acquisition) for one in self.slices],
            "phase": [shown_number(one.traits.phase) for one in self.slices],
            "voltage": [shown_number(one.traits.voltage) for one in self.slices],
            "time": [clock(min(one.traits.time for one in self.slices))],
            "plane": [plane_of(self.slices[0].orientation)],
            "image type": [one.traits.image_type for one in self.slices],
            "images": [span([one.instance for one in self.slices])],
        }
        return {
            name: values[0] for name, values in kinds.items() if len({*values}) == 1 and values[0]
        }


def volumes_in(series: Iterable[Series]) -> list[Series]:
    """The series, each with those of its slices alone that are one volume."""
    found = [
        Series(one.uid, one.number, one.description, slices)
        for one in series
        for slices in _parts(one.slices)
    ]
    return sorted(found, key=lambda one: (one.number, one.uid))


def _parts(slices: list[Slice]) -> list[list[Slice]]:
    heights = _heights(slices)
    if heights is None or len(slices) < 4:
        return [slices]
    for trait, always in _TRAITS:
        values = trait(slices)
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for number, value in enumerate(values):
            groups[value].append(number)
        parts = list(groups.values())
        if len(parts) > 1 and _lie_together(heights, parts):
            if not always and _interlock(heights):
                continue
            return [part for one in parts for part in _parts([slices[number] for number in one])]
    return _one_after_the_other(slices, heights)


def _heights(slices: Sequence[Slice]) -> list[float] | None:
    """Along the normal, or what stands for it; None where nothing does."""
    axes = slices[0].orientation
    normal = np.array([0.0, 0.0, 1.0]) if axes is None else np.cross(axes[0], axes[1])
    for candidates in (
        [None if one.position is None else float(one.position @ normal) for one in slices],
        [one.location for one in slices],
        [one.instance for one in slices],
    ):
        known = [value for value in candidates if value is not None]
        if len(known) == len(slices) and max(known) - min(known) > _SAME_PLACE:
            return known
    return None


def _thickness(slices: Sequence[Slice]) -> list[Hashable]:
    """The number of the class of each slice's thickness; rounding makes no class of its own."""
    stated = sorted({one.thickness or 0.0 for one in slices})
    classes, number = {stated[0]: 0}, 0
    for before, value in pairwise(stated):
        number += value > before * (1 + _SAME_THICKNESS)
        classes[value] = number
    return [classes[one.thickness or 0.0] for one in slices]


_TRAITS: Final[tuple[tuple[Callable[[Sequence[Slice]], list[Hashable]], bool], ...]] = (
    (lambda slices: [one.shape for one in slices], True),
    (lambda slices: [one.traits.kernel for one in slices], True),
    (_thickness, True),
    (lambda slices: [one.traits.image_type for one in slices], False),
    (lambda slices: [one.traits.voltage for one in slices], False),
    (lambda slices: [one.traits.phase for one in slices], False),
    (lambda slices: [one.traits.acquisition for one in slices], False),
)
"""By what slices in one place are parted, and whether also where they interlock evenly."""


def _lie_together(heights: Sequence[float], parts: Iterable[Sequence[int]]) -> bool:
    """Whether most slices of one part, of at least two, lie among those of another, rather than
    beside them or in a gap of theirs.
    """
    stacks = [np.sort([heights[n] for n in part]) for part in parts if len(part) > 1]
    return any(_among(one, other) for one, other in permutations(stacks, 2))


def _among(heights: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Of sorted heights, whether more than `_SHARED` lie between neighbours of the others."""
    distances = np.diff(others)
    gap = 2 * float(np.median(distances)) + _SAME_PLACE
    after = np.searchsorted(others, heights - _SAME_PLACE).clip(1, len(others) - 1)
    low, high = others[after - 1], others[after]
    between = (low - _SAME_PLACE <= heights) & (heights <= high + _SAME_PLACE)
    return float((between & (high - low <= gap)).mean()) > _SHARED


def _interlock(heights: Sequence[float]) -> bool:
    """Whether no two slices lie in one place, and all are evenly spaced together."""
    distances = np.diff(np.sort(heights))
    mean = float(distances.mean())
    return mean > _SAME_PLACE and bool(np.abs(distances - mean).max() <= _EVEN * mean)


def _one_after_the_other(slices: list[Slice], heights: Sequence[float]) -> list[list[Slice]]:
    """Where several slices lie at every place, in as many parts as each has, told by time or number
    if all of one part come before all of the next; copies of the same files never do.
    """
    places: list[list[int]] = []
    last = -np.inf
    for number in np.argsort(heights, kind="stable").tolist():
        if heights[number] - last < _SAME_PLACE:
            places[-1].append(number)
        else:
            places.append([number])
        last = heights[number]
    count = len(places[0])
    if count == 1 or any(len(place) != count for place in places):
        return [slices]
    times = [one.traits.time for one in slices]
    numbers = [one.instance for one in slices if one.instance is not None]
    for ranks in (
        _ranks(times) if all(times) else [],
        _ranks(numbers) if len(numbers) == len(slices) else [],
    ):
        rows = [sorted(place, key=ranks.__getitem__) for place in places] if ranks else []
        columns = [[row[i] for row in rows] for i in range(count)]
        if rows and all(
            max(ranks[n] for n in before) < min(ranks[n] for n in after)
            for before, after in pairwise(columns)
        ):
            return [[slices[number] for number in column] for column in columns]
    return [slices]


def _ranks(keys: Sequence[str] | Sequence[float]) -> list[int]:
    rank = {key: number for number, key in enumerate(sorted({*keys}))}
    return [rank[key] for key in keys]


def chosen(series: Sequence[Series], wanted: str | None, source: str) -> Series:
    """The only one, or that which is meant.

    Args:
        series: at least one.
        wanted: its number in the list of the error, UID, description, or what tells it from the
            others, such as "kernel B70f", "1.25 mm", "acquisition 2" or "10:15:22"; several of
            these with commas between them.
        source: of all of them, for the error.

    Raises:
        UnsupportedError: there are several, and none was asked for.
        InputError: what was asked for is none of them, or several.
    """
    if wanted is None and len(series) == 1:
        return series[0]
    traits = [one.traits() for one in series]
    listed = ", ".join(
        _listed(number, series, traits) for number in range(len(series))[:MAX_LISTED]
    )
    if len(series) > MAX_LISTED:
        listed += f", and {len(series) - MAX_LISTED} more"
    if wanted is None:
        raise UnsupportedError(
            f"it holds {len(series)} CT series",
            shown=f"it holds {len(series)} CT series: {listed}",
            where=source,
            cure="choose one with `series`: number, UID, name or what else tells it apart",
        )
    asked = wanted.strip().casefold()
    names = [
        {str(number), one.uid, one.description.casefold()}
        for number, one in enumerate(series, start=1)
    ]
    fitting = [one for one, own in zip(series, names, strict=True) if asked in own]
    if not fitting:
        words = [word.strip() for word in asked.split(",")]
        fitting = [
            one
            for one, own, its in zip(series, names, traits, strict=True)
            if {*words} <= own | _words(its)
        ]
    if len(fitting) != 1:
        which = "no series is" if not fitting else f"{len(fitting)} series are"
        raise InputError(
            f"{which} what `series` calls it, of {len(series)}",
            shown=f"{which} called {wanted!r} among {listed}",
            where=source,
            cure="choose one by its number, or by what else tells it apart",
        )
    return fitting[0]


def _words(traits: dict[str, str]) -> set[str]:
    """All that a series may be called by its traits."""
    found: set[str] = set()
    for name, value in traits.items():
        label, others = LABELS[name](value)
        found |= {label.casefold(), *(other.casefold() for other in others)}
    return found


def _listed(number: int, series: Sequence[Series], traits: Sequence[dict[str, str]]) -> str:
    """A series in the list: with whatever is not the same in all of them, and with the numbers of
    its images where nothing else tells it from another.
    """
    one = series[number]
    told = [
        name for name in LABELS if name != "images" and len({its.get(name) for its in traits}) > 1
    ]

    def known(index: int) -> tuple[str | None, ...]:
        other = series[index]
        return other.uid, other.description, *(traits[index].get(name) for name in told)

    if sum(known(index) == known(number) for index in range(len(series))) > 1:
        told.append("images")
    words = [LABELS[name](traits[number][name])[0] for name in told if name in traits[number]]
    count = len(one.slices)
    words = list(dict.fromkeys(words))  # a plane and an image type may be called the same
    about = ", ".join([f"{count} slice{'s' * (count > 1)}", one.uid or "no UID", *words])
    return f"{number + 1}: {one.description or 'without description'} ({about})"
