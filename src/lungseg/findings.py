"""What was found on one image: numbers, and whether a reader should look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number.

    Attributes:
        name: what was measured, as defined in `docs/measurements.md`, such as "area".
        label: of what: "right lung", "left lung" or "lungs".
        value: the number.
        unit: "mm", "mm2", either with " at detector" where the spacing was measured there, "pixels", "percent" or "1".
    """

    name: str
    label: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reader should look.

    Attributes:
        status: "ok", or "review" where at least one reason speaks against trusting the mask unseen.
        reasons: for a person, from the fixed list `lungseg.judge.REASONS`.
    """

    status: Literal["ok", "review"]
    reasons: tuple[str, ...] = ()
