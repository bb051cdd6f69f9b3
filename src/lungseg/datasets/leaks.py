"""A guard against leaks: what is on two sides of a split at once makes a model look better than it
is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets.cases import SPLITS, Case
from lungseg.errors import LungsegError
from lungseg.preprocess import resize
from lungseg.readers import read_image

Fingerprint = NDArray[np.float32]
"""(255,), -1 or 1: signs of the waves that a picture is made of."""

WAVES: Final = 16
"""Waves along each axis whose signs make a fingerprint; without the mean, 255 of them."""

MIRROR: Final[Fingerprint] = np.tile(np.array([1, -1], np.float32), WAVES * WAVES // 2)[1:]
"""What a mirror does to a fingerprint: waves that are odd along a row are inverted."""

MAX_DIFFERENT_WAVES: Final = 36
"""Signs, of 255, in which copies of a picture differ at most. Copies of 1152 radiographs differ in
at most 8 after JPEG of quality 50, 12 at half the size, 34 with 1.3 times the contrast. Of their
660,000 pairs of different patients, and of 17,000 of CT slices, only one differs in fewer than 45
(with one picture mirrored 54, negative 89), and that one is one film under two names."""

BLOCK: Final = 2048
"""Pictures that are compared with all others at once, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Two cases on different sides of the split that should be on one.

    Attributes:
        first: the one whose side comes earlier in train, validation, test.
        second: the other.
        reason: "same file", "same patient" or "nearly the same picture".
    """

    first: Case
    second: Case
    reason: str


def find_leaks(cases: Sequence[Case]) -> list[Leak]:
    """What is on two sides of the split at once: a file, a patient, or a picture, as it is,
    mirrored or as its negative.

    A file is told by its bytes; a patient is one of a source; a picture is told by a perceptual
    hash, the signs of the low frequencies of its cosine transform (C. Zauner, "Implementation and
    benchmarking of perceptual image hash functions", 2010), which hardly depend on size, contrast
    and compression. For each file or patient on two sides one pair is given, and no pair twice.
    Files that cannot be read are skipped: `lungseg.datasets.checks` tells of them.

    Args:
        cases: of any number of sources; those without a split take no part.
    """
    sides = [[case for case in cases if case.split == split] for split in SPLITS]
    placed = [case for side in sides for case in side]
    with ThreadPoolExecutor() as pool:  # decoders release Python's lock
        files = dict(zip(placed, pool.map(_digest, placed), strict=True))
        fingerprints = dict(zip(placed, pool.map(_fingerprint, placed), strict=True))
    patients = {case: f"{case.source}/{case.patient}" for case in placed}
    leaks: list[Leak] = []
    for one, other in combinations(sides, 2):
        reasons: dict[tuple[Case, Case], str] = {}
        for reason, names in (("same file", files), ("same patient", patients)):
            for pair in _namesakes(one, other, names):
                reasons.setdefault(pair, reason)
        for first, second in _alike(one, other, fingerprints):
            if files[first] != files[second] and patients[first] != patients[second]:
                reasons.setdefault((first, second), "nearly the same picture")
        leaks += [Leak(first, second, reason) for (first, second), reason in reasons.items()]
    return leaks


def _digest(case: Case) -> str:
    """Tells the bytes of a file; its path where they cannot be read."""
    try:
        with case.image.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return str(case.image)


def _fingerprint(case: Case) -> Fingerprint | None:
    """Of a picture; None where it cannot be read."""
    try:
        pixels = read_image(case.image).array
    except LungsegError:
        return None
    waves = cv2.dct(resize(pixels, (4 * WAVES, 4 * WAVES)))[:WAVES, :WAVES]
    return np.where(waves.ravel()[1:] > 0, np.float32(1), np.float32(-1))


def _namesakes(
    one: Sequence[Case], other: Sequence[Case], names: dict[Case, str]
) -> Iterator[tuple[Case, Case]]:
    """For each name on both sides, the first case of each that has it."""
    here, there = ({names[case]: case for case in reversed(side)} for side in (one, other))
    for name in dict.fromkeys(names[case] for case in one):
        if name in there:
            yield here[name], there[name]


def _alike(
    one: Sequence[Case], other: Sequence[Case], fingerprints: dict[Case, Fingerprint | None]
) -> Iterator[tuple[Case, Case]]:
    """All pairs whose fingerprints, one of them as it is, mirrored, negative or both, differ in at
    most `MAX_DIFFERENT_WAVES` signs.
    """
    here, there = (
        [(case, own) for case in side if (own := fingerprints[case]) is not None]
        for side in (one, other)
    )
    if not here or not there:
        return
    theirs = np.stack([own for _, own in there])
    enough = (
        len(MIRROR) - 2 * MAX_DIFFERENT_WAVES
    )  # the sum of products of signs is those that agree less those that differ
    for start in range(0, len(here), BLOCK):
        mine = np.stack([own for _, own in here[start : start + BLOCK]])
        alike = (np.abs(mine @ theirs.T) >= enough) | (np.abs((mine * MIRROR) @ theirs.T) >= enough)
        for i, j in np.argwhere(alike):
            yield here[start + i][0], there[j][0]
