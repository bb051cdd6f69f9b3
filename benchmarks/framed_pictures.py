"""Real films and slices of CT, graded and framed as people's files are: what `frames.py` measures
on and `film_or_slice.py` fits to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.readers import read_image

Picture = NDArray[np.uint8]
Random = np.random.Generator
Box = tuple[slice, slice]
Half = Literal["tune", "report"]

FILMS: Final = (
    ("masks_and_labels", "cxr/masks_and_labels/CXR_png/*"),
    ("diseased_adults", "cxr/diseased_adults/images/*"),
    ("paediatric", "cxr/paediatric/images/*"),
    ("rsna", "cxr/rsna/stage_2_train_images/*"),
)
SLICES: Final = (
    ("finding_lungs", "ct/finding_lungs/2d_images/*"),
    ("covid19", "ct/covid19/ct/*"),
    ("bmp", "ct/bmp/images/*"),
    ("not_frontal", "cxr/not_frontal/ct_slices/*"),
)
NEVER_TUNED: Final = ("rsna", "covid19", "bmp", "not_frontal")
"""Their terms forbid it, or they are too few."""

WIDTHS: Final = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Of a side of the picture that a margin is broad."""


@dataclass(frozen=True)
class Framed:
    """A picture in a frame: all of it, and where the picture itself is."""

    pixels: Picture
    box: Box


def pictures(
    folder: Path, sets: tuple[tuple[str, str], ...], half: Half, *, every: int = 1
) -> Iterator[tuple[str, Path]]:
    """Set and path of each `every`-th picture of one half; a patient is in one half."""
    for name, pattern in sets:
        paths = [path for path in sorted(folder.glob(pattern)) if half_of(name, path) == half]
        yield from ((name, path) for path in paths[::every])


def half_of(name: str, path: Path) -> Half:
    """Which half a picture belongs to, by what its name begins with."""
    if name in NEVER_TUNED:
        return "report"
    patient = path.stem.split("_")[0] if name in ("diseased_adults", "paediatric") else path.stem
    return "tune" if hashlib.sha256(patient.encode()).digest()[0] % 2 else "report"


def grey_picture(path: Path) -> Picture:
    """A file as 8 bits, of half a hundredth at both ends cut off where it had more."""
    return eight_bits(read_image(path).array)


def eight_bits(pixels: NDArray[Any]) -> Picture:
    """Any greys as 8 bits."""
    if pixels.dtype == np.uint8:
        return pixels
    low, high = np.percentile(pixels, (0.5, 99.5))
    return _rounded((pixels.astype(np.float64) - low) * (255 / max(high - low, 1e-6)))


def _rounded(pixels: NDArray[Any]) -> Picture:
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


# Gradings: what was done to the greys.


def _clahe(pixels: Picture, random: Random) -> Picture:
    return np.asarray(cv2.createCLAHE(random.uniform(1.5, 4), (8, 8)).apply(pixels), np.uint8)


def _gamma(pixels: Picture, random: Random) -> Picture:
    power = random.choice([random.uniform(0.45, 0.7), random.uniform(1.4, 2.2)])
    return _rounded(255 * (pixels / 255.0) ** power)


def _narrow(pixels: Picture, random: Random) -> Picture:
    low, high = np.percentile(pixels, (random.uniform(8, 15), random.uniform(85, 92)))
    return _rounded((pixels - low) * (255.0 / max(high - low, 8)))


def _wide(pixels: Picture, random: Random) -> Picture:
    return _rounded(random.uniform(20, 90) + pixels * random.uniform(0.3, 0.55))


def _as_it_is(pixels: Picture, _: Random) -> Picture:
    return pixels


def _inverted(pixels: Picture, _: Random) -> Picture:
    return 255 - pixels


def _levels(pixels: Picture, random: Random) -> Picture:
    levels = int(random.choice([8, 12, 16]))
    return _rounded(np.floor(pixels * (levels / 256.0)) * (255.0 / (levels - 1)))


def _jpeg(pixels: Picture, _: Random) -> Picture:
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _blurred(pixels: Picture, random: Random) -> Picture:
    sigma = random.uniform(0.003, 0.006) * max(pixels.shape)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


GRADINGS: Final[dict[str, Callable[[Picture, Random], Picture]]] = {
    "as it is": _as_it_is,
    "CLAHE": _clahe,
    "gamma": _gamma,
    "narrow window": _narrow,
    "wide window": _wide,
    "inverted": _inverted,
    "8 to 16 grey levels": _levels,
    "JPEG 20": _jpeg,
    "blur": _blurred,
}

# Frames: what was put round it.


def _margins(pixels: Picture, widths: tuple[int, int, int, int], grey: float) -> Framed:
    """Of one grey: top, bottom, left, right."""
    top, bottom, left, right = widths
    rows, columns = pixels.shape
    whole = np.full((rows + top + bottom, columns + left + right), grey, np.uint8)
    box = slice(top, top + rows), slice(left, left + columns)
    whole[box] = pixels
    return Framed(whole, box)


def _none(pixels: Picture, _: Random) -> Framed:
    return Framed(pixels, (slice(0, len(pixels)), slice(0, pixels.shape[1])))


def _even(grey: int, share: float) -> Callable[[Picture, Random], Framed]:
    def framed(pixels: Picture, _: Random) -> Framed:
        rows, columns = (max(1, round(share * side)) for side in pixels.shape)
        return _margins(pixels, (rows, rows, columns, columns), grey)

    return framed


def _square(grey: int, side: int | None = None) -> Callable[[Picture, Random], Framed]:
    def framed(pixels: Picture, random: Random) -> Framed:
        rows, columns = pixels.shape
        if abs(rows - columns) < 0.1 * max(rows, columns):  # squashed before, or square
            rows = round(rows * random.uniform(0.65, 0.85))
            pixels = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
        if side is not None:
            scale = side / max(rows, columns)
            rows, columns = round(rows * scale), round(columns * scale)
            pixels = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
        down, across = max(rows, columns) - rows, max(rows, columns) - columns
        widths = down // 2, down - down // 2, across // 2, across - across // 2
        return _margins(pixels, widths, grey)

    return framed


def _one_side(pixels: Picture, random: Random) -> Framed:
    widths = [0, 0, 0, 0]
    for number in random.choice(4, size=int(random.integers(1, 3)), replace=False):
        widths[number] = round(random.uniform(0.03, 0.3) * pixels.shape[number // 2])
    return _margins(pixels, (widths[0], widths[1], widths[2], widths[3]), int(random.integers(256)))


def _write(whole: Picture, at: tuple[int, int], ink: int, random: Random, height: int) -> None:
    """A line of text with its lower left end `at` (row, column)."""
    letters = "".join(random.choice(list("ABCDEFGHKLMNPRSTUVXYZ 0123456789:.-/"), size=24))
    size = max(0.25, height / 30)
    thick = max(1, round(size * 1.3))
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(whole, letters, at[::-1], font, size, ink, thick, cv2.LINE_AA)


def _strip(pixels: Picture, random: Random) -> Framed:
    """A strip with one or two lines of text above or below."""
    dark = random.random() < 0.6
    grey, ink = (0, 255) if dark else (int(random.integers(150, 256)), 0)
    height = max(12, round(random.uniform(0.05, 0.12) * pixels.shape[0]))
    above = bool(random.random() < 0.5)
    framed = _margins(pixels, (height, 0, 0, 0) if above else (0, height, 0, 0), grey)
    lines = int(random.integers(1, 3))
    start = 0 if above else pixels.shape[0]
    for number in range(lines):
        row = start + round(height * (number + 0.72) / lines)
        _write(framed.pixels, (row, 5), ink, random, round(height * 0.55 / lines))
    return framed


def _page(pixels: Picture, random: Random) -> Framed:
    """A figure of a publication: a white page, a thin line round the picture, a caption below."""
    rows, columns = pixels.shape
    line = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    margin = round(random.uniform(0.03, 0.12) * rows)
    caption = round(random.uniform(0.12, 0.25) * rows)
    whole = _margins(line, (margin, caption + margin, margin, margin), 255).pixels
    for number in range(3):
        row = margin + rows + 2 + round(caption * (number + 0.8) / 3)
        _write(whole, (row, margin), 0, random, max(8, caption // 6))
    return Framed(
        whole, (slice(margin + 1, margin + 1 + rows), slice(margin + 1, margin + 1 + columns))
    )


def _viewer(pixels: Picture, random: Random) -> Framed:
    """A viewer's window: a smooth grey at the sides, a bar with text above."""
    rows, columns = pixels.shape
    left, right = (round(random.uniform(0.05, 0.3) * columns) for _ in range(2))
    bar = round(random.uniform(0.04, 0.1) * rows)
    framed = _margins(pixels, (bar, 0, left, right), 0)
    first, last = (int(random.integers(20, 200)) for _ in range(2))
    steps = rows if random.random() < 0.5 else left + columns + right
    ramp = np.linspace(first, last, steps)
    ground = ramp[:, np.newaxis] if len(ramp) == rows else ramp[np.newaxis]
    below = np.broadcast_to(_rounded(ground), (rows, left + columns + right)).copy()
    below[:, left : left + columns] = pixels
    framed.pixels[bar:] = below
    framed.pixels[:bar] = random.integers(0, 120)
    _write(framed.pixels, (round(bar * 0.7), 6), 230, random, round(bar * 0.6))
    if left > 0.12 * columns:
        for number in range(5):
            row = bar + round(rows * (0.06 + 0.04 * number))
            _write(framed.pixels[:, : left - 2], (row, 4), 235, random, max(7, rows // 60))
    return framed


def _ruler(pixels: Picture, random: Random) -> Framed:
    """A margin with the ticks of a ruler, right or below."""
    grey, ink = random.choice([(0, 255), (255, 0), (90, 255)])
    rows, columns = pixels.shape
    width = max(10, round(random.uniform(0.05, 0.12) * columns))
    framed = _margins(pixels, (0, 0, 0, width), grey)
    start = columns + (2 if random.random() < 0.5 else width // 3)
    for number, row in enumerate(np.linspace(0.05 * rows, 0.95 * rows, 31).astype(int)):
        long = width // 2 if number % 5 == 0 else width // 4
        framed.pixels[row : row + max(1, rows // 500), start : start + long] = ink
    return framed


def _nested(first: str, second: str) -> Callable[[Picture, Random], Framed]:
    def framed(pixels: Picture, random: Random) -> Framed:
        inner = FRAMES[first](pixels, random)
        outer = FRAMES[second](inner.pixels, random)
        if outer.pixels.shape < inner.pixels.shape:  # pragma: no cover (frames do not shrink)
            raise ValueError("a frame that shrinks its picture")
        rows, columns = (
            slice(o.start + i.start, o.start + i.stop)
            for o, i in zip(outer.box, inner.box, strict=True)
        )
        return Framed(outer.pixels, (rows, columns))

    return framed


FRAMES: Final[dict[str, Callable[[Picture, Random], Framed]]] = {
    "none": _none,
    **{
        f"{name}, {width:.0%}": _even(grey, width)
        for name, grey in (
            ("white", 255),
            ("black", 0),
            ("dark grey", 64),
            ("grey", 128),
            ("light grey", 192),
        )
        for width in WIDTHS
    },
    "one or two sides": _one_side,
    "white to a square": _square(255),
    "black to a square": _square(0),
    "white to 224 x 224": _square(255, 224),
    "strip with text": _strip,
    "page with a caption": _page,
    "viewer": _viewer,
    "ruler": _ruler,
    "strip in a viewer": _nested("strip with text", "viewer"),
    "black, then white": _nested("black, 10%", "white, 5%"),
    "ruler, then grey": _nested("ruler", "grey, 10%"),
}


def graded_and_framed(
    pixels: Picture, grading: str, frame: str, random: Random
) -> tuple[Picture, Framed]:
    """The picture graded, and that framed; every second time the frame is graded with it."""
    if random.random() < 0.5:
        framed = FRAMES[frame](GRADINGS[grading](pixels, random), random)
    else:
        plain = FRAMES[frame](pixels, random)
        framed = Framed(GRADINGS[grading](plain.pixels, random), plain.box)
    return np.ascontiguousarray(framed.pixels[framed.box]), framed
