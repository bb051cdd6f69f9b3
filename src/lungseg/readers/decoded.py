"""What every reader of single images hands back: grey pixels, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass

from lungseg.geometry import SpacingPlane
from lungseg.provenance import Provenance
from lungseg.segmentation import Array


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """Grey pixels before they become an `Image`.

    Attributes:
        array: (rows, columns), uint8, uint16 or float32.
        provenance: the format, and of DICOM what the header says; without path and check sum.
        spacing: millimetres between rows and between columns, None where it is not known.
        spacing_plane: where that spacing was measured.
        notes: what reading had to do or assume, in words.
    """

    array: Array
    provenance: Provenance
    spacing: tuple[float, float] | None = None
    spacing_plane: SpacingPlane = "patient"
    notes: tuple[str, ...] = ()
