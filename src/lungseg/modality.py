"""The two kinds of images, the embedded model of each, and what their lungs may follow."""

from __future__ import annotations

from typing import Final, Literal, get_args

Modality = Literal["radiograph", "ct"]
"""A chest radiograph, or computed tomography (also a single slice of it)."""

MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)

LungExtent = Literal["field", "through-heart"]
"""What the lungs of a radiograph follow where they are found: what a reader sees as air, or that
and the shadow of heart and mediastinum, as far as readers who draw through the heart call it
lung."""

LUNG_EXTENTS: Final[tuple[LungExtent, ...]] = get_args(LungExtent)

EMBEDDED_MODEL: Final[dict[Modality, str]] = {"radiograph": "cxr", "ct": "ct"}
"""Name of the model that comes with the package."""
