"""Volume files of two axes: films and slices, as any picture."""

from __future__ import annotations

import gzip

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK
from numpy.testing import assert_array_equal

from lungseg.errors import InputError, UnsupportedError
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.provenance import Format
from lungseg.readers import read, read_image, read_mask, read_volume
from lungseg.readers.notes import NO_ORIENTATION, UNCALIBRATED
from lungseg.readers.probe import probe
from lungseg.readers.signatures import HEAD_BYTES
from lungseg.readers.volume_file import EXCHANGED, transposed
from lungseg.segmenter import segment
from phantom_volumes import CHEST

ENDINGS = {".mha": Format.METAIMAGE, ".mhd": Format.METAIMAGE, ".nrrd": Format.NRRD}
ENDINGS |= {
    ".nhdr": Format.NRRD,
    ".nii": Format.NIFTI,
    ".nii.gz": Format.NIFTI,
    ".hdr": Format.NIFTI,
}


def written(path, film, *, direction=None, axes=2, spacing=(0.2, 0.3)):
    """By SimpleITK; spacing and direction along columns, then rows."""
    image = SimpleITK.GetImageFromArray(film)
    image.SetSpacing(spacing)
    if direction:
        image.SetDirection(direction)
    SimpleITK.WriteImage(image if axes == 2 else SimpleITK.JoinSeries(image), str(path))
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_films_that_simpleitk_writes(tmp_path, film, ending, axes, dtype):
    path = written(tmp_path / f"film{ending}", film.astype(dtype), axes=axes)
    found = probe(path)
    assert (found.is_picture, found.is_flat, found.modality) == (True, True, None)
    image = read_image(path)
    assert_array_equal(image.array, film)
    assert image.provenance.format is ENDINGS[ending]
    assert image.geometry.spacing == pytest.approx((0.3, 0.2))
    assert image.geometry.spacing_plane == "detector"
    assert UNCALIBRATED in image.notes
    assert_array_equal(read_mask(path), film)
    assert read(path).modality == "radiograph"
    assert read(path, spacing=(0.1, 0.1)).geometry.spacing == (0.1, 0.1)


@pytest.mark.parametrize("ending", [".mha", ".nrrd", ".nii"])
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize(
    ("direction", "turn", "words"),
    [
        ((-1, 0, 0, 1), lambda film: film[:, ::-1], ["mirrored"]),
        ((1, 0, 0, -1), lambda film: film[::-1], ["flipped"]),
        ((-1, 0, 0, -1), lambda film: film[::-1, ::-1], ["mirrored", "flipped"]),
        ((0, 1, 1, 0), lambda film: film.T, ["rows and columns exchanged"]),
        ((0, -1, 1, 0), lambda film: film.T[:, ::-1], ["rows and columns exchanged", "mirrored"]),
        ((0, 1, -1, 0), lambda film: film.T[::-1], ["rows and columns exchanged", "flipped"]),
    ],
)
def test_a_film_hangs_as_its_directions_say(tmp_path, film, ending, axes, direction, turn, words):
    path = written(tmp_path / f"film{ending}", film, direction=direction, axes=axes)
    image = read_image(path)
    assert_array_equal(image.array, turn(film))
    turned = tuple(f"{word}, as its directions ask" for word in words)
    assert tuple(note for note in image.notes if note.endswith("ask")) == turned
    assert (NO_ORIENTATION in image.notes) is (ending == ".nrrd" and axes == 2)
    exchanged = words[0].startswith("rows")
    assert image.geometry.spacing == pytest.approx((0.2, 0.3) if exchanged else (0.3, 0.2))


def test_the_identity_that_stands_where_nothing_is_stated_turns_nothing(tmp_path, film):
    path = tmp_path / "film.nii.gz"
    for affine in (np.eye(4), None):
        nibabel.save(nibabel.Nifti1Image(film.T, affine), path)
        image = read_image(path)
        assert_array_equal(image.array, film)
        assert (image.geometry.spacing, image.notes) == (None, (NO_ORIENTATION,))
    nibabel.save(nibabel.Nifti1Image(film.T, np.diag([0.2, 0.2, 1, 1])), path)
    assert_array_equal(read_image(path).array, film[::-1, ::-1])  # to the right and to the front
    moved = np.eye(4)
    moved[0, 3] = 5
    nibabel.save(nibabel.Nifti1Image(film.T, moved), path)
    assert_array_equal(read_image(path).array, film[::-1, ::-1])


def test_a_coronal_and_a_sagittal_plane_stand_upright(tmp_path, film):
    coronal = np.zeros((4, 4))
    coronal[[0, 2, 1, 3], [0, 1, 2, 3]] = (-0.2, 0.3, 1, 1)  # to the left, to the head
    nibabel.save(nibabel.Nifti1Image(film[::-1].T[..., None], coronal), tmp_path / "film.nii")
    image = read_image(tmp_path / "film.nii")
    assert_array_equal(image.array, film)
    assert image.geometry.spacing == pytest.approx((0.3, 0.2))
    sagittal = np.zeros((4, 4))
    sagittal[[1, 2, 0, 3], [0, 1, 2, 3]] = (-0.2, 0.3, 1, 1)  # to the back, to the head
    nibabel.save(nibabel.Nifti1Image(film[::-1].T[..., None], sagittal), tmp_path / "film.nii")
    assert_array_equal(read_image(tmp_path / "film.nii").array, film)
    # The axis of length 1 may be any.
    across = np.diag([-0.2, 1, 0.3, 1])
    nibabel.save(nibabel.Nifti1Image(film[::-1].T[:, None], across), tmp_path / "film.nii")
    image = read_image(tmp_path / "film.nii")
    assert_array_equal(image.array, film)
    assert image.geometry.spacing == pytest.approx((0.3, 0.2))


def test_nrrd_without_directions_hangs_as_it_is_stored(tmp_path, film):
    nrrd.write(str(tmp_path / "film.nrrd"), film.T)
    image = read_image(tmp_path / "film.nrrd")
    assert_array_equal(image.array, film)
    assert image.geometry.spacing is None
    nrrd.write(str(tmp_path / "film.nrrd"), film.T, {"spacings": [0.2, 0.3], "units": ["mm", "mm"]})
    assert read_image(tmp_path / "film.nrrd").geometry.spacing == (0.3, 0.2)
    assert NO_ORIENTATION in read_image(tmp_path / "film.nrrd").notes


def test_a_single_pixel_spacing_of_one_states_none(tmp_path, film):
    assert read_image(written(tmp_path / "a.mha", film, spacing=(1, 1))).geometry.spacing is None
    spaced = read_image(written(tmp_path / "b.mha", film, spacing=(1, 0.5)))
    assert spaced.geometry.spacing == (0.5, 1)
    odd = read_image(written(tmp_path / "c.mha", film, spacing=(1e-9, 1e-9)))
    assert odd.geometry.spacing is None
    assert odd.notes[-1].startswith("it states a spacing of 1e-09 x 1e-09 mm, which cannot be")


def test_a_slice_is_taken_for_a_slice_and_keeps_its_hounsfield_units(tmp_path):
    plane = np.kron(CHEST[10], np.ones((4, 4), np.int16))
    path = written(tmp_path / "slice.mha", plane, spacing=(0.7, 0.7))
    volume = read(path, modality="ct")
    assert (volume.hounsfield, volume.array.shape) == (True, (1, *plane.shape))
    assert_array_equal(volume.array[0], plane)
    assert volume.geometry.spacing == pytest.approx((1, 0.7, 0.7))
    assert read(path, modality="ct", spacing=(0.5, 0.6)).geometry.spacing == (1, 0.5, 0.6)
    assert read(path, modality="ct", spacing=(3, 0.5, 0.6)).geometry.spacing == (3, 0.5, 0.6)
    assert read_volume(path).hounsfield
    # nnU-Net writes planes of 999 mm.
    thick = np.diag([-0.7, -0.7, 999, 1])
    nibabel.save(nibabel.Nifti1Image(plane.T[..., None], thick), tmp_path / "slice.nii.gz")
    volume = read(tmp_path / "slice.nii.gz", modality="ct")
    assert volume.geometry.spacing == pytest.approx((1, 0.7, 0.7))
    assert "a thickness of 999 mm cannot be, and was taken as 1 mm" in volume.notes


def test_three_axes_are_a_volume_and_no_film(tmp_path):
    for name in ("a.mha", "a.nrrd", "a.nii.gz"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(CHEST), str(tmp_path / name))
        assert (probe(tmp_path / name).is_flat, probe(tmp_path / name).modality) == (False, "ct")
        with pytest.raises(UnsupportedError, match="may hold a volume, but no radiograph"):
            read_image(tmp_path / name)
    row = SimpleITK.GetImageFromArray(CHEST[:1, :1])
    SimpleITK.WriteImage(row, str(tmp_path / "row.nii"))
    assert not probe(tmp_path / "row.nii").is_flat


def test_a_header_of_two_axes_that_is_damaged_is_refused(tmp_path, film):
    for ending in (".mha", ".nrrd", ".nii"):
        path = written(tmp_path / f"film{ending}", film)
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(InputError, match="the file ends before all voxels"):
            read_image(path)
    vectors = SimpleITK.GetImageFromArray(np.stack([film] * 3, axis=-1), isVector=True)
    for ending in (".mha", ".nrrd", ".nii"):
        SimpleITK.WriteImage(vectors, str(tmp_path / f"rgb{ending}"))
        with pytest.raises(UnsupportedError, match=r"colours|vectors|axes|kind"):
            read(tmp_path / f"rgb{ending}")


@pytest.mark.parametrize("library", ["nibabel", "SimpleITK"])
def test_images_of_other_libraries_hang_as_their_files_do(tmp_path, film, library):
    for direction in ((1, 0, 0, 1), (-1, 0, 0, 1), (0, 1, 1, 0)):
        path = written(tmp_path / "film.nii", film, direction=direction)
        held = nibabel.load(path) if library == "nibabel" else SimpleITK.ReadImage(str(path))
        of_file, of_object = read(path), read(held)
        assert (of_object.modality, of_object.geometry) == ("radiograph", of_file.geometry)
        assert_array_equal(of_object.array, of_file.array)
        assert of_object.notes == of_file.notes
        assert_array_equal(read(held, modality="radiograph").array, of_file.array)
    plane = np.kron(CHEST[10], np.ones((4, 4), np.int16))
    path = written(tmp_path / "slice.nii", plane, spacing=(0.7, 0.7))
    held = nibabel.load(path) if library == "nibabel" else SimpleITK.ReadImage(str(path))
    volume = read(held, modality="ct")
    assert (volume.hounsfield, volume.array.shape) == (True, (1, *plane.shape))
    assert read(held, modality="ct", spacing=(0.5, 0.6)).geometry.spacing == (1, 0.5, 0.6)
    assert read(held, modality="ct", spacing=(3, 0.5, 0.6)).geometry.spacing == (3, 0.5, 0.6)


def test_only_what_states_no_orientation_is_tried_the_other_way(tmp_path, film):
    nibabel.save(nibabel.Nifti1Image(film, np.eye(4)), tmp_path / "film.nii")
    lying = read_image(tmp_path / "film.nii")
    assert_array_equal(lying.array, film.T)
    other = transposed(lying)
    assert_array_equal(other.array, film)
    assert (other.geometry.shape, other.geometry.spacing) == (film.shape, None)
    assert other.notes == (NO_ORIENTATION, EXCHANGED)
    nrrd.write(str(tmp_path / "film.nrrd"), film.T, {"spacings": [0.2, 0.3]})
    assert transposed(read_image(tmp_path / "film.nrrd")).geometry.spacing == (0.2, 0.3)
    assert transposed(read_image(written(tmp_path / "film.mha", film))) is None
    assert transposed(read(film)) is None


@pytest.mark.slow
def test_a_film_that_was_saved_with_rows_first_comes_out_right(tmp_path):
    film = radiograph_phantom((384, 320)).image.array
    nibabel.save(nibabel.Nifti1Image(film, np.eye(4)), tmp_path / "film.nii")
    found = segment(tmp_path / "film.nii")
    assert_array_equal(found.mask, segment(film).mask)
    assert EXCHANGED in found.image.notes


@pytest.mark.parametrize("ending", [".mha", ".mhd", ".mha.gz"])
def test_a_film_is_one_however_much_stands_before_its_sizes(tmp_path, film, ending):
    path = written(tmp_path / f"film{ending.removesuffix('.gz')}", film)
    content = path.read_bytes()
    place = content.index(b"DimSize")
    remarks = b"".join(b"0020|40%02d = %s\n" % (number, b"said " * 20) for number in range(60))
    path.write_bytes(content[:place] + remarks + content[place:])
    assert path.read_bytes().index(b"DimSize") > HEAD_BYTES
    if ending == ".mha.gz":
        packed = tmp_path / "film.mha.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    assert probe(path).is_flat
    assert_array_equal(read(path).array, film)
