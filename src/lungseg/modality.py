"""The two kinds of images, and the embedded model of each; the only such table."""

from __future__ import annotations

from typing import Final, Literal, get_args

Modality = Literal["radiograph", "ct"]
"""A chest radiograph, or computed tomography (also a single slice of it)."""

MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)

EMBEDDED_MODEL: Final[dict[Modality, str]] = {"radiograph": "cxr", "ct": "ct"}
"""Name of the model that comes with the package."""
