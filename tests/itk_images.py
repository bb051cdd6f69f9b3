"""Images of SimpleITK."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK


def itk_image(voxels: Any, affine: Any) -> Any:
    """Voxels (slices, rows, columns) with their affine, as SimpleITK has them."""
    image = SimpleITK.GetImageFromArray(voxels)
    axes = affine[:3, 2::-1]
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((axes / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image
