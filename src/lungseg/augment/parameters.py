"""Random changes of a training sample: all parameters are sampled first, then applied
(`lungseg.augment.apply`), so that a sample can be replayed from them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import numpy as np

from lungseg.augment import Float
from lungseg.augment.occlusions import (
    Occlusion,
    from_entries,
    sample_basal_effusion,
    sample_cover,
    sample_occlusions,
    to_entries,
)
from lungseg.errors import UsageError

RANGES: Final = {
    **dict.fromkeys(("rotation", "shift_x", "shift_y", "zoom", "warp", "gamma"), (0, math.inf)),
    **dict.fromkeys(
        (
            "mirror",
            "flip",
            "rotate_180",
            "padding",
            "intensity",
            "equalise",
            "window",
            "negative",
            "occlusion",
            "degradation",
            "effusion",
            "weak",
        ),
        (0, 1),
    ),
    "cut": (0, 0.45),
    "cut_dark": (0, 0.8),
}
"""Lowest and highest value of each field of `AugmentationSettings`."""


@dataclass(frozen=True, slots=True)
class AugmentationSettings:
    """How much is changed: what `sample_parameters` samples from. The recipes of the shipped models
    say what they change of the defaults; 0 is none of it.

    Attributes:
        rotation: standard deviation, in degrees.
        shift_x: standard deviation of the shift to the side, as a fraction of the width.
        shift_y: standard deviation of the shift up and down, as a fraction of the height.
        zoom: standard deviation of the logarithm of the zoom, 0.12 for about 12 %.
        mirror: probability of left and right exchanged; the labels of a pair change places too.
        flip: probability of above and below exchanged, as in CT slices that were stored upside
            down; labels stay with their side.
        rotate_180: probability of a rotation by 180 degrees, labels and all, as axial slices of
            prone patients are often stored.
        padding: probability of a broad frame around the picture.
        intensity: probability that gamma, contrast, brightness, bias field, noise, blur and the
            like are changed.
        gamma: standard deviation of the logarithm of gamma, which 7 samples in 10 get.
        equalise: probability of a local contrast equalisation, after which fat may be as dark as
            lung.
        window: probability that the darkest and the brightest greys are cut off, as in CT that is
            shown in a window.
        cut: largest fraction of the greys that is cut off at either end.
        cut_dark: the same at the dark end, where it is to be more than `cut`: in a window for soft
            tissue all lung is black. Of what is left a fifth is kept at least.
        negative: probability of black and white exchanged.
        occlusion: probability that opacities, tubes, text and the like may be painted in.
        degradation: probability that a sample is degraded: blurred, grainy, unevenly exposed,
            coarse or hidden in parts, and strongly; also where `intensity` or `occlusion` leave it
            alone.
        effusion: probability that fluid hides the base of one lung and the diaphragm below it, in
            whatever sample.
        weak: probability that a sample is moved little and shows what was taken.
        warp: of stretch, shear and elastic deformation, as a multiple of what is usual.

    Raises:
        UsageError: a number is negative or not finite, or a probability above 1.
    """

    rotation: float = 8.0
    shift_x: float = 0.05
    shift_y: float = 0.05
    zoom: float = 0.12
    mirror: float = 0.5
    flip: float = 0.0
    rotate_180: float = 0.0
    padding: float = 0.125
    intensity: float = 1.0
    gamma: float = 0.3
    equalise: float = 0.15
    window: float = 0.25
    cut: float = 0.15
    cut_dark: float = 0.0
    negative: float = 0.15
    occlusion: float = 1.0
    degradation: float = 0.0
    effusion: float = 0.0
    weak: float = 0.0
    warp: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            highest = RANGES[name][1]
            if not (0 <= value <= highest and math.isfinite(value)):
                what = (
                    "a number from 0 on"
                    if highest == math.inf
                    else f"{'a probability' if highest == 1 else 'a fraction'}, 0 to {highest:g}"
                )
                raise UsageError(f"{name} is {what}, not {value}")


@dataclass(frozen=True, slots=True)
class AugmentationParameters:
    """All that was sampled for one sample. Probabilities are decided already: what does not happen
    is None or its neutral value.

    Attributes:
        mirror: left and right exchanged, labels too.
        flip: above and below exchanged.
        rotate_180: rotated by 180 degrees.
        matrix: (2, 3), from output to input pixel coordinates, both as fractions of the side,
            centred.
        elastic: (2, 4, 4), shifts of a coarse grid, as fractions of the side.
        fill: grey of the padding, 0 to 1.
        occlusions: opacities, gas, tubes, text and the like, to be painted onto the picture.
        gamma, contrast, brightness: of the grey curve.
        bias_field: (3, 3) coarse field that brightens and darkens parts of the picture, None for
            none.
        equalise: clip limit of a local contrast equalisation, None for none.
        blur: Gaussian sigma in pixels.
        downsampling: factor of a resampling down and up again, 1 for none.
        noise: standard deviation, in units of the full grey range; `seed` is of its generator.
        jpeg: quality, None for none.
        window: lower and upper fraction of the grey range that is cut off.
        negative: bone black.
    """

    mirror: bool
    flip: bool
    rotate_180: bool
    matrix: Float
    elastic: Float
    fill: float
    occlusions: tuple[Occlusion, ...]
    gamma: float
    contrast: float
    brightness: float
    bias_field: Float | None
    equalise: float | None
    blur: float
    downsampling: float
    noise: float
    seed: int
    jpeg: int | None
    window: tuple[float, float]
    negative: bool

    def to_json(self) -> str:
        """All of them in one line; `from_json` gives them back to the last bit."""
        entries = {field.name: getattr(self, field.name) for field in fields(self)}
        entries["occlusions"] = to_entries(self.occlusions)
        return json.dumps(entries, default=np.ndarray.tolist)

    @staticmethod
    def from_json(text: str) -> AugmentationParameters:
        """What `to_json` was called on."""
        entries = json.loads(text)
        for name in ("matrix", "elastic", "bias_field"):
            entries[name] = None if entries[name] is None else np.array(entries[name], np.float32)
        return AugmentationParameters(
            **{
                **entries,
                "occlusions": from_entries(entries["occlusions"]),
                "window": tuple(entries["window"]),
            }
        )


DEFAULT_AUGMENTATION = AugmentationSettings()
NO_AUGMENTATION = AugmentationSettings(**dict.fromkeys(AugmentationSettings.__slots__, 0.0))

WEAK_FACTOR = 0.3
"""Factor by which the movements of a weakly augmented sample are reduced."""


def sample_parameters(
    rng: np.random.Generator, settings: AugmentationSettings = DEFAULT_AUGMENTATION
) -> AugmentationParameters:
    """Samples all parameters of one sample from `rng`."""

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability)

    parameters = AugmentationParameters(
        mirror=happens(settings.mirror),
        flip=False,
        rotate_180=False,
        matrix=_sample_matrix(rng, settings),
        elastic=(
            rng.normal(0, 0.012 * settings.warp, (2, 4, 4)) if happens(0.4) else np.zeros((2, 4, 4))
        ).astype(np.float32),
        fill=float(rng.choice([0.0, 0.0, 0.0, 1.0, 0.5])),
        occlusions=sample_occlusions(rng),
        gamma=float(np.exp(rng.normal(0, settings.gamma))) if happens(0.7) else 1.0,
        contrast=float(np.exp(rng.normal(0, 0.2))),
        brightness=float(rng.normal(0, 0.08)),
        bias_field=rng.normal(0, 0.12, (3, 3)).astype(np.float32) if happens(0.3) else None,
        equalise=float(rng.uniform(1, 4)) if happens(settings.equalise) else None,
        blur=float(rng.uniform(0.3, 1.5)) if happens(0.2) else 0.0,
        downsampling=float(rng.uniform(1.3, 3)) if happens(0.15) else 1.0,
        noise=float(rng.exponential(0.03)) if happens(0.4) else 0.0,
        seed=int(rng.integers(2**31)),
        jpeg=int(rng.integers(25, 90)) if happens(0.15) else None,
        window=_sample_window(rng, settings) if happens(settings.window) else (0.0, 0.0),
        negative=happens(settings.negative),
    )
    # What is sampled last changes nothing of what was sampled before, whatever its probability.
    if happens(settings.weak):
        parameters = _weaken(parameters)
    if not happens(settings.occlusion):
        parameters = replace(parameters, occlusions=())
    if not happens(settings.intensity):
        parameters = replace(
            _without_artefacts(parameters), fill=0.0, gamma=1.0, contrast=1.0, brightness=0.0
        )
    parameters = replace(
        parameters, flip=happens(settings.flip), rotate_180=happens(settings.rotate_180)
    )
    if happens(settings.degradation):
        parameters = _degrade(parameters, rng)
    if happens(settings.effusion):
        parameters = replace(
            parameters, occlusions=(sample_basal_effusion(rng), *parameters.occlusions)
        )
    return parameters


def _sample_window(rng: np.random.Generator, settings: AugmentationSettings) -> tuple[float, float]:
    low = float(rng.uniform(0, max(settings.cut, settings.cut_dark)))
    return low, min(float(rng.uniform(0, settings.cut)), 0.8 * (1 - low))


def _degrade(
    parameters: AugmentationParameters, rng: np.random.Generator
) -> AugmentationParameters:
    """One or two things that leave of a film little more than its large shapes, as a photograph of
    it or a poor copy does.
    """
    degraded: dict[str, Any] = {
        "blur": float(np.exp(rng.uniform(0.4, 2.1))),
        "downsampling": float(np.exp(rng.uniform(1.1, 2.5))),
        "bias_field": rng.normal(0, 0.35, (3, 3)).astype(np.float32),
        "noise": float(np.exp(rng.uniform(-2.5, -1.0))),
        "occlusions": (
            *parameters.occlusions,
            *(sample_cover(rng) for _ in range(rng.integers(1, 4))),
        ),
    }
    names = rng.choice(list(degraded), rng.integers(1, 3), replace=False)
    return replace(parameters, **{name: degraded[name] for name in names})


def _weaken(parameters: AugmentationParameters) -> AugmentationParameters:
    still = np.eye(2, 3, dtype=np.float32)
    matrix, elastic = (
        still + WEAK_FACTOR * (parameters.matrix - still),
        WEAK_FACTOR * parameters.elastic,
    )
    return replace(
        _without_artefacts(parameters),
        matrix=matrix,
        elastic=elastic,
        occlusions=(),
        gamma=parameters.gamma**WEAK_FACTOR,
    )


def _without_artefacts(parameters: AugmentationParameters) -> AugmentationParameters:
    """Without those changes of grey that show in the picture what the camera never saw."""
    off: dict[str, Any] = {
        "bias_field": None,
        "equalise": None,
        "jpeg": None,
        "blur": 0.0,
        "noise": 0.0,
        "downsampling": 1.0,
    }
    return replace(parameters, **off, window=(0.0, 0.0), negative=False)


def _sample_matrix(rng: np.random.Generator, settings: AugmentationSettings) -> Float:
    """Rotation, zoom, stretch, shear, shift; some samples are set in a broad frame, one in eight is
    barely changed.
    """
    kind = rng.random()
    calm = 0.25 if kind < 0.125 else 1.0
    angle = np.deg2rad(rng.normal(0, settings.rotation) * calm)
    zoom = np.exp(rng.normal(0, settings.zoom) * calm)
    stretch = np.exp(rng.normal(0, 0.09 * settings.warp) * calm)
    frame = (
        np.array([rng.uniform(1.1, 1.6), rng.uniform(1.0, 1.15)])
        if kind > 1 - settings.padding
        else np.ones(2)
    )
    if rng.random() < 0.5:
        frame = frame[::-1]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, rng.normal(0, 0.04 * settings.warp) * calm], [0, 1]])
    linear = rotation @ shear @ np.diag([zoom * stretch, zoom / stretch]) @ np.diag(frame)
    shift = rng.normal(0, (settings.shift_x, settings.shift_y)) * calm
    return np.column_stack([linear, shift]).astype(np.float32)
