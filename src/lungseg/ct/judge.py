"""Whether a reader should look before a mask of CT is used, and whether the input is CT of a chest
at all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.ct.field_of_view import beside_padding
from lungseg.ct.free_air import free_air
from lungseg.ct.orientation import middles, spine_in_front, spread
from lungseg.ct.plausible_size import has_odd_proportions
from lungseg.geometry import VolumeGeometry
from lungseg.measurement import Measurements
from lungseg.morphology.sides import lung_mask
from lungseg.segmentation import Segmentation
from lungseg.structures import ANY_LUNG, LUNGS, PLURAL
from lungseg.verdict import Verdict, verdict_of
from lungseg.volume import Volume

MIN_CONFIDENCE = 0.9
"""Of both lungs together, as in `lungseg.quality`; decides where there is no expected Dice."""

LOST = 0.5
"""Expected Dice below which a mask is of no use; what it was really worth stands in
`docs/verdicts_ct.md`, under calibration."""

MIN_VOLUME_ML, MAX_VOLUME_ML = 800.0, 12000.0
"""Millilitres of both lungs. Breathing out as far as can be leaves a woman of 1.45 m at 20 years
some 900; full inspiration gives a man of 2.05 m some 9300, with a standard deviation of 700 (P. H.
Quanjer et al., "Lung volumes and forced ventilatory flows", Eur. Respir. J. 6 Suppl. 16, 1993,
table 5), and emphysema adds to that. Those of small children are smaller."""

MIN_CHEST_VOLUME_ML = 100.0
"""Millilitres of both lungs; what is less, and was not cut off, is some other gas, or the lungs of
a newborn."""

MIN_ASYMMETRY, MAX_ASYMMETRY = -20.0, 40.0
"""Percent: the left lung 1.5 times, or the right one 2.3 times as large as the other. The right one
has more room; in the volumes at hand asymmetry is 5 to 25."""

MAX_FACE_FRACTION = 0.005
"""Fraction of the first or last slice, row or column that one lung may cover."""

DENSITIES = -930.0, -400.0
"""Hounsfield units; between them lies the mean of both lungs. In eight volumes at hand it is -860
to -660, and both severe emphysema and severe pneumonia leave some way to the limits."""

AIR, OPEN_AIR, MIN_AIR_VOXELS = (-1500, -850), (-1060, -900), 1000
"""HU between which a voxel outside the lungs is taken for air and no padding; between which the
median of such voxels must lie, since around the patient there is air of -1000 and padding of -1024
(in six narrow fields of view, with noise and foam of the table, it was -1001 to -938); and how many
voxels tell."""

MAX_GAS_FRACTION = 0.6
"""Fraction of both lungs below -950 HU, above which small ones are gas of the bowel: emphysema
makes lungs large, and leaves some 0.5 at the worst."""

DENSE = -100
"""HU from which lung holds no air (L. Gattinoni et al., American Journal of Respiratory and
Critical Care Medicine 164, 2001)."""

MAX_AIRLESS_FRACTION = 0.2
"""Fraction of one lung that may hold no air. In the masks of LCTSC, with vessels and a tumour, it
is 0.02 to 0.05."""

MAX_WAY, MAX_DIP = 1.5, 0.3
"""How far the area of both lungs goes up and down along the slices, over its maximum, and by how
much of that a slice may have less than both of its neighbours. In masks of five LCTSC patients, 3
to 18 mm apart, it is 1.00 to 1.06, and 0.02 at most; in the order of names (1, 10, 11, ..., 2) 1.8
and more, odd slices before even ones 1.9, with a slice of another scan 1.7."""

GAP = 0.1
"""Of the distance of slices, by which a gap may differ from a multiple of it."""

Labels = NDArray[np.uint8]


def judge_volume(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    measurements: Measurements,
    evidence: Collection[str] = (),
) -> Verdict:
    """The verdict on a mask, with every reason that speaks against using it unseen. A single slice
    without lungs may well be of a chest: it is not refused.

    Args:
        volume: what was segmented.
        segmentation: its lungs.
        measurements: of them, from `lungseg.ct.measure.measure_volume`; with "expected_dice" where
            it is known.
        evidence: codes of reasons that were found elsewhere than on the mask: "uncertain".
    """
    as_read = dict.fromkeys((*evidence, *volume.doubts), True) | _slices_speak(volume)
    if ("confidence", PLURAL) not in measurements:  # the model was not asked for lungs
        return verdict_of("ct", as_read)
    size = "area" if ("area", PLURAL) in measurements else "volume"
    # Of lungs whose sides nobody knows each may be there.
    halves = [lung.name if segmentation.tells_sides else PLURAL for lung in LUNGS]
    sizes = [measurements[size, name].value for name in halves]
    single = size == "area"
    if not any(sizes):
        empty = "no_lung_in_slice" if single else "no_lung"
        return verdict_of("ct", as_read | {empty: True})
    turn = segmentation.geometry.to_axial()
    labels, voxels = turn.apply(segmentation.labels), turn.apply(volume.array)
    oriented = segmentation.geometry.affine is not None
    known = not single and segmentation.geometry.spacing is not None
    found = as_read | _edges_speak(labels)
    found["one_lung"] = not all(sizes)
    found["not_hounsfield"] = not volume.hounsfield and not single
    if not single and oriented and _is_turned(volume, labels, voxels):
        found["orientation_mismatch"] = True
    if not single:
        found |= _shapes_speak(segmentation, labels) | _sizes_speak(measurements, known=known)
    if volume.hounsfield:
        spacing = turn.geometry(segmentation.geometry).spacing
        is_cut_out = "cut_out" in volume.doubts  # then there is nothing around the lungs
        air = -1000.0 if is_cut_out else _open_air(labels, voxels)
        found |= _densities_speak(labels, voxels, measurements, spacing, air)
        beside = 0.0 if is_cut_out else beside_padding(labels, voxels)
        found["cut_off_side"] |= beside > MAX_FACE_FRACTION
    if not single:
        tiny = known and measurements["volume", PLURAL].value < MIN_CHEST_VOLUME_ML
        codes = {code for code in found if found[code]}
        found["no_chest"] = _is_all_gas(volume, measurements, codes) or _is_no_chest(
            codes, tiny=tiny
        )
    if ("expected_dice", PLURAL) not in measurements:
        found["uncertain"] = measurements["confidence", PLURAL].value < MIN_CONFIDENCE
    elif measurements["expected_dice", PLURAL].value < LOST:
        found["no_chest"] = True
    if found.get("no_chest"):
        found["slices_disordered"] = False  # what is no lung has no order
    return verdict_of("ct", found)


def _slices_speak(volume: Volume) -> dict[str, bool]:
    """Whatever is found in them."""
    return {
        "assumed_order": volume.assumed_order,
        "slices_missing": volume.missing_slices > 0,
        "slices_uneven": _is_uneven(volume),
    }


def _shapes_speak(segmentation: Segmentation[VolumeGeometry], labels: Labels) -> dict[str, bool]:
    """Of volumes only."""
    alone = all(one in ANY_LUNG for layer in segmentation.structures for one in layer)
    lungs = labels if alone else np.where(lung_mask(labels), labels, np.uint8(0))
    return {
        "slices_disordered": is_disordered(lungs),
        "odd_proportions": has_odd_proportions(segmentation, lungs),
    }


def _is_uneven(volume: Volume) -> bool:
    """Whether slices stand unevenly otherwise than because some are missing."""
    if volume.geometry.planes is None or not volume.missing_slices:
        return volume.geometry.planes is not None
    multiples = np.diff(volume.geometry.planes)
    multiples /= multiples.min()
    missing = np.rint(multiples) - 1
    return bool(
        missing.sum() != volume.missing_slices or np.abs(multiples - missing - 1).max() > GAP
    )


def is_disordered(labels: Labels) -> bool:
    """Whether lungs (slices, rows, columns) in axial order grow and shrink from slice to slice as
    no lungs do.
    """
    areas = np.pad((labels > 0).sum(axis=(1, 2)).astype(np.float64), 1)
    most = float(areas.max())
    dips = np.minimum(areas[:-2], areas[2:]) - areas[1:-1]
    way = np.abs(np.diff(areas)).sum() / 2
    return bool(most) and (way > MAX_WAY * most or float(dips.max()) > MAX_DIP * most)


def _is_all_gas(volume: Volume, measurements: Measurements, codes: Collection[str]) -> bool:
    """Whether what was found is small and nearly all of it pure gas."""
    if not volume.hounsfield or "small" not in codes:
        return False
    return measurements["laa950", PLURAL].value > 100 * MAX_GAS_FRACTION


def _is_no_chest(codes: Collection[str], *, tiny: bool) -> bool:
    """Whether, by the codes of what speaks against it, this is gas of the bowel, air cells of a
    skull, or noise.

    Args:
        codes: those that hold.
        tiny: whether both lungs together are smaller than those of any chest.
    """
    cut_off = {"cut_off_above", "cut_off_below"}.intersection(codes)
    if "implausible_density" in codes and {"one_lung", "small"}.intersection(codes):
        return True
    if tiny and not cut_off:
        return True
    return (
        len(cut_off) == 2
        and "cut_off_side" in codes
        and bool({"implausible_density", "large", "opaque"}.intersection(codes))
    )


def _densities_speak(
    labels: Labels,
    voxels: NDArray[Any],
    measurements: Measurements,
    spacing: tuple[float, float, float] | None,
    air: float,
) -> dict[str, bool]:
    """Of Hounsfield units only; `air` is what lies around the patient."""
    mean = measurements["mean", PLURAL].value
    implausible = not DENSITIES[0] <= mean <= DENSITIES[1] or not OPEN_AIR[0] <= air <= OPEN_AIR[1]
    airless = max(_airless(labels, voxels)) > MAX_AIRLESS_FRACTION
    return {
        "implausible_density": implausible,
        "pneumothorax": not implausible and free_air(labels, voxels, spacing, open_air=air) > 0,
        "opaque": airless and mean <= DENSITIES[1],
    }


def _sizes_speak(measurements: Measurements, *, known: bool) -> dict[str, bool]:
    """Of volumes only: one slice says little of the size of a lung, since near the diaphragm one
    may end before the other.

    Args:
        measurements: of the volume.
        known: whether its volume is known in millilitres.
    """
    volume = measurements["volume", PLURAL].value
    halves = measurements.get(("asymmetry", PLURAL))
    return {
        "small": known and volume < MIN_VOLUME_ML,
        "large": known and volume > MAX_VOLUME_ML,
        "asymmetric": halves is not None
        and abs(halves.value) < 100
        and not MIN_ASYMMETRY <= halves.value <= MAX_ASYMMETRY,
    }


def _edges_speak(labels: Labels) -> dict[str, bool]:
    where = "cut_off_above", "cut_off_below", "cut_off_side"
    return {
        code: fraction > MAX_FACE_FRACTION
        for code, fraction in zip(where, _faces(labels), strict=True)
    }


def _faces(labels: Labels) -> tuple[float, float, float]:
    """The largest fraction that one lung covers of the highest axial slice, of the lowest, and of
    the planes at the four sides.

    Of a single slice the first two are 0, and the third is of its lines.
    """
    above, below = ((labels[-1],), (labels[0],)) if labels.shape[0] > 1 else ((), ())
    sides = labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]
    fractions = [
        max((float(np.mean(face == one.number)) for face in faces for one in ANY_LUNG), default=0.0)
        for faces in (above, below, sides)
    ]
    return fractions[0], fractions[1], fractions[2]


def _airless(labels: Labels, voxels: NDArray[Any]) -> list[float]:
    """The fraction of each lung that is denser than `DENSE`; 0 of one that was not found."""
    sampled = spread(len(labels))
    found = [voxels[sampled][labels[sampled] == lung.number] for lung in ANY_LUNG]
    return [float(np.mean(values > DENSE)) if values.size else 0.0 for values in found]


def _open_air(labels: Labels, voxels: NDArray[Any]) -> float:
    """The median of the air outside the lungs, most of it around the patient; -1000 where there is
    next to none.
    """
    sampled = spread(len(labels))
    outside = voxels[sampled][labels[sampled] == 0]
    air = outside[(outside > AIR[0]) & (outside < AIR[1])]
    return float(np.median(air)) if air.size >= MIN_AIR_VOXELS else -1000.0


def _is_turned(volume: Volume, labels: Labels, voxels: NDArray[Any]) -> bool:
    """Whether the right lung lies to the patient's left of the left one, or the spine before the
    lungs, as the affine has it.
    """
    sampled = spread(len(labels))
    found = middles(labels[sampled])
    if found is None:
        return False
    if found[0] >= found[1]:
        return True
    return volume.hounsfield and spine_in_front(labels[sampled], voxels[sampled])
