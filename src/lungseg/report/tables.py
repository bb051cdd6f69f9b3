"""Numbers of a report as values: the table of measurements, the histogram of densities, and how it
was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.measurement import OWNERS, unit_in_words
from lungseg.report import texts
from lungseg.structures import PLURAL, shown_among

STEP: Final = 10
"""Hounsfield units in one step of the histogram."""

SHOWN: Final = (-1050, 150)
"""Hounsfield units between which densities are drawn; what lies beyond is in the first and last
step."""

MIN_HU: Final = -(1 << 15)
"""The Hounsfield unit that the first count of a histogram is of."""

Entries = tuple[tuple[str, str], ...]
"""Names and values, in rows of two."""


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """One measurement, ready to be read.

    Attributes:
        title: its name.
        definition: in a sentence.
        values: a text for each column; empty where there is no such value.
        unit: of them all.
        published: what is published of healthy adults.
    """

    title: str
    definition: str
    values: tuple[str, ...]
    unit: str
    published: str


KEY: Final = {
    "radiograph": (
        ("area", PLURAL),
        ("cardiothoracic_ratio", ""),
        ("expected_dice", PLURAL),
        ("asymmetry", PLURAL),
        ("confidence", PLURAL),
    ),
    "ct": (
        ("volume", PLURAL),
        ("laa950", PLURAL),
        ("expected_dice", PLURAL),
        ("asymmetry", PLURAL),
        ("confidence", PLURAL),
    ),
}
"""What counts most, of which the first `KEY_NUMBERS` that were measured begin a report."""
KEY_NUMBERS: Final = 3
SIZES: Final = ("area", "volume")


@dataclass(frozen=True, slots=True)
class MeasurementTable:
    """All measurements.

    Attributes:
        columns: heads of the columns of values.
        rows: none where nothing was measured, or nothing may be shown.
        remark: how to take what is published, or why nothing is.
        sources: of what is published, numbered from 1; none where nothing is.
    """

    columns: tuple[str, ...]
    rows: tuple[MeasurementRow, ...]
    remark: str
    sources: tuple[str, ...]

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of all columns; without the last where nothing is published."""
        last = ("Healthy adults, as published",) if self.sources else ()
        return ("Measurement", *self.columns, "Unit", *last)


@dataclass(frozen=True, slots=True, eq=False)
class Densities:
    """The histogram of each structure's Hounsfield units.

    Attributes:
        counts: voxels in each step of `STEP` Hounsfield units, by structure.
        edges: the ends of the steps, one more than there are steps.
    """

    counts: Mapping[str, NDArray[np.int64]]
    edges: NDArray[np.int64]

    @property
    def percent(self) -> dict[str, NDArray[np.float64]]:
        """The same, in percent of each structure's voxels."""
        return {name: 100 * counts / max(1, counts.sum()) for name, counts in self.counts.items()}


def key_numbers(record: Mapping[str, Any]) -> Entries:
    """The numbers that count most of a record, each with its unit and then its name."""
    found = {(m["name"], m["structure"]): m for m in record["measurements"]}
    known = texts.definitions(record["modality"])
    numbers = []
    for key in KEY[record["modality"]]:
        if key in found and found[key]["value"] is not None:
            unit, restriction = found[key]["unit"], found[key]["restriction"]
            value = texts.number(found[key]["value"], unit)
            what = known[key[0]].title + (f" of the {key[1]}" if key[0] in SIZES else "")
            words = unit_in_words(unit, restriction)
            numbers.append((f"{value} {words}".rstrip(), what))
    return tuple(numbers[:KEY_NUMBERS])


def measurement_table(record: Mapping[str, Any]) -> MeasurementTable:
    """The measurements of a record, a row for each name."""
    measurements = record["measurements"]
    values = {(m["name"], m["structure"]): m["value"] for m in measurements}
    known = texts.definitions(record["modality"])
    labels = in_order(m["structure"] for m in measurements)
    # What is published is of whole lungs, their volume in mL.
    whole = record["modality"] == "ct" and not is_one_slice(record)
    rows = []
    units = {m["name"]: (m["unit"], m["restriction"]) for m in measurements}
    for name, (unit, restriction) in units.items():
        about = known.get(name, texts.Definition(name, "", {}))
        cells = tuple(
            texts.number(values[name, label], unit) if (name, label) in values else ""
            for label in labels
        )
        published = texts.published(about) if whole and unit != "voxels" else ""
        rows.append(
            MeasurementRow(
                about.title, about.text, cells, unit_in_words(unit, restriction), published
            )
        )
    columns = tuple((label or "chest").capitalize() for label in labels)
    if any(row.published for row in rows):
        return MeasurementTable(columns, tuple(rows), texts.CAUTION, texts.SOURCES)
    remark = texts.SINGLE_SLICE if record["modality"] == "ct" else texts.NONE_PUBLISHED
    return MeasurementTable(columns, tuple(rows), remark, ())


def in_order(labels: Iterable[str]) -> list[str]:
    """Names of structures and pairs in the order of the columns of `summary.csv`, each once; what
    is none of them comes last.
    """
    place = {owner: number for number, owner in enumerate(OWNERS)}
    return sorted(dict.fromkeys(labels), key=lambda label: place.get(label, len(place)))


def is_one_slice(record: Mapping[str, Any]) -> bool:
    """Whether a record of CT is of a single slice."""
    grid = record["grid"]
    return 1 in (grid["slices"], grid["rows"], grid["columns"])


def densities_of(histograms: Mapping[str, NDArray[np.int64]]) -> Densities:
    """Histograms of every Hounsfield unit (`lungseg.morphology.histograms`) in steps of `STEP`."""
    edges = np.arange(SHOWN[0], SHOWN[1] + 1, STEP)
    values = np.clip(np.arange(MIN_HU, -MIN_HU), SHOWN[0], SHOWN[1] - 1)
    counts = {
        structure.name: np.histogram(values, edges, weights=histograms[structure.name])[0].astype(
            np.int64
        )
        for structure in shown_among(histograms)
    }
    return Densities(counts, edges)


def making(record: Mapping[str, Any], card: ModelCard | None, notes: Iterable[str]) -> Entries:
    """Input, model and program.

    Args:
        record: of the input.
        card: of the model; None where it is not at hand.
        notes: what reading had to assume, and the like.
    """
    grid = record["grid"]
    size = " x ".join(str(grid[side]) for side in ("slices", "rows", "columns") if side in grid)
    what = "CT" if record["modality"] == "ct" else "radiograph"
    model = record["model"]
    rows = [
        ("Input", f"{what}, {record['format']}, {size}, spacing {_spacing(grid)}"),
        ("SHA-256 of the input", record["sha256"]),
        *(("Note", note) for note in notes),
        ("Model", f"{model['name']} {model['version']}, SHA-256 {model['sha256']}"),
    ]
    if card is None:
        rows.append(("About the model", texts.NO_CARD))
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
    rows.append(("Program", f"lungseg {record['versions']['lungseg']}"))
    return readable(row for row in rows if row[1])


def readable(rows: Iterable[tuple[str, str]]) -> Entries:
    """Rows whose values can be written."""
    return tuple((name, texts.readable(value)) for name, value in rows)


def _spacing(grid: Mapping[str, Any]) -> str:
    if not grid["spacing_mm"]:
        return "not known"
    spacing = " x ".join(f"{side:.4g}" for side in grid["spacing_mm"]) + " mm"
    at_detector = grid.get("spacing_plane") == "detector"
    return f"{spacing} at the detector, where everything is magnified" if at_detector else spacing
