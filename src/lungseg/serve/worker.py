"""What is done with an upload, in a process of its own: unpacked, the image or series in it chosen,
and segmented as any other job.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lungseg.errors import InputError
from lungseg.geometry import VolumeGeometry
from lungseg.readers import find_inputs
from lungseg.readers.packing import unpacking_at_most
from lungseg.runner import Job, Outcome, failed
from lungseg.runner.work import work
from lungseg.segmenter import Segmenter
from lungseg.serve.archive import unzip
from lungseg.timing import Progress
from lungseg.writers import make_folder, write_file
from lungseg.writers.atomic import not_written
from lungseg.writers.viewer import ViewerSlices


@dataclass(frozen=True, slots=True)
class UploadTask:
    """What a process is told.

    Attributes:
        job: whose source is the file that was sent, or the folder of several.
        packed: whether it is a zip.
        max_bytes: of what is in it, and of what any file holds that is packed itself.
        max_files: in it.
    """

    job: Job
    packed: bool
    max_bytes: int
    max_files: int


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What a process answers.

    Attributes:
        outcome: of the job.
        shown: what a viewer has to know of the slices; fields of `lungseg.serve.schemas`.
    """

    outcome: Outcome
    shown: dict[str, Any] = field(default_factory=dict[str, Any])


def prepare_process() -> None:
    """Called first in each process: what libraries find odd in a file may quote it."""
    warnings.simplefilter("ignore")
    logging.basicConfig(format="%(message)s")


def segment_upload(task: UploadTask, segmenter: Segmenter, progress: Progress) -> UploadResult:
    """Does what was asked for; raises nothing.

    Args:
        task: what that is.
        segmenter: with its models loaded.
        progress: told how far it is.
    """
    job = task.job
    try:
        with unpacking_at_most(task.max_bytes):
            job = _chosen(task, progress)
            make_folder(job.run.folder)
            outcome = work(
                job, segmenter, lambda fraction, step: progress(0.05 + 0.95 * fraction, step)
            )
        if outcome.status != "done" or outcome.record is None:
            return UploadResult(outcome)
        path = job.run.folder / f"{job.name}_record.json"
        write_file(
            path, json.dumps(outcome.record, indent=2, ensure_ascii=False, allow_nan=False).encode()
        )
        outputs = {**outcome.outputs, "record": path}
        return UploadResult(replace(outcome, outputs=outputs), _shown(outcome))
    except OSError as problem:
        return UploadResult(failed(job, not_written(job.run.folder, problem)))
    except Exception as problem:  # noqa: BLE001 (also what nobody foresaw gets its sentence)
        return UploadResult(failed(job, problem))


def _chosen(task: UploadTask, progress: Progress) -> Job:
    """The job with the file or folder to segment among what was sent as its source.

    Raises:
        InputError: there is none, or more than one.
    """
    job = task.job
    if not (task.packed or job.source.is_dir()):
        return job
    folder = job.source
    if task.packed:
        progress(0.0, "unpacking")
        folder = job.source.with_name(job.name)
        unzip(job.source, folder, max_bytes=task.max_bytes, max_entries=task.max_files)
        job.source.unlink()
    found = find_inputs([folder], series=job.options.modality != "radiograph")
    chosen = [path for path in found.files if path.is_dir()] or found.files
    if not chosen:
        raise found.problems[0]
    if len(chosen) > 1:
        what = f"it holds {len(chosen)} images or series, and one is segmented at a time"
        raise InputError(what, where=job.display_name, cure="send them one by one")
    name = job.name if chosen[0].is_dir() else chosen[0].name
    return replace(job, source=chosen[0], display_name=name)


def _shown(outcome: Outcome) -> dict[str, Any]:
    """Of the slices that were written for the viewer; nothing where none were, as of a refused
    input they may not be.
    """
    if outcome.record is None or "viewer" not in outcome.outputs:
        return {}
    slices, record = ViewerSlices(outcome.outputs["viewer"]), outcome.record
    shape, spacing = _axial_grid(record["grid"])
    hounsfield = bool(record["grid"].get("hounsfield", False))
    return {
        "shape": shape,
        "spacing": spacing,
        "hounsfield": hounsfield,
        "window": slices.window(hounsfield=hounsfield),
        "range": slices.range(),
        "lung_slices": slices.lung_slices(),
    }


def _axial_grid(grid: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """Shape and spacing of a record's axial slices; a radiograph is one slice."""
    if "slices" not in grid:
        return (1, grid["rows"], grid["columns"]), grid["spacing_mm"]
    shape = grid["slices"], grid["rows"], grid["columns"]
    known = grid["spacing_mm"] is not None
    geometry = VolumeGeometry(shape, grid["affine_lps"], spacing_known=known)
    axial = geometry.to_axial().geometry(geometry)
    return axial.shape, axial.spacing
