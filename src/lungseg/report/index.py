"""The index of a folder of results: one page for any number of inputs, the worst verdicts first,
with small pictures beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import quote

from lungseg.measurement import unit_in_words
from lungseg.provenance import Patient
from lungseg.report.charts import Axis, Chart, bars, columns
from lungseg.report.deidentify import blanked, patient_of_record, secrets, shown_name
from lungseg.report.html import render
from lungseg.report.texts import NO_DEVICE, number, readable
from lungseg.structures import PLURAL
from lungseg.writers import LEFT_OUT, SEVERITY

INDEX: Final = "report.html"
REPORT, PDF = "_report.html", "_report.pdf"
"""What the name of a report ends in."""
THUMBNAILS: Final = "report_thumbnails"
"""The folder of the small pictures, beside the index."""
AT_FIRST: Final = 100
"""Rows that are there without JavaScript; with it, as many to a page."""
MAX_REASONS: Final = 20
"""Reasons that are counted in a chart; every failure may have one of its own."""
DOUBTED: Final = "implausible spacing"
"""What the unit of a size ends in that nothing is summed up of."""
TITLE: Final = "Lungs in a folder of images"
HEADS: Final = {
    "Picture": None,
    "Input": 0,
    "Modality": 3,
    "Verdict": 4,
    "Reasons": None,
    "Expected Dice": 5,
    "Confidence": 6,
    "Size of the lungs": 7,
    "Asymmetry in %": 9,
}
"""Heads of the columns, and which value of a row in the page's data each is sorted by."""
CHOICES: Final = {"verdict": "Verdict", "modality": "Modality", "reason": "Reason"}
"""What inputs are chosen by: names of fields in the page's script, and for a reader."""
MODALITY_WORDS: Final = {"ct": "CT", "radiograph": "radiograph", "": "unknown"}


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One input in the index; numbers are None where there are none.

    Attributes:
        title: what it is called, as in its report.
        report: whether there is one.
        thumbnail: whether there is a small picture.
        modality: in words.
        verdict: one of `lungseg.writers.SEVERITY`.
        dice: expected.
        confidence: of both lungs.
        size: area or volume of both lungs.
        unit: of the size.
        asymmetry: in percent.
        reasons: of the verdict.
        source: the input's path, where it is to be shown.
    """

    title: str
    report: bool
    thumbnail: bool
    modality: str
    verdict: str
    dice: float | None
    confidence: float | None
    size: float | None
    unit: str
    asymmetry: float | None
    reasons: tuple[str, ...]
    source: str

    @property
    def report_address(self) -> str:
        """Of its report, as seen from the index."""
        return quote(self.title + REPORT, safe="")

    @property
    def thumbnail_address(self) -> str:
        """Of its small picture."""
        return f"{THUMBNAILS}/{quote(self.title + '.jpg', safe='')}"


def rows_of(
    records: Iterable[Mapping[str, Any]], folder: Path, *, show_identity: bool = False
) -> list[IndexRow]:
    """The records of inputs in the `results.jsonl` of `folder` as rows, the worst first: by
    verdict, then by expected Dice or confidence.
    """
    there = {path.name for path in folder.glob(f"{THUMBNAILS}/*.jpg")}
    rows = [
        _row(record, there, folder, show_identity=show_identity)
        for record in records
        if record["verdict"] != LEFT_OUT
    ]
    return sorted(rows, key=lambda row: (SEVERITY.index(row.verdict), _order(row), row.title))


def _order(row: IndexRow) -> float:
    known = [value for value in (row.dice, row.confidence) if value is not None]
    return known[0] if known else -1.0


def _row(
    record: Mapping[str, Any], there: set[str], folder: Path, *, show_identity: bool
) -> IndexRow:
    report = record.get("outputs", {}).get("report", "")
    secret: tuple[str, ...] | None = ()
    if report and (show_identity or report != f"{record.get('name')}{REPORT}"):
        title = report.removesuffix(
            REPORT
        )  # perhaps a code, as the name was found to tell too much
    else:
        patient = Patient() if show_identity else patient_of_record(record)
        secret = None if patient is None else secrets(patient)
        title = shown_name(record, secret)
    hidden = record["verdict"] == "refused" and record.get("options", {}).get("skip_refused")
    values = {
        (m["name"], m["structure"]): (m["value"], unit_in_words(m["unit"], m["restriction"]))
        for m in (() if hidden else record.get("measurements", ()))
    }
    none = (None, "")
    size, unit = values.get(("volume", PLURAL), values.get(("area", PLURAL), none))
    reasons = (
        record["reasons"]
        if show_identity
        else [blanked(reason, record, secret or (), folder) for reason in record["reasons"]]
    )
    return IndexRow(
        title=title,
        report=report == f"{title}{REPORT}",
        thumbnail=f"{title}.jpg" in there,
        modality=MODALITY_WORDS.get(record.get("modality", ""), "unknown"),
        verdict=record["verdict"],
        dice=values.get(("expected_dice", PLURAL), none)[0],
        confidence=values.get(("confidence", PLURAL), none)[0],
        size=size,
        unit=unit,
        asymmetry=values.get(("asymmetry", PLURAL), none)[0],
        reasons=tuple(readable(reason) for reason in reasons),
        source=readable(str(record["input"])) if show_identity else "",
    )


def index_page(rows: Sequence[IndexRow]) -> str:
    """The page; it needs the folder of small pictures and the reports beside it."""
    values = {
        "no_device": NO_DEVICE,
        "numbers": _numbers(rows),
        "charts": _charts(rows),
        "choices": CHOICES,
        "heads": HEADS,
        "rows": rows[:AT_FIRST],
        "total": len(rows),
        "data": _data(rows),
    }
    return render("index.html", TITLE, values, script="index.js", nearby=True)


def _numbers(rows: Sequence[IndexRow]) -> list[tuple[str, str]]:
    """What sums up all of them, each value before its name."""
    counts, dice = Counter(row.verdict for row in rows), _expected(rows)
    numbers = [(str(len(rows)), "inputs")]
    numbers += [(str(counts[verdict]), verdict) for verdict in SEVERITY if counts[verdict]]
    numbers += (
        [(f"{median(dice):.3f}", "median expected Dice, without refused ones")] if dice else []
    )
    sizes = _sizes(rows)
    numbers += [
        (f"{number(median(some), unit)} {unit}", "median size")
        for unit, some in sizes.items()
        if not unit.endswith(DOUBTED)
    ]
    doubted = sum(len(some) for unit, some in sizes.items() if unit.endswith(DOUBTED))
    return numbers + ([(str(doubted), f"of {DOUBTED}: sizes in doubt")] if doubted else [])


def _expected(rows: Sequence[IndexRow]) -> list[float]:
    """The expected Dice of what was not refused."""
    return [row.dice for row in rows if row.dice is not None and row.verdict != "refused"]


def _sizes(rows: Sequence[IndexRow]) -> dict[str, list[float]]:
    """Sizes by unit, without lungs that were not found and what was refused."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.size and row.verdict != "refused":
            found.setdefault(row.unit, []).append(row.size)
    return found


def _charts(rows: Sequence[IndexRow]) -> list[Chart]:
    counts = Counter(row.verdict for row in rows)
    reasons = Counter(reason for row in rows if row.verdict != "failed" for reason in row.reasons)
    charts = [
        bars(
            {name: counts[name] for name in SEVERITY if counts[name]},
            "Inputs by verdict",
            {name: name for name in SEVERITY},
        )
    ]
    if reasons:
        charts.append(bars(dict(reasons.most_common(MAX_REASONS)), "Inputs by reason", {}))
    if dice := _expected(rows):
        charts.append(columns(dice, Axis("Expected Dice", max(0.0, min(0.8, *dice)), 1.0)))
    for unit, sizes in _sizes(rows).items():
        charts.append(columns(sizes, Axis(f"Size of the lungs in {unit}", 0.0, max(sizes))))
    return charts


def _data(rows: Sequence[IndexRow]) -> dict[str, Any]:
    """What the page's script shows, as it goes into JSON."""
    modalities, units = (
        list(dict.fromkeys(names))
        for names in ((row.modality for row in rows), (row.unit for row in rows))
    )
    reasons = list(dict.fromkeys(reason for row in rows for reason in row.reasons))
    number_of = {reason: i for i, reason in enumerate(reasons)}
    values = [
        [
            row.title,
            int(row.report),
            int(row.thumbnail),
            modalities.index(row.modality),
            SEVERITY.index(row.verdict),
            _rounded(row.dice, 4),
            _rounded(row.confidence, 4),
            _rounded(row.size, 0),
            units.index(row.unit),
            _rounded(row.asymmetry, 1),
            [number_of[reason] for reason in row.reasons],
            *([row.source] if row.source else []),
        ]
        for row in rows
    ]
    return {
        "verdicts": SEVERITY,
        "modalities": modalities,
        "units": units,
        "reasons": reasons,
        "rows": values,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits) + 0.0  # which makes no minus zero
