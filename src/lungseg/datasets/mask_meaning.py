"""From the pixels of a mask to the numbers of structures: by what is declared, or by what can mean
one thing only; all else is refused, with what to declare.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import BOTH_LUNGS
from lungseg.datasets.mask_levels import (
    Labels,
    Level,
    counted,
    distance,
    filled,
    labelled,
    levels,
    surrounds,
    told,
    tolerance,
    without_rims,
)
from lungseg.errors import UnknownLabelsError, UnsupportedError
from lungseg.readers import MaskPixels
from lungseg.readers.mask_pixels import surrounding
from lungseg.structures import BACKGROUND, BY_NAME, PLURAL

MAX_LABEL: Final = 10
"""A mask with values up to here holds labels; above, it holds greys, and what is nearer to white is
inside."""

VOID: Final = 255
"""Index of a palette with which Pascal VOC draws the outlines that it leaves open."""

MAX_THICK_VOID: Final = 0.25
"""Of what has the index `VOID`, that may be no outline of anything: corners."""

EITHER: Final = 255
"""In labels that are not finished: lung, of a side that the mask does not tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What a mask says.

    Attributes:
        labels: (rows, columns) or (slices, rows, columns): 0, the number of a structure, or
            `EITHER`.
        notes: what was done about pixels that are no label, for a person.
    """

    labels: Labels
    notes: tuple[str, ...] = ()


def is_inside(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a mask of one thing, of any shape, has it: not 0 in labels; more than half of its
    highest value in greys (see `MAX_LABEL`).
    """
    highest = mask.max()
    return np.asarray(mask > (highest / 2 if highest > MAX_LABEL else 0))


def are_lungs(decides: Sequence[str]) -> bool:
    """Whether these are the two lungs, and nothing else."""
    return set(decides) == set(BOTH_LUNGS)


def meaning_of(
    mask: MaskPixels, decides: Sequence[str], declared: Mapping[float, str], path: Path
) -> Meaning:
    """What a mask in a picture says, or in a slice of a volume.

    Args:
        mask: its pixels.
        decides: names of the structures that it decides.
        declared: names of structures, "lungs" or "background" by its values, "" for something else;
            empty where nothing is declared.
        path: its file, for errors.

    Raises:
        UnknownLabelsError: nobody says which structure a value is, or it is one that is not
            decided.
        UnsupportedError: it is a picture and no mask.
    """
    if mask.kind == "structures":
        refuse_undecided(mask.values, decides, path)
        return Meaning(np.asarray(mask.values, np.uint8))
    mask, notes = _without_interpolation(mask, path)
    if declared:
        found = _by_declaration(mask, decides, declared, path)
    elif mask.kind == "colours" or mask.values.max() > MAX_LABEL:
        found = _of_one_level(mask, decides, path)
    else:
        found = Meaning(_of_numbers(mask.values, decides, path))
    return Meaning(found.labels, (*notes, *found.notes))


def meaning_of_volume(
    voxels: NDArray[Any],
    values: Collection[float],
    decides: Sequence[str],
    declared: Mapping[float, str],
    path: Path,
) -> Labels:
    """What a volume of labels says, slice by slice; as `meaning_of`.

    Args:
        voxels: (slices, rows, columns).
        values: that there are in it.
        decides: names of the structures that it decides.
        declared: what values mean.
        path: its file, for errors.
    """
    whole = MaskPixels(voxels, "greys")
    known = {0.0, *(value for value, name in declared.items() if name)}
    if not declared or set(values) <= known:
        several = len(values) > 2
        if declared or max(values) <= MAX_LABEL or not several:
            labels = (
                _by_declaration(whole, decides, declared, path).labels
                if declared
                else _of_numbers(voxels, decides, path)
            )
            if several and np.unique(labels).size > 2:
                labels = np.stack([without_rims(plane)[0] for plane in labels])
            return labels
        return _of_one_level(whole, decides, path).labels
    return np.stack(
        [meaning_of(MaskPixels(p, "greys"), decides, declared, path).labels for p in voxels]
    )


def _without_interpolation(mask: MaskPixels, path: Path) -> tuple[MaskPixels, tuple[str, ...]]:
    """Indices and small numbers without rims; of greys and colours `labelled` takes care."""
    values = mask.values
    if mask.kind == "colours" or (mask.kind == "greys" and values.max() > MAX_LABEL):
        return mask, ()
    refuse_lossy(mask, path)
    if np.any(values != np.rint(values)):
        raise UnknownLabelsError(
            f"the mask has values between labels, such as {values[values != np.rint(values)][0]:g}"
            ": it was resized with interpolation",
            where=path,
            cure="resize masks with nearest neighbour",
        )
    labels = np.asarray(values, np.uint8)
    if mask.kind == "indices" and labels.max() == VOID:
        labels = _without_void(labels)
    labels, rims = without_rims(labels)
    notes = tuple(f"{rim}, and given to its neighbours" for rim in rims)
    return replace(mask, values=labels), notes


def refuse_lossy(mask: MaskPixels, path: Path) -> None:
    """That labels are not in a file whose compression changes values.

    Raises:
        UnknownLabelsError: they are.
    """
    if mask.kind == "greys" and mask.lossy and 0 < mask.values.max() <= MAX_LABEL:
        raise UnknownLabelsError(
            f"labels as small as 0 to {mask.values.max():g} cannot be told apart in a file whose "
            "compression changes values",
            where=path,
            cure="export the masks again as PNG, or with greys that are far apart",
        )


def _without_void(labels: Labels) -> Labels:
    """Without the outlines that are left open, where these are thin."""
    void = labels == VOID
    as_label, _ = without_rims(np.where(void, np.uint8(1), (labels > 0) * np.uint8(2)))
    thick = np.count_nonzero(void & (as_label == 1))
    return filled(labels, ~void) if thick <= MAX_THICK_VOID * np.count_nonzero(void) else labels


def _of_numbers(values: NDArray[Any], decides: Sequence[str], path: Path) -> Labels:
    """The numbers of structures, or of one thing."""
    if holds_numbers(set(np.unique(values).tolist()), decides, path):
        return np.asarray(values, np.uint8)
    return one_thing(is_inside(values), decides)


def one_thing(inside: NDArray[np.bool_], decides: Sequence[str]) -> Labels:
    """The labels of the lungs, or of the one structure, that are decided."""
    number = EITHER if are_lungs(decides) else BY_NAME[decides[0]].number
    return np.where(inside, np.uint8(number), np.uint8(0))


def holds_numbers(values: set[float], decides: Sequence[str], path: Path) -> bool:
    """Whether the values of a mask are numbers of structures; else it is a mask of one thing, in
    two values or in greys.

    Two values other than 0, 1 and 2 together are no numbers where the lungs, or one structure, are
    all that is decided: then 0 and 1 are a mask of them.

    Raises:
        UnknownLabelsError: the values are labels, and one of them is of no structure that is
            decided; or several structures are decided, and the mask does not tell them apart.
    """
    several = len(decides) > 1 and not are_lungs(decides)
    if max(values) <= MAX_LABEL and (len(values) > 2 or several):
        refuse_undecided(np.array(sorted(values)), decides, path)
        return True
    if several:
        raise UnknownLabelsError(
            f"the mask does not tell {', '.join(decides)} apart",
            where=path,
            cure=f"give a label map: {_numbered(decides)}; or say which value is which, {FLAG}",
        )
    return False


FLAG: Final = 'as in --labels 127="right lung",255="left lung"'


def refuse_undecided(values: NDArray[Any], decides: Sequence[str], path: Path) -> None:
    """That all labels are of structures that a case decides.

    Raises:
        UnknownLabelsError: one is not.
    """
    known = {0, *(BY_NAME[name].number for name in decides)}
    strange = sorted(set(np.unique(values).tolist()) - known)
    if strange:
        raise UnknownLabelsError(
            f"the mask has the label {strange[0]:g}, which is none that the case decides "
            f"({_numbered(decides)})",
            where=path,
            cure="name its structure in the column decides, take it out of the mask, or say what "
            f"it is, as in --labels {strange[0]:g}=STRUCTURE or {strange[0]:g}=background",
        )


def _numbered(names: Sequence[str]) -> str:
    return ", ".join(f"{BY_NAME[name].number} {name}" for name in names)


def _of_one_level(mask: MaskPixels, decides: Sequence[str], path: Path) -> Meaning:
    """Of greys and colours what is nearer to white, or not what surrounds it, where there is one
    such thing only.
    """
    found = levels(mask)
    if mask.kind == "colours" and not found:
        raise UnsupportedError(
            "it is a colour picture, not a mask", where=path, cure="give the mask of the image"
        )
    outside = surrounding(mask.values) if mask.kind == "colours" else float(mask.values.min())
    things = [level for level in found if level.value != _nearest(outside, found, mask)]
    if len(things) > 1:
        things = _without_body(things, mask)
    if len(things) > 1 or (mask.kind == "indices" and things):
        raise _unknown(mask, found, things, path)
    if mask.kind == "greys":
        holds_numbers({0, float(mask.values.max())}, decides, path)
        return Meaning(one_thing(is_inside(mask.values), decides))
    numbers = {outside: 0} | {level.value: 1 for level in things}
    inside, edges = labelled(mask, numbers)
    return Meaning(one_thing(inside > 0, decides), _edges(edges))


def _nearest(value: float, found: Sequence[Level], mask: MaskPixels) -> float:
    """The level that a value is of; of colours the one that is the same."""
    if mask.kind == "colours" or not found:
        return value
    return min((level.value for level in found), key=lambda each: abs(each - value))


def _without_body(things: Sequence[Level], mask: MaskPixels) -> list[Level]:
    """Those levels that do not lie around the highest one, as the body does around lungs."""
    if mask.values.ndim > 2:
        return list(things)
    highest = mask.values == things[-1].value
    return [
        level
        for level in things
        if level is things[-1] or not surrounds(highest, mask.values == level.value)
    ]


def _unknown(
    mask: MaskPixels, found: Sequence[Level], things: Sequence[Level], path: Path
) -> UnknownLabelsError:
    """The refusal of a mask of several values of which nobody says what they are."""
    names = [mask.name(level.value) for level in things]
    structures = _perhaps(mask, things)
    values = ",".join(f"{n}={s}" for n, s in zip(names, structures, strict=True))
    return UnknownLabelsError(
        f"the mask has the {mask.noun} {told(mask, found)}, and nothing says which structures "
        "these are",
        where=path,
        cure=f"say so, as in --labels '{values}', in the column labels of a list of cases, or in a "
        "dataset.json beside the masks",
    )


def _perhaps(mask: MaskPixels, things: Sequence[Level]) -> list[str]:
    """What values may be: a lung each where two lie side by side, which is no more than a
    proposal.
    """
    if len(things) == 2 and min(level.pixels for level in things) > MIN_OTHER * max(
        level.pixels for level in things
    ):
        columns = [np.nonzero(mask.values == level.value)[-1] for level in things]
        (low_0, high_0), (low_1, high_1) = (np.percentile(each, (5, 95)) for each in columns)
        if high_0 < low_1:
            return list(BOTH_LUNGS)
        if high_1 < low_0:
            return list(reversed(BOTH_LUNGS))
    return ["STRUCTURE"] * len(things)


MIN_OTHER: Final = 0.25
"""Of the larger of two regions, what the smaller one has at least if both are lungs."""


def _by_declaration(
    mask: MaskPixels, decides: Sequence[str], declared: Mapping[float, str], path: Path
) -> Meaning:
    there, _ = counted(mask.values)
    numbers = {0.0: 0, **{value: _number(name, decides) for value, name in declared.items()}}
    strange = set(there.tolist()) - set(numbers)
    unnamed = {value for value in there.tolist() if declared.get(value) == ""}
    edges = 0
    if not strange:
        labels = _looked_up(mask.values, there, numbers)
    else:
        found = levels(mask)
        if 0.0 not in declared and mask.kind == "colours":
            numbers.setdefault(surrounding(mask.values), 0)
        near = {level: _declared_near(level.value, numbers, mask) for level in found}
        unnamed |= {level.value for level, value in near.items() if value is None}
        if mask.kind != "colours" and mask.values.max() <= MAX_LABEL:
            unnamed |= strange  # small numbers are no edges between others
        labels, edges = labelled(mask, numbers) if not unnamed else (np.zeros(0, np.uint8), 0)
    if unnamed:
        values = " and ".join(mask.name(value) for value in sorted(unnamed))
        raise UnknownLabelsError(
            f"the mask has the {mask.noun} {values}, of which it is not declared that a known "
            "structure is meant",
            where=path,
            cure=f"say so, as in --labels {mask.name(min(unnamed))}=background",
        )
    if edges:
        labels, _ = without_rims(labels)
    return Meaning(labels, _edges(edges))


def _looked_up(values: NDArray[Any], there: NDArray[Any], numbers: Mapping[float, int]) -> Labels:
    """The label of each value, all of which are known."""
    found = np.array([numbers[value] for value in there.tolist()], np.uint8)
    if values.dtype not in (np.uint8, np.uint16):
        return found[np.searchsorted(there, values)]
    table = np.zeros(int(there[-1]) + 1, np.uint8)
    table[there] = found
    return table[values]


def _declared_near(value: float, numbers: Collection[float], mask: MaskPixels) -> float | None:
    """The declared value that a level is of; None where there is none so near."""
    near = min(numbers, key=lambda each: distance(mask, each, value))
    return near if distance(mask, near, value) <= tolerance(mask) else None


def _number(name: str, decides: Sequence[str]) -> int:
    """The label of a declared structure; 0 where the case does not decide it."""
    if name in ("", BACKGROUND.name):
        return 0
    if name == PLURAL:
        return EITHER if set(BOTH_LUNGS) <= set(decides) else 0
    return BY_NAME[name].number if name in decides else 0


def _edges(pixels: int) -> tuple[str, ...]:
    return (f"{pixels} pixels lie between two values, and were given to the nearer",) * (pixels > 0)
