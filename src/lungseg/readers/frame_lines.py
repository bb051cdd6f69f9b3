"""Lines of a picture from a side inwards, and whether they are of one grey, or of one that changes
smoothly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungseg.segmentation import Array

Float = NDArray[np.float32]

TOLERANCE: Final = 0.03
"""Of the contrast of the picture in the middle; what differs by less is one grey. JPEG leaves as
much."""
EVEN: Final = 0.97
"""Fraction of a line that has its one grey; specks may lie on the rest."""
INKED: Final = 0.5
"""The same of a line with letters or ticks of a ruler on it."""
EDGE: Final = 0.06
"""Of that contrast; what differs by more from the frame beside it is no part of it."""
_DEGREE: Final = 3
"""Of the polynomial that a smooth change of grey along a line is told by."""
_PARTS: Final = 24
"""Parts of a line of whose medians it is made."""
_BLOCK: Final = 32
"""Lines that are looked at together."""


class Lines:
    """Lines (lines, length) of a picture, 0 to 1, from a side inwards; what is to be known of them
    is worked out as far as it is asked for.
    """

    def __init__(self, pixels: Float) -> None:
        self.pixels = pixels
        self._known: dict[int, tuple[Array, ...]] = {}

    def level(self, number: int) -> float:
        """The usual grey of a line."""
        return float(self._block(number)[0][number % _BLOCK])

    def residual(self, number: int) -> Float:
        """How far each pixel is from the line's grey, or from one that changes smoothly."""
        return np.asarray(self._block(number)[1][number % _BLOCK])

    def share(self, number: int) -> float:
        """How much of the line has that grey."""
        return float(self._block(number)[2][number % _BLOCK])

    def plain(self, number: int) -> bool:
        """Whether it is of one grey throughout."""
        return bool(self._block(number)[3][number % _BLOCK])

    def jump(self, number: int, other: int) -> float:
        """Along how much of it a line differs from another one."""
        away = np.abs(self.pixels[number] - self.pixels[other])
        return float((away > EDGE).mean())

    def stands_out(self, number: int, other: int) -> NDArray[np.bool_]:
        """Where a line differs from another one by more or less than usual, as where a frame that
        gets lighter or darker from line to line has letters on it.
        """
        step = self.pixels[number] - self.pixels[other]
        return np.asarray(np.abs(step - np.median(step)) > EDGE)

    def begins(self, last: int, first: int, count: int = 3) -> float:
        """Along how much of a line another picture begins at once: how much of the `count` lines
        from `first` on differs from the last three up to `last`.
        """
        beside = np.median(self.pixels[max(0, last - 2) : last + 1], axis=0)
        away = np.abs(self.pixels[first : first + count] - beside)
        return float((away > EDGE).any(axis=0).mean())

    def _block(self, number: int) -> tuple[Array, ...]:
        first = number // _BLOCK
        if first not in self._known:
            lines = np.ascontiguousarray(self.pixels[first * _BLOCK : (first + 1) * _BLOCK])
            self._known[first] = _told(lines)
        return self._known[first]


def _told(lines: Float) -> tuple[Array, ...]:
    """Of each line its usual grey, the residuals, the fraction of them that are small, and whether
    they are of one grey.
    """
    level = np.median(lines, axis=1)
    residual = np.abs(lines - level[:, np.newaxis])
    share = (residual <= TOLERANCE).mean(axis=1)
    plain = share >= EVEN
    for smooth in (_polynomial, _interpolated):
        uneven = np.flatnonzero(share < EVEN)
        if not uneven.size or lines.shape[1] < 2 * _PARTS:
            break
        other = np.abs(lines[uneven] - smooth(lines[uneven]))
        other_share = (other <= TOLERANCE).mean(axis=1)
        better = other_share > np.maximum(share[uneven], INKED)
        residual[uneven[better]] = other[better]
        share[uneven[better]] = other_share[better]
    return level, residual, share, plain


def longest(bad: NDArray[np.bool_]) -> int:
    """The longest run of True."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], bad.view(np.int8), [0]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def _medians(lines: Float) -> tuple[Float, NDArray[np.float64]]:
    """Of parts of each line, (lines, parts), and where their centres are, 0 to 1."""
    length = lines.shape[1]
    size = length // _PARTS
    parts = np.median(lines[:, : size * _PARTS].reshape(-1, _PARTS, size), axis=2)
    return parts, (np.arange(_PARTS) + 0.5) * size / length


def _places(lines: Float) -> NDArray[np.float64]:
    return (np.arange(lines.shape[1]) + 0.5) / lines.shape[1]


def _interpolated(lines: Float) -> Float:
    """Of each line the medians of its parts, with straight lines between them."""
    parts, centres = _medians(lines)
    places = _places(lines)
    return np.stack([np.interp(places, centres, one) for one in parts]).astype(np.float32)


def _polynomial(lines: Float) -> Float:
    """Of each line the polynomial that most of it lies on."""
    parts, centres = _medians(lines)
    basis = _powers(centres)
    weights = np.ones(parts.shape)
    for _ in range(3):
        square = np.einsum("lb,bi,bj->lij", weights, basis, basis) + 1e-6 * np.eye(_DEGREE + 1)
        side = np.einsum("lb,bi,lb->li", weights, basis, parts)
        found = np.linalg.solve(square, side[..., np.newaxis])[..., 0]
        weights = 1.0 / (1 + (np.abs(found @ basis.T - parts) / (TOLERANCE / 2)) ** 2)
    return np.asarray(found @ _powers(_places(lines)).T, np.float32)


def _powers(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """(positions, powers) of what lies between 0 and 1."""
    return np.stack([(2 * position - 1) ** power for power in range(_DEGREE + 1)], axis=1)
