"""Records that no image gave."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from lungseg.writers import Record

GRIDS = {
    "radiograph": {"rows": 40, "columns": 50, "spacing_mm": None, "spacing_plane": None},
    "ct": {
        "slices": 9,
        "rows": 40,
        "columns": 50,
        "spacing_mm": None,
        "affine_lps": None,
        "missing_slices": 0,
        "hounsfield": True,
    },
}


def measured(
    name: str,
    value: float | None,
    unit: str,
    structure: str = "lungs",
    restriction: str | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "structure": structure,
        "value": value,
        "unit": unit,
        "restriction": restriction,
        "points": [],
    }


def made_up(source: str, modality: str = "radiograph", **more: Any) -> Record:
    """Of an input that was segmented."""
    name = PurePath(source).stem
    known: Any = {
        "schema": "1.3",
        "input": source,
        "name": name,
        "sha256": f"{name}-sha",
        "modality": modality,
        "format": "PNG",
        "grid": GRIDS[modality],
        "verdict": "ok",
        "codes": [],
        "reasons": [],
        "measurements": [],
        "notes": [],
        "model": {"name": "m", "version": "1", "sha256": "f00d"},
        "versions": {"lungseg": "0", "python": "3"},
        "seconds": {"read": 0.5},
    }
    return known | more


def failed(source: str, reason: str = "it is odd") -> Record:
    """Of an input that could not be segmented."""
    known: Any = {
        "schema": "1.3",
        "input": source,
        "name": PurePath(source).stem,
        "verdict": "failed",
        "codes": ["unreadable"],
        "reasons": [reason],
        "versions": {"lungseg": "0", "python": "3"},
        "error": "UnreadableError",
    }
    return known
