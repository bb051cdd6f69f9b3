"""A CT volume and where it lies and comes from: frozen, and checked at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lungseg.errors import InputError, UsageError
from lungseg.geometry import VolumeGeometry
from lungseg.modality import Modality
from lungseg.provenance import Provenance
from lungseg.segmentation import MIN_SIDE, Array, Segmentation, as_labels
from lungseg.structures import LUNGS, Structure


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A CT volume, in the order and orientation in which it was stored; a single slice is a volume
    of one.

    Attributes:
        array: (slices, rows, columns), int16 Hounsfield units where `hounsfield`, else uint8,
            uint16 or float32 greys, bright where dense; read-only.
        geometry: where the voxels lie.
        hounsfield: whether the values are Hounsfield units; densities are refused where they are
            not.
        missing_slices: how many are missing between those that are there, as far as positions tell.
        provenance: where it comes from.
        doubts: codes of the reasons (`lungseg.verdict.REASONS`) that reading found to look at what
            is made of it.
        notes: what reading had to do or assume, in words, for the record.
        source_header: of a NIfTI file its first 348 bytes (540 in NIfTI-2) as they are stored, of
            an NRRD file its text up to the empty line, else empty; what is written on the same grid
            repeats from it where the grid lies, bit by bit.
        assumed_order: whether no slice says where it lies, so that their order was taken from
            numbers or names.

    Raises:
        InputError: the voxels are of another type, too few, not finite, or all equal.
        UsageError: the grid has another shape than the voxels, or Hounsfield units are not int16.
    """

    array: Array
    geometry: VolumeGeometry
    hounsfield: bool
    missing_slices: int = 0
    provenance: Provenance = field(default_factory=Provenance)
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source_header: bytes = b""
    assumed_order: bool = False

    @property
    def source(self) -> str:
        """The file's or folder's path, or "array"; for messages."""
        return self.provenance.source

    @property
    def modality(self) -> Modality:
        """Always CT."""
        return "ct"

    def __post_init__(self) -> None:
        voxels = self.array
        if voxels.ndim != 3:
            raise InputError(
                f"a volume has 3 axes (slices, rows, columns), this one has shape {voxels.shape}",
                where=self.source,
            )
        if voxels.dtype not in (
            (np.int16,) if self.hounsfield else (np.uint8, np.uint16, np.float32)
        ):
            raise UsageError(
                "voxels are int16 Hounsfield units, or uint8, uint16 or float32 greys, not "
                f"{voxels.dtype}",
                where=self.source,
            )
        if voxels.shape != self.geometry.shape:
            raise UsageError(
                f"voxels of shape {voxels.shape} do not fit a grid of shape {self.geometry.shape}",
                where=self.source,
            )
        if sorted(voxels.shape)[1] < MIN_SIDE:
            shape = " x ".join(str(side) for side in voxels.shape)
            raise InputError(
                f"the volume has {shape} voxels, too few to show lungs",
                where=self.source,
                cure="give a larger one",
            )
        low, high = voxels.min(), voxels.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError(
                "the volume contains NaN or infinite values",
                where=self.source,
                cure="replace them by finite numbers first",
            )
        if low == high:
            raise InputError(
                f"every voxel has the same value ({low}), so there is nothing to see",
                where=self.source,
                cure="export it again",
            )
        view = voxels.view()
        view.flags.writeable = False
        object.__setattr__(self, "array", view)

    def with_labels(
        self, labels: Array, structures: Sequence[Structure] = LUNGS
    ) -> Segmentation[VolumeGeometry]:
        """A segmentation of one layer.

        Args:
            labels: (slices, rows, columns): 0 background, else the number of a structure.
            structures: those that were looked for.
        """
        return self.with_layers([labels], [structures])

    def with_layers(
        self, layers: Sequence[Array], structures: Sequence[Sequence[Structure]]
    ) -> Segmentation[VolumeGeometry]:
        """The only way to a segmentation, on this volume's grid.

        Args:
            layers: label maps (slices, rows, columns).
            structures: of each layer, those that were looked for.
        """
        maps = tuple(as_labels(labels, source=self.source) for labels in layers)
        return Segmentation(maps, tuple(map(tuple, structures)), self.geometry)
