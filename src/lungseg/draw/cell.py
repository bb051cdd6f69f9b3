"""A result as the output of a notebook's cell: small pictures, and HTML for light and dark pages.
Nothing in it says whose image it is: no name, no path, nothing of a header.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable
from html import escape
from typing import Final

import cv2
import numpy as np

from lungseg.draw.picture import Picture, thumbnail
from lungseg.measurement import OWNERS, Measurement, Measurements, unit_in_words
from lungseg.verdict import Verdict

MAX_JPEG: Final = 90_000
MAX_PNG: Final = 125_000
"""Bytes of a picture in a cell. A notebook keeps a JPEG and a PNG of each in text, a third longer,
and 300 kB are for both with what is written beside them."""
MAX_SIDE: Final = 1024
"""Pixels of a picture's longer side."""
QUALITY: Final = 82
"""Of JPEG."""
COLOURS_OF_PNG: Final = 256
"""All that a palette has: in as many bytes a slice or a film is then almost twice as wide as in
full colours."""
FILM_HEIGHT: Final = 640
"""Pixels of a page that a film takes at most, so that what is below it is seen as well."""

MAIN: Final = (
    "area",
    "volume",
    "asymmetry",
    "cardiothoracic_ratio",
    "opacity_fraction",
    "mean",
    "laa950",
    "expected_dice",
    "confidence",
)
"""The quantities that a cell shows; all of them are in `Result.measurements`."""

COLOURS: Final = {"ok": "#00704f", "review": "#8a5a00", "refused": "#b03a00"}
"""Behind white letters, for each verdict; readable on light and dark pages."""

LINE: Final = "border-bottom: 1px solid rgba(128, 128, 128, .4)"


def small_jpeg(picture: Picture) -> bytes:
    """A picture (rows, columns, 3) as JPEG of at most `MAX_JPEG` bytes."""
    return _small(picture, _jpeg, MAX_JPEG)


def small_png(picture: Picture) -> bytes:
    """A picture (rows, columns, 3) as PNG of `COLOURS_OF_PNG` and of at most `MAX_PNG` bytes."""
    return _small(picture, _png, MAX_PNG)


def _jpeg(picture: Picture) -> bytes:
    how = (cv2.IMWRITE_JPEG_QUALITY, QUALITY)
    return cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), how)[1].tobytes()


def _png(picture: Picture) -> bytes:
    from PIL import Image as Pillow

    full = Pillow.fromarray(np.ascontiguousarray(picture))
    few = full.quantize(COLOURS_OF_PNG, Pillow.Quantize.MAXCOVERAGE, dither=Pillow.Dither.NONE)
    content = io.BytesIO()
    few.save(content, "png")
    return content.getvalue()


def _small(picture: Picture, encode: Callable[[Picture], bytes], most: int) -> bytes:
    """The picture, as large as `MAX_SIDE` and so many bytes allow."""
    side = min(MAX_SIDE, max(picture.shape[:2]))
    while True:
        shown = picture if side == max(picture.shape[:2]) else thumbnail(picture, side)
        content = encode(shown)
        if len(content) <= most or side < 2:
            return content
        side = max(1, min(side * 9 // 10, int(side * math.sqrt(most / len(content)))))


def picture_html(picture: Picture, alt: str, *, film: bool = False) -> str:
    """A picture (rows, columns, 3) within a page, no wider than it, and as a `film` no higher than
    `FILM_HEIGHT`.
    """
    data = base64.b64encode(small_jpeg(picture)).decode()
    style = "max-width: 100%" + f"; max-height: {FILM_HEIGHT}px" * film
    return f'<img alt="{escape(alt)}" style="{style}" src="data:image/jpeg;base64,{data}">'


def result_html(
    picture: Picture,
    about: str,
    verdict: Verdict,
    measurements: Measurements,
    notes: Iterable[str],
    *,
    film: bool,
) -> str:
    """A result in a page: verdict with its reasons, picture, main measurements, notes.

    Args:
        picture: (rows, columns, 3), with the structures marked.
        about: the image in words.
        verdict: on it.
        measurements: of which `MAIN` are shown.
        notes: on it.
        film: whether the picture is of a radiograph.
    """
    above, below = words_html(about, verdict, measurements, notes)
    marked = picture_html(picture, f"{about}, lungs marked", film=film)
    return f'<div style="max-width: 60em">{above}{marked}{below}</div>'


def words_html(
    about: str, verdict: Verdict, measurements: Measurements, notes: Iterable[str]
) -> tuple[str, str]:
    """What stands above the picture of a result, verdict with its reasons and notes, and what
    below it, the main measurements; arguments as of `result_html`.
    """
    badge = (
        f'<b style="background: {COLOURS[verdict.status]}; color: #fff; padding: .1em .5em; '
        f'border-radius: .3em">{verdict.status}</b>'
    )
    said = "".join(f"<li>{escape(one)}</li>" for one in (*verdict.reasons, *notes))
    above = f"<p>{badge} {escape(about)}</p>{f'<ul>{said}</ul>' if said else ''}"
    return above, _table(measurements)


def _table(measurements: Measurements) -> str:
    """The main measurements, a column for each structure and pair that has one."""
    shown = [m for m in measurements.values() if m.name in MAIN and math.isfinite(m.value)]
    owners = [name for name in (*OWNERS, "") if any(m.structure == name for m in shown)]
    if not shown:
        return ""
    cell = f'style="text-align: right; padding: .1em .8em; {LINE}"'
    named = (name or "chest" for name in owners)
    head = f"<td {cell}></td>" + "".join(f"<th {cell}>{escape(name)}</th>" for name in named)
    lines = []
    for name in MAIN:
        own = {m.structure: m for m in shown if m.name == name}
        if own:
            values = "".join(
                f"<td {cell}>{_number(own[of]) if of in own else ''}</td>" for of in owners
            )
            lines.append(f"<tr><th {cell}>{escape(name.replace('_', ' '))}</th>{values}</tr>")
    return f'<table style="border-collapse: collapse"><tr>{head}</tr>{"".join(lines)}</table>'


def _number(measurement: Measurement) -> str:
    """A value and its unit, with as many digits as mean something."""
    value = measurement.value
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    unit = unit_in_words(measurement.unit, measurement.restriction)
    return escape(f"{digits} {unit}".rstrip())
