"""`summary.csv`: a row a record, in columns that do not depend on what was found."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Set
from typing import Final

from lungseg.measurement import OWNERS, QUANTITIES
from lungseg.modality import MODALITIES, Modality
from lungseg.structures import LUNGS, groups
from lungseg.writers.cells import harmless
from lungseg.writers.record import Record

COLUMNS: Final = (
    "input",
    "name",
    "sha256",
    "modality",
    "verdict",
    "codes",
    "reasons",
    "sides",
    "restrictions",
    "notes",
    "report",
)
"""The first columns of every table; a block for each modality of its records follows."""

ALWAYS: Final = (*groups(LUNGS), "")
"""Whose columns each block has, whether they were measured or not."""


def measured(records: Iterable[Record]) -> dict[Modality, set[str]]:
    """For each modality of the records the structures and pairs that were measured."""
    found: dict[Modality, set[str]] = {}
    for record in records:
        if "modality" in record:
            owners = found.setdefault(record["modality"], set())
            owners.update(m["structure"] for m in record.get("measurements", []))
    return found


def table(records: Iterable[Record], found: Mapping[Modality, Set[str]]) -> bytes:
    r"""The table of records, as UTF-8: a byte of a name that is none is written like \udcff.

    Args:
        records: a row each.
        found: what `measured` gave for them.
    """
    stream = io.StringIO(newline="")
    # A later version of the same schema may have quantities that this one does not know.
    writer = csv.DictWriter(stream, columns(found), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(map(row, records))
    return stream.getvalue().encode("utf-8", "backslashreplace")


def columns(found: Mapping[Modality, Set[str]]) -> list[str]:
    """The columns of a table: `COLUMNS`, then those of radiographs, then those of CT that
    radiographs lack; of each modality those of the lungs, those of no structure, and then those of
    each other structure and pair.

    Args:
        found: what `measured` gave.
    """
    names = dict.fromkeys(COLUMNS)
    for modality in MODALITIES:
        for owner in sorted((*OWNERS, ""), key=lambda one: one not in ALWAYS):
            if modality not in found:
                continue
            if owner in ALWAYS or owner in found[modality]:
                names |= dict.fromkeys(
                    column(quantity.name, owner, unit)
                    for quantity in QUANTITIES[modality]
                    for unit in quantity.units
                    if owner in quantity.owners
                )
    return list(names)


def column(name: str, structure: str, unit: str) -> str:
    """Of a measurement, such as "right_lung_area_mm2"; what has the unit "1" has none in its
    column, and what is of no structure none either.
    """
    parts = (structure.replace(" ", "_"), name, "" if unit == "1" else unit)
    return "_".join(part for part in parts if part)


def row(record: Record) -> dict[str, str]:
    """The cells of a record that are not empty, by column."""
    measurements = record.get("measurements", [])
    restrictions = dict.fromkeys(m["restriction"] for m in measurements if m["restriction"])
    outputs = record.get("outputs", {})
    cells = {
        "input": record["input"],
        "name": record.get("name", ""),
        "sha256": record.get("sha256", ""),
        "modality": record.get("modality", ""),
        "verdict": record["verdict"],
        "codes": ";".join(record["codes"]),
        "reasons": "; ".join(record["reasons"]),
        "sides": record.get("sides") or "",
        "restrictions": ";".join(restrictions),
        "notes": "; ".join(record.get("notes", [])),
        "report": outputs.get("report", outputs.get("pdf", "")),
    }
    cells = {name: harmless(text) for name, text in cells.items()}
    return cells | {
        column(m["name"], m["structure"], m["unit"]): f"{m['value']:.6g}"
        for m in measurements
        if m["value"] is not None
    }
