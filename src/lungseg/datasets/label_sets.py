"""What a mask says about each pixel: the set of classes that it allows there.

A network learns layers of structures. Within a layer a pixel belongs to one class: the background,
one of the structures or, where the layer has the lungs, the mediastinum, which is the shadow of
heart and mediastinum as far as masks of the extent "through-heart" call it lung. Masks of different
sources then never contradict each other. They only leave pixels open: between lung and mediastinum,
or whether a structure that they do not decide is there. The loss asks no more than that the
probabilities of the allowed classes add up to one (a marginal loss, see `lungseg.train.losses`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import LungExtent
from lungseg.errors import UsageError
from lungseg.structures import (
    ABNORMAL,
    ANY_LUNG,
    BACKGROUND,
    BY_NAME,
    LEFT_LUNG,
    LUNGS,
    LUNGS_AS_ONE,
    MEDIASTINUM,
    RIGHT_LUNG,
    STRUCTURES,
    Side,
    Structure,
    partner,
    sided,
)

Array = NDArray[Any]
Sets = NDArray[np.uint8]
"""Sets of allowed classes of a layer, one at each pixel: sums of their bits."""

ONLY_BACKGROUND: Final = 1
"""The set of the background alone, in every layer."""

MAX_CLASSES: Final = 8
"""Of a layer, the background among them: a set of them is kept in 8 bits."""

CERTAIN_FRACTION: Final = 0.2
"""Of each row of a "through-heart" mask, the outer fraction that is certainly lung, whatever the
size of the heart."""

BAND_FRACTION: Final[dict[Side, float]] = {"right": 0.5, "left": 2 / 3}
"""Of each row of a "through-heart" mask, the inner fraction where heart or mediastinum may lie; not
judged when such a mask is the ground truth."""


@dataclass(frozen=True, slots=True)
class LayerClasses:
    """The classes of a layer, in the order of their channels and of their bits in a set.

    Attributes:
        structures: those of the layer.
    """

    structures: tuple[Structure, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Background, structures, and last, in the layer of the lungs, the mediastinum."""
        more = (MEDIASTINUM,) if set(LUNGS) <= set(self.structures) or self.as_one else ()
        return (BACKGROUND.name, *(structure.name for structure in self.structures), *more)

    @property
    def as_one(self) -> bool:
        """Whether both lungs are one structure of it."""
        return LUNGS_AS_ONE in self.structures

    @property
    def sided(self) -> LayerClasses:
        """The same with both lungs in place of the lungs as one."""
        return LayerClasses(sided(self.structures))

    def bits(self, *names: str) -> int:
        """The set of the classes of these names, as far as the layer has them."""
        return sum(1 << i for i, name in enumerate(self.names) if name in names)

    @property
    def anything(self) -> int:
        """The set of all classes."""
        return self.bits(*self.names)


@cache
def layer_classes(layers: tuple[tuple[str, ...], ...]) -> tuple[LayerClasses, ...]:
    """The classes of each layer of structures.

    Args:
        layers: names of structures.

    Raises:
        UsageError: a layer has too many classes for a set, or one of a pair without the other,
            which a mirror would make of it.
    """
    found = tuple(LayerClasses(tuple(BY_NAME[name] for name in layer)) for layer in layers)
    for classes in found:
        if len(classes.names) > MAX_CLASSES:
            raise UsageError(
                f"a layer has at most {MAX_CLASSES} classes, not {', '.join(classes.names)}",
                cure="learn some of its structures in a layer of their own",
            )
        for structure in classes.structures:
            if partner(structure) not in classes.structures:
                raise UsageError(
                    f"{structure.name} is learnt in one layer with {partner(structure).name}",
                    cure="name both",
                )
    return found


LUNG_LAYERS: Final = (LayerClasses(LUNGS),)
"""One layer of the two lungs."""


def allowed_sets(
    labels: Array,
    layers: Sequence[LayerClasses],
    *,
    decides: Collection[str],
    lung_extent: LungExtent,
) -> Sets:
    """The sets of classes that a mask allows, of each layer at each pixel.

    Args:
        labels: (rows, columns), 0 background, else the number of a structure, as
            `lungseg.datasets.read_labels` gives them.
        layers: that are learnt.
        decides: names of the structures that the mask decides; whether any other is at a pixel it
            leaves open. An abnormal one lies on others, and what is beneath is open too.
        lung_extent: what the lungs of the mask follow.

    Returns:
        (layers, rows, columns), uint8.
    """
    return np.stack([_allowed(labels, classes, decides, lung_extent) for classes in layers])


def narrowed(sets: Sets, others: Sets) -> Sets:
    """What two masks of a case allow together: both (layers, rows, columns). Where they contradict
    each other, either may be right.
    """
    common = sets & others
    return np.where(common == 0, sets | others, common)


def reopened(sets: Sets, layers: Sequence[LayerClasses], where: NDArray[np.bool_]) -> Sets:
    """The same sets, but where something was painted that looks like a disease it is open whether
    an abnormal structure is there.

    Args:
        sets: (layers, rows, columns).
        layers: their classes.
        where: (rows, columns).
    """
    bits = [
        classes.bits(*(s.name for s in classes.structures if s.category is ABNORMAL))
        for classes in layers
    ]
    if not any(bits):
        return sets
    opened = sets.copy()
    for each, abnormal in zip(opened, bits, strict=True):
        if abnormal:
            each[where] |= abnormal | ONLY_BACKGROUND
    return opened


def _allowed(
    labels: Array, classes: LayerClasses, decides: Collection[str], lung_extent: LungExtent
) -> Sets:
    if classes.as_one:
        return _one_table(classes)[_allowed(labels, classes.sided, decides, lung_extent)]
    undecided = classes.bits(*(s.name for s in classes.structures if s.name not in decides))
    lungs = [lung for lung in LUNGS if lung in classes.structures and lung.name in decides]
    outside = ONLY_BACKGROUND | undecided
    if not lungs or lung_extent != "through-heart":
        outside |= classes.bits(MEDIASTINUM)
    if lung_extent == "aerated":
        outside |= classes.bits(*(lung.name for lung in lungs))
    allowed = np.full(labels.shape, outside, np.uint8)
    for structure in map(BY_NAME.__getitem__, decides):
        if structure in classes.structures:
            allowed[labels == structure.number] = classes.bits(structure.name)
        elif structure.category is ABNORMAL:
            allowed[labels == structure.number] = classes.anything
    if lung_extent == "through-heart":
        for lung in lungs:
            inside = labels == lung.number
            inner = inside & (_depth_from_outside(inside, lung) > CERTAIN_FRACTION)
            allowed[inner] = classes.bits(lung.name, MEDIASTINUM) | undecided
    return allowed


@cache
def _one_table(classes: LayerClasses) -> Sets:
    """What each set of the sided classes, 0 to 255, says of the lungs as one: (256,)."""
    lungs = {lung.name for lung in LUNGS}
    bits = [
        classes.bits(LUNGS_AS_ONE.name if name in lungs else name) for name in classes.sided.names
    ]
    table = [0] * 256
    for number in range(256):
        for i, bit in enumerate(bits):
            table[number] |= bit if number >> i & 1 else 0
    return np.array(table, np.uint8)


@cache
def mirror_table(classes: LayerClasses) -> Sets:
    """What each set of classes, 0 to 255, is in a mirror: (256,)."""
    others = [
        classes.bits(partner(BY_NAME[name]).name if name in BY_NAME else name)
        for name in classes.names
    ]
    bits = [sum(other for i, other in enumerate(others) if s >> i & 1) for s in range(256)]
    table = np.array(bits, np.uint8)
    table.flags.writeable = False
    return table


def lungs_of(sets: Sets, layers: Sequence[LayerClasses]) -> dict[Side, NDArray[np.bool_]]:
    """Where each lung is known to be, or else the other one or the mediastinum: (rows, columns),
    nowhere where no layer has the lungs or where there may be background. Of the lungs as one the
    halves lie where `assign_sides` finds them.

    Args:
        sets: (layers, rows, columns).
        layers: their classes.
    """
    for each, classes in zip(sets, layers, strict=True):
        if classes.as_one:
            found = assign_sides(_known(each) & classes.bits(LUNGS_AS_ONE.name))
            return {"right": found == RIGHT_LUNG.number, "left": found == LEFT_LUNG.number}

    def where(lung: Structure) -> NDArray[np.bool_]:
        pairs = zip(sets, layers, strict=True)
        own = [_known(each) & classes.bits(lung.name) for each, classes in pairs]
        return np.any(own, axis=0)

    return {"right": where(RIGHT_LUNG), "left": where(LEFT_LUNG)}


def _known(sets: Sets) -> Sets:
    """The sets that have no background, elsewhere none."""
    return np.where(sets & ONLY_BACKGROUND, np.uint8(0), sets)


HOW_JUDGED: Final = (
    "Masks that draw through the heart are judged outside the band where heart and mediastinum may "
    "lie, and masks of a part of the lungs within that part."
)
"""`judged_pixels` for people."""


def judged_pixels(
    labels: Array, structures: Sequence[Structure], lung_extent: LungExtent
) -> NDArray[np.bool_] | None:
    """Where a mask is a ground truth of some of its structures: not beneath an abnormal one that
    lies on them, of lungs that are drawn through the heart not in `mediastinal_band`, and of a part
    of the lungs only there.

    Args:
        labels: (rows, columns), or (slices, rows, columns) of masks that are not drawn so.
        structures: those to be judged.
        lung_extent: what the lungs of the mask follow.

    Returns:
        Of the same shape; None for everywhere.
    """
    above = {s.number for s in STRUCTURES if s.category is ABNORMAL} - {
        s.number for s in structures
    }
    hidden = np.isin(labels, list(above))
    if lung_extent == "aerated" and not set(ANY_LUNG).isdisjoint(structures):
        return np.isin(labels, [lung.number for lung in ANY_LUNG]) & ~hidden
    if lung_extent == "through-heart" and not set(ANY_LUNG).isdisjoint(structures):
        return ~(hidden | mediastinal_band(labels))
    return ~hidden if hidden.any() else None


def mediastinal_band(labels: Array) -> NDArray[np.bool_]:
    """Pixels of a "through-heart" mask, as labels of the lungs, where heart or mediastinum may
    lie.
    """
    band = np.zeros(labels.shape, bool)
    for lung in LUNGS:
        inside = labels == lung.number
        if lung.side is not None:
            band |= inside & (_depth_from_outside(inside, lung) > 1 - BAND_FRACTION[lung.side])
    return band


def assign_sides(mask: Array) -> NDArray[np.uint8]:
    """Tells right from left lung in a mask: labels (rows, columns), 0, 1 right, 2 left.

    Of the two largest components the one further left in the picture is the right lung; smaller
    ones join the nearer of them. A single component is cut at the middle of the picture.
    """
    binary = (mask > 0).astype(np.uint8)
    count, components, stats, centres = cv2.connectedComponentsWithStats(binary)
    sides = np.zeros(binary.shape, np.uint8)
    if count < 2:
        return sides
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA]) + 1
    middle = binary.shape[1] / 2
    two = (
        len(order) > 1
        and stats[order[1], cv2.CC_STAT_AREA] > 0.1 * stats[order[0], cv2.CC_STAT_AREA]
    )
    if two:
        middle = float(centres[order[:2], 0].mean())
        for component in range(1, count):
            lung = RIGHT_LUNG if centres[component, 0] < middle else LEFT_LUNG
            sides[components == component] = lung.number
        return sides
    columns = np.arange(binary.shape[1])[np.newaxis]
    sides[(binary > 0) & (columns < middle)] = RIGHT_LUNG.number
    sides[(binary > 0) & (columns >= middle)] = LEFT_LUNG.number
    return sides


def _depth_from_outside(inside: NDArray[np.bool_], lung: Structure) -> Array:
    """How far inward each pixel of a lung lies in its row: 0 at the outer border, 1 at the
    inner.
    """
    present = inside.any(axis=1)
    first = np.where(present, inside.argmax(axis=1), 0)
    last = np.where(present, inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1), 0)
    width = np.maximum(last - first + 1, 1)[:, np.newaxis]
    columns = np.arange(inside.shape[1])[np.newaxis]
    depth: Array = (
        columns - first[:, np.newaxis] if lung is RIGHT_LUNG else last[:, np.newaxis] - columns
    )
    return np.asarray((depth + 0.5) / width)
