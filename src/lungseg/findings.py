"""What was found on one image: numbers, and whether a reader should look."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

BOTH = "lungs"
"""The label of what is measured on both lungs together."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number.

    Attributes:
        name: what was measured, as defined in `docs/measurements.md`, such as "area".
        label: of what: "right lung", "left lung" or "lungs".
        value: the number.
        unit: "mm", "mm2", "mL", "g", "HU", "percent" or "1"; "pixels", "voxels" or "slices" where
            the spacing is not known; with what restricts it behind, such as "mm at detector".
    """

    name: str
    label: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reader should look.

    Attributes:
        status: "ok"; "review" where at least one reason speaks against trusting the mask unseen;
            "refused" where the input is not what the package is for, so that its mask, if there is
            one, means nothing.
        reasons: for a person, from the fixed lists `lungseg.quality.REASONS` and
            `lungseg.ct.judge.REASONS`.
    """

    status: Literal["ok", "review", "refused"]
    reasons: tuple[str, ...] = ()


def verdict_of(
    speaks: Mapping[str, bool], reasons: Mapping[str, str], refused: Collection[str]
) -> Verdict:
    """The verdict that follows from what speaks against a mask.

    Args:
        speaks: whether a reason holds, by its short name; one that is absent does not.
        reasons: every reason there is, in the order in which they are told.
        refused: names of those for which an input is refused.
    """
    names = [name for name in reasons if speaks.get(name)]
    status: Literal["ok", "review", "refused"] = "review" if names else "ok"
    return Verdict(
        "refused" if set(refused).intersection(names) else status,
        tuple(reasons[name] for name in names),
    )


def asymmetry(right: float, left: float) -> float:
    """(right - left) / (right + left) of two sizes, in percent: 0 where they are equal, 100 without
    a left lung, 0 without any.
    """
    return 100.0 * (right - left) / (right + left) if right + left else 0.0
