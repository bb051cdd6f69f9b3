"""A report as one HTML page that needs nothing beside it: pictures and charts inside, no script, no address of any other machine."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import cv2
import numpy as np

from lungseg.evaluate.cases import CaseScore
from lungseg.evaluate.charts import Axis, curves, strips
from lungseg.evaluate.pictures import Shown
from lungseg.evaluate.summary import Summary, group
from lungseg.evaluate.tables import Table

HUMAN_DICE: Final = 0.973
"""Mean lung Dice of one person against another on 305 radiographs from six hospitals, as published; their 5th percentile is 0.917."""

FURTHEST: Final = 100.0
"""Pixels of 1024 at which the charts of HD95 end."""

QUALITY: Final = 85
"""Of the pictures, as JPEG: twenty take less than a megabyte."""

STYLE: Final = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--faint:#d5dae0;--soft:#f3f5f7;--mark:#b00020;
--0:#0b63b0;--1:#b35900;--2:#1a7f37;--3:#8250df;--4:#bf3989;--5:#57606a}
@media(prefers-color-scheme:dark){:root{--ground:#14171a;--ink:#e6e9ec;--faint:#3a4148;--soft:#1e2327;--mark:#ff8a80;
--0:#58a6ff;--1:#f0a45d;--2:#56d364;--3:#bc8cff;--4:#ff8bc7;--5:#9aa4ae}}
body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{text-align:left;padding:.4em 0}
th,td{border-bottom:1px solid var(--faint);padding:.25em .7em;text-align:right;white-space:nowrap}th:first-child{text-align:left}
thead th{background:var(--soft)}td.strong{font-weight:700}
svg{width:100%;max-width:720px;height:auto;display:block;margin:1em 0}svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.grid{stroke:var(--faint);fill:none}.mark{stroke:var(--mark);stroke-dasharray:5 3;stroke-width:2;fill:none}
svg text.marked{fill:var(--mark)}.median{stroke:var(--ink);stroke-width:2}.box{opacity:.25}.dot{opacity:.65}
.c0{fill:var(--0);stroke:var(--0)}.c1{fill:var(--1);stroke:var(--1)}.c2{fill:var(--2);stroke:var(--2)}
.c3{fill:var(--3);stroke:var(--3)}.c4{fill:var(--4);stroke:var(--4)}.c5{fill:var(--5);stroke:var(--5)}
.curve{fill:none;stroke-width:2}.curve.c1{stroke-dasharray:8 3}.curve.c2{stroke-dasharray:3 3}.curve.c3{stroke-dasharray:10 3 2 3}
.curve.c4{stroke-dasharray:1 3}.curve.c5{stroke-dasharray:14 4}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:1em;padding:0}
figure{margin:0}figure img{width:100%;background:#000}figcaption{font-size:13px;overflow-wrap:anywhere}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page of parts that `section`, `table_of`, `distributions` and `gallery` made."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def section(title: str, *parts: str, text: str = "") -> str:
    """Parts under a heading, with a paragraph of plain text before them."""
    words = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{words}{''.join(parts)}</section>"


def table_of(table: Table, caption: str) -> str:
    """A table, with what its rows are about as their heads."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    body = "".join(f'<tr><th scope="row">{escape(first)}</th>{"".join(map(_cell, others))}</tr>\n' for first, *others in table.rows)
    return f"""<div class="wide"><table><caption>{escape(caption)}</caption>
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
    hd95 = {name: [score.hd95_of_1024 for score in scores if not np.isnan(score.hd95_of_1024)] for name, scores in series.items()}
    lowest = min(min(values) for values in dice.values())
    human = (HUMAN_DICE, f"human against human, {HUMAN_DICE}")
    low = max(0.0, min(0.9, np.floor(lowest * 20) / 20))
    parts = [
        strips(dice, Axis("Dice of each case: middle half as box, median as line", low, 1, human)),
        curves(dice, Axis("Share of cases with a Dice of at most", low, 1, human)),
    ]
    if any(hd95.values()):
        parts += [
            strips(hd95, Axis(f"HD95 of each case, pixels of a picture of 1024, at most {FURTHEST:g}", 0, FURTHEST)),
            curves(hd95, Axis("Share of cases with an HD95 of at most so many pixels of 1024", 0, FURTHEST)),
        ]
    return "".join(f"<figure>{chart}<figcaption>{_caption(chart)}</figcaption></figure>" for chart in parts)


def _caption(chart: str) -> str:
    return chart.partition("<title>")[2].partition("</title>")[0]


def gallery(shown: Sequence[Shown], what: str) -> str:
    """Pictures with their captions below; `what` says in words what each shows."""
    figures = []
    for caption, picture in shown:
        code = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
        name = escape(caption)
        figures.append(
            f"""<figure><img loading="lazy" width="{picture.shape[1]}" height="{picture.shape[0]}" alt="{escape(what)}: {name}"
src="data:image/jpeg;base64,{base64.b64encode(code.tobytes()).decode()}">
<figcaption>{name}</figcaption></figure>"""
        )
    return f'<div class="tiles">{"".join(figures)}</div>'


def every_metric(found: Sequence[Summary]) -> str:
    """All summaries, folded away by group."""
    header = ("region", "metric", "unit", "n", "patients", "mean", "from", "to", "median", "worst twentieth", "worst")
    parts = []
    for name in dict.fromkeys(summary.cases for summary in found):
        rows = [
            [s.region, s.metric, s.unit, str(s.n), str(s.patients)]
            + [f"{value:.4f}" for value in (s.mean, s.low, s.high, s.median, s.worst_twentieth, s.worst)]
            for s in found
            if s.cases == name
        ]
        table = table_of(Table(header, rows), f"{name}: every metric. From and to are the ends of the 95 % interval of the mean.")
        parts.append(f"<details><summary>{escape(name)}</summary>{table}</details>")
    return "".join(parts)
