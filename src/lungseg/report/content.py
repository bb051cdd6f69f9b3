"""What a report contains: sections, rows, sentences and pictures as values. How they look is for
`html` and `pdf` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lungseg.card import ModelCard, read_card
from lungseg.draw.lines import with_lines
from lungseg.draw.picture import Picture
from lungseg.predict import embedded_models, find_model
from lungseg.provenance import Patient
from lungseg.report import texts
from lungseg.report.deidentify import blanked, identity, patient_of_record, secrets, shown_name
from lungseg.report.pictures import MAX_SIDE, Shown, pictures_again, pictures_of
from lungseg.report.tables import (
    SIZES,
    Densities,
    Entries,
    MeasurementTable,
    densities_of,
    is_one_slice,
    key_numbers,
    making,
    measurement_table,
    readable,
)
from lungseg.result import Result
from lungseg.structures import Structure
from lungseg.writers import stem


@dataclass(frozen=True, slots=True)
class VerdictSection:
    """Whether to rely on the mask.

    Attributes:
        status: "ok", "review" or "refused".
        title: the same for a reader.
        sentence: what that means.
        reasons: what speaks against the mask.
        doubts: what speaks against the measurements.
    """

    status: str
    title: str
    sentence: str
    reasons: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The picture as read, and with what was found marked on it.

    Attributes:
        original: (rows, columns, 3) of red, green and blue; None where it cannot be shown.
        marked: the same; None where no mask is shown.
        what_original_shows, what_marked_shows: in words.
        caption: what must be known to look at them.
        legend: what is said of each structure that is marked, where anything is.
    """

    original: Picture | None
    marked: Picture | None
    what_original_shows: str
    what_marked_shows: str
    caption: str
    legend: Mapping[Structure, str]

    @property
    def all(self) -> list[Picture]:
        """Those that there are."""
        return [picture for picture in (self.original, self.marked) if picture is not None]

    @property
    def side_by_side(self) -> bool:
        """Whether there are two, and they are narrow enough to stand beside each other."""
        rows, columns = self.all[-1].shape[:2]
        return len(self.all) == 2 and columns < 1.5 * rows and columns <= MAX_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class ReportContent:
    """What a report contains of one input.

    Attributes:
        name: what the input is called; nothing by which the patient is known, unless that was asked
            for.
        identity: file and patient; empty unless that was asked for.
        verdict: whether to rely on the mask.
        numbers: those that count most, each with its unit, and its name; none of a refused input.
        pictures: as read, and marked.
        remarks: what the reader must know of the pictures.
        quality: the expected Dice as a sentence; empty of a refused input, whose mask no person
            would have drawn.
        measurements: in a table.
        densities: None where no voxel of a structure has Hounsfield units.
        making: input, model and program.
    """

    name: str
    identity: Entries
    verdict: VerdictSection
    numbers: Entries
    pictures: Pictures
    remarks: tuple[str, ...]
    quality: str
    measurements: MeasurementTable
    densities: Densities | None
    making: Entries

    @property
    def title(self) -> str:
        """The heading."""
        return f"Lungs of {self.name}"


def content_of(
    result: Result[Any],
    record: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    show_identity: bool = False,
    skip_refused: bool = False,
    overlay: Picture | None = None,
) -> ReportContent:
    """What the report of a result at hand contains.

    Args:
        result: of a radiograph or a CT.
        record: of the result, for who has made it already.
        name: what its outputs are called; the name of its file without ending where not given.
        show_identity: show the file's path, and patient's name and ID where the file is DICOM.
        skip_refused: show no mask and no numbers of a refused input.
        overlay: what `lungseg.draw.painted` made of the result, for who has it already.
    """
    known = result.record() if record is None else record
    named = {**known, "name": stem(known["input"]) if name is None else name}
    hidden = skip_refused and result.verdict.status == "refused"
    segmentation = None if hidden else result.segmentation
    shown = pictures_of(result.image, segmentation, result.verdict, overlay)
    if hidden:
        shown = replace(shown, remarks=(texts.REFUSED_SKIPPED,))
    return _content(named, result.card, shown, hidden=hidden, show_identity=show_identity)


def content_again(
    record: Mapping[str, Any], folder: Path, *, show_identity: bool = False
) -> ReportContent:
    """What the report of a record in the `results.jsonl` of `folder` contains; the picture is read
    again from the input.

    Where the input is gone or is another one now, or the mask is not there, the overlay of the
    folder stands alone, and that is said.
    """
    hidden = bool(record.get("options", {}).get("skip_refused")) and record["verdict"] == "refused"
    shown = pictures_again(record, folder, hidden=hidden)
    card = _embedded_card(record["model"])
    return _content(record, card, shown, hidden=hidden, show_identity=show_identity)


def _content(
    record: Mapping[str, Any],
    card: ModelCard | None,
    shown: Shown,
    *,
    hidden: bool,
    show_identity: bool,
) -> ReportContent:
    """Args:
    hidden: nothing that was measured is shown.
    """
    record = {**record, "measurements": []} if hidden else record
    patient = shown.patient or patient_of_record(record)
    secret = () if show_identity or patient is None else secrets(patient)
    known = {"Input": record["input"], **identity(patient or Patient())} if show_identity else {}
    title, sentence = texts.VERDICTS[record["verdict"]]
    reasons, notes = (
        tuple(texts.readable(blanked(text, record, secret)) for text in record.get(key, ()))
        for key in ("reasons", "notes")
    )
    rated = record["measurements"] and record["verdict"] != "refused"
    values = {(m["name"], m["structure"]): m["value"] for m in record["measurements"]}
    return ReportContent(
        name=shown_name(record, None if patient is None and not show_identity else secret),
        identity=readable(known.items()),
        verdict=VerdictSection(record["verdict"], title, sentence, reasons, texts.doubts(record)),
        numbers=key_numbers(record) if rated else (),
        pictures=_pictures(record, shown),
        remarks=shown.remarks,
        quality=texts.expected(values) if rated else "",
        measurements=measurement_table(record),
        densities=densities_of(shown.histograms) if shown.histograms else None,
        making=making(record, card, notes),
    )


def _pictures(record: Mapping[str, Any], shown: Shown) -> Pictures:
    sizes = {m["structure"]: m["value"] for m in record["measurements"] if m["name"] in SIZES}
    found = [structure for structure in shown.structures if sizes.get(structure.name)]
    one_slice = record["modality"] == "ct" and is_one_slice(record)
    lines = [
        ends
        for m in record["measurements"]
        for ends in zip(m["points"][::2], m["points"][1::2], strict=True)
    ]
    marked = shown.marked
    if marked is not None and lines:
        marked = with_lines(marked, lines, (record["grid"]["rows"], record["grid"]["columns"]))
    return Pictures(
        shown.original,
        marked,
        what_original_shows=texts.what_is_shown(record["modality"], one_slice=one_slice),
        what_marked_shows=texts.what_is_marked(shown.structures, found),
        caption=texts.caption(record["modality"], found, one_slice=one_slice),
        legend={} if shown.marked is None else {s: texts.legend(s) for s in shown.structures},
    )


def _embedded_card(model: Mapping[str, str]) -> ModelCard | None:
    """Of the embedded model that has this SHA-256."""
    for name in embedded_models():
        card = read_card(find_model(name).with_suffix(".json"))
        if card.sha256 == model["sha256"]:
            return card
    return None
