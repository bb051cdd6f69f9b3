"""Whether a reader should look before a mask of CT is used, and whether the input is CT of a chest
at all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import VolumeGeometry
from lungseg.measurement import Measurement
from lungseg.segmentation import Segmentation
from lungseg.structures import LEFT_LUNG, LUNGS, PLURAL, RIGHT_LUNG
from lungseg.verdict import Verdict, verdict_of
from lungseg.volume import Volume

LOWEST_CONFIDENCE = 0.9
"""Of both lungs together, as in `lungseg.quality`; decides where there is no expected Dice."""

LOST = 0.5
"""Expected Dice below which a mask means nothing: of 77 such masks the mean Dice was 0.06
(`docs/verdicts_ct.md`)."""

SMALLEST_VOLUME, LARGEST_VOLUME = 800.0, 12000.0
"""Millilitres of both lungs. Breathing out as far as can be leaves a woman of 1.45 m at 20 years
some 900; full inspiration gives a man of 2.05 m some 9300, with a standard deviation of 700 (P. H.
Quanjer et al., "Lung volumes and forced ventilatory flows", Eur. Respir. J. 6 Suppl. 16, 1993,
table 5), and emphysema adds to that. Those of small children are smaller."""

LEAST_VOLUME = 100.0
"""Millilitres of both lungs; what is less, and was not cut off, is some other gas, or the lungs of
a newborn."""

LOWEST_ASYMMETRY, HIGHEST_ASYMMETRY = -20.0, 40.0
"""Percent: the left lung 1.5 times, or the right one 2.3 times as large as the other. The right one
has more room; in the volumes at hand asymmetry is 5 to 25."""

LARGEST_FACE = 0.005
"""Share of the first or last slice, row or column that one lung may cover."""

DENSITIES = -930.0, -400.0
"""Hounsfield units; between them lies the mean of both lungs. In eight volumes at hand it is -860
to -660, and both severe emphysema and severe pneumonia leave some way to the limits."""

AIR, OPEN_AIR, FEWEST_AIR = (-1500, -850), (-1060, -900), 1000
"""HU between which a voxel outside the lungs is taken for air and no padding; between which the
median of such voxels must lie, since around the patient there is air of -1000 and padding of -1024
(in six narrow fields of view, with noise and foam of the table, it was -1001 to -938); and how many
voxels tell."""

DENSE = -100
"""HU from which lung holds no air (L. Gattinoni et al., American Journal of Respiratory and
Critical Care Medicine 164, 2001)."""

LARGEST_DENSE = 0.2
"""Share of one lung that may hold no air. In the masks of LCTSC, with vessels and a tumour, it is
0.02 to 0.05."""

BONE = 200
"""HU; most of what is denser between the lungs' middles is spine."""

LEAST_SPINE = 0.35
"""Share of the bone between the lungs' middles that must lie in the back half of the lungs' depth.
In seven real and drawn patients it is 0.67 to 0.91; the rest is breastbone. Prone patients are no
exception, since the orientation is the patient's."""

FEWEST_BONE = 200
"""Voxels of bone in the slices looked at; fewer say nothing."""

LOOKED_AT = 40
"""Slices, evenly spread, in which bone and airless lung are looked for."""

REASONS: Final = {
    "no lung": "no lungs were found: this may be no CT of a chest",
    "no chest": "what was found does not look like lungs: this may be no CT of a chest",
    "one lung": "only one lung was found",
    "cut off above": (
        "the lungs are cut off at the top of the volume, so their volume is only "
        "that of the "
        "part that was scanned"
    ),
    "cut off below": (
        "the lungs are cut off at the bottom of the volume, so their volume is "
        "only that of "
        "the part that was scanned"
    ),
    "edge": "a lung reaches the edge of the slices and may be cut off",
    "gaps": "slices are missing, so sizes are estimates",
    "small": "the lungs are unusually small",
    "large": "the lungs are unusually large",
    "asymmetric": (
        "one lung is much larger than the other, of which a part may be missing or opaque"
    ),
    "opaque": (
        "a large part of a lung holds no air, and where it meets the chest wall its border "
        "is uncertain"
    ),
    "density": (
        "densities are implausible: the values may be no Hounsfield units, or what was "
        "found "
        "no lungs"
    ),
    "greys": "the values of the volume are no Hounsfield units, so no densities are measured",
    "turned": "the lungs do not lie as the orientation says, so right and left may be exchanged",
    "uncertain": "the network is unsure of this mask",
}
"""Every reason there is, for a person, by a short name. `docs/verdicts_ct.md` says more of each."""

REFUSED: Final = frozenset({"no lung", "no chest"})
"""Names of the reasons for which a volume is refused; the others send it to review. A single slice
without lungs may well be of a chest: it is sent to review."""

Labels = NDArray[np.uint8]


def judge_volume(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    measurements: tuple[Measurement, ...],
    seen: Collection[str] = (),
) -> Verdict:
    """The status "ok", or with every reason that speaks against using the mask unseen "review", or
    "refused" where one of `REFUSED` is among them.

    Args:
        volume: what was segmented.
        segmentation: its lungs.
        measurements: of them, from `lungseg.ct.measure.measure_volume`; with "expected Dice" where
            it is known.
        seen: names of reasons that were found elsewhere than on the mask: "uncertain".
    """
    values = {(m.name, m.label): m for m in measurements}
    if ("confidence", PLURAL) not in values:  # the model was not asked for lungs
        return verdict_of(dict.fromkeys(seen, True), REASONS, REFUSED)
    size = "area" if ("area", PLURAL) in values else "volume"
    sizes = [values[size, lung.name].value for lung in LUNGS]
    single = size == "area"
    if not any(sizes):
        return Verdict("review" if single else "refused", (REASONS["no lung"],))
    turn = segmentation.geometry.to_axial()
    labels, voxels = turn.apply(segmentation.labels), turn.apply(volume.array)
    speaks = dict.fromkeys(seen, True) | (
        {} if single else _sizes_speak(values, turn.geometry(segmentation.geometry))
    )
    above, below, sides = _faces(labels)
    speaks |= {
        "one lung": not all(sizes),
        "cut off above": above > LARGEST_FACE,
        "cut off below": below > LARGEST_FACE,
        "edge": sides > LARGEST_FACE,
        "gaps": volume.gaps > 0,
        "greys": not volume.hounsfield and not single,
    }
    if volume.hounsfield:
        mean = values["mean", PLURAL].value
        speaks["density"] = (
            not DENSITIES[0] <= mean <= DENSITIES[1]
            or not OPEN_AIR[0] <= _open_air(labels, voxels) <= OPEN_AIR[1]
        )
        speaks["opaque"] = max(_airless(labels, voxels)) > LARGEST_DENSE and mean <= DENSITIES[1]
    speaks["turned"] = (
        segmentation.geometry.affine is not None
        and not single
        and _is_turned(volume, labels, voxels)
    )
    if not single and _is_no_chest({name for name, holds in speaks.items() if holds}):
        speaks["no chest"] = True
    if ("expected Dice", PLURAL) not in values:
        speaks["uncertain"] = values["confidence", PLURAL].value < LOWEST_CONFIDENCE
    elif values["expected Dice", PLURAL].value < LOST:
        speaks["no chest"] = True
    return verdict_of(speaks, REASONS, REFUSED)


def _is_no_chest(names: Collection[str]) -> bool:
    """Whether, by the names of what speaks against it, this is gas of the bowel, air cells of a
    skull, or noise.
    """
    cut_off = {"cut off above", "cut off below"}.intersection(names)
    if "density" in names and {"one lung", "small"}.intersection(names):
        return True
    if "tiny" in names and not cut_off:
        return True
    return (
        len(cut_off) == 2
        and "edge" in names
        and bool({"density", "large", "opaque"}.intersection(names))
    )


def _sizes_speak(
    values: dict[tuple[str, str], Measurement], grid: VolumeGeometry
) -> dict[str, bool]:
    """Of volumes only: one slice says little of the size of a lung, since near the diaphragm one
    may end before the other.
    """
    both, asymmetry = values["volume", PLURAL], values["asymmetry", PLURAL].value
    known = grid.affine is not None
    return {
        "tiny": known and both.value < LEAST_VOLUME,
        "small": known and both.value < SMALLEST_VOLUME,
        "large": known and both.value > LARGEST_VOLUME,
        "asymmetric": abs(asymmetry) < 100
        and not LOWEST_ASYMMETRY <= asymmetry <= HIGHEST_ASYMMETRY,
    }


def _faces(labels: Labels) -> tuple[float, float, float]:
    """The largest share that one lung covers of the highest axial slice, of the lowest, and of the
    planes at the four sides.

    Of a single slice the first two are 0, and the third is of its lines.
    """
    above, below = ((labels[-1],), (labels[0],)) if labels.shape[0] > 1 else ((), ())
    sides = labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]
    shares = [
        max((float(np.mean(face == lung.number)) for face in faces for lung in LUNGS), default=0.0)
        for faces in (above, below, sides)
    ]
    return shares[0], shares[1], shares[2]


def _airless(labels: Labels, voxels: NDArray[Any]) -> list[float]:
    """The share of each lung that is denser than `DENSE`; 0 of one that was not found."""
    looked_at = slice(None, None, -(-len(labels) // LOOKED_AT))
    found = [voxels[looked_at][labels[looked_at] == lung.number] for lung in LUNGS]
    return [float(np.mean(values > DENSE)) if values.size else 0.0 for values in found]


def _open_air(labels: Labels, voxels: NDArray[Any]) -> float:
    """The median of the air outside the lungs, most of it around the patient; -1000 where there is
    next to none.
    """
    looked_at = slice(None, None, -(-len(labels) // LOOKED_AT))
    outside = voxels[looked_at][labels[looked_at] == 0]
    air = outside[(outside > AIR[0]) & (outside < AIR[1])]
    return float(np.median(air)) if air.size >= FEWEST_AIR else -1000.0


def _is_turned(volume: Volume, labels: Labels, voxels: NDArray[Any]) -> bool:
    """Whether the right lung lies to the patient's left of the left one, or the spine before the
    lungs, as the affine has it.
    """
    looked_at = slice(None, None, -(-len(labels) // LOOKED_AT))
    across = [
        np.count_nonzero(labels[looked_at] == lung.number, axis=(0, 1))
        for lung in (RIGHT_LUNG, LEFT_LUNG)
    ]
    if not all(counts.any() for counts in across):
        return False
    right, left = (float(np.average(np.arange(counts.size), weights=counts)) for counts in across)
    if right >= left:
        return True
    if not volume.hounsfield:
        return False
    rows = np.flatnonzero(labels[looked_at].any(axis=(0, 2)))
    bone = np.count_nonzero(voxels[looked_at, :, int(right) : int(left) + 1] > BONE, axis=(0, 2))
    middle = (int(rows[0]) + int(rows[-1]) + 1) // 2
    return bool(bone.sum() >= FEWEST_BONE and bone[middle:].sum() < LEAST_SPINE * bone.sum())
