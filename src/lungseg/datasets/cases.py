"""One case is an image with its mask, or with none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lungseg.structures import LUNGS

LungExtent = Literal["field", "through-heart", "aerated"]
"""What the lungs of a mask follow: "field" is what a reader sees as air, heart and mediastinum
outside; "through-heart" draws through them; "aerated" outlines a part of the lungs only, so that
nothing is known outside it."""

BOTH_LUNGS: Final = tuple(lung.name for lung in LUNGS)

SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Case:
    """One image and its mask.

    Attributes:
        case: name, unique within a source.
        patient: name of the patient, unique within a source; all images of one are in one split.
        image: path of the image.
        mask: path of the mask: not 0 where the structures are (see
            `lungseg.datasets.read_labels`); None where nobody drew one.
        source: where it comes from, such as "montgomery".
        split: one of `SPLITS`, or "" where none is given yet.
        lung_extent: what the lungs of the mask follow.
        notes: for people.
        mask_left: where each lung has a mask of its own, the left lung's; `mask` is then the right
            lung's.
        decides: names of the structures that the mask decides: where it has none of them, there is
            none. Of others it says nothing.
        other_masks: of further structures that have a mask of their own, which may overlap the
            others: name and path, or None where the case is known to have none of it.
        labels: what the values of the mask mean, such as "127=right lung; 255=left lung" (see
            `lungseg.datasets.declared_labels`); empty where they are the numbers of structures, or
            tell inside from outside.
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
    decides: tuple[str, ...] = BOTH_LUNGS
    other_masks: tuple[tuple[str, Path | None], ...] = ()
    labels: str = ""

    @property
    def decided(self) -> tuple[str, ...]:
        """Names of the structures that some mask of the case decides."""
        return (*self.decides, *(name for name, _ in self.other_masks))

    @property
    def mask_files(self) -> tuple[Path, ...]:
        """All masks."""
        masks = (self.mask, self.mask_left, *(path for _, path in self.other_masks))
        return tuple(path for path in masks if path is not None)


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
