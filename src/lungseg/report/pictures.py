"""What a report shows of an image or volume: its picture, the same with what was found marked, and
its histograms; of a result at hand, or read again for a record in a folder of results.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.draw.painted import painted
from lungseg.draw.picture import Picture, grey, in_proportion, refused_stamp, thumbnail
from lungseg.draw.stored import read_picture
from lungseg.draw.volume import overview
from lungseg.errors import LungsegError, UnreadableError
from lungseg.image import Image
from lungseg.morphology.histograms import histograms
from lungseg.options import SegmentOptions
from lungseg.provenance import Patient
from lungseg.readers import read_label_volume
from lungseg.report.texts import INPUT_CHANGED, INPUT_GONE, NO_MASK, REFUSED_SKIPPED
from lungseg.segmentation import Segmentation
from lungseg.segmenter import read_source
from lungseg.structures import LUNGS_AS_ONE, Structure, groups, shown_among
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers import input_path

MAX_SIDE: Final = 1024
"""Pixels of the longer side of a radiograph in a report; a larger one is shrunk. Sheets of slices
stay as they are."""

JPEG_QUALITY: Final = 85
"""A radiograph of 1024 pixels takes some 150 kB."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What there is to show.

    Attributes:
        original: (rows, columns, 3), the picture as read, or the slices of a volume; None where it
            cannot be shown.
        marked: the same with what was found tinted and outlined; None where no mask is shown.
        structures: those that are marked, wherever they were found.
        histograms: how many voxels have each Hounsfield unit, by structure and pair
            (`lungseg.morphology.histograms`); empty of what has no Hounsfield units.
        remarks: what the reader must know of them.
        patient: who was imaged; None where the input is not at hand.
    """

    original: Picture | None = None
    marked: Picture | None = None
    structures: tuple[Structure, ...] = ()
    histograms: Mapping[str, NDArray[np.int64]] = field(
        default_factory=dict[str, NDArray[np.int64]]
    )
    remarks: tuple[str, ...] = ()
    patient: Patient | None = None


def pictures_of(
    source: Image | Volume,
    segmentation: Segmentation[Any] | None,
    verdict: Verdict,
    overlay: Picture | None = None,
) -> Shown:
    """What is shown of an input that is at hand; nothing is marked without a segmentation.

    Args:
        source: the input.
        segmentation: its structures.
        verdict: where it is "refused", the overlay says so.
        overlay: what `lungseg.draw.painted` made of both, for who has it already.
    """
    counts: Mapping[str, NDArray[np.int64]] = {}
    patient = source.provenance.patient
    if isinstance(source, Image):
        spacing = source.geometry.spacing
        original = _shrunk(grey(source), spacing)
        if segmentation is None:
            return Shown(original, patient=patient)
        marked = _shrunk(painted(source, segmentation) if overlay is None else overlay, spacing)
    elif segmentation is None:  # all of it, evenly spread
        nothing = source.with_labels(np.zeros(source.array.shape, np.uint8))
        return Shown(overview(source, nothing, marked=False), patient=patient)
    else:
        original = overview(source, segmentation, marked=False)
        marked = painted(source, segmentation) if overlay is None else overlay
        if source.hounsfield and segmentation.labels.any():
            counts = histograms(source.array, segmentation.labels, groups(segmentation.shown))
    marked = refused_stamp(marked, verdict)
    return Shown(original, marked, _every_structure(segmentation), counts, patient=patient)


def pictures_again(record: Mapping[str, Any], folder: Path, *, hidden: bool) -> Shown:
    """What is shown for a record in the `results.jsonl` of `folder`; the input is read again.

    Where it is gone or is another one now, or the mask is not there, the overlay of the folder
    stands alone, and that is said. The overlay is also what is marked where the mask does not hold
    all of the structures.

    Args:
        record: of an input that could be segmented.
        folder: of the results.
        hidden: show no mask.
    """
    outputs: Mapping[str, str] = record.get("outputs", {})
    source, segmentation, remarks = None, None, []
    try:
        source = _read_again(record)
        if source.provenance.sha256 != record["sha256"]:
            source = None
            remarks.append(INPUT_CHANGED)
    except LungsegError:
        remarks.append(INPUT_GONE)
    if source is not None and not hidden:
        segmentation = _mask_again(source, record, folder)
    if hidden:
        remarks.append(REFUSED_SKIPPED)
    elif segmentation is None and "overlay" not in outputs:
        remarks.append(NO_MASK)
    shown = Shown()
    if source is not None:
        verdict = Verdict(record["verdict"], tuple(record["codes"]), tuple(record["reasons"]))
        shown = pictures_of(source, segmentation, verdict)
    measured = shown_among(m["structure"] for m in record["measurements"])
    whole = segmentation is not None and set(measured) <= set(shown.structures)
    if not hidden and "overlay" in outputs and not whole:
        with suppress(UnreadableError):  # then what the mask holds is all there is
            marked = read_picture(folder / outputs["overlay"])
            if record["modality"] != "ct":
                marked = _shrunk(marked, record["grid"]["spacing_mm"])
            shown = replace(shown, marked=marked, structures=measured)
    return replace(shown, remarks=tuple(remarks))


def _every_structure(segmentation: Segmentation[Any]) -> tuple[Structure, ...]:
    """Those of all layers, the layer of the lungs first."""
    others = (one for layer in segmentation.structures for one in layer)
    return tuple(dict.fromkeys((*segmentation.shown, *others)))


def _in_mask(record: Mapping[str, Any]) -> tuple[Structure, ...]:
    """The structures of the label map that holds the lungs: all that were measured, but for those
    of other layers, which have files of their own.
    """
    measured, outputs = {m["structure"] for m in record["measurements"]}, record.get("outputs", {})
    return tuple(
        structure
        for structure in shown_among(measured)
        if not any(structure.name.replace(" ", "_") in output for output in outputs)
    )


def jpeg(picture: Picture) -> bytes:
    """A picture (rows, columns, 3) of red, green and blue as the bytes of a JPEG file."""
    return cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[
        1
    ].tobytes()


def _shrunk(picture: Picture, spacing: tuple[float, float] | None) -> Picture:
    """In the proportions of the patient, and no larger than `MAX_SIDE`."""
    if max(picture.shape[:2]) > MAX_SIDE:
        picture = thumbnail(picture, MAX_SIDE)
    shown = in_proportion(picture, spacing)
    return thumbnail(shown, MAX_SIDE) if max(shown.shape[:2]) > MAX_SIDE else shown


def _read_again(record: Mapping[str, Any]) -> Image | Volume:
    """The input of a record, read as it was read then.

    Raises:
        LungsegError: it cannot be read.
    """
    options = SegmentOptions.from_record(record.get("options", {}))
    return read_source(input_path(record), record["modality"], options)


def _mask_again(
    source: Image | Volume, record: Mapping[str, Any], folder: Path
) -> Segmentation[Any] | None:
    """The mask in the folder, on the grid of its image; None where there is none that fits and
    tells right from left.
    """
    name = record.get("outputs", {}).get("mask")
    if name is None or record.get("options", {}).get("binary"):
        return None
    try:
        labels, _ = read_label_volume(folder / name)
        structures = _in_mask(record)
        if structures and structures[0] is LUNGS_AS_ONE:  # a binary mask: 255, or 1 in a volume
            labels = np.where(labels > 0, np.uint8(LUNGS_AS_ONE.number), np.uint8(0))
        if isinstance(source, Volume):
            return source.with_labels(labels, structures)
        return source.with_labels(labels[0], structures) if labels.shape[0] == 1 else None
    except LungsegError:
        return None
