"""The report of one input as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.report.charts import Axis, densities
from lungseg.report.content import Study
from lungseg.report.deidentify import FIELDS
from lungseg.report.frame import asset, frame, image, section
from lungseg.report.texts import (
    CAUTION,
    DENSITIES,
    EMPHYSEMA,
    NO_DEVICE,
    NONE_PUBLISHED,
    SINGLE_SLICE,
    SOURCES,
    VERDICTS,
    Definition,
    definitions,
    expected,
    number,
    published,
    readable,
    unit_in_words,
)
from lungseg.structures import LEFT_LUNG, LUNGS, PLURAL, RIGHT_LUNG

LABELS: Final = (RIGHT_LUNG.name, LEFT_LUNG.name, PLURAL)

STEP: Final = 10
"""Hounsfield units in one step of the histogram."""

SHOWN: Final = (-1050, 150)
"""Hounsfield units between which densities are drawn; what lies beyond is in the first and last
step."""

LOWEST: Final = -(1 << 15)
"""The Hounsfield unit that the first count of a study's densities is of."""

NONE_FOUND: Final = "none found"

CLASSES: Final = {RIGHT_LUNG.name: "right", LEFT_LUNG.name: "left"}
"""Of each lung's curve, in the style sheet."""

Counts = NDArray[np.int64]


def html_page(study: Study) -> str:
    """The page of a study; opens from a mail, loads nothing."""
    parts = [
        f'<p class="device">{NO_DEVICE}</p>',
        f"<dl>{_rows(identity_rows(study))}</dl>" if study.identity else "",
        _verdict(study),
        section("Pictures", _pictures(study), *(f"<p>{escape(words)}</p>" for words in study.said)),
        section("Expected quality", text=quality(study)) if quality(study) else "",
        section("Measurements", _measurements(study)) if study.record["measurements"] else "",
        section("Densities", _densities(study)) if study.densities else "",
        section("How it was made", _making(study)),
        f"<footer><p>{NO_DEVICE}</p></footer>",
    ]
    return frame(
        f"Lungs of {study.title}",
        "\n".join(part for part in parts if part),
        script=asset("compare.js"),
    )


def identity_rows(study: Study) -> list[tuple[str, str]]:
    """File and patient, where the study names them, in rows of two."""
    return [(FIELDS.get(name, name), value) for name, value in study.identity.items()]


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    return "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(readable(value))}</dd>" for name, value in rows
    )


def _verdict(study: Study) -> str:
    status = study.record["verdict"]
    title, sentence = VERDICTS[status]
    reasons = "".join(
        f"<li>{escape(readable(reason))}</li>" for reason in study.words_of("reasons")
    )
    return (
        f'<section class="verdict {status}"><h2>Verdict: {title}</h2><p>{escape(sentence)}</p>'
        f"{f'<ul>{reasons}</ul>' if reasons else ''}</section>"
    )


def what_is_shown(study: Study) -> str:
    """The picture in words, as alternative text."""
    return (
        "the radiograph"
        if study.record["kind"] != "ct"
        else "the slice"
        if _is_one_slice(study)
        else "axial, coronal and sagittal slices of the CT"
    )


def _pictures(study: Study) -> str:
    what, both = (
        what_is_shown(study),
        [picture for picture in (study.original, study.marked) if picture is not None],
    )
    if not both:
        return ""
    rows, columns = both[-1].shape[:2]
    wider = "" if len(both) == 1 or columns < 1.5 * rows else " wider"
    single = " single" if len(both) == 1 else ""
    first = (
        ""
        if study.original is None
        else image(study.original, f"{what[0].upper()}{what[1:]}, as read.", 'class="before"')
    )
    second = (
        ""
        if study.marked is None
        else image(
            study.marked, f"The same with the lungs marked: {_found(study)}.", 'class="after"'
        )
    )
    slide = (
        '<label class="slide">Move to uncover the marked lungs<input type="range" min="0" '
        'max="100" value="50" step="1"></label>'
        if len(both) == 2
        else ""
    )
    legend = "".join(
        f'<li><span class="swatch" style="background:rgb{lung.colour}"></span>{lung.name} (the '
        "patient's)</li>"
        for lung in LUNGS
    )
    return (
        f'<figure{" class=compare" if slide else ""} style="--ratio:{columns / rows:.3f}">'
        f'<div class="pair{wider}{single}">{first}{second}</div>{slide}'
        f"<figcaption>{escape(caption(study))}</figcaption></figure>"
        f"{f'<ul class=legend>{legend}</ul>' if study.marked is not None else ''}"
    )


def caption(study: Study) -> str:
    """What must be known to look at the pictures."""
    if study.record["kind"] == "ct":
        sides = (
            "Head or front is up; the patient's right, in sagittal slices the front, is on "
            "the left."
        )
        if _is_one_slice(study):
            return f"The one slice that there is. {sides}"
        over = "volume" if _found(study) == NONE_FOUND else "lungs"
        return (
            f"Slices evenly spread over the {over}. {sides} The numbers count slices, rows "
            "and columns of the input from 0."
        )
    return "Not for diagnosis: the picture may be shrunk, and its greys are cut to 8 bits."


def _found(study: Study) -> str:
    """Which lungs have a size."""
    sizes = {
        m["label"]: m["value"]
        for m in study.record["measurements"]
        if m["name"] in ("area", "volume")
    }
    found = [lung.name for lung in LUNGS if sizes.get(lung.name)]
    return " and ".join(found) if found else NONE_FOUND


def _is_one_slice(study: Study) -> bool:
    return 1 in (study.record["slices"], study.record["rows"], study.record["columns"])


def values_of(study: Study) -> dict[tuple[str, str], float | None]:
    """The measurements by name and label."""
    return {(m["name"], m["label"]): m["value"] for m in study.record["measurements"]}


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement of a table, ready to be read.

    Attributes:
        title: its name.
        text: its definition.
        values: of right lung, left lung and both.
        unit: of them all.
        published: what is published of healthy adults.
    """

    title: str
    text: str
    values: tuple[str, ...]
    unit: str
    published: str


def quality(study: Study) -> str:
    """The expected Dice as a sentence; nothing of a refused input, whose mask no person would have
    drawn.
    """
    shown = study.record["measurements"] and study.record["verdict"] != "refused"
    return expected(values_of(study)) if shown else ""


def rows_of(study: Study) -> list[Row]:
    """The measurements of a study, a row for each name."""
    known, values = definitions(study.record["kind"]), values_of(study)
    rows = []
    for name, unit in {m["name"]: m["unit"] for m in study.record["measurements"]}.items():
        about = known.get(name, Definition(name, "", {}))
        cells = tuple(
            number(values[name, label], unit) if (name, label) in values else "" for label in LABELS
        )
        # What is published is of whole lungs, their volume in mL.
        alike = study.record["kind"] == "ct" and not _is_one_slice(study) and unit != "voxels"
        rows.append(
            Row(
                about.title,
                about.text,
                cells,
                unit_in_words(unit),
                published(about) if alike else "",
            )
        )
    return rows


def heads(rows: Sequence[Row]) -> list[str]:
    """The heads of their columns; without the last where nothing is published."""
    return ["Measurement", "Right lung", "Left lung", "Both", "Unit"] + [
        "Healthy adults, as published"
    ] * any(row.published for row in rows)


def none_published(study: Study) -> str:
    """Why there are no values to compare with."""
    return SINGLE_SLICE if study.record["kind"] == "ct" else NONE_PUBLISHED


def _measurements(study: Study) -> str:
    rows = rows_of(study)
    names = heads(rows)
    body = "".join(
        f'<tr><th scope="row">{escape(row.title)}<small>{escape(row.text)}</small></th>'
        f"{''.join(f'<td>{value}</td>' for value in row.values)}<td>{escape(row.unit)}</td>"
        + (f'<td class="words">{escape(row.published)}</td></tr>' if len(names) == 6 else "</tr>")
        for row in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    table = (
        '<div class="wide" tabindex="0" role="region" aria-label="Measurements"><table '
        'class="measured">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    if len(names) < 6:
        return f"{table}<p>{none_published(study)}</p>"
    sources = "".join(f"<li>{escape(source)}</li>" for source in SOURCES)
    return f'{table}<p>{CAUTION}</p><ol class="sources">{sources}</ol>'


def shares(study: Study) -> tuple[dict[str, Counts], Counts]:
    """How many voxels of each lung lie in each step of `STEP` Hounsfield units, and the ends of the
    steps.
    """
    edges = np.arange(SHOWN[0], SHOWN[1] + 1, STEP)
    values = np.clip(np.arange(LOWEST, -LOWEST), SHOWN[0], SHOWN[1] - 1)
    return {
        name: np.histogram(values, edges, weights=study.densities[name])[0].astype(np.int64)
        for name in CLASSES
    }, edges


def _densities(study: Study) -> str:
    steps, edges = shares(study)
    axis = Axis("Densities of each lung", SHOWN[0], SHOWN[1], (-950, EMPHYSEMA))
    chart = densities(steps, edges, axis, CLASSES)
    return f"<figure>{chart}<figcaption>{DENSITIES}</figcaption></figure>"


def making(study: Study) -> list[tuple[str, str]]:
    """Input, model and program in rows of two."""
    record, card = study.record, study.card
    size = " x ".join(str(record[side]) for side in ("slices", "rows", "columns") if side in record)
    spacing = (
        "not known"
        if not record["spacing_mm"]
        else " x ".join(f"{side:.4g}" for side in record["spacing_mm"]) + " mm"
    )
    if record.get("spacing_plane") == "detector":
        spacing += " at the detector, where everything is magnified"
    rows = [
        (
            "Input",
            f"{'CT' if record['kind'] == 'ct' else 'radiograph'}, {record['format']}, {size}, "
            f"spacing {spacing}",
        ),
        ("SHA-256 of the input", record["sha256"]),
        *(("Note", note) for note in study.words_of("notes")),
        (
            "Model",
            f"{record['model']['name']} {record['model']['version']}, SHA-256 "
            f"{record['model']['sha256']}",
        ),
    ]
    if card is None:
        rows.append(
            (
                "About the model",
                "its card is not at hand, so what it was trained on and where it fails is not "
                "shown",
            )
        )
    else:
        rows.append(("Network", card.architecture))
        rows += [
            (
                "Trained on",
                f"{entry.get('source', '')}: {entry.get('what', '')} ({entry.get('terms', '')})",
            )
            for entry in card.data
        ]
        rows.append(("Terms", card.terms))
        rows += [("Limit", limit) for limit in card.limits]
    return [*rows, ("Program", "lungseg " + str(record["versions"]["lungseg"]))]


def _making(study: Study) -> str:
    return f"<dl>{_rows([(name, value) for name, value in making(study) if value])}</dl>"
