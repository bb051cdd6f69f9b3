"""Small charts as SVG, to stand in a page: how numbers are distributed. Colours are classes that
the page's style sheet fills in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 700
LEFT: Final = 210
RIGHT: Final = 34
TOP: Final = 26
ROW: Final = 30
PLOT: Final = 240
"""Height of a plot of curves; all in pixels."""

COLOURS: Final = 6
"""Classes c0 to c5; a seventh series has the first colour again."""

COLUMNS: Final = 30
"""Bars of a histogram."""


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
            label = f"{value:.0f}" if self.high - self.low >= 100 else f"{value:.3g}"
            parts.append(
                f'<text x="{x:.1f}" y="{TOP + height + 16:.1f}" text-anchor="middle">{label}</text>'
            )
        if self.mark:
            x = self.at(self.mark[0])
            parts.append(f'<path class="mark" d="M{x:.1f} {TOP - 4}V{TOP + height:.1f}"/>')
            anchor = "end" if x > WIDTH / 2 else "start"
            parts.append(
                f'<text class="marked" x="{x:.1f}" y="{TOP - 9}" '
                f'text-anchor="{anchor}">{escape(self.mark[1])}</text>'
            )
        return "".join(parts)


def strips(series: Mapping[str, Sequence[float]], axis: Axis) -> str:
    """A row for each series: every value a dot, the middle half a box, the median a line."""
    parts = []
    for number, (name, values) in enumerate(series.items()):
        y = TOP + ROW * (number + 0.5)
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(name)}</text>'
        )
        if not values:
            continue
        within = np.clip(
            np.array(values, float), axis.low, axis.high
        )  # also of infinite ones, between which nothing can be interpolated
        first, middle, third = (
            axis.at(float(value)) for value in np.percentile(within, (25, 50, 75))
        )
        parts.append(
            f'<rect class="box c{number % COLOURS}" x="{first:.1f}" y="{y - 10:.1f}" '
            f'width="{third - first:.1f}" height="20"/>'
        )
        for i, value in enumerate(values):
            # Dots are moved off the line by steps of the golden ratio, so that they hide each other
            # as little as can be.
            off = ((i * 0.618034) % 1 - 0.5) * 16
            parts.append(
                f'<circle class="dot c{number % COLOURS}" cx="{axis.at(value):.1f}" '
                f'cy="{y + off:.1f}" r="2"/>'
            )
        parts.append(f'<path class="median" d="M{middle:.1f} {y - 12:.1f}v24"/>')
    height = ROW * len(series)
    return _svg(axis, height, "".join(parts))


def curves(series: Mapping[str, Sequence[float]], axis: Axis) -> str:
    """For each series, the share of its values that are at most so large, as steps. Infinite ones
    are never reached.
    """
    height = max(PLOT, 18 * len(series))
    parts = [_shares(height, {0.0: "0", 0.5: "0.5", 1.0: "1"})]
    for number, (name, values) in enumerate(series.items()):
        parts.append(_key(number, name, f"c{number % COLOURS}"))
        d = f"M{LEFT} {TOP + height}"
        for i, value in enumerate(sorted(value for value in values if not math.isinf(value)), 1):
            d += f"H{axis.at(value):.1f}V{TOP + height * (1 - i / len(values)):.1f}"
        if values:
            parts.append(f'<path class="curve c{number % COLOURS}" d="{d}H{WIDTH - RIGHT}"/>')
    return _svg(axis, height, "".join(parts))


def densities(
    series: Mapping[str, NDArray[Any]], edges: NDArray[Any], axis: Axis, classes: Mapping[str, str]
) -> str:
    """For each series its histogram, as a line of steps.

    Args:
        series: how many there are between each two `edges`.
        edges: one more than there are counts, increasing.
        axis: what `edges` are values of.
        classes: of each series' line, in the style sheet.
    """
    shares = {name: 100 * counts / max(1, counts.sum()) for name, counts in series.items()}
    highest = max((float(share.max()) for share in shares.values()), default=0.0) or 1.0
    parts = [_shares(PLOT, {0.0: "0", 0.5: f"{highest / 2:.1f}", 1.0: f"{highest:.1f}"})]
    for number, (name, share) in enumerate(shares.items()):
        parts.append(_key(number, name, classes[name]))
        d = f"M{axis.at(float(edges[0])):.1f} {TOP + PLOT}"
        for edge, value in zip(edges[1:], share, strict=True):
            d += f"V{TOP + PLOT * (1 - float(value) / highest):.1f}H{axis.at(float(edge)):.1f}"
        parts.append(f'<path class="curve {classes[name]}" d="{d}V{TOP + PLOT}"/>')
    return _svg(axis, PLOT, "".join(parts))


def columns(values: Sequence[float], axis: Axis) -> str:
    """How many values lie in each of `COLUMNS` equal parts of the axis."""
    counts, edges = np.histogram(
        np.clip(values, axis.low, axis.high), COLUMNS, (axis.low, axis.high)
    )
    highest = max(1, int(counts.max()))
    parts = [_shares(PLOT, {0.0: "", 1.0: ""})]
    parts += [
        f'<text x="{LEFT - 6}" y="{y}" text-anchor="end">{count}</text>'
        for count, y in ((0, TOP + PLOT), (highest, TOP + 8))
    ]
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        x, tall = axis.at(float(left)), PLOT * int(count) / highest
        parts.append(
            f'<rect class="bar" x="{x:.1f}" y="{TOP + PLOT - tall:.1f}" '
            f'width="{axis.at(float(right)) - x - 1:.1f}" height="{tall:.1f}">'
            f"<title>{left:.4g} to {right:.4g}: {count}</title></rect>"
        )
    return _svg(axis, PLOT, "".join(parts))


def bars(counts: Mapping[str, int], title: str, classes: Mapping[str, str]) -> str:
    """A bar for each count, its name above it and the number behind."""
    widest = max(1, *counts.values()) if counts else 1
    parts = []
    for number, (name, count) in enumerate(counts.items()):
        y, wide = 4 + 38 * number, (WIDTH - 80) * count / widest
        parts.append(f'<text x="0" y="{y + 10}">{escape(name)}</text>')
        parts.append(
            f'<rect class="bar {classes.get(name, "")}" x="0" y="{y + 15}" width="{wide:.1f}" '
            'height="14"/>'
        )
        parts.append(f'<text x="{wide + 6:.1f}" y="{y + 26}">{count}</text>')
    words = escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {38 * len(counts) + 4}" role="img" aria-label="{words}">'
        f"<title>{words}</title>{''.join(parts)}</svg>"
    )


def figure(chart: str) -> str:
    """One of these charts with its title below it."""
    title = chart.partition("<title>")[2].partition("</title>")[0]
    return f"<figure>{chart}<figcaption>{title}</figcaption></figure>"


def _shares(height: float, labels: Mapping[float, str]) -> str:
    """Lines across a plot at these shares of its height."""
    parts = []
    for share, label in labels.items():
        y = TOP + height * (1 - share)
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/><text '
            f'x="{WIDTH - RIGHT + 6}" y="{y + 4:.1f}">{label}</text>'
        )
    return "".join(parts)


def _key(number: int, name: str, look: str) -> str:
    """What a curve looks like, and its name."""
    line = TOP + 12 + 18 * number
    return (
        f'<path class="curve {look}" d="M4 {line - 4}h18"/><text x="28" '
        f'y="{line}">{_short(name)}</text>'
    )


def _svg(axis: Axis, height: float, inner: str) -> str:
    title = escape(axis.title)
    size = f"0 0 {WIDTH} {height + TOP + 24:.0f}"
    return (
        f'<svg viewBox="{size}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{axis.drawn(height)}{inner}</svg>"
    )


def _short(name: str) -> str:
    """As much of a name as there is room for."""
    return escape(name if len(name) <= 28 else f"{name[:27]}…")
