"""A grey image and where it lies and comes from: frozen, and checked at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lungseg.errors import InputError, UsageError
from lungseg.geometry import ImageGeometry
from lungseg.modality import Modality
from lungseg.provenance import Provenance
from lungseg.segmentation import MIN_SIDE, Array, Segmentation, as_labels
from lungseg.structures import LUNGS, Structure

STATED_FILMS: Final = frozenset({"CR", "DX", "DR", "RG"})
"""Modalities of DICOM that are radiographs of any part of the body (PS3.3 C.7.3.1.1.1; DR is no
defined term but does occur)."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Image:
    """A grey image, ready to be looked at: high values are bright, and dense tissue is bright
    unless the image is a negative.

    Attributes:
        array: (rows, columns), uint8, uint16 or float32; read-only.
        geometry: the grid of `array`.
        provenance: where it comes from.
        notes: what reading had to do or assume, in words, for the record.

    Raises:
        InputError: the pixels are not two-dimensional, of another type, too few, not finite, or all
            equal.
        UsageError: the geometry has another shape than the pixels.
    """

    array: Array
    geometry: ImageGeometry
    provenance: Provenance = field(default_factory=Provenance)
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The file's path, or "array"; for messages."""
        return self.provenance.source

    @property
    def modality(self) -> Modality:
        """A radiograph, or taken for one."""
        return "radiograph"

    @property
    def is_stated_film(self) -> bool:
        """Whether a header says that it is a radiograph."""
        return self.provenance.stated_modality.upper() in STATED_FILMS

    def __post_init__(self) -> None:
        pixels = self.array
        if pixels.ndim != 2:
            raise InputError(
                f"an image has 2 axes (rows, columns), this one has shape {pixels.shape}",
                where=self.source,
            )
        if pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise InputError(
                f"pixels are uint8, uint16 or float32, not {pixels.dtype}", where=self.source
            )
        if pixels.shape != self.geometry.shape:
            raise UsageError(
                f"pixels of shape {pixels.shape} do not fit a geometry of shape "
                f"{self.geometry.shape}",
                where=self.source,
            )
        if min(pixels.shape) < MIN_SIDE:
            raise InputError(
                f"the image has {pixels.shape[0]} x {pixels.shape[1]} pixels, too few to show "
                "lungs",
                where=self.source,
                cure=f"give an image of at least {MIN_SIDE} x {MIN_SIDE} pixels",
            )
        low, high = pixels.min(), pixels.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError(
                "the image contains NaN or infinite values",
                where=self.source,
                cure="replace them by finite numbers first",
            )
        if low == high:
            raise InputError(
                f"every pixel has the same value ({low}), so there is nothing to see",
                where=self.source,
                cure="export the image again",
            )
        view = pixels.view()
        view.flags.writeable = False
        object.__setattr__(self, "array", view)

    def with_labels(
        self, labels: Array, structures: Sequence[Structure] = LUNGS
    ) -> Segmentation[ImageGeometry]:
        """A segmentation of one layer.

        Args:
            labels: (rows, columns): 0 background, else the number of a structure.
            structures: those that were looked for.
        """
        return self.with_layers([labels], [structures])

    def with_layers(
        self, layers: Sequence[Array], structures: Sequence[Sequence[Structure]]
    ) -> Segmentation[ImageGeometry]:
        """The only way to a segmentation, on this image's grid.

        Args:
            layers: label maps (rows, columns).
            structures: of each layer, those that were looked for.
        """
        maps = tuple(as_labels(labels, source=self.source) for labels in layers)
        return Segmentation(maps, tuple(map(tuple, structures)), self.geometry)
