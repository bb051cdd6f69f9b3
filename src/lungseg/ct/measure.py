"""What can be told of the lungs in CT in numbers. Definitions and their sources are in
`docs/measurements.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lungseg.geometry import Reorientation, VolumeGeometry
from lungseg.measurement import Measurement, Measurements, Restriction, Unit, asymmetry
from lungseg.morphology.histograms import LOWEST, VALUES, Histogram, histograms
from lungseg.segmentation import Segmentation
from lungseg.structures import groups, pairs
from lungseg.volume import Volume

SPARSE_MM = 5.5
"""Millimetres between slices from which a volume is an estimate from samples: up to 5 mm slices are
commonly as thick as they are apart."""

RESTRICTED: tuple[Unit, ...] = ("mL", "mm", "g")
"""Units of what depends on the distances between slices."""

PERCENTILE = 15.0
"""Of "perc15", in percent."""

EMPHYSEMA, MILD_EMPHYSEMA = -950, -910
"""Hounsfield units below which lung is counted as low attenuation area, "laa950" and "laa910"."""

HIGH_ATTENUATION = -600, -250
"""First and last Hounsfield unit of the high attenuation area, "haa"."""


def measure_volume(
    volume: Volume, segmentation: Segmentation[VolumeGeometry], confidence: Mapping[str, float]
) -> Measurements:
    """All measurements, always in the same order; which ones and in what units follows from what is
    known of the volume.

    A single axial slice has an area instead of a volume, and neither mass nor height. Without
    Hounsfield units there are no densities and no mass. Units are "mL", "mm" and "g", or "voxels",
    "slices" (and "pixels", of a single slice) where the spacing is not known, and then there is no
    mass. The first three are restricted by "slices missing" where some are, else by "contradictory
    spacing" (so is an area then), else by "sparse slices" where they are more than `SPARSE_MM` mm
    apart.

    Args:
        volume: what was segmented.
        segmentation: its structures.
        confidence: of each structure and pair, by name.

    Returns:
        Of each structure and each pair: volume, height, slice fraction (or area), mass, mean, std,
        perc15, laa950, laa910, haa, confidence; then the asymmetry of each pair. Of a structure
        that was not found volume, height, slice fraction, area and mass are 0, and densities NaN.
    """
    turn = segmentation.geometry.to_axial()
    grid = turn.geometry(segmentation.geometry)
    counts = _counts_by_slice(segmentation, turn, grid)
    voxels = {name: float(of.sum()) for name, of in counts.items()}
    values = _sizes(counts, grid)
    if volume.hounsfield:
        found = {
            name: histogram
            for labels, structures in zip(segmentation.layers, segmentation.structures, strict=True)
            for name, histogram in _histograms(volume, labels, groups(structures)).items()
        }
        values |= _densities(found, grid)
    values["confidence"] = {name: confidence[name] for name in counts}, "1"
    restriction = _restriction(volume, grid)
    measured = [
        Measurement(
            name, structure, float(v), unit, restriction if _restricts(restriction, unit) else None
        )
        for name, (of, unit) in values.items()
        for structure, v in of.items()
    ]
    measured += [
        Measurement(
            "asymmetry", plural, asymmetry(voxels[right.name], voxels[left.name]), "percent"
        )
        for layer in segmentation.structures
        for plural, (right, left) in pairs(layer).items()
    ]
    return Measurements(measured)


AnyHistogram = Histogram | NDArray[np.float64]
"""Of voxels, or of what they count where planes are unevenly spaced."""

_Values = dict[str, tuple[Mapping[str, float], Unit]]
"""For each name the value of each structure and pair, and their unit."""


def _counts_by_slice(
    segmentation: Segmentation[VolumeGeometry], turn: Reorientation, grid: VolumeGeometry
) -> dict[str, NDArray[np.float64]]:
    """How many voxels each structure and each pair has in each axial slice; where planes are
    unevenly spaced a voxel counts as much as its plane's space is larger than the mean.
    """
    found: dict[str, NDArray[np.float64]] = {}
    slices, rows, columns = (_weights(grid, axis) for axis in range(3))
    for stored, structures in zip(segmentation.layers, segmentation.structures, strict=True):
        labels = turn.apply(stored)
        for structure in structures:
            inside = (plane == structure.number for plane in labels)
            if grid.planes is None or grid.uneven_axis == 0:
                each = [float(np.count_nonzero(plane)) for plane in inside]
            else:
                each = [float(rows @ plane @ columns) for plane in inside]
            found[structure.name] = np.array(each) * slices
        for plural, (right, left) in pairs(structures).items():
            found[plural] = found[right.name] + found[left.name]
    return found


def _weights(grid: VolumeGeometry, axis: int) -> NDArray[np.float64]:
    """What a voxel of each plane across an axis counts; where no distances are known, 1."""
    return np.ones(grid.shape[axis]) if grid.spacing is None else grid.widths(axis)


def _histograms(
    volume: Volume, labels: NDArray[np.uint8], numbers: Mapping[str, Sequence[int]]
) -> dict[str, AnyHistogram]:
    """As `lungseg.morphology.histograms.histograms`; where planes are unevenly spaced a voxel
    counts as in `_counts_by_slice`.
    """
    grid = volume.geometry
    if grid.planes is None or grid.spacing is None:
        return dict(histograms(volume.array, labels, numbers))
    voxels, marked = (np.moveaxis(a, grid.uneven_axis, 0) for a in (volume.array, labels))
    widths = np.round(_weights(grid, grid.uneven_axis), 6)
    found = {name: np.zeros(VALUES) for name in numbers}
    for width in np.unique(widths):
        of_width = widths == width
        for name, counts in histograms(voxels[of_width], marked[of_width], numbers).items():
            found[name] += width * counts
    return dict(found)


def _restricts(restriction: Restriction | None, unit: Unit) -> bool:
    """Whether what is said of distances holds for a unit; of an area that they may be wrong."""
    return unit in RESTRICTED or (unit == "mm2" and restriction == "contradictory spacing")


def _restriction(volume: Volume, grid: VolumeGeometry) -> Restriction | None:
    """What must be said with every size."""
    if volume.missing_slices:
        return "slices missing"
    if "spacing_contradictory" in volume.doubts:
        return "contradictory spacing"
    sparse = (grid.largest_step() or 0.0) > SPARSE_MM
    return "sparse slices" if sparse else None


def _sizes(counts: dict[str, NDArray[np.float64]], grid: VolumeGeometry) -> _Values:
    """Volume, height and fraction of slices; of a single slice its area."""
    known = grid.spacing is not None and grid.voxel_volume is not None
    _, down, across = grid.spacing or (1.0, 1.0, 1.0)
    thickness = (grid.voxel_volume or 1.0) / (
        down * across
    )  # between planes, also where the gantry was tilted
    if grid.shape[0] == 1:
        return {
            "area": (
                {label: n[0] * down * across for label, n in counts.items()},
                "mm2" if known else "pixels",
            )
        }
    widths = _weights(grid, 0)
    millilitres = (grid.voxel_volume or 1000.0) / 1000.0
    return {
        "volume": (
            {label: n.sum() * millilitres for label, n in counts.items()},
            "mL" if known else "voxels",
        ),
        "height": (
            {label: _extent(n, widths) * thickness for label, n in counts.items()},
            "mm" if known else "slices",
        ),
        "slice_fraction": (
            {label: 100.0 * np.count_nonzero(n) / n.size for label, n in counts.items()},
            "percent",
        ),
    }


def _extent(counts: NDArray[np.float64], widths: NDArray[np.float64]) -> float:
    """The space of all slices from the first with lung to the last."""
    at = np.flatnonzero(counts)
    return float(widths[at[0] : at[-1] + 1].sum()) if at.size else 0.0


def _densities(histograms: dict[str, AnyHistogram], grid: VolumeGeometry) -> _Values:
    """All that follows from the histograms."""
    means = {label: _mean(histogram) for label, histogram in histograms.items()}
    values: _Values = {}
    if grid.voxel_volume is not None and grid.shape[0] > 1:
        grams = (
            grid.voxel_volume / 1000.0 / 1000.0
        )  # of a voxel, for each Hounsfield unit above air
        masses = {
            label: grams * (means[label] + 1000.0) * n.sum() if n.any() else 0.0
            for label, n in histograms.items()
        }
        values["mass"] = masses, "g"
    values["mean"] = means, "HU"
    values["std"] = (
        {label: _std(histogram) for label, histogram in histograms.items()},
        "HU",
    )
    values["perc15"] = (
        {label: _percentile(histogram, PERCENTILE) for label, histogram in histograms.items()},
        "HU",
    )
    bands = {
        "laa950": (LOWEST, EMPHYSEMA - 1),
        "laa910": (LOWEST, MILD_EMPHYSEMA - 1),
        "haa": HIGH_ATTENUATION,
    }
    for name, band in bands.items():
        values[name] = (
            {label: _fraction(histogram, *band) for label, histogram in histograms.items()},
            "percent",
        )
    return values


def _mean(histogram: AnyHistogram) -> float:
    total = histogram.sum().item()
    values = np.arange(LOWEST, LOWEST + VALUES)
    return float((values @ histogram).item() / total) if total else math.nan


def _std(histogram: AnyHistogram) -> float:
    """Of the whole population, not of a sample."""
    total = histogram.sum().item()
    if not total:
        return math.nan
    away = np.arange(LOWEST, LOWEST + VALUES) - _mean(histogram)
    return math.sqrt(float(away**2 @ histogram) / total)


def _percentile(histogram: AnyHistogram, percent: float) -> float:
    """The lowest value that at least this fraction of the voxels do not exceed."""
    if not histogram.any():
        return math.nan
    upwards = np.cumsum(histogram)
    return float(LOWEST + np.searchsorted(upwards, percent / 100.0 * upwards[-1]))


def _fraction(histogram: AnyHistogram, first: int, last: int) -> float:
    """Percent of the voxels from `first` to `last`, both included."""
    total = histogram.sum().item()
    inside = histogram[first - LOWEST : last - LOWEST + 1].sum().item()
    return 100.0 * inside / total if total else math.nan
