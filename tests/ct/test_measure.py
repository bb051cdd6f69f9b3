"""Measurements of solids whose measures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lungseg.ct.measure import measure_volume
from lungseg.geometry import AXIAL, VolumeGeometry
from lungseg.measurement import Measurements
from lungseg.phantom.ct import ct_phantom
from lungseg.volume import Volume

SHAPE = (72, 80, 120)
SURE = {"right lung": 0.98, "left lung": 0.97, "lungs": 0.99}
SIZES = ["volume", "height", "slice_fraction"]
DENSITIES = ["mean", "std", "perc15", "laa950", "laa910", "haa"]
RADIUS, HALVES = 24.0, (30.0, 27.0, 18.0)
"""Of the right lung, a sphere, and of the left one, an ellipsoid of these semi-axes along slices,
rows and columns, in voxels."""


def axial(spacing: tuple[float, float, float]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * spacing
    return affine


def solids(
    spacing: tuple[float, float, float] | None = None, *, left: bool = True
) -> tuple[np.ndarray, np.ndarray, VolumeGeometry]:
    """Hounsfield units, labels and grid: constant -850 in the sphere, in the ellipsoid linear from
    -1000 to -400, bottom to top."""
    z, y, x = np.indices(SHAPE) + 0.5
    labels = np.zeros(SHAPE, np.uint8)
    hu = np.full(SHAPE, 40, np.int16)
    sphere = (z - 36) ** 2 + (y - 40) ** 2 + (x - 35) ** 2 < RADIUS**2
    ellipsoid = ((z - 36) / HALVES[0]) ** 2 + ((y - 40) / HALVES[1]) ** 2 + (
        (x - 90) / HALVES[2]
    ) ** 2 < 1
    labels[sphere], hu[sphere] = 1, -850
    if left:
        labels[ellipsoid], hu[ellipsoid] = 2, np.rint(-700 + 300 * (z[ellipsoid] - 36) / HALVES[0])
    return hu, labels, VolumeGeometry(SHAPE, None if spacing is None else axial(spacing))


def found(
    hu: np.ndarray,
    labels: np.ndarray,
    grid: VolumeGeometry,
    *,
    hounsfield: bool = True,
    missing_slices: int = 0,
) -> Measurements:
    volume = Volume(hu, grid, hounsfield, missing_slices=missing_slices)
    return measure_volume(volume, volume.with_labels(labels), SURE)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.8), None])
def test_sphere_and_ellipsoid(spacing):
    values = {key: m.value for key, m in found(*solids(spacing)).items()}
    voxel = math.prod(spacing) / 1000 if spacing else 1.0
    sphere, ellipsoid = (
        4 / 3 * math.pi * RADIUS**3 * voxel,
        4 / 3 * math.pi * math.prod(HALVES) * voxel,
    )
    assert values["volume", "right lung"] == pytest.approx(sphere, rel=0.01)
    assert values["volume", "left lung"] == pytest.approx(ellipsoid, rel=0.01)
    assert values["volume", "lungs"] == pytest.approx(sphere + ellipsoid, rel=0.01)
    thickness = spacing[0] if spacing else 1.0
    heights = [values["height", label] for label in ("right lung", "left lung", "lungs")]
    assert heights == pytest.approx([48 * thickness, 60 * thickness, 60 * thickness])
    assert values["slice_fraction", "right lung"] == pytest.approx(100 * 48 / 72)
    assert values["asymmetry", "lungs"] == pytest.approx(
        100 * (sphere - ellipsoid) / (sphere + ellipsoid), abs=0.5
    )
    assert [values["confidence", label] for label in ("right lung", "left lung", "lungs")] == [
        0.98,
        0.97,
        0.99,
    ]


def test_constant_density():
    values = {
        name: m.value
        for (name, label), m in found(*solids((2.0, 1.0, 1.0))).items()
        if label == "right lung"
    }
    assert [values[name] for name in DENSITIES] == [-850, 0, -850, 0, 0, 0]
    assert values["mass"] == pytest.approx(0.15 * values["volume"])
    assert values["mass"] == pytest.approx(0.15 * 4 / 3 * math.pi * RADIUS**3 * 2 / 1000, rel=0.01)


def test_linear_density():
    """With u from -1 to 1 along the axis, an ellipsoid has 1/4 (2 + 3 u - u^3) of its volume below
    u."""

    def below(hu: float) -> float:
        u = (hu + 700) / 300
        return 100 * (2 + 3 * u - u**3) / 4

    values = {
        name: m.value
        for (name, label), m in found(*solids((2.0, 1.0, 1.0))).items()
        if label == "left lung"
    }
    assert values["mean"] == pytest.approx(-700, abs=1)
    assert values["std"] == pytest.approx(300 / math.sqrt(5), rel=0.01)
    assert below(values["perc15"]) == pytest.approx(15, abs=0.5)
    assert values["laa950"] == pytest.approx(below(-950), abs=0.3)
    assert values["laa910"] == pytest.approx(below(-910), abs=0.5)
    assert values["haa"] == pytest.approx(100 - below(-600), abs=0.8)
    assert values["mass"] == pytest.approx(0.3 * values["volume"], rel=0.01)


def test_densities_agree_with_numpy_on_every_voxel():
    phantom = ct_phantom((24, 64, 64), disease="ground glass")
    hu, labels = phantom.volume.array, phantom.ground_truth.labels
    measured = measure_volume(phantom.volume, phantom.ground_truth, SURE)
    found = {key: m.value for key, m in measured.items()}
    for label, inside in (
        ("right lung", hu[labels == 1]),
        ("left lung", hu[labels == 2]),
        ("lungs", hu[labels > 0]),
    ):
        assert found["mean", label] == pytest.approx(inside.mean(dtype=float))
        assert found["std", label] == pytest.approx(inside.std(dtype=float))
        assert found["perc15", label] == np.percentile(inside, 15, method="inverted_cdf")
        assert found["laa950", label] == pytest.approx(100 * (inside < -950).mean())
        assert found["laa910", label] == pytest.approx(100 * (inside < -910).mean())
        assert found["haa", label] == pytest.approx(
            100 * ((inside >= -600) & (inside <= -250)).mean()
        )
        millilitres = inside.size * phantom.ground_truth.geometry.voxel_volume / 1000
        assert found["volume", label] == pytest.approx(millilitres)
        assert found["mass", label] == pytest.approx(
            millilitres * (1000 + inside.mean(dtype=float)) / 1000
        )


def test_every_int16_is_counted():
    hu = np.full((3, 40, 40), 7, np.int16)
    hu[0, 0, 0], hu[2, 39, 39] = -32768, 32767
    values = {
        name: m.value
        for (name, label), m in found(
            hu, np.ones(hu.shape, np.uint8), VolumeGeometry(hu.shape)
        ).items()
        if label == "right lung"
    }
    assert values["mean"] == pytest.approx(hu.mean(dtype=float))
    assert values["laa950"] == pytest.approx(100 / hu.size)


@pytest.mark.parametrize(
    ("spacing", "missing_slices", "restriction"),
    [
        ((5.0, 1.0, 1.0), 0, None),
        ((10.0, 1.0, 1.0), 0, "sparse slices"),
        ((5.0, 1.0, 1.0), 2, "slices missing"),
        ((10.0, 1.0, 1.0), 1, "slices missing"),
    ],
)
def test_sizes_say_what_they_rest_on(spacing, missing_slices, restriction):
    m = found(*solids(spacing), missing_slices=missing_slices)
    sizes = {name: m[name, "lungs"] for name in ("volume", "height", "mass")}
    assert [of.unit for of in sizes.values()] == ["mL", "mm", "g"]
    assert {of.restriction for of in sizes.values()} == {restriction}
    assert {of.restriction for (name, _), of in m.items() if name not in sizes} == {None}
    assert {m[name, "lungs"].unit for name in DENSITIES[:3]} == {"HU"}
    assert {m[name, "lungs"].unit for name in (*DENSITIES[3:], "slice_fraction", "asymmetry")} == {
        "percent"
    }


def test_names_and_order():
    lungs = ("right lung", "left lung", "lungs")

    def expected(*names: str) -> list[tuple[str, str]]:
        return [(name, label) for name in (*names, "confidence") for label in lungs] + [
            ("asymmetry", "lungs")
        ]

    hu, labels, grid = solids((2.0, 1.0, 1.0))
    assert list(found(hu, labels, grid)) == expected(*SIZES, "mass", *DENSITIES)
    assert list(found(hu, labels, VolumeGeometry(SHAPE))) == expected(*SIZES, *DENSITIES)
    greys = (hu + 1024).astype(np.uint16)
    assert list(found(greys, labels, grid, hounsfield=False)) == expected(*SIZES)
    assert list(found(hu[36:37], labels[36:37], VolumeGeometry((1, 80, 120)))) == expected(
        "area", *DENSITIES
    )


def test_a_single_slice_has_an_area():
    hu, labels, _ = solids()
    m = found(hu[36:37], labels[36:37], VolumeGeometry((1, 80, 120), axial((5.0, 0.5, 0.8))))
    assert m["area", "right lung"].value == pytest.approx(math.pi * RADIUS**2 * 0.4, rel=0.01)
    assert m["area", "right lung"].unit == "mm2"
    assert m["mean", "right lung"].value == -850
    assert (
        found(hu[36:37], labels[36:37], VolumeGeometry((1, 80, 120)))["area", "right lung"].unit
        == "pixels"
    )


def test_orientation_changes_nothing():
    hu, labels, grid = solids((2.0, 0.7, 0.8))
    affine = np.stack(
        [-grid.affine[:, 2], grid.affine[:, 0], grid.affine[:, 1], grid.affine[:, 3]], axis=1
    )
    turned = (np.ascontiguousarray(a[:, :, ::-1].transpose(2, 0, 1)) for a in (hu, labels))
    sagittal = found(*turned, VolumeGeometry((120, 72, 80), affine))
    assert {k: m.value for k, m in sagittal.items()} == pytest.approx(
        {k: m.value for k, m in found(hu, labels, grid).items()}
    )


def test_a_tilted_gantry_has_slanted_voxels():
    hu, labels, _ = solids()
    affine = axial((2.0, 1.0, 1.0))
    affine[1, 0] = 2.0 * math.tan(
        math.radians(20)
    )  # each slice lies further back; the slices are still 2 mm thick
    tilted, straight = (
        found(hu, labels, VolumeGeometry(SHAPE, a)) for a in (affine, axial((2.0, 1.0, 1.0)))
    )
    assert {k: m.value for k, m in tilted.items()} == pytest.approx(
        {k: m.value for k, m in straight.items()}
    )


def test_a_lung_that_is_missing_has_no_density():
    values = {key: m.value for key, m in found(*solids((1.0, 1.0, 1.0), left=False)).items()}
    assert [values[name, "left lung"] for name in (*SIZES, "mass")] == [0.0] * 4
    assert all(math.isnan(values[name, "left lung"]) for name in DENSITIES)
    assert values["asymmetry", "lungs"] == 100.0
    assert values["mean", "lungs"] == values["mean", "right lung"] == -850
    hu, labels, grid = solids((1.0, 1.0, 1.0))
    nothing = {key: m.value for key, m in found(hu, np.zeros_like(labels), grid).items()}
    assert nothing["volume", "lungs"] == nothing["asymmetry", "lungs"] == 0.0
