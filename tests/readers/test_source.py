"""Whatever holds an image becomes an `Image` or a `Volume`: the same one, however it is held."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image as Picture

from itk_images import itk_image
from lungseg.errors import InputError, UnreadableError, UnsupportedError, UsageError
from lungseg.geometry import to_ras
from lungseg.image import Image
from lungseg.provenance import Format
from lungseg.readers import find_inputs, read
from lungseg.readers.probe import probe
from lungseg.volume import Volume
from phantom_volumes import (
    AFFINE,
    CHEST,
    SPACING,
    TURNS,
    check_chest,
    stored_as,
    write_series,
)

GREYS = np.clip((CHEST + 1000) // 5, 0, 255).astype(np.uint8)


def same(first: Volume, second: Volume) -> None:
    """Voxel by voxel, and in place."""
    assert_array_equal(first.array, second.array)
    assert first.array.dtype == second.array.dtype
    assert first.geometry.affine is not None
    assert_allclose(first.geometry.affine, second.geometry.affine, atol=1e-5)
    assert first.hounsfield == second.hounsfield


# Arrays


def test_two_axes_are_an_image_and_three_a_volume(film: Any) -> None:
    image = read(film, spacing=(0.5, 0.25))
    assert isinstance(image, Image)
    assert_array_equal(image.array, film)
    assert image.geometry.spacing == (0.5, 0.25)
    assert isinstance(read(np.dstack([film] * 3)), Image)
    volume = read(CHEST, affine=AFFINE)
    assert isinstance(volume, Volume)
    check_chest(volume)
    assert (volume.source, volume.provenance.format, volume.notes) == ("array", Format.ARRAY, ())


def test_a_picture_is_a_volume_where_it_is_ct(film: Any, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "slice.png"), film)
    for source in (film, tmp_path / "slice.png", (tmp_path / "slice.png").read_bytes()):
        assert isinstance(read(source), Image)
        volume = read(source, modality="ct", spacing=(0.5, 0.25))
        assert_array_equal(volume.array, film[np.newaxis])
        assert volume.geometry.spacing == (1.0, 0.5, 0.25)
        thick = read(source, modality="ct", spacing=(4, 0.5, 0.25))
        assert thick.geometry.spacing == (4.0, 0.5, 0.25)


def test_of_an_array_spacing_alone_leaves_the_orientation_assumed() -> None:
    volume = read(CHEST, spacing=SPACING)
    check_chest(volume, np.block([[AFFINE[:3, :3], np.zeros((3, 1))], [AFFINE[3:]]]))
    assert volume.notes == ("it states no orientation, so that right and left are only assumed",)
    unknown = read(CHEST)
    assert unknown.geometry.spacing is None
    assert unknown.notes[0].startswith("it states no spacing; its slices are taken as axial ones")


@pytest.mark.parametrize("turn", TURNS[::7])
def test_an_affine_says_how_an_array_lies(turn: Any) -> None:
    voxels, affine = stored_as(CHEST, AFFINE, turn)
    check_chest(read(voxels, affine=affine.tolist()))


def test_whether_values_are_hounsfield_units_is_told_or_said() -> None:
    assert read(CHEST.astype(np.float32)).hounsfield
    shifted = CHEST + 300  # air at -700
    assert not read(shifted).hounsfield
    said = read(shifted, hounsfield=True)
    assert (said.hounsfield, said.array.dtype) == (True, np.int16)
    assert_array_equal(said.array, shifted)
    greys = read(CHEST, hounsfield=False)
    assert (greys.hounsfield, greys.array.dtype) == (False, np.uint16)
    assert_array_equal(greys.array, CHEST - CHEST.min())
    parts = read(CHEST + 0.25, hounsfield=True)
    assert_array_equal(parts.array, CHEST)
    assert "rounded to whole Hounsfield units" in parts.notes


def test_a_slice_of_hounsfield_units_is_a_volume_of_one() -> None:
    volume = read(CHEST[10], hounsfield=True)
    assert volume.hounsfield
    assert_array_equal(volume.array, CHEST[10:11])


def test_an_array_is_copied() -> None:
    voxels = CHEST.copy()
    volume = read(voxels, affine=AFFINE)
    voxels[:] = 0
    check_chest(volume)


def test_one_slice_may_be_a_radiograph(film: Any) -> None:
    image = read(film[np.newaxis], modality="radiograph", spacing=(0.2, 0.2))
    assert_array_equal(image.array, film)


@pytest.mark.parametrize(
    ("array", "settings", "message"),
    [
        (CHEST[0, 0], {}, r"an array is \(rows, columns\), .* this one has shape \(40,\)"),
        (CHEST[None], {}, r"this one has shape \(1, 20, 34, 40\); give one image at a time"),
        (
            GREYS[:3],
            {},
            r"of shape \(3, 34, 40\) may be slices, or a picture with its channels first; set",
        ),
        (GREYS[:1], {}, "may be slices, or a picture with its channels first"),
        (
            CHEST,
            {"modality": "radiograph"},
            r"a radiograph is \(rows, columns\) .* has shape \(20, 34, 40\); give one image",
        ),
        (CHEST, {"frame": 1}, "an array has no frames; leave `frame` out"),
        (CHEST, {"spacing": (1.0, 1.0)}, "the `spacing` of a volume is three numbers"),
        (CHEST[0], {"spacing": (1.0,)}, r"\(1\.0,\) is no spacing; give millimetres between rows"),
        (CHEST[0], {"spacing": 0.5}, "0.5 is no spacing; give millimetres between rows"),
        (CHEST, {"affine": np.eye(3)}, r"an affine is a \(4, 4\) matrix from \(slice, row, column"),
        (CHEST, {"affine": "RAS"}, r"an affine is a \(4, 4\) matrix"),
        (CHEST, {"affine": np.zeros((4, 4))}, "the affine of a volume is a finite, invertible"),
        (
            CHEST,
            {"affine": AFFINE, "spacing": SPACING},
            "`affine` and `spacing` were both given; leave one out",
        ),
        (
            CHEST[0],
            {"affine": AFFINE, "modality": "radiograph"},
            "`affine` is for CT, and this is a radiograph; leave `affine` out",
        ),
        (
            CHEST[0],
            {"hounsfield": True, "modality": "radiograph"},
            "`hounsfield` is for CT, and this is a radiograph",
        ),
    ],
)
def test_wrong_shapes_and_affines_get_one_sentence(
    array: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read(array, **settings)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((0, 50, 50)), UnreadableError, r"of shape \(0, 50, 50\) is empty"),
        (CHEST.astype(object), InputError, "voxels are whole or real numbers, not object"),
        (np.where(CHEST > 0, np.nan, CHEST), InputError, "contains NaN or infinite values"),
        (CHEST > -500, InputError, "it is a map of labels, no image"),
    ],
)
def test_values_that_are_no_image_get_one_sentence(array: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        read(array, affine=AFFINE)


# Tensors, nibabel, SimpleITK


def test_tensors_are_arrays(film: Any) -> None:
    torch = pytest.importorskip("torch")
    check_chest(read(torch.from_numpy(CHEST), affine=AFFINE))
    with_gradient = torch.tensor(film.astype(np.float32), requires_grad=True)
    assert_array_equal(read(with_gradient).array, film)
    assert_array_equal(read(torch.from_numpy(film).bfloat16()).array, film)


@pytest.mark.parametrize("mode", ["L", "I", "I;16", "F", "P", "LA", "RGB", "RGBA", "CMYK"])
def test_images_of_pillow_in_any_mode_are_grey(film: Any, mode: str) -> None:
    deep = Picture.fromarray(film.astype(np.uint16))
    picture = deep if mode == "I;16" else Picture.fromarray(film).convert(mode)
    image = read(picture)
    assert isinstance(image, Image)
    assert_array_equal(image.array, film)
    assert (image.source, image.provenance.format) == ("Pillow image", Format.PILLOW)
    with pytest.raises(UsageError, match="an array has no frames"):
        read(picture, frame=1)


@pytest.mark.parametrize("turn", TURNS[::5])
def test_nibabel_gives_what_its_file_gives(turn: Any, tmp_path: Path) -> None:
    voxels, affine = stored_as(CHEST, AFFINE, turn)
    image = nibabel.Nifti1Image(voxels.T, to_ras(affine))
    volume = read(image)
    check_chest(volume)
    assert_array_equal(volume.array, np.asarray(image.dataobj).T)
    assert (volume.source, volume.provenance.format) == ("nibabel image", Format.NIBABEL)
    nibabel.save(image, tmp_path / "chest.nii.gz")
    loaded = nibabel.load(tmp_path / "chest.nii.gz")
    same(read(loaded), read(tmp_path / "chest.nii.gz"))
    assert read(loaded).source == str(tmp_path / "chest.nii.gz")


def test_scaled_numbers_of_nibabel_are_scaled(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(CHEST.T, to_ras(AFFINE))
    image.header.set_slope_inter(0.5, -200)
    nibabel.save(image, tmp_path / "chest.nii")
    same(read(nibabel.load(tmp_path / "chest.nii")), read(tmp_path / "chest.nii"))


def test_units_and_missing_orientation_of_nibabel(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(CHEST.T, to_ras(AFFINE) * [[1e-3], [1e-3], [1e-3], [1]])
    image.header.set_xyzt_units("meter")
    check_chest(read(image))
    image = nibabel.Nifti1Image(CHEST.T, None)
    image.header["pixdim"][1:4] = SPACING[::-1]
    nibabel.save(image, tmp_path / "chest.nii")
    volume = read(nibabel.load(tmp_path / "chest.nii"))
    assert volume.notes == ("it states no orientation, so that right and left are only assumed",)
    assert volume.geometry.spacing == pytest.approx(SPACING)
    assert read(image).geometry.affine is None


def test_of_four_axes_one_volume_is_chosen() -> None:
    both = np.stack([CHEST[::-1], CHEST], axis=-1)
    image = nibabel.Nifti1Image(both.transpose(2, 1, 0, 3), to_ras(AFFINE))
    with pytest.raises(UnsupportedError, match=r"it holds 2 frames.*choose one with `frame`"):
        read(image)
    check_chest(read(image, frame=2))
    stack = SimpleITK.JoinSeries(itk_image(CHEST[::-1], AFFINE), itk_image(CHEST, AFFINE))
    check_chest(read(stack, frame=2))
    with pytest.raises(InputError, match="frame 3 was asked for, and it holds 2"):
        read(stack, frame=3)
    with pytest.raises(InputError, match="frame 2 was asked for, and it holds 1"):
        read(itk_image(CHEST, AFFINE), frame=2)


@pytest.mark.parametrize("turn", TURNS[::5])
def test_simpleitk_gives_what_its_file_gives(turn: Any, tmp_path: Path) -> None:
    voxels, affine = stored_as(CHEST, AFFINE, turn)
    image = itk_image(voxels, affine)
    volume = read(image)
    check_chest(volume)
    assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(image))
    assert (volume.source, volume.provenance.format) == ("SimpleITK image", Format.SIMPLEITK)
    for ending in ("nii.gz", "nrrd", "mha"):
        path = tmp_path / f"chest.{ending}"
        SimpleITK.WriteImage(image, str(path))
        same(read(SimpleITK.ReadImage(str(path))), read(path))


def test_positions_of_voxels_are_those_of_simpleitk() -> None:
    voxels, affine = stored_as(CHEST, AFFINE, TURNS[29])
    image, volume = itk_image(voxels, affine), read(itk_image(voxels, affine))
    for index in ((0, 0, 0), (3, 5, 7)):
        place = image.TransformIndexToPhysicalPoint(index[::-1])
        assert_allclose((volume.geometry.affine @ [*index, 1])[:3], place)
        assert volume.array[index] == image[index[::-1]]


def test_a_simpleitk_image_of_two_axes_is_a_radiograph(film: Any) -> None:
    flat = SimpleITK.GetImageFromArray(film)
    image = read(flat)
    assert isinstance(image, Image)
    assert_array_equal(image.array, film)
    assert image.geometry.spacing is None
    flat.SetSpacing((0.2, 0.1))
    image = read(flat)
    assert (image.geometry.spacing, image.geometry.spacing_plane) == ((0.1, 0.2), "detector")
    assert image.notes == (
        "whether the pixel spacing was calibrated is not stated; taken as measured at the detector",
    )
    colours = SimpleITK.GetImageFromArray(np.dstack([film] * 3), isVector=True)
    assert_array_equal(read(colours).array, film)
    # As SimpleITK reads a radiograph in DICOM.
    deep = SimpleITK.GetImageFromArray(film[np.newaxis])
    deep.SetSpacing((0.2, 0.1, 1))
    image = read(deep, modality="radiograph")
    assert (image.geometry.spacing, image.geometry.spacing_plane) == ((0.1, 0.2), "detector")


def test_colours_in_a_volume_are_refused() -> None:
    vectors = SimpleITK.GetImageFromArray(np.stack([GREYS] * 3, axis=-1), isVector=True)
    with pytest.raises(UnsupportedError, match="its voxels are colours or vectors"):
        read(vectors)
    colours = np.zeros(CHEST.T.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(UnsupportedError, match="its voxels are colours"):
        read(nibabel.Nifti1Image(colours, np.eye(4)))


def test_what_states_its_own_place_takes_no_affine_but_another_spacing() -> None:
    image = nibabel.Nifti1Image(CHEST.T, to_ras(AFFINE))
    with pytest.raises(UsageError, match="it has an affine of its own; leave `affine` out"):
        read(image, affine=AFFINE)
    assert read(image, spacing=(5, 1, 1)).geometry.spacing == (5.0, 1.0, 1.0)


# Bytes and streams


# DICOM data sets


# Settings, and what is no image


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (None, "None is no image"),
        (3.5, "an object of type float is no image"),
        ([], "an empty list is no image"),
        (io.StringIO("text"), r"a stream of text \(StringIO\) is no image"),
        ({"array": 1}, "an object of type dict is no image"),
    ],
)
def test_other_types_are_refused_and_what_is_accepted_named(source: Any, what: str) -> None:
    with pytest.raises(
        UsageError,
        match=rf"^{what}; give a path, bytes, a binary stream, a NumPy array, a tensor, an image "
        r"of Pillow, nibabel or SimpleITK, a pydicom data set, or a list of DICOM files or "
        r"data sets\.$",
    ):
        read(source)


def test_a_stream_that_is_no_open_file_of_bytes_is_refused(tmp_path: Path, film: Any) -> None:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), film)
    with path.open(encoding="utf-8") as stream, pytest.raises(UsageError, match="a stream of text"):
        read(stream)
    with path.open("rb") as closed:
        pass
    with pytest.raises(UnreadableError, match=r"the stream cannot be read .*closed.*give one that"):
        read(closed)


def test_of_a_masked_array_the_values_count_as_they_are_stored() -> None:
    values = GREYS.astype(np.float32)
    np.testing.assert_array_equal(read(np.ma.masked_less(values, 1)).array, values)
    values[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        read(np.ma.masked_invalid(values))


def test_spacing_replaces_what_a_file_says(tmp_path: Path, write_dicom: Any, film: Any) -> None:
    nibabel.save(nibabel.Nifti1Image(CHEST.T, to_ras(AFFINE)), tmp_path / "chest.nii")
    volume = read(tmp_path / "chest.nii", spacing=(5, 1, 2))
    assert (volume.geometry.spacing, volume.source_header) == ((5.0, 1.0, 2.0), b"")
    with pytest.raises(UsageError, match="the `spacing` of a volume is three numbers"):
        read(tmp_path / "chest.nii", spacing=(1, 1))
    path = write_dicom(film)
    assert read(path, spacing=(0.2, 0.1)).geometry.spacing == (0.2, 0.1)
    with pytest.raises(UsageError, match="the `spacing` of a picture is two numbers"):
        read(path, spacing=(1, 1, 1))


def test_settings_that_mean_nothing_are_refused(tmp_path: Path, film: Any) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), film)
    with pytest.raises(UsageError, match="only CT in DICOM has them; leave `series` out"):
        read(tmp_path / "film.png", series="1")
    with pytest.raises(UsageError, match="`affine` is for arrays, and what this is says it itself"):
        read(tmp_path / "film.png", affine=AFFINE)
    with pytest.raises(UsageError, match="`hounsfield` is for arrays"):
        read(read(film), hounsfield=True)


def test_what_was_read_before_is_passed_on(film: Any) -> None:
    image, volume = read(film), read(CHEST, affine=AFFINE)
    assert read(image) is image
    assert read(volume) is volume
    assert_array_equal(read(image, modality="ct").array, film[np.newaxis])
    with pytest.raises(UsageError, match="it is a volume, and is to be taken for a radiograph"):
        read(volume, modality="radiograph")
    with pytest.raises(UsageError, match="`frame` was given for what was read before"):
        read(image, frame=1)


def test_what_finding_learned_is_handed_on(tmp_path: Path, monkeypatch: Any) -> None:
    paths = write_series(tmp_path / "series", CHEST, AFFINE)
    found = find_inputs([tmp_path]).probes[tmp_path / "series"]
    parsed = []
    dcmread = pydicom.dcmread
    monkeypatch.setattr(
        pydicom,
        "dcmread",
        lambda file, **more: parsed.append(more["stop_before_pixels"]) or dcmread(file, **more),
    )
    check_chest(read(found))
    assert (parsed.count(True), parsed.count(False)) == (0, len(paths))
    parsed.clear()
    check_chest(read(probe(tmp_path / "series")))
    assert (parsed.count(True), parsed.count(False)) == (len(paths), len(paths))


def test_reading_an_array_imports_none_of_the_other_libraries() -> None:
    code = (
        "import sys, numpy as np, lungseg; lungseg.read(np.indices((60, 60)).sum(0));"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'torch', 'nibabel', 'SimpleITK', 'pydicom'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_empty_path_is_not_the_folder_one_is_in(tmp_path, monkeypatch, film):
    cv2.imwrite(str(tmp_path / "film.png"), film)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableError, match="a path is empty; name a file or a folder"):
        read("")
