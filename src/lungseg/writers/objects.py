"""Masks as images of other libraries, on the grid of the input. Neither library is needed for
anything else.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from lungseg.errors import UsageError
from lungseg.geometry import ImageGeometry, VolumeGeometry, to_ras
from lungseg.segmentation import Labels


def to_nibabel(labels: Labels, geometry: ImageGeometry | VolumeGeometry) -> Any:
    """A label map as `nibabel.Nifti1Image`; of unevenly spaced planes the nearest ones on the even
    grid (`lungseg.geometry.VolumeGeometry.even`), which is all that NIfTI knows.

    Args:
        labels: (slices, rows, columns) of a volume; (rows, columns) of a radiograph.
        geometry: of the image that they are of.

    Returns:
        uint8, axes (column, row, slice); with the affine of the geometry in RAS, of a radiograph
        with its spacing alone, and with no affine where the spacing is unknown.

    Raises:
        UsageError: nibabel is not installed.
    """
    nibabel = _library("nibabel")
    labels, geometry = _evened(labels, geometry)
    affine = None
    if isinstance(geometry, VolumeGeometry):
        affine = None if geometry.affine is None else to_ras(geometry.affine)
    elif geometry.spacing is not None:
        affine = np.diag([geometry.spacing[1], geometry.spacing[0], 1.0, 1.0])
    return nibabel.Nifti1Image(np.ascontiguousarray(labels).T, affine)


def to_sitk(labels: Labels, geometry: ImageGeometry | VolumeGeometry) -> Any:
    """A label map as `SimpleITK.Image`; of unevenly spaced planes the nearest ones on the even grid
    (`lungseg.geometry.VolumeGeometry.even`), which is all that SimpleITK knows.

    Args:
        labels: (slices, rows, columns) of a volume; (rows, columns) of a radiograph.
        geometry: of the image that they are of.

    Returns:
        uint8, of 3 dimensions or 2; with spacing, origin and direction where they are known.

    Raises:
        UsageError: SimpleITK is not installed, or the axes of the volume are skewed, as under a
            tilted gantry, which SimpleITK does not know.
    """
    sitk = _library("SimpleITK")
    labels, geometry = _evened(labels, geometry)
    image = sitk.GetImageFromArray(np.ascontiguousarray(labels))
    if isinstance(geometry, ImageGeometry):
        if geometry.spacing is not None:
            image.SetSpacing(geometry.spacing[::-1])
        return image
    if geometry.affine is not None:
        edges = geometry.affine[:3, [2, 1, 0]]
        spacing = np.linalg.norm(edges, axis=0)
        directions = edges / spacing
        if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-4):
            raise UsageError(
                "the axes of the volume are skewed, which SimpleITK does not know",
                cure="take the mask as an array, or as an image of nibabel",
            )
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(geometry.affine[:3, 3].tolist())
        image.SetDirection(directions.ravel().tolist())
    return image


def _evened(
    labels: Labels, geometry: ImageGeometry | VolumeGeometry
) -> tuple[Labels, ImageGeometry | VolumeGeometry]:
    if isinstance(geometry, ImageGeometry) or geometry.planes is None:
        return labels, geometry
    grid, nearest = geometry.even()
    return labels.take(nearest, geometry.uneven_axis), grid


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"this needs the library {name}", cure=f"install it with `pip install {name.lower()}`"
        ) from error
