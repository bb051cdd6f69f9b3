"""All that one report shows, whether the result is at hand or read again from a folder of
results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard, read_card
from lungseg.draw.picture import Picture, display, grey, paint, refused_stamp, thumbnail
from lungseg.draw.volume import overview
from lungseg.errors import LungsegError
from lungseg.image import Image
from lungseg.morphology.histograms import histograms
from lungseg.options import SegmentOptions
from lungseg.predict import embedded_models, find_model
from lungseg.readers import read_label_volume
from lungseg.report.deidentify import blanked, header_identity, secrets, shown_name
from lungseg.result import Result
from lungseg.segmentation import Segmentation
from lungseg.segmenter import read_source
from lungseg.structures import groups
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers import stem

SIDE: Final = 1024
"""Pixels of the longer side of a radiograph in a report; a larger one is shrunk. Sheets of slices
stay as they are."""

Marked = Segmentation[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What a report shows of one input.

    Attributes:
        title: what the input is called; nothing by which the patient is known, unless that was
            asked for.
        record: as in `results.jsonl`; texts that stand in the report come from here through
            `words_of`.
        card: of the model; None where that model is not at hand any more.
        original: (rows, columns, 3), the picture as read, or the slices of a volume; None where it
            cannot be shown.
        marked: the same with the lungs painted; None where no mask is shown.
        densities: how many voxels have each Hounsfield unit, by lung.
        said: what the reader must know of the pictures.
        identity: what the reader is told of file and patient, by name; empty unless that was asked
            for.
        secret: words that must not be read in the report.
    """

    title: str
    record: Mapping[str, Any]
    card: ModelCard | None
    original: Picture | None = None
    marked: Picture | None = None
    densities: Mapping[str, NDArray[np.int64]] = field(default_factory=dict[str, NDArray[np.int64]])
    said: tuple[str, ...] = ()
    identity: Mapping[str, str] = field(default_factory=dict[str, str])
    secret: tuple[str, ...] = ()

    def words_of(self, name: str) -> list[str]:
        """The texts of a list in the record, "notes" or "reasons", without what must not be
        read.
        """
        return [blanked(text, self.record, self.secret) for text in self.record.get(name, [])]


def study_of(
    result: Result[Any],
    *,
    name: str | None = None,
    identify: bool = False,
    strict: bool = False,
) -> Study:
    """The report's contents for a result at hand.

    Args:
        result: of a radiograph or a CT.
        name: what its outputs are called; the name of its file without ending where not given.
        identify: show the file's path, and patient's name and ID where the file is DICOM.
        strict: show no mask and no numbers of a refused input.
    """
    # What goes through JSON looks the same as what comes back from a ledger.
    entry: dict[str, Any] = json.loads(json.dumps(result.record())) | {
        "name": stem(result.record()["input"]) if name is None else name
    }
    hidden = strict and result.verdict.status == "refused"
    source = result.image
    said = (
        ("The input was refused and skip_refused was set, so no mask and no numbers are shown.",)
        if hidden
        else ()
    )
    if hidden:
        entry["measurements"] = []
    return _study(
        entry,
        result.card,
        source,
        None if hidden else result.segmentation,
        said=said,
        identify=identify,
    )


def study_again(entry: Mapping[str, Any], folder: Path, *, identify: bool = False) -> Study:
    """The report's contents for a record in the `results.jsonl` of `folder`; the picture is read
    again from the input.

    Where the input is gone or is another one now, or the mask is not there, the overlay of the
    folder stands alone, and that is said.
    """
    outputs: Mapping[str, str] = entry.get("outputs", {})
    source, segmentation, said = None, None, []
    hidden = bool(entry.get("options", {}).get("skip_refused")) and entry["verdict"] == "refused"
    try:
        source = _read_again(entry)
        if source.sha256 != entry["sha256"]:
            source = None
            said.append(
                "The input has changed since it was segmented, so the picture itself is not shown."
            )
    except LungsegError:
        said.append(
            "The input is not where it was, or cannot be read any more, so the picture itself is "
            "not shown."
        )
    if (
        source is not None
        and not hidden
        and "mask" in outputs
        and not entry.get("options", {}).get("binary")
    ):
        segmentation = _mask_again(source, folder / outputs["mask"])
    record = {**entry, "measurements": []} if hidden else entry
    if hidden:
        said.append(
            "The input was refused and skip_refused was set, so no mask and no numbers are shown."
        )
    elif segmentation is None and "overlay" not in outputs:
        said.append(
            "No mask that says which lung is which and no overlay lie in the folder of results, "
            "so none is shown."
        )
    overlay = (
        None
        if hidden or segmentation is not None
        else _picture(folder / outputs.get("overlay", ""))
    )
    return _study(
        record,
        _card(entry["model"]),
        source,
        segmentation,
        said=tuple(said),
        identify=identify,
        overlay=overlay,
    )


def _study(
    entry: Mapping[str, Any],
    card: ModelCard | None,
    source: Image | Volume | None,
    segmentation: Marked | None,
    *,
    said: tuple[str, ...],
    identify: bool,
    overlay: Picture | None = None,
) -> Study:
    header = header_identity(entry)
    secret = () if identify or header is None else secrets(header)
    if overlay is not None and entry["kind"] != "ct":
        overlay = _smaller(overlay)
    original, marked, densities = _pictures(
        source, segmentation, Verdict(entry["verdict"], tuple(entry["reasons"]))
    )
    return Study(
        title=shown_name(entry, None if header is None and not identify else secret),
        record=entry,
        card=card,
        original=original,
        marked=overlay if marked is None else marked,
        densities=densities,
        said=said,
        identity={"Input": entry["input"], **(header or {})} if identify else {},
        secret=secret,
    )


def _pictures(
    source: Image | Volume | None, segmentation: Marked | None, verdict: Verdict
) -> tuple[Picture | None, Picture | None, dict[str, NDArray[np.int64]]]:
    """The original, the marked one, and densities."""
    if source is None:
        return None, None, {}
    if isinstance(source, Image):
        marked = (
            None
            if not isinstance(segmentation, Segmentation)
            else paint(display(source), segmentation.labels)
        )
        return (
            _smaller(grey(source)),
            None if marked is None else refused_stamp(_smaller(marked), verdict),
            {},
        )
    if segmentation is None:  # all of it, evenly spread
        return (
            overview(
                source, source.with_labels(np.zeros(source.array.shape, np.uint8)), marked=False
            ),
            None,
            {},
        )
    counts = (
        histograms(source.array, segmentation.labels, groups(segmentation.shown))
        if source.hounsfield and segmentation.labels.any()
        else {}
    )
    return (
        overview(source, segmentation, marked=False),
        refused_stamp(overview(source, segmentation), verdict),
        counts,
    )


def _smaller(picture: Picture) -> Picture:
    return thumbnail(picture, SIDE) if max(picture.shape[:2]) > SIDE else picture


def _read_again(entry: Mapping[str, Any]) -> Image | Volume:
    """The input of a record, read as it was read then.

    Raises:
        LungsegError: it cannot be read.
    """
    options = SegmentOptions.from_record(entry.get("options", {}))
    return read_source(entry["input"], entry["kind"], options)


def _mask_again(source: Image | Volume, path: Path) -> Marked | None:
    """The mask in a file, on the grid of its image; None where there is none that fits."""
    try:
        labels, _ = read_label_volume(path)
        if isinstance(source, Image):
            return source.with_labels(labels[0]) if labels.shape[0] == 1 else None
        return source.with_labels(labels)
    except LungsegError:
        return None


def _picture(path: Path) -> Picture | None:
    """A PNG file as (rows, columns, 3) of red, green and blue; None where there is none."""
    import cv2

    try:
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    return None if picture is None else np.asarray(picture[..., ::-1], np.uint8)


def _card(model: Mapping[str, str]) -> ModelCard | None:
    """Of the embedded model that has this SHA-256."""
    for name in embedded_models():
        card = read_card(find_model(name).with_suffix(".json"))
        if card.sha256 == model["sha256"]:
            return card
    return None
