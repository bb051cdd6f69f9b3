"""Random changes of a training sample: all numbers are drawn first, then applied, so that a sample
can be replayed from its numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.augment import occlusions as obscure
from lungseg.augment.degradations import jpeg
from lungseg.datasets.label_sets import BACKGROUND, LEFT, RIGHT
from lungseg.errors import UsageError

Array = NDArray[Any]
Float = Array
"""float32, but OpenCV's types do not tell."""


RANGES: Final = {
    **dict.fromkeys(("rotation", "shift_x", "shift_y", "zoom", "warp", "gamma"), (0, math.inf)),
    **dict.fromkeys(
        (
            "mirror",
            "flip",
            "half_turn",
            "padding",
            "greys",
            "window",
            "negative",
            "obscure",
            "wear",
            "effusion",
            "plain",
        ),
        (0, 1),
    ),
    "cut": (0, 0.45),
}
"""Lowest and highest value of each field of `Strength`."""


@dataclass(frozen=True, slots=True)
class Strength:
    """How much is changed: what `draw` draws from. The recipes of the shipped models say what they
    change of the defaults; 0 is none of it.

    Attributes:
        rotation: standard deviation, in degrees.
        shift_x: standard deviation of the shift to the side, as a share of the width.
        shift_y: standard deviation of the shift up and down, as a share of the height.
        zoom: standard deviation of the logarithm of the zoom, 0.12 for about 12 %.
        mirror: chance of left and right exchanged; the labels of the lungs change places too.
        flip: chance of above and below exchanged, as in CT slices that were stored upside down;
            labels stay with their side.
        half_turn: chance of half a turn, labels and all, as axial slices of prone patients are
            often stored.
        padding: chance of a broad frame around the picture.
        greys: chance that gamma, contrast, brightness, shade, noise, blur and the like are changed.
        gamma: standard deviation of the logarithm of gamma, which 7 samples in 10 get.
        window: chance that the darkest and the brightest greys are cut off, as in CT that is shown
            in a window.
        cut: largest share of the greys that is cut off at either end.
        negative: chance of black and white exchanged.
        obscure: chance that opacities, tubes, letters and the like may be painted in.
        wear: chance that a sample is worn: blurred, grainy, shaded, coarse or hidden in parts, and
            strongly; also where `greys` or `obscure` leave it alone.
        effusion: chance that fluid hides the base of one lung and the diaphragm below it, in
            whatever sample.
        plain: chance that a sample is moved little and shows what was taken.
        warp: of stretch, shear and bend, as a multiple of what is usual.

    Raises:
        UsageError: a number is negative or not finite, or a chance above 1.
    """

    rotation: float = 8.0
    shift_x: float = 0.05
    shift_y: float = 0.05
    zoom: float = 0.12
    mirror: float = 0.5
    flip: float = 0.0
    half_turn: float = 0.0
    padding: float = 0.125
    greys: float = 1.0
    gamma: float = 0.3
    window: float = 0.25
    cut: float = 0.15
    negative: float = 0.15
    obscure: float = 1.0
    wear: float = 0.0
    effusion: float = 0.0
    plain: float = 0.0
    warp: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            highest = RANGES[name][1]
            if not (0 <= value <= highest and math.isfinite(value)):
                what = (
                    "a number from 0 on"
                    if highest == math.inf
                    else f"{'a chance' if highest == 1 else 'a share'}, 0 to {highest:g}"
                )
                raise UsageError(f"{name} is {what}, not {value}")


@dataclass(frozen=True, slots=True)
class Draw:
    """All that was drawn for one sample. Chances are decided already: what does not happen is None
    or its neutral value.

    Attributes:
        mirror: left and right exchanged, labels too.
        flip: above and below exchanged.
        half_turn: turned by 180 degrees.
        matrix: (2, 3), from output to input pixel coordinates, both as shares of the side, centred.
        bend: (2, 4, 4), shifts of a coarse grid, as shares of the side.
        fill: grey of the padding, 0 to 1.
        obscured: opacities, gas, tubes, letters and the like, to be drawn onto the picture.
        gamma, contrast, brightness: of the grey curve.
        shade: (3, 3) coarse field that brightens and darkens parts of the picture, None for none.
        equalise: strength of local contrast equalisation, None for none.
        blur: Gaussian sigma in pixels.
        coarse: factor of a resampling down and up again, 1 for none.
        noise: standard deviation, in units of the full grey range; `seed` is of its generator.
        jpeg: quality, None for none.
        window: lower and upper share of the grey range that is cut off.
        negative: bone black.
    """

    mirror: bool
    flip: bool
    half_turn: bool
    matrix: Float
    bend: Float
    fill: float
    obscured: tuple[obscure.Obscured, ...]
    gamma: float
    contrast: float
    brightness: float
    shade: Float | None
    equalise: float | None
    blur: float
    coarse: float
    noise: float
    seed: int
    jpeg: int | None
    window: tuple[float, float]
    negative: bool

    def to_json(self) -> str:
        """All numbers in one line; `from_json` gives them back to the last bit."""
        entries = {field.name: getattr(self, field.name) for field in fields(self)}
        entries["obscured"] = obscure.to_entries(self.obscured)
        return json.dumps(entries, default=np.ndarray.tolist)

    @staticmethod
    def from_json(text: str) -> Draw:
        """What `to_json` was called on."""
        entries = json.loads(text)
        for name in ("matrix", "bend", "shade"):
            entries[name] = None if entries[name] is None else np.array(entries[name], np.float32)
        return Draw(
            **{
                **entries,
                "obscured": obscure.from_entries(entries["obscured"]),
                "window": tuple(entries["window"]),
            }
        )


USUAL = Strength()
NONE = Strength(**dict.fromkeys(Strength.__slots__, 0.0))

PLAIN_MOVES = 0.3
"""How far, of what was drawn, a plain sample is moved."""


def draw(rng: np.random.Generator, strength: Strength = USUAL) -> Draw:
    """Draws all numbers for one sample from `rng`."""

    def happens(chance: float) -> bool:
        return bool(rng.random() < chance)

    drawn = Draw(
        mirror=happens(strength.mirror),
        flip=False,
        half_turn=False,
        matrix=_draw_matrix(rng, strength),
        bend=(
            rng.normal(0, 0.012 * strength.warp, (2, 4, 4)) if happens(0.4) else np.zeros((2, 4, 4))
        ).astype(np.float32),
        fill=float(rng.choice([0.0, 0.0, 0.0, 1.0, 0.5])),
        obscured=obscure.draw(rng),
        gamma=float(np.exp(rng.normal(0, strength.gamma))) if happens(0.7) else 1.0,
        contrast=float(np.exp(rng.normal(0, 0.2))),
        brightness=float(rng.normal(0, 0.08)),
        shade=rng.normal(0, 0.12, (3, 3)).astype(np.float32) if happens(0.3) else None,
        equalise=float(rng.uniform(1, 4)) if happens(0.15) else None,
        blur=float(rng.uniform(0.3, 1.5)) if happens(0.2) else 0.0,
        coarse=float(rng.uniform(1.3, 3)) if happens(0.15) else 1.0,
        noise=float(rng.exponential(0.03)) if happens(0.4) else 0.0,
        seed=int(rng.integers(2**31)),
        jpeg=int(rng.integers(25, 90)) if happens(0.15) else None,
        window=(float(rng.uniform(0, strength.cut)), float(rng.uniform(0, strength.cut)))
        if happens(strength.window)
        else (0.0, 0.0),
        negative=happens(strength.negative),
    )
    # What is drawn last changes nothing of what was drawn before, whatever its chance.
    if happens(strength.plain):
        drawn = _tame(drawn)
    if not happens(strength.obscure):
        drawn = replace(drawn, obscured=())
    if not happens(strength.greys):
        drawn = replace(_as_taken(drawn), fill=0.0, gamma=1.0, contrast=1.0, brightness=0.0)
    drawn = replace(drawn, flip=happens(strength.flip), half_turn=happens(strength.half_turn))
    if happens(strength.wear):
        drawn = _worn(drawn, rng)
    if happens(strength.effusion):
        drawn = replace(drawn, obscured=(obscure.draw_effusion(rng), *drawn.obscured))
    return drawn


def _worn(drawn: Draw, rng: np.random.Generator) -> Draw:
    """One or two things that leave of a film little more than its large shapes, as a photograph of
    it or a poor copy does.
    """
    worn: dict[str, Any] = {
        "blur": float(np.exp(rng.uniform(0.4, 2.1))),
        "coarse": float(np.exp(rng.uniform(1.1, 2.5))),
        "shade": rng.normal(0, 0.35, (3, 3)).astype(np.float32),
        "noise": float(np.exp(rng.uniform(-2.5, -1.0))),
        "obscured": (
            *drawn.obscured,
            *(obscure.draw_cover(rng) for _ in range(rng.integers(1, 4))),
        ),
    }
    names = rng.choice(list(worn), rng.integers(1, 3), replace=False)
    return replace(drawn, **{name: worn[name] for name in names})


def _tame(drawn: Draw) -> Draw:
    still = np.eye(2, 3, dtype=np.float32)
    matrix, bend = still + PLAIN_MOVES * (drawn.matrix - still), PLAIN_MOVES * drawn.bend
    return replace(
        _as_taken(drawn), matrix=matrix, bend=bend, obscured=(), gamma=drawn.gamma**PLAIN_MOVES
    )


def _as_taken(drawn: Draw) -> Draw:
    """Without those changes of grey that show in the picture what the camera never saw."""
    off: dict[str, Any] = {
        "shade": None,
        "equalise": None,
        "jpeg": None,
        "blur": 0.0,
        "noise": 0.0,
        "coarse": 1.0,
    }
    return replace(drawn, **off, window=(0.0, 0.0), negative=False)


def _draw_matrix(rng: np.random.Generator, strength: Strength) -> Float:
    """Rotation, zoom, stretch, shear, shift; some samples are set in a broad frame, one in eight is
    barely changed.
    """
    kind = rng.random()
    calm = 0.25 if kind < 0.125 else 1.0
    angle = np.deg2rad(rng.normal(0, strength.rotation) * calm)
    zoom = np.exp(rng.normal(0, strength.zoom) * calm)
    stretch = np.exp(rng.normal(0, 0.09 * strength.warp) * calm)
    frame = (
        np.array([rng.uniform(1.1, 1.6), rng.uniform(1.0, 1.15)])
        if kind > 1 - strength.padding
        else np.ones(2)
    )
    if rng.random() < 0.5:
        frame = frame[::-1]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, rng.normal(0, 0.04 * strength.warp) * calm], [0, 1]])
    linear = rotation @ shear @ np.diag([zoom * stretch, zoom / stretch]) @ np.diag(frame)
    shift = rng.normal(0, (strength.shift_x, strength.shift_y)) * calm
    return np.column_stack([linear, shift]).astype(np.float32)


def apply(
    picture: NDArray[np.uint8], allowed: NDArray[np.uint8], drawn: Draw, size: tuple[int, int]
) -> tuple[Float, NDArray[np.uint8]]:
    """Carries out what was drawn.

    Args:
        picture: (rows, columns), grey.
        allowed: the same shape, sets of allowed classes.
        drawn: from `draw`.
        size: rows and columns of the result.

    Returns:
        The changed picture, float32, of any range, before standardisation, and the sets of allowed
        classes, both of `size`.
    """
    grey, sets = _move(picture, allowed, drawn, size)
    if drawn.mirror:
        grey, sets = grey[:, ::-1].copy(), swap_sides(sets[:, ::-1])
    if drawn.flip:
        grey, sets = grey[::-1].copy(), sets[::-1].copy()
    if drawn.half_turn:
        grey, sets = grey[::-1, ::-1].copy(), sets[::-1, ::-1].copy()
    rng = np.random.default_rng(drawn.seed)
    for thing in drawn.obscured:
        grey = thing.onto(grey, sets, rng)
    return _recolour(grey, drawn, rng), sets


def swap_sides(allowed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Right lung becomes left lung and the reverse."""
    others = allowed & ~np.uint8(RIGHT | LEFT)
    return np.asarray(others | ((allowed & RIGHT) << 1) | ((allowed & LEFT) >> 1), np.uint8)


def _move(
    picture: Array, allowed: Array, drawn: Draw, size: tuple[int, int]
) -> tuple[Float, NDArray[np.uint8]]:
    rows, columns = size
    x, y = (
        (np.arange(columns) + 0.5) / columns - 0.5,
        ((np.arange(rows) + 0.5) / rows - 0.5)[:, np.newaxis],
    )
    m = drawn.matrix
    bend = [
        cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)
        if field.any()
        else np.float32(0)
        for field in drawn.bend
    ]
    height, width = picture.shape
    at_x = ((m[0, 0] * x + m[0, 1] * y + m[0, 2] + bend[0] + 0.5) * width - 0.5).astype(np.float32)
    at_y = ((m[1, 0] * x + m[1, 1] * y + m[1, 2] + bend[1] + 0.5) * height - 0.5).astype(np.float32)
    fill = drawn.fill * 255
    grey = cv2.remap(
        picture, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    sets = cv2.remap(
        allowed,
        at_x,
        at_y,
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=BACKGROUND,
    )
    return grey.astype(np.float32) / 255, sets.astype(np.uint8)


def _recolour(grey: Float, drawn: Draw, rng: np.random.Generator) -> Float:
    rows, columns = grey.shape
    if drawn.equalise is not None:
        grey = (
            cv2.createCLAHE(drawn.equalise, (8, 8))
            .apply((np.clip(grey, 0, 1) * 255).astype(np.uint8))
            .astype(np.float32)
            / 255
        )
    grey = np.clip(grey, 0, 1)
    if drawn.gamma != 1:
        grey = grey**drawn.gamma
    grey = (grey - 0.5) * drawn.contrast + 0.5 + drawn.brightness
    if drawn.shade is not None:
        grey = grey + cv2.resize(drawn.shade, (columns, rows), interpolation=cv2.INTER_CUBIC)
    if drawn.blur:
        grey = cv2.GaussianBlur(grey, (0, 0), drawn.blur)
    if drawn.noise:
        grey = grey + rng.normal(0, drawn.noise, grey.shape).astype(np.float32)
    if drawn.coarse > 1:
        small = (max(int(columns / drawn.coarse), 8), max(int(rows / drawn.coarse), 8))
        grey = cv2.resize(
            cv2.resize(grey, small, interpolation=cv2.INTER_AREA),
            (columns, rows),
            interpolation=cv2.INTER_LINEAR,
        )
    low, high = drawn.window
    grey = np.clip((grey - low) / (1 - low - high), 0, 1)
    if drawn.jpeg is not None:
        grey = jpeg(grey, drawn.jpeg)
    return 1 - grey if drawn.negative else grey
