"""A report as one HTML page that needs nothing beside it: pictures and charts inside, no script, no
address of any other machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from lungseg.evaluate.cases import CaseScore
from lungseg.evaluate.pictures import Shown
from lungseg.evaluate.summary import Summary, group
from lungseg.evaluate.tables import Table
from lungseg.report.charts import Axis, curves, figure, strips
from lungseg.report.frame import frame, image, section

__all__ = ["HUMAN_DICE", "distributions", "every_metric", "gallery", "page", "section", "table_of"]

HUMAN_DICE: Final = 0.973
"""Mean lung Dice of one person against another on 305 radiographs from six hospitals, as published;
their 5th percentile is 0.917."""

FURTHEST: Final = 100.0
"""Pixels of 1024 at which the charts of HD95 end."""

FURTHEST_MM: Final = 30.0
"""Millimetres at which that of volumes ends."""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page of parts that `section`, `table_of`, `distributions` and `gallery` made."""
    return frame(title, "\n".join(parts))


def table_of(table: Table, caption: str) -> str:
    """A table, with what its rows are about as their heads."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(map(_cell, others))}</tr>\n'
        for first, *others in table.rows
    )
    return f"""<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">
<table><caption>{escape(caption)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>{body}</tbody></table></div>"""


def _cell(text: str) -> str:
    strong = ' class="strong"' if text.startswith("**") else ""
    return f"<td{strong}>{escape(text.replace('**', ''))}</td>"


def distributions(models: Mapping[str, Sequence[CaseScore]]) -> str:
    """Charts of Dice and HD95: of one model by group of cases, of several by model."""
    if len(models) == 1:
        (scores,) = models.values()
        series: dict[str, Sequence[CaseScore]] = dict(group(scores))
    else:
        series = dict(models)
    dice = {name: [score.lungs.dice for score in scores] for name, scores in series.items()}
    hd95 = _with_any(
        {
            name: [s.hd95_of_1024 for s in scores if not np.isnan(s.hd95_of_1024)]
            for name, scores in series.items()
        }
    )
    lowest = min(min(values) for values in dice.values())
    films = all(score.kind == "radiograph" for scores in series.values() for score in scores)
    human = (HUMAN_DICE, f"human against human, {HUMAN_DICE}") if films else None
    in_mm = _with_any(
        {
            name: [s.lungs.hd95 for s in scores if s.kind == "volume" and s.unit == "mm"]
            for name, scores in series.items()
        }
    )
    low = max(0.0, min(0.9, np.floor(lowest * 20) / 20))
    parts = [
        strips(dice, Axis("Dice of each case: middle half as box, median as line", low, 1, human)),
        curves(dice, Axis("Share of cases with a Dice of at most", low, 1, human)),
    ]
    if hd95:
        parts += [
            strips(
                hd95,
                Axis(
                    f"HD95 of each case, pixels of a picture of 1024, at most {FURTHEST:g}",
                    0,
                    FURTHEST,
                ),
            ),
            curves(
                hd95,
                Axis("Share of cases with an HD95 of at most so many pixels of 1024", 0, FURTHEST),
            ),
        ]
    if in_mm:
        parts.append(
            strips(
                in_mm,
                Axis(
                    f"HD95 of each volume in space, millimetres, at most {FURTHEST_MM:g}",
                    0,
                    FURTHEST_MM,
                ),
            )
        )
    return f'<div class="chart">{"".join(map(figure, parts))}</div>'


def _with_any(values: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: found for name, found in values.items() if found}


def gallery(pictures: Sequence[Shown], what: str) -> str:
    """Pictures with their captions below; `what` says in words what each shows."""
    figures = []
    for caption, picture in pictures:
        shown = image(picture, f"{what}: {caption}", 'loading="lazy"')
        figures.append(f"<figure>{shown}\n<figcaption>{escape(caption)}</figcaption></figure>")
    wide = all(
        picture.shape[1] > 2 * picture.shape[0] for _, picture in pictures
    )  # planes side by side need the whole width
    columns = ' style="grid-template-columns:1fr"' if wide else ""
    return f'<div class="tiles"{columns}>{"".join(figures)}</div>'


def every_metric(found: Sequence[Summary]) -> str:
    """All summaries, folded away by group."""
    header = (
        "region",
        "metric",
        "unit",
        "n",
        "patients",
        "mean",
        "from",
        "to",
        "median",
        "worst twentieth",
        "worst",
    )
    parts = []
    for name in dict.fromkeys(summary.cases for summary in found):
        rows = [
            [s.region, s.metric, s.unit, str(s.n), str(s.patients)]
            + [
                f"{value:.4f}"
                for value in (s.mean, s.low, s.high, s.median, s.worst_twentieth, s.worst)
            ]
            for s in found
            if s.cases == name
        ]
        table = table_of(
            Table(header, rows),
            f"{name}: every metric. From and to are the ends of the 95 % interval of the mean.",
        )
        parts.append(f"<details><summary>{escape(name)}</summary>{table}</details>")
    return "".join(parts)
