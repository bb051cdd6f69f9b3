from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ellipsoids import ellipsoids
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.writers.viewer import MAX_SIDE, ViewerSlices, viewer_npy


def written(folder: Path, image: object, segmentation: object) -> ViewerSlices:
    path = folder / "viewer.npy"
    path.write_bytes(b"".join(viewer_npy(image, segmentation)))  # type: ignore[arg-type]
    return ViewerSlices(path)


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def test_slices_of_a_volume_are_axial_and_windowed_when_asked_for(tmp_path: Path) -> None:
    volume, ground_truth = ellipsoids((12, 40, 48))
    slices = written(tmp_path, volume, volume.with_labels(ground_truth))
    turn = volume.geometry.to_axial()
    grey, labels = turn.apply(volume.array), turn.apply(ground_truth)
    wanted = np.rint(np.clip(grey[5].astype(np.float32) + 1000, 0, 1400) * (255 / 1400))
    assert np.array_equal(decoded(slices.grey_png(5, -1000.0, 400.0)), wanted)
    assert np.array_equal(decoded(slices.labels_png(5)), labels[5])
    assert slices.window(hounsfield=True) == (-1000.0, 400.0)
    assert slices.range() == (float(grey.min()), float(grey.max()))
    inside = np.flatnonzero(labels.any(axis=(1, 2)))
    assert slices.lung_slices() == (inside[0], inside[-1])
    for number in (-1, 12):
        with pytest.raises(IndexError):
            slices.grey_png(number, 0.0, 1.0)


def test_a_radiograph_is_one_slice_and_a_large_one_is_shrunk(tmp_path: Path) -> None:
    image = radiograph_phantom((256, 200)).image
    slices = written(tmp_path, image, image.with_labels(np.zeros((256, 200), np.uint8)))
    assert np.array_equal(decoded(slices.grey_png(0, 0.0, 255.0)), image.array)
    assert (slices.window(hounsfield=False), slices.lung_slices()) == ((0.0, 255.0), None)
    large = cv2.resize(image.array, (1600, 2048)).astype(np.uint16) * 256
    whole = Image(large, ImageGeometry(large.shape))
    slices = written(tmp_path, whole, whole.with_labels(np.ones(large.shape, np.uint8)))
    assert decoded(slices.labels_png(0)).shape == (MAX_SIDE, 800)
    low, high = slices.window(hounsfield=False)
    assert 0 <= low < high <= 65280
