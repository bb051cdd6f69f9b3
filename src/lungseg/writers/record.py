"""All that is known of one input, but the pixels, as a dictionary ready for JSON, and as a row of a
table.
"""

from __future__ import annotations

import functools
import math
import platform
from importlib import metadata
from typing import Any

from lungseg.card import ModelCard
from lungseg.errors import LungsegError
from lungseg.image import Image
from lungseg.measurement import Measurement
from lungseg.verdict import Verdict
from lungseg.volume import Volume

LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydicom")
"""Those whose version can change a result."""

FAILED = "failed"
"""The verdict of an input that could not be segmented."""

SEVERITY = (FAILED, "refused", "review", "ok")
"""Verdicts, the worst first."""

COLUMNS = ("input", "name", "kind", "verdict", "reasons")
"""The first columns of a row; those of the measurements follow."""


def record(
    image: Image,
    measurements: tuple[Measurement, ...],
    verdict: Verdict,
    card: ModelCard,
    seconds: dict[str, float],
    *,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What `docs/outputs.md` describes, of a radiograph that was segmented."""
    grid = {
        "rows": image.geometry.shape[0],
        "columns": image.geometry.shape[1],
        "spacing_mm": image.geometry.spacing,
        "spacing_plane": image.geometry.spacing_plane if image.geometry.spacing else None,
    }
    return _source(image) | grid | _found(image, measurements, verdict, card, seconds, notes=notes)


def volume_record(
    volume: Volume,
    measurements: tuple[Measurement, ...],
    verdict: Verdict,
    card: ModelCard,
    seconds: dict[str, float],
    *,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What `docs/outputs.md` describes, of a CT volume that was segmented."""
    slices, rows, columns = volume.geometry.shape
    affine = volume.geometry.affine
    grid = {
        "slices": slices,
        "rows": rows,
        "columns": columns,
        "spacing_mm": volume.geometry.spacing,
        "affine_lps": None if affine is None else affine.tolist(),
        "missing_slices": volume.gaps,
        "hounsfield": volume.hounsfield,
    }
    return (
        _source(volume) | grid | _found(volume, measurements, verdict, card, seconds, notes=notes)
    )


def _source(of: Image | Volume) -> dict[str, Any]:
    return {"input": of.source, "sha256": of.sha256, "kind": of.kind, "format": of.format}


def _found(
    of: Image | Volume,
    measurements: tuple[Measurement, ...],
    verdict: Verdict,
    card: ModelCard,
    seconds: dict[str, float],
    *,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        "notes": [*of.notes, *notes],
        "verdict": verdict.status,
        "reasons": list(verdict.reasons),
        "measurements": [
            # JSON has no NaN.
            {
                "name": m.name,
                "label": m.label,
                "value": m.value if math.isfinite(m.value) else None,
                "unit": m.unit,
            }
            for m in measurements
        ],
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "versions": versions(),
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
    }


def failure(source: str, error: LungsegError) -> dict[str, Any]:
    """The record of an input that could not be segmented: verdict "failed", and the error's
    sentence as its reason.
    """
    return {
        "input": source,
        "verdict": FAILED,
        "reasons": [str(error)],
        "error": type(error).__name__,
        "versions": versions(),
    }


def row(entry: dict[str, Any]) -> dict[str, str]:
    """A record as one row of a table: `COLUMNS`, then one column a measurement, such as
    "right_lung_area_mm2".
    """
    cells = {
        "input": str(entry["input"]),
        "name": str(entry.get("name", "")),
        "kind": str(entry.get("kind", "")),
        "verdict": str(entry["verdict"]),
        "reasons": "; ".join(entry["reasons"]),
    }
    for measurement in entry.get("measurements", ()):
        unit = "" if measurement["unit"] == "1" else f"_{measurement['unit']}"
        cells[f"{measurement['label']}_{measurement['name']}{unit}".replace(" ", "_")] = _number(
            measurement["value"]
        )
    return cells


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


@functools.cache
def versions() -> dict[str, str]:
    """Version of this package, of Python, and of each of `LIBRARIES` that is installed under that
    name.
    """
    found = {"lungseg": metadata.version("lungseg"), "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            # OpenCV and ONNX Runtime come under several package names; what stands under another
            # one is left out.
            continue
    return found
