"""Small charts as SVG, to stand in a page: how scores are distributed. Colours are classes that the page's style sheet fills in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from lungseg.evaluate.intervals import percentile

WIDTH: Final = 700
LEFT: Final = 210
RIGHT: Final = 34
TOP: Final = 26
ROW: Final = 30
PLOT: Final = 240
"""Height of a plot of curves; all in pixels."""

COLOURS: Final = 6
"""Classes c0 to c5; a seventh series has the first colour again."""


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
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def drawn(self, height: float) -> str:
        """Ticks, grid lines and the mark."""
        parts = []
        for value in np.linspace(self.low, self.high, 6):
            x = self.at(float(value))
            parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{TOP + height:.1f}"/>')
            parts.append(f'<text x="{x:.1f}" y="{TOP + height + 16:.1f}" text-anchor="middle">{value:.3g}</text>')
        if self.mark:
            x = self.at(self.mark[0])
            parts.append(f'<path class="mark" d="M{x:.1f} {TOP - 4}V{TOP + height:.1f}"/>')
            anchor = "end" if x > WIDTH / 2 else "start"
            parts.append(f'<text class="marked" x="{x:.1f}" y="{TOP - 9}" text-anchor="{anchor}">{escape(self.mark[1])}</text>')
        return "".join(parts)


def strips(series: Mapping[str, Sequence[float]], axis: Axis) -> str:
    """A row for each series: every value a dot, the middle half a box, the median a line."""
    parts = []
    for number, (name, values) in enumerate(series.items()):
        y = TOP + ROW * (number + 0.5)
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(name)}</text>')
        if not values:
            continue
        first, middle, third = (axis.at(percentile(np.array(values, float), percent)) for percent in (25, 50, 75))
        parts.append(f'<rect class="box c{number % COLOURS}" x="{first:.1f}" y="{y - 10:.1f}" width="{third - first:.1f}" height="20"/>')
        for i, value in enumerate(values):
            # Dots are moved off the line by steps of the golden ratio, so that they hide each other as little as can be.
            off = ((i * 0.618034) % 1 - 0.5) * 16
            parts.append(f'<circle class="dot c{number % COLOURS}" cx="{axis.at(value):.1f}" cy="{y + off:.1f}" r="2"/>')
        parts.append(f'<path class="median" d="M{middle:.1f} {y - 12:.1f}v24"/>')
    height = ROW * len(series)
    return _svg(axis, height, "".join(parts))


def curves(series: Mapping[str, Sequence[float]], axis: Axis) -> str:
    """For each series, the share of its values that are at most so large, as steps. Infinite ones are never reached."""
    parts = []
    height = max(PLOT, 18 * len(series))
    for share in (0, 0.5, 1):
        y = TOP + height * (1 - share)
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/><text x="{WIDTH - RIGHT + 6}" y="{y + 4:.1f}">{share:g}</text>'
        )
    for number, (name, values) in enumerate(series.items()):
        line = TOP + 12 + 18 * number
        parts.append(f'<path class="curve c{number % COLOURS}" d="M4 {line - 4}h18"/><text x="28" y="{line}">{_short(name)}</text>')
        d = f"M{LEFT} {TOP + height}"
        for i, value in enumerate(sorted(value for value in values if not math.isinf(value)), 1):
            d += f"H{axis.at(value):.1f}V{TOP + height * (1 - i / len(values)):.1f}"
        if values:
            parts.append(f'<path class="curve c{number % COLOURS}" d="{d}H{WIDTH - RIGHT}"/>')
    return _svg(axis, height, "".join(parts))


def _svg(axis: Axis, height: float, inner: str) -> str:
    title = escape(axis.title)
    size = f"0 0 {WIDTH} {height + TOP + 24:.0f}"
    return f'<svg viewBox="{size}" role="img" aria-label="{title}"><title>{title}</title>{axis.drawn(height)}{inner}</svg>'


def _short(name: str) -> str:
    """As much of a name as there is room for."""
    return escape(name if len(name) <= 28 else f"{name[:27]}…")
