"""All that is known of one input, but the pixels, ready for JSON. `record.schema.json` beside this
file describes it, and `docs/outputs.md` explains it.
"""

from __future__ import annotations

import functools
import json
import math
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypedDict

from lungseg.card import ModelCard
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement, Measurements, Restriction, Unit
from lungseg.modality import Modality
from lungseg.verdict import Status, Verdict, failure_code
from lungseg.volume import Volume

SCHEMA: Final = "1.3"
"""Version of the schema. A new field, code or quantity raises the number behind the point; what
breaks those who read records raises the one before it."""

LIBRARIES: Final = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydicom")
"""Those whose version can change a result."""

FAILED: Final = "failed"
"""The verdict of an input that could not be segmented."""

LEFT_OUT: Final = "left_out"
"""The verdict of a file that was found and is no input, nor a part of one."""

SEVERITY: Final = (FAILED, "refused", "review", "ok")
"""Verdicts on inputs, the worst first."""


class MeasurementEntry(TypedDict):
    """A `Measurement` in a record; a value that means nothing is null, since JSON has no NaN."""

    name: str
    structure: str
    value: float | None
    unit: Unit
    restriction: Restriction | None
    points: list[list[float]]


class Record(TypedDict):
    """What `results.jsonl` holds of an input. Of one that failed there is only what stands before
    `sha256`, and of a file that was left out neither name nor error; `name`, `outputs` and `boxes`
    are entered by who writes files.
    """

    schema: str
    input: str
    relative_to: NotRequired[str]
    verdict: Status | Literal["failed", "left_out"]
    codes: list[str]
    reasons: list[str]
    versions: dict[str, str]
    name: NotRequired[str]
    error: NotRequired[str]
    sha256: NotRequired[str]
    modality: NotRequired[Modality]
    format: NotRequired[str]
    transfer_syntax: NotRequired[str | None]
    grid: NotRequired[dict[str, Any]]
    measurements: NotRequired[list[MeasurementEntry]]
    notes: NotRequired[list[str]]
    model: NotRequired[dict[str, str]]
    seconds: NotRequired[dict[str, float]]
    options: NotRequired[dict[str, Any]]
    sides: NotRequired[str | None]
    outputs: NotRequired[dict[str, str]]
    boxes: NotRequired[dict[str, list[list[int]]]]


def record(
    source: Image | Volume,
    measurements: Measurements,
    verdict: Verdict,
    card: ModelCard,
    seconds: dict[str, float],
    *,
    notes: tuple[str, ...] = (),
) -> Record:
    """The record of an image or a volume that was segmented; `notes` follow those of reading."""
    return {
        "schema": SCHEMA,
        "input": source.source,
        "sha256": source.provenance.sha256,
        "modality": card.modality,
        "format": source.provenance.format.value,
        "transfer_syntax": source.provenance.transfer_syntax or None,
        "grid": _grid(source),
        "verdict": verdict.status,
        "codes": list(verdict.codes),
        "reasons": list(verdict.reasons),
        "measurements": [_entry(measurement) for measurement in measurements.values()],
        "notes": [*source.notes, *notes],
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "versions": versions(),
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
    }


def input_path(record: Mapping[str, Any]) -> str:
    """Where the input of a record is, or was."""
    return os.path.join(record.get("relative_to", ""), record["input"])  # noqa: PTH118 (of text)


def failure(source: str, error: BaseException, sentence: str) -> Record:
    """The record of an input that could not be segmented.

    Args:
        source: the input.
        error: what it failed with.
        sentence: that error in the package's own words; its reason.
    """
    return {
        "schema": SCHEMA,
        "input": source,
        "verdict": FAILED,
        "codes": [failure_code(error)],
        "reasons": [sentence],
        "error": type(error).__name__,
        "versions": versions(),
    }


def check_record(record: Record) -> None:
    """That JSON can say it.

    Raises:
        ValueError: a number in it is infinite, or none.
    """
    json.dumps(record, allow_nan=False)


def left_out(source: str, code: str, sentence: str) -> Record:
    """The record of a file that is no input.

    Args:
        source: its path.
        code: why, from `lungseg.verdict.WHY_LEFT_OUT`.
        sentence: the same in words.
    """
    return {
        "schema": SCHEMA,
        "input": source,
        "verdict": LEFT_OUT,
        "codes": [code],
        "reasons": [sentence],
        "versions": versions(),
    }


def _grid(source: Image | Volume) -> dict[str, Any]:
    geometry: ImageGeometry | VolumeGeometry = source.geometry
    spacing = None if geometry.spacing is None else list(geometry.spacing)
    if isinstance(source, Image):
        rows, columns = source.geometry.shape
        plane = source.geometry.spacing_plane if spacing else None
        return {"rows": rows, "columns": columns, "spacing_mm": spacing, "spacing_plane": plane}
    slices, rows, columns = source.geometry.shape
    affine = source.geometry.affine
    uneven: dict[str, Any] = {}
    if source.geometry.planes is not None and spacing is not None:
        step = spacing[source.geometry.uneven_axis]
        uneven = {"slice_positions_mm": [round(step * at, 4) for at in source.geometry.planes]}
    return {
        "slices": slices,
        "rows": rows,
        "columns": columns,
        "spacing_mm": spacing,
        "affine_lps": None if affine is None else affine.tolist(),
        **uneven,
        "missing_slices": source.missing_slices,
        "hounsfield": source.hounsfield,
    }


def _entry(measurement: Measurement) -> MeasurementEntry:
    return {
        "name": measurement.name,
        "structure": measurement.structure,
        "value": measurement.value if math.isfinite(measurement.value) else None,
        "unit": measurement.unit,
        "restriction": measurement.restriction,
        "points": [list(point) for point in measurement.points],
    }


def record_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record."""
    path = Path(__file__).with_name("record.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema


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
