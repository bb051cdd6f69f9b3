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
    scores={
        "lungs": replace(MASK, hd95_at_1024=10.0),
        "right lung": replace(MASK, dice=0.97, components=1),
        "left lung": replace(MASK, dice=0.93, components=1),
    },
    raw={"lungs": replace(MASK, dice=0.94, hd95=8.0, components=3)},
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
    """A case with this Dice of both lungs and this HD95 at 1024."""
    one = replace(PLAIN, case=case, patient=patient or case, source=source, notes=notes)
    return with_scores(one, lungs=replace(MASK, dice=dice, hd95_at_1024=hd95))


def with_scores(score: CaseScore, **scores: MaskScore) -> CaseScore:
    """A case with other scores of structures, whose names have underscores here."""
    named = {name.replace("_", " "): value for name, value in scores.items()}
    return replace(score, scores={**score.scores, **named})


THROUGH_HEART = replace(
    PLAIN,
    case="h",
    patient="ph",
    source="adults",
    lung_extent="through-heart",
    scores={
        "lungs": MaskScore(dice=0.9, components=2),
        "right lung": MaskScore(components=1),
        "left lung": MaskScore(components=1),
    },
    raw={"lungs": MaskScore(dice=0.89, components=4)},
)
"""What was drawn through the heart is judged by its pixels only."""
