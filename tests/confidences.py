"""A network's confidence, as `lungseg.quality.confidence` gives it."""

from __future__ import annotations


def confidence_of(right: float, left: float, lungs: float) -> dict[str, float]:
    return {"right lung": right, "left lung": left, "lungs": lungs}
