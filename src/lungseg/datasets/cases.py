"""One case is an image with its mask, or with none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LungExtent = Literal["field", "through-heart", "aerated"]
"""What the lungs of a mask follow: "field" is what a reader sees as air, heart and mediastinum
outside; "through-heart" draws through them; "aerated" outlines a part of the lungs only, so that
nothing is known outside it."""

SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Case:
    """One image and its mask.

    Attributes:
        case: name, unique within a source.
        patient: name of the patient, unique within a source; all images of one are in one split.
        image: path of the image.
        mask: path of the mask: not 0 where the lungs are, the right lung on the left of the
            picture; None where nobody drew one.
        source: where it comes from, such as "montgomery".
        split: one of `SPLITS`, or "" where none is given yet.
        lung_extent: what the lungs of the mask follow.
        notes: for people.
        mask_left: where each lung has a mask of its own, the left lung's; `mask` is then the right
            lung's.
    """

    case: str
    patient: str
    image: Path
    mask: Path | None
    source: str
    split: str = ""
    lung_extent: LungExtent = "field"
    notes: str = ""
    mask_left: Path | None = None


def patients_in_several_splits(cases: Sequence[Case]) -> list[tuple[str, str, tuple[str, ...]]]:
    """The patients whose images are in more than one split, as (source, patient, splits in the
    order of `SPLITS`), sorted.
    """
    splits: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        if case.split:
            splits.setdefault((case.source, case.patient), set()).add(case.split)
    return [
        (*who, tuple(s for s in SPLITS if s in found))
        for who, found in sorted(splits.items())
        if len(found) > 1
    ]
