"""A report as one HTML page that needs nothing beside it: pictures and charts inside, no script, no
address of any other machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lungseg.evaluate.cases import CaseScore
from lungseg.evaluate.pictures import Shown
from lungseg.evaluate.summary import Summary, group
from lungseg.evaluate.tables import Table
from lungseg.report import render
from lungseg.report.charts import Axis, Chart, curves, strips
from lungseg.structures import PLURAL

HUMAN_DICE: Final = 0.973
"""Mean lung Dice of one person against another on 305 radiographs from six hospitals, as published;
their 5th percentile is 0.917."""

MAX_HD95: Final = 100.0
"""Pixels of 1024 at which the charts of HD95 end."""

MAX_HD95_MM: Final = 30.0
"""Millimetres at which that of volumes ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """What stands under one heading, in this order, as far as there is any.

    Attributes:
        title: the heading.
        text: a paragraph.
        table: the first cell of each row is its head.
        charts: of distributions.
        pictures: with their captions.
        folded: tables that are folded away, by name.
        caption: of the table; of each picture and each table that is folded away, what it shows.
    """

    title: str
    text: str = ""
    table: Table | None = None
    charts: Sequence[Chart] = ()
    pictures: Sequence[Shown] = ()
    folded: Mapping[str, Table] = field(default_factory=dict[str, Table])
    caption: str = ""

    @property
    def wide(self) -> bool:
        """Whether each picture needs the whole width, as planes side by side do."""
        return all(picture.shape[1] > 2 * picture.shape[0] for _, picture in self.pictures)


def page(title: str, sections: Sequence[Section], introduction: str = "") -> str:
    """A whole page of sections, with a paragraph before them."""
    values = {"sections": sections, "introduction": introduction}
    return render("evaluation.html", title, values)


def distributions(models: Mapping[str, Sequence[CaseScore]]) -> list[Chart]:
    """Charts of Dice and HD95 of what is scored first: of one model by group of cases, of several
    by model.
    """
    if len(models) == 1:
        (scores,) = models.values()
        series: dict[str, Sequence[CaseScore]] = dict(group(scores))
    else:
        series = dict(models)
    dice = {name: [score.first.dice for score in scores] for name, scores in series.items()}
    hd95 = _with_any(
        {
            name: [
                score.first.hd95_at_1024
                for score in scores
                if not np.isnan(score.first.hd95_at_1024)
            ]
            for name, scores in series.items()
        }
    )
    lowest = min(min(values) for values in dice.values())
    radiographs = all(score.kind == "radiograph" for scores in series.values() for score in scores)
    lungs = all(score.name == PLURAL for scores in series.values() for score in scores)
    human = (HUMAN_DICE, f"human against human, {HUMAN_DICE}") if radiographs and lungs else None
    in_mm = _with_any(
        {
            name: [
                s.first.hd95
                for s in scores
                if s.kind == "volume" and s.unit == "mm" and not np.isnan(s.first.hd95)
            ]
            for name, scores in series.items()
        }
    )
    low = max(0.0, min(0.9, np.floor(lowest * 20) / 20))
    charts = [
        strips(dice, Axis("Dice of each case: middle half as box, median as line", low, 1, human)),
        curves(dice, Axis("Fraction of cases with a Dice of at most", low, 1, human)),
    ]
    if hd95:
        each = f"HD95 of each case, pixels of a picture of 1024, at most {MAX_HD95:g}"
        most = "Fraction of cases with an HD95 of at most so many pixels of 1024"
        charts += [
            strips(hd95, Axis(each, 0, MAX_HD95)),
            curves(hd95, Axis(most, 0, MAX_HD95)),
        ]
    if in_mm:
        each = f"HD95 of each volume in space, millimetres, at most {MAX_HD95_MM:g}"
        charts.append(strips(in_mm, Axis(each, 0, MAX_HD95_MM)))
    return charts


def _with_any(values: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: found for name, found in values.items() if found}


def every_metric(title: str, found: Sequence[Summary]) -> Section:
    """All summaries, folded away by group."""
    header = (
        "structure",
        "stage",
        "metric",
        "unit",
        "n",
        "patients",
        "mean",
        "from",
        "to",
        "median",
        "worst 5 %",
        "worst",
    )
    tables = {}
    for name in dict.fromkeys(summary.cases for summary in found):
        rows = [
            [s.structure, s.stage, s.metric, s.unit, str(s.n), str(s.patients)]
            + [f"{value:.4f}" for value in (s.mean, s.low, s.high, s.median, s.p05, s.worst)]
            for s in found
            if s.cases == name
        ]
        tables[name] = Table(header, rows)
    caption = "every metric. From and to are the ends of the 95 % interval of the mean."
    return Section(title, folded=tables, caption=caption)
