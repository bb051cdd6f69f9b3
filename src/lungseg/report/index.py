"""The index of a folder of results: one page for any number of inputs, the worst verdicts first,
with small pictures beside it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import quote

from lungseg.report.charts import Axis, bars, columns, figure
from lungseg.report.deidentify import blanked, header_identity, secrets, shown_name
from lungseg.report.frame import asset, frame, section
from lungseg.report.texts import NO_DEVICE, number, readable, unit_in_words
from lungseg.writers import SEVERITY

INDEX: Final = "report.html"
REPORT, PDF = "_report.html", "_report.pdf"
"""What the name of a report ends in."""
THUMBNAILS: Final = "report_thumbnails"
"""The folder of the small pictures, beside the index."""
AT_FIRST: Final = 100
"""Rows that are there without JavaScript; with it, as many to a page."""
MOST_REASONS: Final = 20
"""Reasons that are counted in a chart; every failure may have one of its own."""
TITLE: Final = "Lungs in a folder of images"
HEADS: Final = (
    "Picture",
    "Input",
    "Kind",
    "Verdict",
    "Reasons",
    "Expected Dice",
    "Confidence",
    "Size of the lungs",
    "Asymmetry in %",
)
KEYS: Final = (None, 0, 3, 4, None, 5, 6, 7, 9)
"""Which value of a row in the page's data each column is sorted by."""
KINDS: Final = {"ct": "CT", "radiograph": "radiograph", "": "unknown"}


@dataclass(frozen=True, slots=True)
class Line:
    """One input in the index; numbers are None where there are none.

    Attributes:
        title: what it is called, as in its report.
        report: whether there is one.
        thumbnail: whether there is a small picture.
        kind: in words.
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
    kind: str
    verdict: str
    dice: float | None
    confidence: float | None
    size: float | None
    unit: str
    asymmetry: float | None
    reasons: tuple[str, ...]
    source: str


def lines_of(
    records: Iterable[Mapping[str, Any]], folder: Path, *, identify: bool = False
) -> list[Line]:
    """The records of `results.jsonl` in `folder` as lines, the worst first: by verdict, then by
    expected Dice or confidence.
    """
    there = {path.name for path in folder.glob(f"{THUMBNAILS}/*.jpg")}
    lines = [_line(entry, there, identify=identify) for entry in records]
    return sorted(lines, key=lambda line: (SEVERITY.index(line.verdict), _order(line), line.title))


def _order(line: Line) -> float:
    known = [value for value in (line.dice, line.confidence) if value is not None]
    return known[0] if known else -1.0


def _line(entry: Mapping[str, Any], there: set[str], *, identify: bool) -> Line:
    report = entry.get("outputs", {}).get("report", "")
    words: tuple[str, ...] | None = ()
    if report and (identify or report != f"{entry.get('name')}{REPORT}"):
        title = report.removesuffix(
            REPORT
        )  # perhaps a code, as the name was found to tell too much
    else:
        header = {} if identify else header_identity(entry)
        words = None if header is None else secrets(header) if header else ()
        title = shown_name(entry, words)
    values = {
        (m["name"], m["label"]): (m["value"], m["unit"]) for m in entry.get("measurements", ())
    }
    none = (None, "")
    size, unit = values.get(("volume", "lungs"), values.get(("area", "lungs"), none))
    reasons = (
        entry["reasons"]
        if identify
        else [blanked(reason, entry, words or ()) for reason in entry["reasons"]]
    )
    return Line(
        title=title,
        report=report == f"{title}{REPORT}",
        thumbnail=f"{title}.jpg" in there,
        kind=KINDS.get(entry.get("kind", ""), "unknown"),
        verdict=entry["verdict"],
        dice=values.get(("expected Dice", "lungs"), none)[0],
        confidence=values.get(("confidence", "lungs"), none)[0],
        size=size,
        unit=unit_in_words(unit),
        asymmetry=values.get(("asymmetry", "lungs"), none)[0],
        reasons=tuple(readable(reason) for reason in reasons),
        source=readable(str(entry["input"])) if identify else "",
    )


def index_page(lines: Sequence[Line]) -> str:
    """The page; it needs the folder of small pictures and the reports beside it."""
    parts = [
        f'<p class="device">{NO_DEVICE}</p>',
        section("Summary", _numbers(lines), _charts(lines)),
        section("Inputs", _tools(), _table(lines[:AT_FIRST], len(lines))),
        f'<script type="application/json" id="data">{_data(lines)}</script>',
    ]
    return frame(TITLE, "\n".join(parts), script=asset("index.js"), nearby=True)


def _numbers(lines: Sequence[Line]) -> str:
    counts = Counter(line.verdict for line in lines)
    dice = _expected(lines)
    told = [
        (str(len(lines)), "inputs"),
        *((str(counts[verdict]), verdict) for verdict in SEVERITY if counts[verdict]),
    ]
    told += [(f"{median(dice):.3f}", "median expected Dice, without refused ones")] if dice else []
    told += [
        (f"{number(median(sizes), unit)} {unit}", "median size")
        for unit, sizes in _sizes(lines).items()
    ]
    items = "".join(f"<li><b>{escape(value)}</b>{escape(name)}</li>" for value, name in told)
    return f'<ul class="numbers">{items}</ul>'


def _expected(lines: Sequence[Line]) -> list[float]:
    """The expected Dice of what was not refused."""
    return [line.dice for line in lines if line.dice is not None and line.verdict != "refused"]


def _sizes(lines: Sequence[Line]) -> dict[str, list[float]]:
    """Sizes by unit, without lungs that were not found."""
    found: dict[str, list[float]] = {}
    for line in lines:
        if line.size:
            found.setdefault(line.unit, []).append(line.size)
    return found


def _charts(lines: Sequence[Line]) -> str:
    counts = Counter(line.verdict for line in lines)
    reasons = Counter(
        reason for line in lines if line.verdict != "failed" for reason in line.reasons
    )
    charts = [
        bars(
            {name: counts[name] for name in SEVERITY if counts[name]},
            "Inputs by verdict",
            {name: name for name in SEVERITY},
        )
    ]
    if reasons:
        charts.append(bars(dict(reasons.most_common(MOST_REASONS)), "Inputs by reason", {}))
    if dice := _expected(lines):
        charts.append(columns(dice, Axis("Expected Dice", max(0.0, min(0.8, *dice)), 1.0)))
    for unit, sizes in _sizes(lines).items():
        charts.append(columns(sizes, Axis(f"Size of the lungs in {unit}", 0.0, max(sizes))))
    return (
        "<details open><summary>Distributions</summary><div "
        f'class="charts">{"".join(map(figure, charts))}</div></details>'
    )


def _tools() -> str:
    choices = "".join(
        f'<label>{name}<br><select id="{key}"><option value="">all</option></select></label>'
        for key, name in (("verdict", "Verdict"), ("kind", "Kind"), ("reason", "Reason"))
    )
    return (
        '<div class="tools" hidden><label>Name holds<br><input type="search" id="search">'
        f"</label>{choices}"
        '<button type="button" id="before">Previous</button><button type="button" '
        'id="after">Next</button>'
        '<span id="said" role="status"></span></div>'
    )


def _table(shown: Sequence[Line], total: int) -> str:
    keys = ("" if key is None else f' data-key="{key}"' for key in KEYS)
    head = "".join(
        f'<th scope="col"{key}>{name}</th>' for key, name in zip(keys, HEADS, strict=True)
    )
    rest = (
        f"<noscript><p>The first {len(shown)} of {total}; the others need JavaScript, or "
        "summary.csv.</p></noscript>"
        if total > len(shown)
        else ""
    )
    body = "\n".join(map(_row, shown))
    return (
        f'{rest}<div class="wide" tabindex="0" role="region" aria-label="Inputs"><table '
        'class="cases">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(line: Line) -> str:
    title = escape(line.title)
    picture = (
        f'<img loading="lazy" width="96" alt="Lungs of {title}" '
        f'src="{_address(THUMBNAILS, line.title + ".jpg")}">'
        if line.thumbnail
        else ""
    )
    name = f'<a href="{_address(line.title + REPORT)}">{title}</a>' if line.report else title
    name += f"<br><small>{escape(line.source)}</small>" if line.source else ""
    size = (
        "\N{EN DASH}"
        if line.size is None
        else f"{line.size:,.0f}".replace(",", "\N{NO-BREAK SPACE}") + f" {escape(line.unit)}"
    )
    asymmetry = "\N{EN DASH}" if line.asymmetry is None else f"{line.asymmetry:z.1f}"
    return (
        f"<tr><td>{picture}</td><td>{name}</td><td>{line.kind}</td><td "
        f'class="{line.verdict}">{line.verdict}</td>'
        f'<td class="words">{escape("; ".join(line.reasons))}</td><td '
        f'class="n">{number(line.dice, "1")}</td>'
        f'<td class="n">{number(line.confidence, "1")}</td><td class="n">{size}</td>'
        f'<td class="n">{asymmetry}</td></tr>'
    )


def _address(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _data(lines: Sequence[Line]) -> str:
    """What the page's script shows, as JSON that no name in it can end."""
    kinds, units = (
        list(dict.fromkeys(names))
        for names in ((line.kind for line in lines), (line.unit for line in lines))
    )
    reasons = list(dict.fromkeys(reason for line in lines for reason in line.reasons))
    number_of = {reason: i for i, reason in enumerate(reasons)}
    rows = [
        [
            line.title,
            int(line.report),
            int(line.thumbnail),
            kinds.index(line.kind),
            SEVERITY.index(line.verdict),
            _short(line.dice, 4),
            _short(line.confidence, 4),
            _short(line.size, 0),
            units.index(line.unit),
            _short(line.asymmetry, 1),
            [number_of[reason] for reason in line.reasons],
            *([line.source] if line.source else []),
        ]
        for line in lines
    ]
    data = {"verdicts": SEVERITY, "kinds": kinds, "units": units, "reasons": reasons, "rows": rows}
    return (
        json.dumps(data, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )


def _short(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits) + 0.0  # which makes no minus zero
