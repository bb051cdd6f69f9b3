"""What taught a network: the cases of its run, and what follows from them for its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungseg.datasets import Case, read_manifest
from lungseg.modality import LUNG_EXTENTS, LungExtent
from lungseg.structures import MEDIASTINUM
from lungseg.train.run_cases import teaches
from lungseg.train.settings import TrainingSettings


def taught_by(run: Path, settings: TrainingSettings) -> list[Case]:
    """The cases with a mask that the run in a folder learnt from.

    Raises:
        InputError: its list of cases cannot be used.
    """
    return [
        case
        for case in read_manifest(run / "cases.csv")
        if case.split == "train"
        and case.source not in settings.leave_out
        and teaches(case, settings)
    ]


def lung_extents(taught: Sequence[Case], settings: TrainingSettings) -> tuple[LungExtent, ...]:
    """What the lungs of a network can follow that learnt from these cases."""
    learns = any(MEDIASTINUM in classes.names for classes in settings.classes)
    drawn = any(case.lung_extent == "through-heart" for case in taught)
    return LUNG_EXTENTS if learns and drawn else LUNG_EXTENTS[:1]


def sources_of(taught: Sequence[Case], sources: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry for each source that was trained on: how many images and patients, and what is
    known of its terms.
    """
    entries: list[dict[str, Any]] = []
    for source in sorted({case.source for case in taught}):
        mine = [case for case in taught if case.source == source]
        entries.append(
            {
                "source": source,
                "images": len(mine),
                "patients": len({c.patient for c in mine}),
                **sources.get(source, {}),
            }
        )
    return entries
