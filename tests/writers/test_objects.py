from __future__ import annotations

import sys

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (as its users write it)

from ellipsoids import ellipsoids
from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.readers import read
from lungseg.writers.objects import to_nibabel, to_sitk


@pytest.fixture
def scan():
    """A volume in another order of axes, with its labels."""
    volume, labels = ellipsoids((20, 40, 48), spacing=(5.0, 1.5, 1.25))
    affine = np.array(volume.geometry.affine)[:, [1, 0, 2, 3]]
    affine[:3, 3] += (3.0, -7.0, 11.0)
    return VolumeGeometry((40, 20, 48), affine), np.ascontiguousarray(labels.transpose(1, 0, 2))


@pytest.mark.parametrize("make", [to_nibabel, to_sitk])
def test_a_mask_lies_where_its_volume_lies(scan, make) -> None:
    geometry, labels = scan
    values = (np.arange(labels.size) % 251).astype(np.uint8).reshape(labels.shape)
    again = read(make(values, geometry), hounsfield=False)  # a map of labels is refused as image
    np.testing.assert_array_equal(again.array, values)
    np.testing.assert_allclose(again.geometry.affine, geometry.affine, atol=1e-4)


def test_a_radiograph_keeps_its_spacing() -> None:
    labels = np.zeros((40, 50), np.uint8)
    labels[3, 4] = 1
    geometry = ImageGeometry((40, 50), (0.2, 0.3))
    image = to_sitk(labels, geometry)
    assert (image.GetSize(), image.GetSpacing()) == ((50, 40), (0.3, 0.2))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), labels)
    nifti = to_nibabel(labels, geometry)
    np.testing.assert_array_equal(np.asarray(nifti.dataobj).T, labels)
    np.testing.assert_allclose(nifti.header.get_zooms(), (0.3, 0.2), rtol=1e-6)


def test_an_unknown_place_is_not_made_up(scan) -> None:
    _, labels = scan
    geometry = VolumeGeometry(labels.shape)
    assert to_nibabel(labels, geometry).affine is None
    assert to_sitk(labels, geometry).GetSpacing() == (1.0, 1.0, 1.0)


def test_skewed_axes_are_refused_where_they_are_not_known(scan) -> None:
    geometry, labels = scan
    affine = np.array(geometry.affine)
    affine[:3, 0] += affine[:3, 1] * 0.2
    skewed = VolumeGeometry(geometry.shape, affine)
    with pytest.raises(UsageError, match="the axes of the volume are skewed, which SimpleITK does"):
        to_sitk(labels, skewed)
    assert nibabel.affines.obliquity(to_nibabel(labels, skewed).affine).max() > 0.01


@pytest.mark.parametrize(("make", "name"), [(to_nibabel, "nibabel"), (to_sitk, "SimpleITK")])
def test_a_library_that_is_missing_is_named(scan, make, name, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        UsageError,
        match=f"this needs the library {name}; install it with `pip install {name.lower()}`",
    ):
        make(scan[1], scan[0])
