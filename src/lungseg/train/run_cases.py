"""Which cases a run learns from, and which it is validated on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lungseg.datasets import Case, split_by_patient
from lungseg.datasets.cases import patients_in_several_splits
from lungseg.datasets.spreadsheets import read_rows
from lungseg.errors import InputError, UsageError
from lungseg.structures import regions, sided
from lungseg.train.settings import TrainingSettings

log = logging.getLogger(__name__)


def assign_splits(cases: Sequence[Case], settings: TrainingSettings) -> list[Case]:
    """The cases with their split: by patient, and every case of a left-out source for testing, so
    that it chooses nothing.

    Raises:
        InputError: a patient is in two splits.
        UsageError: a left-out source is not among the cases.
    """
    unknown = set(settings.leave_out) - {case.source for case in cases}
    if unknown:
        raise UsageError(
            f"there is no source {sorted(unknown)[0]!r} to leave out",
            cure=f"choose of {sorted({c.source for c in cases})}",
        )
    split = split_by_patient(
        cases, validation=settings.validation, test=settings.test, seed=settings.seed
    )
    split = [
        replace(case, split="test") if case.source in settings.leave_out else case for case in split
    ]
    for source, patient, splits in patients_in_several_splits(split):
        first = next(
            case.image for case in split if (case.source, case.patient) == (source, patient)
        )
        problem = f"the patient {patient} of {source} is in the splits {' and '.join(splits)}"
        raise InputError(
            problem,
            where=first,
            cure="correct patient or split in the list of `lungseg dataset`, and train on that",
        )
    return split


def training_and_validation(
    cases: Sequence[Case], settings: TrainingSettings
) -> tuple[list[Case], list[Case]]:
    """What is trained on in one epoch, and what is validated on, of cases with their split (see
    `assign_splits`).

    Raises:
        InputError: there is nothing on one of the sides.
        UsageError: the source whose Dice is monitored is not validated on, or a structure that is
            to be learnt is decided by no case to train on.
    """
    learnt = _learnt(settings)
    known = [case for case in cases if teaches(case, settings)]
    if not known:
        raise InputError(
            "no case has a mask that decides what is to be learnt", cure="give cases with masks"
        )
    repeats = settings.repeats()
    training = [
        case for case in known if case.split == "train" for _ in range(repeats.get(case.source, 1))
    ]
    validation = [
        case for case in known if case.split == "validation" and case.notes != "questionable"
    ]
    if not training or not validation:
        problem = f"{len(training)} cases to train on and {len(validation)} to validate on"
        raise InputError(
            problem, cure="give more patients, or the split train or validation to some"
        )
    decided = {name for case in training for name in case.decided}
    for name in sorted(learnt - decided):
        raise UsageError(
            f"no case to train on decides {name}, so it cannot be learnt",
            cure="leave it out of the layers, or name it in the column decides of the list of "
            "cases",
        )
    _check_validation(validation, settings)
    for source in sorted(repeats.keys() - {case.source for case in training}):
        log.warning("oversample names %s, and no case to train on is of that source", source)
    return training, validation


def _learnt(settings: TrainingSettings) -> set[str]:
    return {one.name for classes in settings.classes for one in sided(classes.structures)}


def teaches(case: Case, settings: TrainingSettings) -> bool:
    """Whether a case has a mask that decides anything of what is learnt."""
    return case.mask is not None and not _learnt(settings).isdisjoint(case.decided)


def _check_validation(validation: Sequence[Case], settings: TrainingSettings) -> None:
    """Says of what there will be no Dice.

    Raises:
        UsageError: it is what is monitored.
    """
    source = settings.monitor.removeprefix("val_dice_")
    sources = sorted({case.source for case in validation})
    if source != settings.monitor and source not in sources:
        problem = (
            f"no case of the source {source!r} is validated on, so {settings.monitor} is not logged"
        )
        raise UsageError(problem, cure=f"take of {sources}")
    decided = {name for case in validation for name in case.decided}
    for classes in settings.classes:
        for region, those in regions(classes.structures).items():
            if not decided.isdisjoint(one.name for one in sided(those)):
                continue
            problem = f"no case to validate on decides {region}, so its Dice is not known"
            if settings.monitor == f"val_{region}_dice":
                raise UsageError(problem, cure="monitor something else")
            log.warning("%s", problem)


def check_same_cases(cases: Sequence[Case], began: Path) -> None:
    """That a run goes on with the cases and the split that it began with: one more patient draws
    another split, and then what was trained on would be validated on.
    """
    before = [(row["source"], row["case"], row["split"]) for row in read_rows(began)]
    if before != [(case.source, case.case, case.split) for case in cases]:
        raise UsageError(
            "the run began with other cases or another split",
            where=began,
            cure="resume it with this list of cases",
        )
