"""Small charts of how numbers are distributed, as shapes with their places; `templates/parts.html`
draws them as SVG. Their colours are classes that the page's style sheet fills in.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lungseg.options import Colour

WIDTH: Final = 700
LEFT: Final = 210
RIGHT: Final = 34
TOP: Final = 26
ROW: Final = 30
LINE: Final = 14
PLOT: Final = 240
"""Height of a plot of curves; all in pixels."""

LETTERS: Final = 90
"""As many as a line has room for."""

COLOURS: Final = 6
"""Classes c0 to c5; a seventh series has the first colour again."""

COLUMNS: Final = 30
"""Bars of a histogram."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One element of an SVG.

    Attributes:
        tag: what it is.
        attributes: where it is, and its class in the style sheet.
        text: what a text says; of a rectangle, what is said where the mouse rests on it.
    """

    tag: Literal["path", "rect", "circle", "text"]
    attributes: Mapping[str, str]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with a title.

    Attributes:
        title: in plain text.
        height: in pixels; its width is `WIDTH`.
        shapes: what is drawn, the first below the others.
    """

    title: str
    height: int
    shapes: tuple[Shape, ...]
    width: int = field(default=WIDTH, init=False)


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis of a chart.

    Attributes:
        title: what is drawn.
        low, high: its ends; values beyond are drawn at the ends.
        mark: a value to compare with, drawn as a line, and its name.
    """

    title: str
    low: float
    high: float
    mark: tuple[float, str] | None = None

    def at(self, value: float) -> float:
        """Where a value lies, in pixels."""
        fraction = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + fraction * (WIDTH - LEFT - RIGHT)

    def shapes(self, height: float) -> list[Shape]:
        """Ticks, grid lines and the mark."""
        found = []
        for value in round_values(self.low, self.high):
            x = self.at(value)
            label = f"{value:.0f}" if self.high - self.low >= 100 else f"{value:.3g}"
            found.append(_path("grid", f"M{x:.1f} {TOP}V{TOP + height:.1f}"))
            found.append(_text(x, TOP + height + 16.0, label, anchor="middle"))
        if self.mark:
            x = self.at(self.mark[0])
            anchor = "end" if x > WIDTH / 2 else "start"
            found.append(_path("mark", f"M{x:.1f} {TOP - 4}V{TOP + height:.1f}"))
            found.append(_text(x, TOP - 9, self.mark[1], anchor=anchor, look="marked"))
        return found


def round_values(low: float, high: float) -> list[float]:
    """The values from `low` to `high` that are whole multiples of 1, 2, 2.5 or 5 times a power of
    ten, whichever gives about six.
    """
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


def strips(series: Mapping[str, Sequence[float]], axis: Axis) -> Chart:
    """A row for each series: every value a dot, the middle half a box, the median a line."""
    shapes = []
    for number, (name, values) in enumerate(series.items()):
        y, colour = TOP + ROW * (number + 0.5), f"c{number % COLOURS}"
        shapes.append(_text(LEFT - 8, y + 4, _short(name), anchor="end"))
        if not values:
            continue
        within = np.clip(
            np.array(values, float), axis.low, axis.high
        )  # also of infinite ones, between which nothing can be interpolated
        first, middle, third = (
            axis.at(float(value)) for value in np.percentile(within, (25, 50, 75))
        )
        shapes.append(_rect(f"box {colour}", first, y - 10, third - first, 20))
        for i, value in enumerate(values):
            # Dots are moved off the line by steps of the golden ratio, so that they hide each other
            # as little as can be.
            off = ((i * 0.618034) % 1 - 0.5) * 16
            place = {"cx": _pixels(axis.at(value)), "cy": _pixels(y + off), "r": "2"}
            shapes.append(Shape("circle", {"class": f"dot {colour}"} | place))
        shapes.append(_path("median", f"M{middle:.1f} {y - 12:.1f}v24"))
    return _chart(axis, ROW * len(series), shapes)


def curves(series: Mapping[str, Sequence[float]], axis: Axis) -> Chart:
    """For each series, the fraction of its values that are at most so large, as steps. Infinite
    ones are never reached.
    """
    height = max(PLOT, 18 * len(series))
    shapes = _levels(height, {0.0: "0", 0.5: "0.5", 1.0: "1"})
    for number, (name, values) in enumerate(series.items()):
        look = f"curve c{number % COLOURS}"
        shapes += _key(number, name, look)
        d = f"M{LEFT} {TOP + height}"
        for i, value in enumerate(sorted(value for value in values if not math.isinf(value)), 1):
            d += f"H{axis.at(value):.1f}V{TOP + height * (1 - i / len(values)):.1f}"
        if values:
            shapes.append(_path(look, f"{d}H{WIDTH - RIGHT}"))
    return _chart(axis, height, shapes)


def densities(
    series: Mapping[str, NDArray[Any]],
    edges: NDArray[Any],
    axis: Axis,
    colours: Mapping[str, Colour],
) -> Chart:
    """For each series its histogram, as a line of steps.

    Args:
        series: what percentage lies between each two `edges`.
        edges: one more than there are percentages, increasing.
        axis: what `edges` are values of.
        colours: of each series.
    """
    highest = max((float(percent.max()) for percent in series.values()), default=0.0) or 1.0
    shapes = _levels(PLOT, {0.0: "0", 0.5: f"{highest / 2:.1f}", 1.0: f"{highest:.1f}"})
    for number, (name, percent) in enumerate(series.items()):
        look = f"curve c{number % COLOURS} coloured"
        dark, light = (hexadecimal(colour) for colour in (on_white(colours[name]), colours[name]))
        style = f"--on-white:{dark};--on-black:{light}"
        shapes += _key(number, name, look, style)
        d = f"M{axis.at(float(edges[0])):.1f} {TOP + PLOT}"
        for edge, value in zip(edges[1:], percent, strict=True):
            d += f"V{TOP + PLOT * (1 - float(value) / highest):.1f}H{axis.at(float(edge)):.1f}"
        shapes.append(_path(look, f"{d}V{TOP + PLOT}", style))
    return _chart(axis, PLOT, shapes)


def on_white(colour: Colour) -> Colour:
    """A colour, so much darker that a line of it is seen well on white: with a contrast of at least
    4.5 by WCAG 2.2 (success criterion 1.4.3).
    """
    scale = 1.0
    while 1.05 / (_luminance(colour, scale) + 0.05) < 4.5:
        scale -= 0.01
    red, green, blue = (round(part * scale) for part in colour)
    return red, green, blue


def _luminance(colour: Colour, scale: float) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = (part * scale / 255 for part in colour)
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def hexadecimal(colour: Colour) -> str:
    """A colour as style sheets have it, such as "#009e73"."""
    return "#" + "".join(f"{part:02x}" for part in colour)


def columns(values: Sequence[float], axis: Axis) -> Chart:
    """How many values lie in each of `COLUMNS` equal parts of the axis."""
    counts, edges = np.histogram(
        np.clip(values, axis.low, axis.high), COLUMNS, (axis.low, axis.high)
    )
    highest = max(1, int(counts.max()))
    shapes = _levels(PLOT, {0.0: "", 1.0: ""})
    shapes += [
        _text(LEFT - 6, y, str(count), anchor="end")
        for count, y in ((0, TOP + PLOT), (highest, TOP + 8))
    ]
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        x, tall = axis.at(float(left)), PLOT * int(count) / highest
        wide = axis.at(float(right)) - x - 1
        hint = f"{left:.4g} to {right:.4g}: {count}"
        shapes.append(_rect("bar", x, TOP + PLOT - tall, wide, tall, hint))
    return _chart(axis, PLOT, shapes)


def bars(counts: Mapping[str, int], title: str, looks: Mapping[str, str]) -> Chart:
    """A bar for each count, its name above it and the number behind.

    Args:
        counts: by name.
        title: of the chart.
        looks: classes of each bar in the style sheet; one that is absent has none.
    """
    widest = max(1, *counts.values()) if counts else 1
    shapes, y = list[Shape](), 4
    for name, count in counts.items():
        wide = (WIDTH - 80) * count / widest
        for line in textwrap.wrap(name, LETTERS) or [""]:
            shapes.append(_text(0, y + 10, line))
            y += LINE
        shapes += [
            _rect(f"bar {looks.get(name, '')}".rstrip(), 0, y + 1, wide, 14),
            _text(wide + 6, y + 12, str(count)),
        ]
        y += 38 - LINE
    return Chart(title, y, tuple(shapes))


def _chart(axis: Axis, height: float, shapes: list[Shape]) -> Chart:
    return Chart(axis.title, round(height + TOP + 24), (*axis.shapes(height), *shapes))


def _levels(height: float, labels: Mapping[float, str]) -> list[Shape]:
    """Lines across a plot at these fractions of its height."""
    shapes = []
    for fraction, label in labels.items():
        y = TOP + height * (1 - fraction)
        shapes.append(_path("grid", f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}"))
        shapes.append(_text(WIDTH - RIGHT + 6, y + 4, label))
    return shapes


def _key(number: int, name: str, look: str, style: str = "") -> list[Shape]:
    """What a curve looks like, and its name."""
    line = TOP + 12 + 18 * number
    return [_path(look, f"M4 {line - 4}h18", style), _text(28, line, _short(name))]


def _path(look: str, d: str, style: str = "") -> Shape:
    return Shape("path", {"class": look, "d": d} | ({"style": style} if style else {}))


def _rect(look: str, x: float, y: float, width: float, height: float, hint: str = "") -> Shape:
    sides = {"x": x, "y": y, "width": width, "height": height}
    return Shape(
        "rect", {"class": look} | {name: _pixels(side) for name, side in sides.items()}, hint
    )


def _text(x: float, y: float, words: str, *, anchor: str = "", look: str = "") -> Shape:
    attributes = {"class": look, "x": _pixels(x), "y": _pixels(y), "text-anchor": anchor}
    return Shape("text", {name: value for name, value in attributes.items() if value}, words)


def _pixels(value: float) -> str:
    return f"{value}" if isinstance(value, int) else f"{value:.1f}"


def _short(name: str) -> str:
    """As much of a name as there is room for."""
    return name if len(name) <= 28 else f"{name[:27]}…"
