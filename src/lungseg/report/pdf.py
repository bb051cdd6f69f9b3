"""The report of one input as PDF, by reportlab: nothing of the machine gets into it, and the same
result gives the same bytes.
"""

from __future__ import annotations

from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lungseg.draw.picture import Picture
from lungseg.errors import UsageError
from lungseg.report.charts import hexadecimal, on_white
from lungseg.report.content import Pictures, ReportContent
from lungseg.report.pictures import jpeg
from lungseg.report.tables import SHOWN, Densities, Entries, MeasurementTable
from lungseg.report.texts import DENSITIES, EMPHYSEMA, NO_DEVICE
from lungseg.structures import BY_NAME

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing
    from reportlab.platypus import Flowable

MARGIN: Final = 45.0
"""Points."""
WIDTH: Final = 595.27 - 2 * MARGIN
"""Points of A4 between the margins."""
MAX_HEIGHT: Final = 330.0
"""Points of a picture."""
COLOURS: Final = {"ok": "#1a7f37", "review": "#9a5b00", "refused": "#b00020"}
VALUE, UNIT, PUBLISHED = 0.09, 0.12, 0.27
"""Fractions of the width that columns of the measurements take; their names take the rest."""
SIZE, PADDING = 9.0, 12.5
"""Points of letters, and of what a cell of a table keeps free at both sides together."""
DASHES: Final = (None, (4, 2), (1, 2), (6, 2, 1, 2), (8, 3))
"""Of curves, in order."""


def pdf_page(content: ReportContent) -> bytes:
    """The report of one input, A4, in the fonts that every reader has (letters beyond Windows-1252
    become question marks).

    Raises:
        UsageError: reportlab is not installed.
    """
    check_reportlab()
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    stream = BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=_plain(content.title),
        author="lungseg",
        subject=NO_DEVICE,
        lang="en",
        invariant=1,
    )

    def foot(canvas: Any, _: object) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(MARGIN, MARGIN / 2, NO_DEVICE)
        canvas.drawRightString(MARGIN + WIDTH, MARGIN / 2, str(canvas.getPageNumber()))

    document.build(_story(content), onFirstPage=foot, onLaterPages=foot)
    return stream.getvalue()


def has_reportlab() -> bool:
    """Whether PDF can be made."""
    from importlib.util import find_spec

    return find_spec("reportlab") is not None


def check_reportlab() -> None:
    """Refuses PDF where it cannot be made.

    Raises:
        UsageError: reportlab is not installed.
    """
    if not has_reportlab():
        raise UsageError(
            "PDF needs reportlab, which is not installed",
            cure="install it with `pip install 'lungseg[pdf]'`",
        )


def _story(content: ReportContent) -> list[Flowable]:
    verdict = content.verdict
    colour = COLOURS[verdict.status]
    story = [
        _text(content.title, "Title"),
        _text(NO_DEVICE, "BodyText", bold=True),
        *_entries(content.identity),
        _text(f"Verdict: {verdict.title}", "Heading2", colour=colour),
        _text(verdict.sentence),
        *(_text(f"- {reason}") for reason in verdict.reasons),
        *(_text(doubt, "BodyText", bold=True) for doubt in verdict.doubts),
        *(_text(f"{name}: {value}", "BodyText", bold=True) for value, name in content.numbers),
        *_pictures(content.pictures),
        *(_text(remark) for remark in content.remarks),
    ]
    if content.quality:
        story += [_text("Expected quality", "Heading2"), _text(content.quality)]
    if content.measurements.rows:
        story += [_text("Measurements", "Heading2"), *_measurements(content.measurements)]
    if content.densities is not None:
        chart = _chart(content.densities)
        story += [_text("Densities", "Heading2"), chart, _text(DENSITIES, "Italic")]
    return [*story, _text("How it was made", "Heading2"), *_entries(content.making)]


def _pictures(pictures: Pictures) -> list[Flowable]:
    from reportlab.platypus import Table

    if not pictures.all:
        return []
    beside = pictures.side_by_side
    width = (WIDTH - 6) / 2 if beside else WIDTH
    height = MAX_HEIGHT if beside or len(pictures.all) == 1 else 0.9 * MAX_HEIGHT
    shown = [_picture(picture, width, height) for picture in pictures.all]
    if beside:
        style = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("ALIGN", (0, 0), (-1, -1), "LEFT")]
        shown = [Table([shown], [WIDTH / 2] * 2, style=style)]
    story = [_text("Pictures", "Heading2"), *shown]
    if pictures.legend:
        names = ", ".join(
            f'<font color="{hexadecimal(structure.colour)}">\N{BULLET}</font> {escape(words)}'
            for structure, words in pictures.legend.items()
        )
        story.append(_markup(f"Marked: {names}."))
    return [*story, _text(pictures.caption, "Italic")]


def _picture(picture: Picture, width: float, height: float) -> Flowable:
    from reportlab.platypus import Image

    rows, columns = picture.shape[:2]
    scale = min(width / columns, height / rows)
    return Image(BytesIO(jpeg(picture)), columns * scale, rows * scale, hAlign="LEFT")


def _measurements(found: MeasurementTable) -> list[Flowable]:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

    table: list[list[Any]] = [[_text(head, bold=True) for head in found.heads]]
    for row in found.rows:
        title, definition = escape(_plain(row.title)), escape(_plain(row.definition))
        about = _markup(f"<b>{title}</b><br/><font size=7>{definition}</font>")
        values = [*(_number(value) for value in row.values), _text(row.unit)]
        last = [_text(row.published, small=True)] if found.sources else []
        table.append([about, *values, *last])
    others = [VALUE] * len(found.columns) + [UNIT] + [PUBLISHED] * bool(found.sources)
    widths = [WIDTH * part for part in (1 - sum(others), *others)]
    lines = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#bbbbbb")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    return [
        Table(table, widths, style=lines, repeatRows=1, hAlign="LEFT"),
        _text(found.remark),
        *(
            _text(f"[{number}] {source}", small=True)
            for number, source in enumerate(found.sources, 1)
        ),
    ]


def _number(value: str) -> Flowable:
    """A value that stays whole: in smaller letters where its column is narrow for it."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    words, widest = _plain(value), WIDTH * VALUE - PADDING
    wide = stringWidth(words, "Helvetica", SIZE)
    size = SIZE if wide <= widest else SIZE * widest / wide
    return _markup(f'<font size="{size:.2f}">{escape(words)}</font>')


def _chart(found: Densities) -> Drawing:
    """The histogram of each structure."""
    from reportlab.graphics.shapes import Drawing, Line, PolyLine, String
    from reportlab.lib.colors import HexColor

    highest = max(float(percent.max()) for percent in found.percent.values()) or 1.0
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
    for number, (name, percent) in enumerate(found.percent.items()):
        colour = HexColor(hexadecimal(on_white(BY_NAME[name].colour)))
        dashes = DASHES[number % len(DASHES)]
        heights = 14 + tall * np.repeat(percent, 2) / highest
        places = [(at(float(edge))) for edge in np.repeat(found.edges, 2)[1:-1]]
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
        drawing.add(String(at(-62), tall - 12 * number - 3, name, fontSize=8))
    return drawing


def _entries(rows: Entries) -> list[Flowable]:
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
        else {"fontSize": SIZE, "leading": 11.5, "spaceBefore": 3}
    )
    if style in ("BodyText", "Italic"):
        look = ParagraphStyle("own", known, splitLongWords=1, **sizes)
    else:
        look = ParagraphStyle("own", known, alignment=0, keepWithNext=1)
    return Paragraph(text, look)


def _plain(text: str) -> str:
    """What the fonts of every PDF reader can show."""
    return text.encode("cp1252", "replace").decode("cp1252")
