"""CT or radiograph."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lungseg.errors import UnreadableError
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.readers import detect, is_picture, looks_like_ct
from lungseg.readers.hounsfield import is_hounsfield, is_label_map
from phantom_volumes import axial_affine, ct_slice, draw_chest, write_series


@pytest.fixture(scope="module")
def slices():
    """Three of one chest, finely drawn."""
    return draw_chest((5, 400, 480))[1:4]


def windowed(pixels, centre, width):
    return np.clip((pixels - (centre - width / 2)) * 255 / width, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("window", [(-600, 1500), (40, 400), (0, 4000)])
def test_slices_in_any_window_are_ct(slices, window):
    assert all(looks_like_ct(windowed(pixels, *window)) for pixels in slices)
    assert all(looks_like_ct(windowed(pixels, *window)[60:-60, 30:-30]) for pixels in slices)


@pytest.mark.parametrize("side", [64, 200])
def test_drawn_radiographs_are_none(side):
    films = [radiograph_phantom((side, side), seed=seed).image.array for seed in range(3)]
    assert not any(looks_like_ct(film) for film in films)
    framed = [np.pad(film, side // 3) for film in films]
    assert not any(looks_like_ct(film) for film in framed)


def test_files_and_folders(tmp_path, slices, write_dicom, film):
    cv2.imwrite(str(tmp_path / "slice.png"), windowed(slices[0], -600, 1500))
    cv2.imwrite(str(tmp_path / "film.png"), radiograph_phantom((128, 128), seed=1).image.array)
    (tmp_path / "volume").write_bytes(b"NRRD0004\n")
    (tmp_path / "luna").write_bytes(b"ObjectType = Image\n")
    write_series(tmp_path / "series", draw_chest(), axial_affine())
    (tmp_path / "films").mkdir()
    write_dicom(film, "films/film.dcm")
    ct_slice(slices[0], (0, 0, 0)).save_as(tmp_path / "ct.dcm")
    found = {path.name: detect(path) for path in sorted(tmp_path.iterdir())}
    ct = {"slice.png", "volume", "luna", "series", "ct.dcm"}
    assert {name for name, kind in found.items() if kind == "ct"} == ct
    assert found["film.png"] == found["films"] == "radiograph"
    assert [is_picture(tmp_path / name) for name in ("slice.png", "ct.dcm", "series")] == [
        True,
        False,
        False,
    ]
    with pytest.raises(UnreadableError, match="there is no such file"):
        detect(tmp_path / "gone")


def test_hounsfield_units_are_told_by_air_and_soft_tissue():
    chest = draw_chest()
    assert is_hounsfield(chest)
    padded = chest.copy()
    padded[:, :10] = -2048
    assert is_hounsfield(padded)
    for other in (
        chest + 1024,
        chest // 2,
        np.clip(chest, -600, 400),
        np.full_like(chest, -2048),
        np.minimum(chest, -900),
    ):
        assert not is_hounsfield(other)
    assert is_label_map(np.clip(chest, -10, 10))
    assert not is_label_map(chest)


@pytest.mark.slow
@pytest.mark.data
def test_real_pictures(data_folder):
    """Of all radiographs at most three are taken for CT, and of all slices none for a
    radiograph."""
    cxr, ct = data_folder / "cxr", data_folder / "ct"
    patterns = (
        "masks_and_labels/CXR_png/*",
        "masks_and_labels/test/*",
        "diseased_adults/images/*",
        "paediatric/images/*",
    )
    films = [
        path
        for pattern in (*patterns, "not_frontal/lateral/*")
        for path in sorted(cxr.glob(pattern))
    ]
    assert len(films) == 1092
    assert sum(detect(path) == "ct" for path in films) <= 3
    for folder, count in (
        (ct / "finding_lungs/2d_images", 186),
        (ct / "covid19/ct", 80),
        (ct / "bmp/images", 4),
        (cxr / "not_frontal/ct_slices", 23),
    ):
        kinds = [detect(path) for path in sorted(folder.iterdir())]
        assert kinds == ["ct"] * count
