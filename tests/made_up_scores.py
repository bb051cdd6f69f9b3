"""Scores of cases that nobody took."""

from __future__ import annotations

from dataclasses import replace

from lungseg.evaluate import CaseScore, MaskScore

NAN = float("nan")
MASK = MaskScore(0.95, 0.9, 0.99, 0.94, 0.96, 0.98, 20.0, 5.0, 4.5, 1.5, 0.6, 0.8, 0.9, -0.02, 2)
PLAIN = CaseScore(
    case="x",
    patient="px",
    source="north",
    lung_extent="field",
    notes="",
    verdict="ok",
    unit="pixels",
    hd95_of_1024=10.0,
    lungs=MASK,
    right=replace(MASK, dice=0.97, components=1),
    left=replace(MASK, dice=0.93, components=1),
    uncleaned=replace(MASK, dice=0.94, hd95=8.0, components=3),
)


def scored(
    case: str,
    dice: float,
    hd95: float = 10.0,
    *,
    patient: str | None = None,
    source: str = "north",
    notes: str = "",
) -> CaseScore:
    """A case with this Dice of both lungs and this HD95 of 1024."""
    return replace(
        PLAIN,
        case=case,
        patient=patient or case,
        source=source,
        notes=notes,
        hd95_of_1024=hd95,
        lungs=replace(MASK, dice=dice),
    )


HEART = replace(
    PLAIN,
    case="h",
    patient="ph",
    source="adults",
    lung_extent="through-heart",
    hd95_of_1024=NAN,
    lungs=MaskScore(dice=0.9, components=2),
    right=MaskScore(components=1),
    left=MaskScore(components=1),
    uncleaned=MaskScore(dice=0.89, components=4),
)
