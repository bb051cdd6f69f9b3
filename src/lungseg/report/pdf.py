"""The report of one input as PDF, by reportlab: nothing of the machine gets into it, and the same
study gives the same bytes.
"""

from __future__ import annotations

from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lungseg.draw.picture import Picture
from lungseg.errors import UsageError
from lungseg.report.content import Study
from lungseg.report.frame import jpeg
from lungseg.report.html import (
    SHOWN,
    caption,
    heads,
    identity_rows,
    making,
    none_published,
    quality,
    rows_of,
    shares,
)
from lungseg.report.texts import CAUTION, DENSITIES, EMPHYSEMA, NO_DEVICE, SOURCES, VERDICTS
from lungseg.structures import LUNGS

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing
    from reportlab.platypus import Flowable

MARGIN: Final = 45.0
"""Points."""
WIDTH: Final = 595.27 - 2 * MARGIN
"""Points of A4 between the margins."""
TALLEST: Final = 330.0
"""Points of a picture."""
COLOURS: Final = {"ok": "#1a7f37", "review": "#9a5b00", "refused": "#b00020"}
COLUMNS: Final = (0.34, 0.09, 0.09, 0.09, 0.12, 0.27)
WITHOUT_LAST: Final = (0.55, 0.1, 0.1, 0.1, 0.15)
"""Shares of the width, with and without a column of what is published."""


def pdf_page(study: Study) -> bytes:
    """The report of a study, A4, in the fonts that every reader has (letters beyond Windows-1252
    become question marks).

    Raises:
        UsageError: reportlab is not installed.
    """
    check_reportlab()
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    stream, title = BytesIO(), _plain(f"Lungs of {study.title}")
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author="lungseg",
        subject=NO_DEVICE,
        lang="en",
        invariant=1,
    )

    def foot(canvas: Any, _: object) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(MARGIN, MARGIN / 2, NO_DEVICE)
        canvas.drawRightString(MARGIN + WIDTH, MARGIN / 2, str(canvas.getPageNumber()))

    document.build(_story(study, title), onFirstPage=foot, onLaterPages=foot)
    return stream.getvalue()


def check_reportlab() -> None:
    """Whether PDF can be made.

    Raises:
        UsageError: reportlab is not installed.
    """
    from importlib.util import find_spec

    if find_spec("reportlab") is None:
        raise UsageError(
            "PDF needs reportlab, which is not installed",
            cure="install it with `pip install 'lungseg[pdf]'`",
        )


def _story(study: Study, title: str) -> list[Flowable]:
    status = study.record["verdict"]
    verdict, sentence = VERDICTS[status]
    story = [
        _text(title, "Title"),
        _text(NO_DEVICE, "BodyText", bold=True),
        *_pairs(identity_rows(study)),
    ]
    story += [_text(f"Verdict: {verdict}", "Heading2", colour=COLOURS[status]), _text(sentence)]
    story += [_text(f"- {reason}") for reason in study.words_of("reasons")]
    story += [*_pictures(study), *(_text(words) for words in study.said)]
    if quality(study):
        story += [_text("Expected quality", "Heading2"), _text(quality(study))]
    if study.record["measurements"]:
        story += [_text("Measurements", "Heading2"), *_measurements(study)]
    if study.densities:
        story += [_text("Densities", "Heading2"), _chart(study), _text(DENSITIES, "Italic")]
    return [*story, _text("How it was made", "Heading2"), *_pairs(making(study))]


def _pictures(study: Study) -> list[Flowable]:
    from reportlab.platypus import Table

    shown = [picture for picture in (study.original, study.marked) if picture is not None]
    if not shown:
        return []
    rows, columns = shown[-1].shape[:2]
    beside = len(shown) == 2 and columns < 1.5 * rows
    room = (WIDTH - 6) / 2 if beside else WIDTH
    pictures = [
        _picture(picture, room, TALLEST if beside or len(shown) == 1 else 0.9 * TALLEST)
        for picture in shown
    ]
    story: list[Flowable] = [_text("Pictures", "Heading2")]
    story += (
        [
            Table(
                [pictures],
                [WIDTH / 2] * 2,
                style=[("LEFTPADDING", (0, 0), (-1, -1), 0), ("ALIGN", (0, 0), (-1, -1), "LEFT")],
            )
        ]
        if beside
        else pictures
    )
    if study.marked is not None:
        names = ", ".join(
            f'<font color="#{"".join(f"{part:02x}" for part in lung.colour)}">\N{BULLET}</font> '
            f"{lung.name}"
            for lung in LUNGS
        )
        story.append(_markup(f"Marked: {names} (the patient's)."))
    return [*story, _text(caption(study), "Italic")]


def _picture(picture: Picture, width: float, height: float) -> Flowable:
    from reportlab.platypus import Image

    rows, columns = picture.shape[:2]
    scale = min(width / columns, height / rows)
    return Image(BytesIO(jpeg(picture)), columns * scale, rows * scale, hAlign="LEFT")


def _measurements(study: Study) -> list[Flowable]:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

    rows = rows_of(study)
    names = heads(rows)
    table: list[list[Any]] = [[_text(name, bold=True) for name in names]]
    for row in rows:
        about = _markup(
            f"<b>{escape(_plain(row.title))}</b><br/><font size=7>{escape(_plain(row.text))}</font>"
        )
        table.append(
            [
                about,
                *(_text(value) for value in (*row.values, row.unit)),
                *([_text(row.published, small=True)] * (len(names) == 6)),
            ]
        )
    widths = [WIDTH * share for share in (COLUMNS if len(names) == 6 else WITHOUT_LAST)]
    lines = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#bbbbbb")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    story: list[Flowable] = [Table(table, widths, style=lines, repeatRows=1, hAlign="LEFT")]
    if len(names) < 6:
        return [*story, _text(none_published(study))]
    return [
        *story,
        _text(CAUTION),
        *(_text(f"[{number}] {source}", small=True) for number, source in enumerate(SOURCES, 1)),
    ]


def _chart(study: Study) -> Drawing:
    """The histogram of each lung."""
    from reportlab.graphics.shapes import Drawing, Line, PolyLine, String
    from reportlab.lib.colors import Color, HexColor

    counts, edges = shares(study)
    parts = {name: 100 * count / max(1, count.sum()) for name, count in counts.items()}
    highest = max(float(part.max()) for part in parts.values()) or 1.0
    wide, tall = WIDTH - 40, 130.0
    drawing = Drawing(WIDTH, tall + 40)

    def at(value: float) -> float:
        return 5 + wide * (value - SHOWN[0]) / (SHOWN[1] - SHOWN[0])

    for value in (-1000, -950, -800, -600, -400, -200, 0):
        drawing.add(
            Line(
                at(value),
                14,
                at(value),
                14 + tall,
                strokeColor=HexColor("#b00020" if value == -950 else "#cccccc"),
                strokeWidth=0.5,
            )
        )
        drawing.add(
            String(
                at(value), 3, "" if value == -950 else f"{value}", fontSize=8, textAnchor="middle"
            )
        )
    drawing.add(
        String(at(-950) - 20, 20 + tall, EMPHYSEMA, fontSize=7, fillColor=HexColor("#b00020"))
    )
    drawing.add(String(wide + 8, 10 + tall, f"{highest:.1f} %", fontSize=8))
    for number, lung in enumerate(LUNGS):
        colour, dashes = Color(*(part / 255 for part in lung.colour)), [4, 2] if number else None
        heights = 14 + tall * np.repeat(parts[lung.name], 2) / highest
        places = [(at(float(edge))) for edge in np.repeat(edges, 2)[1:-1]]
        points = [
            coordinate
            for point in zip(places, heights.tolist(), strict=True)
            for coordinate in point
        ]
        drawing.add(PolyLine(points, strokeColor=colour, strokeWidth=1.4, strokeDashArray=dashes))
        drawing.add(
            Line(
                at(-100),
                tall - 12 * number,
                at(-70),
                tall - 12 * number,
                strokeColor=colour,
                strokeWidth=1.4,
                strokeDashArray=dashes,
            )
        )
        drawing.add(String(at(-62), tall - 12 * number - 3, lung.name, fontSize=8))
    return drawing


def _pairs(rows: list[tuple[str, str]]) -> list[Flowable]:
    return [
        _markup(f"<b>{escape(_plain(name))}:</b> {escape(_plain(value))}", small=True)
        for name, value in rows
        if value
    ]


def _text(
    text: str, style: str = "BodyText", *, bold: bool = False, small: bool = False, colour: str = ""
) -> Flowable:
    """A paragraph of plain text."""
    words = escape(_plain(text))
    words = f"<b>{words}</b>" if bold else words
    return _markup(
        f'<font color="{colour}">{words}</font>' if colour else words, style, small=small
    )


def _markup(text: str, style: str = "BodyText", *, small: bool = False) -> Flowable:
    from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
    from reportlab.platypus import Paragraph

    known = getSampleStyleSheet()[style]
    sizes = (
        {"fontSize": 7.5, "leading": 9, "spaceBefore": 1}
        if small
        else {"fontSize": 9, "leading": 11.5, "spaceBefore": 3}
    )
    if style in ("BodyText", "Italic"):
        look = ParagraphStyle("own", known, splitLongWords=1, **sizes)
    else:
        look = ParagraphStyle("own", known, alignment=0, keepWithNext=1)
    return Paragraph(text, look)


def _plain(text: str) -> str:
    """What the fonts of every PDF reader can show."""
    return text.encode("cp1252", "replace").decode("cp1252")
