"""Many cases, segmented and scored, some at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore
from typing import Any, Final

from lungseg.datasets import Case, read_labels
from lungseg.datasets.folders import is_volume
from lungseg.datasets.other_masks import read_other_masks
from lungseg.errors import InputError
from lungseg.evaluate.cases import CaseScore, score
from lungseg.evaluate.volumes import score_ct
from lungseg.image import Image
from lungseg.options import ALL, SegmentOptions
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.result import Result
from lungseg.segmenter import MAX_VOLUMES, Segmenter

log = logging.getLogger(__name__)

EVERYTHING: Final = SegmentOptions(structures=ALL)
"""All that a model predicts."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that could not be scored.

    Attributes:
        case, source: of the case.
        why: in a sentence that names the file.
    """

    case: str
    source: str
    why: str


def score_cases(
    segmenter: Segmenter | RadiographSegmenter,
    cases: Sequence[Case],
    options: SegmentOptions = EVERYTHING,
    *,
    workers: int = 1,
) -> tuple[list[CaseScore], list[Failure]]:
    """Segments and scores cases, `workers` at a time, of volumes at most `MAX_VOLUMES`; scores and
    failures each in the order of the cases.

    What cannot be read, and a mask of another shape than its image, becomes a failure.

    Args:
        segmenter: the model.
        cases: with masks.
        options: how they are segmented.
        workers: cases at a time.

    Raises:
        UsageError: an option means nothing for a case, or for the model.
    """
    with ThreadPoolExecutor(workers, "lungseg") as pool:
        found = list(
            pool.map(partial(_try, segmenter, options, BoundedSemaphore(MAX_VOLUMES)), cases)
        )
    return [one for one in found if isinstance(one, CaseScore)], [
        one for one in found if isinstance(one, Failure)
    ]


def _try(
    segmenter: Segmenter | RadiographSegmenter,
    options: SegmentOptions,
    slots: BoundedSemaphore,
    case: Case,
) -> CaseScore | Failure:
    try:
        with slots if is_volume(case.image) else nullcontext():
            result: Result[Any] = segmenter(case.image, options)
            return (
                _scored(case, result) if isinstance(result.image, Image) else score_ct(case, result)
            )
    except InputError as error:
        log.warning("case %s of %s is left out: %s", case.case, case.source, error)
        return Failure(case.case, case.source, error.recorded)


def _scored(case: Case, result: Result[Image]) -> CaseScore:
    shape = result.image.geometry.shape
    return score(case, read_labels(case, shape), result, read_other_masks(case, shape))
