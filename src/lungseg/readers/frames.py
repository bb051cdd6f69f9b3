"""What was put round a picture: margins of one grey or a smooth one, strips and lines of text,
rulers, padding to a square.

Lines are looked at from each side inwards, over and over, rows and columns in turn. A line belongs
to a frame where it has one grey, or one that changes smoothly, but for ink; a film or a slice has
none but where it is black or white throughout. A frame ends at a straight edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Final
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.readers.frame_lines import EVEN, INKED, TOLERANCE, Float, Lines, longest
from lungseg.segmentation import MIN_SIDE, Array

_SIDE: Final = 900
"""Rows or columns that are looked at, of more every second, third and so on."""
_RUN: Final = 0.06
"""Fraction of a line that a letter or a tick of a ruler may be long."""
_GAP: Final = 0.08
"""Fraction of the lines over which a line of text may reach."""
_MIN_PICTURE: Final = 0.2
"""Fraction of rows, and of columns, that a picture has of what is in its frame."""
_MIN_ASPECT: Final = 0.4
"""Of the sides of what is in a frame, the shorter by the longer."""
_SOFT: Final = 0.012
"""Fraction of the lines within which a frame ends, where it was blurred."""
_STRAIGHT: Final = 0.5
"""Fraction of the lines' length along which a frame ends at once. A film that ends in black or
white, and a body in the air of a slice, do so along a few pixels."""
_STRAIGHTER: Final = 0.75
"""The same where the frame is of no one grey, or is black with letters on it."""
_JUMP: Final = 0.35
"""The same from one frame to another one within it."""
_OTHER: Final = 0.1
"""Fraction of a line along which another one may differ beyond a line of text."""
_ABRUPT: Final = 0.8
"""Fraction of a line along which the picture begins at once, from which on no text begins there."""
_MAX_VAGUE: Final = 0.15
"""Fraction of the lines that may change smoothly, and have no such end, before others that have."""
_MIN_FRAME: Final = 0.012
"""Fraction of the lines; narrower frames do no harm, and scanners and shutters leave them."""
_BLACK: Final = 0.14
"""Of the contrast; the collimator of a film leaves that, and films were cut and filled up with
it."""
_MIN_BLACK: Final = 0.04
"""Fraction of rows, or of columns, that is black at both ends where black margins are left out."""
_MOST_BLACK: Final = 0.35
"""The same at one end alone, which no collimator leaves."""
_TEXT: Final = 0.15
"""Of what is black but for letters the fraction that has these: of the lines of a strip, and of the
pixels at a side of a slide."""
_LETTER: Final = 0.04
"""Of the longer side of a picture, the shorter side of what stands on black by itself and is no
picture: markers, letters, lines of them, scales."""
_MIN_GREYS: Final = 5
"""Of a picture; drawings have fewer, and their sheet is no frame."""
_SET_IN_WHITE: Final = 0.3
"""Fraction of the border of a slice."""
_ROUNDS: Final = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """Where in a picture the picture itself is.

    Attributes:
        shape: rows, columns, with the frame.
        rows, columns: first, and the one after the last, of what is within the frame.
    """

    shape: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def box(self) -> tuple[slice, slice]:
        """What is within, as rows and columns of an array."""
        return slice(*self.rows), slice(*self.columns)

    @property
    def is_below(self) -> bool:
        """Whether it lies below the picture alone, as where a file was cut short."""
        return self.rows[0] == 0 and self.columns == (0, self.shape[1])

    @property
    def note(self) -> str:
        """What is left out, in words."""
        (top, bottom), (left, right) = self.rows, self.columns
        sides = {
            "top": top,
            "bottom": self.shape[0] - bottom,
            "left": left,
            "right": self.shape[1] - right,
        }
        listed = ", ".join(f"{count} at the {side}" for side, count in sides.items() if count)
        return (
            f"a frame round the picture was left out ({listed}): looked at were rows {top + 1} to "
            f"{bottom} of {self.shape[0]} and columns {left + 1} to {right} of {self.shape[1]}"
        )

    def within(self, image: Image) -> Image:
        """What is within the frame; all else stays as it is."""
        array = image.array[self.box]
        geometry = ImageGeometry(array.shape, image.geometry.spacing, image.geometry.spacing_plane)
        return replace(image, array=array, geometry=geometry)

    def whole(self, labels: Array) -> Array:
        """Labels (rows, columns) of what is within, on all of the picture; 0 in the frame."""
        whole = np.zeros(self.shape, labels.dtype)
        whole[self.box] = labels
        return whole


def find_frame(pixels: Array, *, of_slice: bool = False) -> Frame | None:
    """What frames a picture; None where nothing does.

    Black margins alone are none unless they are broad: films are collimated, and were filled up to
    a square, and a network has seen many of them.

    Args:
        pixels: (rows, columns), of any real type.
        of_slice: of a slice of CT, where black is the air round the patient and no frame.
    """
    step = max(1, -(-max(pixels.shape) // _SIDE))
    work = _without_letters(_scaled(pixels[::step, ::step]))
    box = [0, work.shape[0], 0, work.shape[1]]
    peeled: dict[int, list[_Margin]] = {}
    for _ in range(_ROUNDS):
        before = list(box)
        for number in range(4):
            inside = work[box[0] : box[1], box[2] : box[3]]
            inside = inside if number < 2 else inside.T
            if min(inside.shape) < MIN_SIDE // 2:
                return None
            margins = _kept(_margins(Lines(inside[::-1] if number % 2 else inside)), len(inside))
            peeled.setdefault(number, []).extend(margins)
            depth = sum(margin.depth for margin in margins)
            box[number] += -depth if number % 2 else depth
        if box == before:
            break
    depths = _believed(peeled, work.shape, of_slice=of_slice)
    if depths is None:
        return None
    edges = [
        _exact(pixels, number, depth, step) if depth else 0 for number, depth in enumerate(depths)
    ]
    heights, widths = _of_a_chest(edges, pixels.shape)
    rows = heights[0], pixels.shape[0] - heights[1]
    columns = widths[0], pixels.shape[1] - widths[1]
    if not any((*heights, *widths)):
        return None
    if min(rows[1] - rows[0], columns[1] - columns[0]) < MIN_SIDE:
        return None
    inside = pixels[slice(*rows), slice(*columns)]
    if np.unique(inside[::step, ::step]).size < _MIN_GREYS:
        return None
    if of_slice and _is_set_in_white(inside, pixels.max()):
        return None
    return Frame(pixels.shape, rows, columns)


def _of_a_chest(edges: list[int], shape: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Depths at both ends of the rows, and of the columns; none along the axis where they leave of
    a picture that is no strip itself a strip, as no chest is.
    """
    pairs = [edges[:2], edges[2:]]
    left = [side - sum(pair) for side, pair in zip(shape, pairs, strict=True)]
    if min(left) < _MIN_ASPECT * max(left) and min(shape) >= _MIN_ASPECT * max(shape):
        pairs[int(np.argmin(left))] = [0, 0]
    return pairs[0], pairs[1]


def frame_of(image: Image) -> Frame | None:
    """What frames an image, looked for once: it is asked for when the image is read, and again when
    it is segmented.
    """
    if image not in _FOUND:
        _FOUND[image] = find_frame(image.array)
    return _FOUND[image]


_FOUND: Final[WeakKeyDictionary[Image, Frame | None]] = WeakKeyDictionary()


def _is_set_in_white(inside: Array, white: float) -> bool:
    """Whether a slice has white about it within its frame too: then that is no frame, but what the
    body was set in.
    """
    border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    return bool((border == white).mean() >= _SET_IN_WHITE)


def without_frame(image: Image) -> Array:
    """The pixels (rows, columns) of an image without what frames it."""
    frame = frame_of(image)
    return image.array if frame is None else image.array[frame.box]


@dataclass(frozen=True, slots=True)
class _Margin:
    """Lines at one side: how many; the fraction of their length along which the picture begins at
    once; whether all are black; the grey, where they have one.
    """

    depth: int
    straight: float
    black: bool
    level: float | None

    @property
    def is_straight(self) -> bool:
        """Whether it ends in a straight edge; where greys vary that has to be plainer."""
        varies = self.level is None or (self.level <= _BLACK and not self.black)
        return self.straight >= (_STRAIGHTER if varies else _STRAIGHT)


def _kept(margins: list[_Margin], count: int) -> list[_Margin]:
    """Those up to the last that ends in a straight edge or is black, but none behind one that does
    not and is broad.

    Args:
        margins: of one side, from without inwards.
        count: of all lines there.
    """
    kept = 0
    for number, margin in enumerate(margins, start=1):
        alone = number == 1 and margin.level is not None
        if margin.is_straight or margin.black or alone:
            kept = number
        elif margin.depth > _MAX_VAGUE * count:
            break
    return margins[:kept]


def _believed(
    peeled: dict[int, list[_Margin]], shape: tuple[int, int], *, of_slice: bool
) -> list[int] | None:
    """How many lines of each side are a frame: those that end in a straight edge, and of black ones
    those that lie outside of others, or at both ends.
    """
    outer, black, dark = [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]
    for number, margins in peeled.items():
        depth = 0
        for margin in margins:
            depth += margin.depth
            if margin.black:
                dark[number] = depth
            if margin.is_straight:
                if margin.black:
                    black[number] = depth
                else:
                    black[number] = outer[number] = depth
    # Where the picture is as white as its frame, it has no edge.
    levels = [m.level for m in chain(*peeled.values()) if m.is_straight and m.level is not None]
    levels = [level for level in levels if level > _BLACK]
    for number, margins in peeled.items():
        level = margins[0].level if margins else None
        if outer[number] or level is None:
            continue
        if any(abs(level - other) <= TOLERANCE for other in levels):
            black[number] = outer[number] = margins[0].depth
    depths = outer if of_slice else _with_black(outer, black, dark, shape)
    return depths if any(depths >= _MIN_FRAME * np.repeat(shape, 2)) else None


def _with_black(
    outer: list[int], black: list[int], dark: list[int], shape: tuple[int, int]
) -> list[int]:
    """Depths of each side with the black margins that are a frame.

    Args:
        outer: without them.
        black: of black margins that end in a straight edge, too.
        dark: of any black margins.
        shape: of the picture.
    """
    sizes = np.repeat(shape, 2)
    broad, most = _MIN_BLACK * sizes, _MOST_BLACK * sizes
    if all(np.subtract(dark, outer) >= broad):
        return dark
    depths = list(outer)
    for both in (slice(0, 2), slice(2, 4)):
        inner = np.subtract(black[both], outer[both])
        if all(inner >= broad[both]) or any(inner >= most[both]):
            depths[both] = black[both]
        elif any(np.subtract(dark[both], outer[both]) >= most[both]):
            depths[both] = dark[both]
    return depths


def _exact(pixels: Array, number: int, depth: int, step: int) -> int:
    """Lines of a side, by the steepest edge near to where every `step`-th line has it."""
    lines = pixels if number < 2 else pixels.T
    lines = lines[::-1] if number % 2 else lines
    start = depth * step
    if number % 2:
        start -= step - 1 - (len(lines) - 1) % step
    soft = round(_SOFT * len(lines)) + 5 * step
    near = slice(max(0, start - step - 1), min(len(lines), start + soft))
    across = lines[near, ::step].astype(np.float32)
    change = np.abs(np.diff(across, axis=0)).mean(axis=1)
    if not change.size:
        return start
    change *= 1 - 0.5 * np.arange(change.size) / change.size
    steepest = int(change.argmax())
    return start if change[steepest] < 3 * np.median(change) else near.start + steepest + 1


def _scaled(pixels: Array) -> Float:
    """With 0 as the darkest grey, and 1 as far from it as most greys in the middle, which a frame
    does not reach, lie apart.
    """
    rows, columns = pixels.shape
    middle = pixels[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]
    low, high = np.percentile(middle, (2, 98))
    lowest, highest = float(pixels.min()), float(pixels.max())
    unit = max(float(high - low), 0.05 * (highest - lowest), 1e-6)
    return (pixels.astype(np.float32) - np.float32(lowest)) / np.float32(unit)


def _without_letters(work: Float) -> Float:
    """Black where letters stand on black, as on a slide; the same where no side is that broadly
    black.
    """
    lit = work > _BLACK
    depths = [max(1, round(_MOST_BLACK * side)) for side in lit.shape]
    ends = lit[: depths[0]], lit[-depths[0] :], lit[:, : depths[1]], lit[:, -depths[1] :]
    if min(float(end.mean()) for end in ends) > _TEXT:
        return work
    _, places, stats, _ = cv2.connectedComponentsWithStats(lit.view(np.uint8))
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    is_letter = sides.min(axis=1) <= _LETTER * max(work.shape)
    is_letter[0] = False  # the black itself
    letters = cv2.dilate(is_letter[places].view(np.uint8), np.ones((5, 5), np.uint8))
    return np.where(letters > 0, np.float32(0), work)


def _margins(lines: Lines) -> list[_Margin]:
    """What frames the first lines, from without inwards: each of one grey, or one that changes
    smoothly.
    """
    count, length = lines.pixels.shape
    gap, run = max(2, round(_GAP * count)), max(2, round(_RUN * length))
    ends, last, even, start = [], -1, -1, 0
    for i in range(int(count * (1 - _MIN_PICTURE))):
        # Far from the side, what is on black is no letter.
        may_have_ink = last < 0 or i < _MAX_VAGUE * count or lines.level(last) > _BLACK
        if lines.share(i) >= EVEN:
            if i - last > 1 and last >= 0:
                if not may_have_ink or lines.jump(i, even) > _OTHER:
                    break
            elif last >= 0 and (
                lines.plain(i) != lines.plain(last) or lines.jump(i, last) >= _JUMP
            ):
                ends.append(i)
                start = i
            last = even = i
        elif last >= start and may_have_ink and lines.share(i) >= INKED and i - last == 1:
            strange = (lines.residual(i) > TOLERANCE) | lines.stands_out(i, even)
            if longest(strange) <= run and lines.jump(i, last) <= INKED:
                last = i
        elif i - last > (gap if last >= 0 else gap // 8) or (
            i - last == 1 and last >= 0 and lines.begins(last, i) >= _ABRUPT
        ):
            break
    if last < 0:
        return []
    ends.append(last + 1)
    return [_margin(lines, before, end) for before, end in pairwise([0, *ends])]


def _margin(lines: Lines, start: int, end: int) -> _Margin:
    """The lines from `start` to before `end`."""
    soft = max(4, round(_SOFT * len(lines.pixels))) if lines.plain(end - 1) else 3
    even = [i for i in range(start, end) if lines.share(i) >= EVEN]
    black = all(lines.level(i) <= _BLACK for i in even)
    if black and end <= _MAX_VAGUE * len(lines.pixels):
        black = sum(lines.share(i) >= EVEN for i in range(end)) > (1 - _TEXT) * end
    levels = [lines.level(i) for i in even if lines.plain(i)]
    one = len(levels) == len(even) > 0 and max(levels) - min(levels) <= TOLERANCE
    level = float(np.median(levels)) if one else None
    return _Margin(end - start, lines.begins(end - 1, end, soft), black, level)
