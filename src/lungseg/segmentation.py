"""Label maps on the grid of an image or a volume, and the probabilities that they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.preprocess import to_image_grid
from lungseg.structures import LUNGS, LUNGS_AS_ONE, PLURAL, Structure, groups

Array = NDArray[Any]
Labels = NDArray[np.uint8]
Layers = tuple[tuple[Structure, ...], ...]
"""The structures of each layer."""

G = TypeVar("G", bound=ImageGeometry | VolumeGeometry)

MIN_SIDE = 32
"""Pixels; no lung can be told in a smaller image."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation(Generic[G]):
    """What was found on an image or a volume: a label map for each layer of structures.

    Structures of one layer exclude each other, layers may overlap. Made by `with_labels` or
    `with_layers` of an `Image` or a `Volume` alone, so that it cannot be on another grid.

    Attributes:
        layers: label maps of the image's shape, uint8: 0 background, else a structure's number;
            read-only.
        structures: those that were looked for in each layer, whether or not they were found.
        geometry: the image's own.

    Raises:
        UsageError: the shape is not the image's, or a value is no label of its layer.
    """

    layers: tuple[Labels, ...]
    structures: Layers
    geometry: G

    def __post_init__(self) -> None:
        layers = []
        for labels, structures in zip(self.layers, self.structures, strict=True):
            if labels.shape != self.geometry.shape:
                what = "an image" if len(self.geometry.shape) == 2 else "a volume"
                raise UsageError(
                    f"labels of shape {labels.shape} do not fit {what} of shape "
                    f"{self.geometry.shape}"
                )
            _check_values(labels, structures)
            view = labels.view()
            view.flags.writeable = False
            layers.append(view)
        object.__setattr__(self, "layers", tuple(layers))

    @property
    def labels(self) -> Labels:
        """The label map of the lungs' layer; of the first layer where no lung was looked for."""
        return self.layers[self._lungs_layer]

    @property
    def shown(self) -> tuple[Structure, ...]:
        """The structures of that layer."""
        return self.structures[self._lungs_layer]

    @property
    def foreground(self) -> NDArray[np.bool_]:
        """Where the lungs are; where anything of that layer is, if no lungs were looked for."""
        return self.mask(PLURAL) if PLURAL in self.names else self.labels > 0

    @property
    def _lungs_layer(self) -> int:
        return lungs_layer(self.structures)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all structures, and of the pairs among them, layer by layer."""
        return tuple(name for layer in self.structures for name in groups(layer))

    @property
    def tells_sides(self) -> bool:
        """Whether its label maps tell right from left lung; not where both are one structure."""
        return LUNGS_AS_ONE not in self.shown

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Where a structure is, or one of a pair, such as the "lungs".

        Raises:
            KeyError: nothing of that name was looked for.
        """
        for labels, structures in zip(self.layers, self.structures, strict=True):
            numbers = groups(structures).get(name)
            if numbers is not None:
                return mask_of(labels, numbers, structures)
        raise KeyError(name)


def lungs_layer(layers: Sequence[Sequence[Structure]]) -> int:
    """Which layer of structures is that of the lungs; the first where none has them."""
    known = {*LUNGS, LUNGS_AS_ONE}
    return next((number for number, layer in enumerate(layers) if known & set(layer)), 0)


def mask_of(
    labels: Labels, numbers: Sequence[int], structures: Sequence[Structure]
) -> NDArray[np.bool_]:
    """Where a label map of these structures has one of the numbers."""
    if len(numbers) == len(structures):
        return labels > 0
    found = labels == numbers[0]
    for number in numbers[1:]:
        found |= labels == number
    return cast("NDArray[np.bool_]", found)


def without_sides(
    layers: Sequence[Labels], structures: Sequence[Sequence[Structure]]
) -> tuple[list[Labels], Layers]:
    """New label maps, and their structures, in which both lungs are `LUNGS_AS_ONE`."""
    maps, those = [], []
    for labels, own in zip(layers, structures, strict=True):
        merged = np.array(labels)
        if not set(LUNGS).isdisjoint(own):
            merged[mask_of(labels, [lung.number for lung in LUNGS], own)] = LUNGS_AS_ONE.number
        maps.append(merged)
        those.append(tuple(dict.fromkeys(LUNGS_AS_ONE if s in LUNGS else s for s in own)))
    return maps, tuple(those)


def as_labels(labels: Array, *, source: str) -> Labels:
    """The same numbers, of any shape, as uint8.

    Raises:
        UsageError: one of them is no whole number from 0 to 255.
    """
    given = np.asarray(labels)
    with np.errstate(invalid="ignore"):
        numbers = np.ascontiguousarray(given, dtype=np.uint8)
    if given.dtype != np.uint8 and not np.array_equal(numbers, given):
        raise UsageError("labels are whole numbers from 0 to 255", where=source)
    return numbers


def _check_values(labels: Labels, structures: Sequence[Structure]) -> None:
    known = {0} | {structure.number for structure in structures}
    if int(labels.max()) < len(known) == max(known) + 1:
        return  # numbered without gaps, as lungs are
    if strange := sorted(set(np.unique(labels).tolist()) - known):
        named = ", ".join(f"{structure.number} {structure.name}" for structure in structures)
        raise UsageError(f"{strange[0]} is not a label; labels are 0 background, {named}")


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities(Mapping[str, Array]):
    """The network's probability of each structure, before postprocessing, on the image's grid.

    They are kept on the network's grid and brought to the image's when asked for. Of an image they
    are float32 (rows, columns), 0 to 1; of a volume uint8 (slices, rows, columns) in its own order,
    in 255ths, since a volume of floats would not fit in memory.

    Attributes:
        names: of the structures.
        channels: (structures, rows, columns) float32, or (structures, slices, rows, columns) uint8
            in axial order, on the network's grid.
        geometry: of the image or volume.
        box: its own rows and columns that the channels are of; outside of it all is 0.
    """

    names: tuple[str, ...]
    channels: Array
    geometry: ImageGeometry | VolumeGeometry
    box: tuple[slice, slice] = (slice(None), slice(None))

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(f"{name!r}; there are {', '.join(self.names)}")
        channel = self.channels[self.names.index(name)]
        if isinstance(self.geometry, ImageGeometry):
            plane = np.zeros(self.geometry.shape, np.float32)
            within = plane[self.box]
            within[...] = to_image_grid(channel, within.shape)
            return plane
        whole = np.zeros(self.geometry.shape, np.uint8)
        slices = self.geometry.to_axial().apply(whole[(slice(None), *self.box)])
        for number, plane in enumerate(channel):
            slices[number] = np.rint(
                to_image_grid(as_fraction(plane), slices.shape[1:]) * np.float32(255.0)
            )
        return whole

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def probabilities_without_sides(found: Probabilities) -> Probabilities:
    """With one channel for both lungs, first, in place of one each."""
    lungs = [found.names.index(lung.name) for lung in LUNGS]
    others = [i for i in range(len(found.names)) if i not in lungs]
    top = 255 if found.channels.dtype == np.uint8 else 1
    both = np.minimum(found.channels[lungs].sum(axis=0, dtype=np.float32), top)
    channels = np.concatenate(
        [both[np.newaxis].astype(found.channels.dtype), found.channels[others]]
    )
    return replace(found, names=(PLURAL, *(found.names[i] for i in others)), channels=channels)


def as_fraction(plane: Labels) -> NDArray[np.float32]:
    """Probabilities in 255ths as real numbers, 0 to 1."""
    return plane.astype(np.float32) * np.float32(1 / 255)
