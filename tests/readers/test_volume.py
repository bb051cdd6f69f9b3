"""Volumes in NIfTI files and slices in pictures: orientation, numbers, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io

import cv2
import nibabel
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError, UsageError
from lungseg.geometry import to_ras
from lungseg.provenance import Format
from lungseg.readers import find_inputs, read_image, read_label_volume, read_volume, slice_of
from lungseg.readers.packing import InflatingStream
from lungseg.readers.probe import probe
from lungseg.readers.raw_volume import MAX_VOLUME_VOXELS
from phantom_volumes import (
    AFFINE,
    CHEST,
    SHAPE,
    SPACING,
    TURNS,
    check_chest,
    patched,
    stored_as,
    write_nifti,
)


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: f"{turn.order}{turn.flipped}")
def test_nifti_in_all_48_orders_and_directions(tmp_path, turn):
    path = write_nifti(tmp_path / "chest.nii", *stored_as(CHEST, AFFINE, turn))
    volume = read_volume(path)
    check_chest(volume)
    assert_array_equal(to_ras(volume.geometry.affine), nibabel.load(path).affine)
    assert volume.geometry.to_axial().invert(CHEST).tobytes() == volume.array.tobytes()
    assert volume.source_header == path.read_bytes()[:348]
    assert (volume.provenance.format, volume.notes, volume.provenance.sha256) == (
        Format.NIFTI,
        (),
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


@pytest.mark.parametrize("name", ["chest.nii.gz", "chest.hdr", "chest.img", "renamed"])
def test_nifti_packed_in_pairs_and_renamed(tmp_path, name):
    if name == "renamed":
        write_nifti(tmp_path / "chest.nii.gz", CHEST, AFFINE).rename(tmp_path / name)
    else:
        write_nifti(
            tmp_path / name,
            CHEST,
            AFFINE,
            kind=nibabel.Nifti1Pair if name[-1] != "z" else nibabel.Nifti1Image,
        )
    volume = read_volume(tmp_path / name)
    check_chest(volume)
    if name == "chest.hdr":
        both = (tmp_path / "chest.hdr").read_bytes() + (tmp_path / "chest.img").read_bytes()
        assert volume.provenance.sha256 == hashlib.sha256(both).hexdigest()


@pytest.mark.parametrize(
    ("header", "voxels"), [(".hdr", ".img"), (".HDR", ".IMG"), (".HDR", ".img"), (".hdr", ".IMG")]
)
def test_a_pair_is_one_volume_however_its_endings_are_written(tmp_path, header, voxels):
    write_nifti(tmp_path / "chest.hdr", CHEST, AFFINE, kind=nibabel.Nifti1Pair)
    paths = [
        (tmp_path / "chest.hdr").rename(tmp_path / f"chest{header}"),
        (tmp_path / "chest.img").rename(tmp_path / f"chest{voxels}"),
    ]
    assert find_inputs([tmp_path]).files == paths[:1]
    for path in paths:
        assert probe(path).modality == "ct"
        check_chest(read_volume(path))
    paths[0].unlink()
    assert find_inputs([tmp_path]).files == paths[1:]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_versions_and_both_orders_of_bytes(tmp_path, kind, order):
    image = kind(
        CHEST.T.astype(order + "i2"), to_ras(AFFINE), header=kind.header_class(endianness=order)
    )
    nibabel.save(image, tmp_path / "chest.nii")
    check_chest(read_volume(tmp_path / "chest.nii"))


def test_obliquely_sampled_with_qform_alone(tmp_path):
    cosine, sine = np.cos(0.4), np.sin(0.4)
    tilted = AFFINE.copy()
    tilted[:3, :3] = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ AFFINE[:3, :3]
    for turn in TURNS[::5]:
        voxels, affine = stored_as(CHEST, tilted, turn)
        path = write_nifti(tmp_path / "chest.nii", voxels, affine, forms=("qform",))
        volume = read_volume(path)
        back = volume.geometry.to_axial()
        assert_array_equal(back.apply(volume.array), CHEST)
        assert_allclose(back.geometry(volume.geometry).affine, tilted, atol=1e-4)
        assert_allclose(to_ras(volume.geometry.affine), nibabel.load(path).affine, atol=1e-5)


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_types_of_numbers(tmp_path, dtype):
    volume = read_volume(write_nifti(tmp_path / "chest.nii.gz", CHEST.astype(dtype), AFFINE))
    check_chest(volume)
    assert volume.notes == ()


def test_scaled_and_fractional_numbers_become_whole_hounsfield_units(tmp_path):
    path = patched(
        write_nifti(tmp_path / "a.nii", (CHEST + 2048).astype(np.uint16), AFFINE),
        (112, "<2f", 1.0, -2048.0),
    )
    check_chest(read_volume(path))
    volume = read_volume(write_nifti(tmp_path / "b.nii", CHEST + np.float32(0.25), AFFINE))
    check_chest(volume)
    assert volume.notes == ("rounded to whole Hounsfield units",)


def test_paddings_stay_and_metal_is_cut_off(tmp_path):
    voxels = CHEST.astype(np.int32)
    voxels[:, :6] = -2048
    voxels[5, 20, 20] = 70_000
    volume = read_volume(write_nifti(tmp_path / "chest.nii", voxels, AFFINE))
    assert (volume.array[0, 0, 0], volume.array[5, 20, 20], volume.hounsfield) == (
        -2048,
        32767,
        True,
    )
    assert volume.notes == (
        "values beyond -32768 and 32767 were set to these",
        "18% of the voxels are padding, down to -2048",
    )


@pytest.mark.parametrize(
    ("change", "dtype", "notes"),
    [
        (lambda chest: np.clip((chest + 1024) // 8, 0, 255).astype(np.uint8), np.uint8, ()),
        (lambda chest: np.clip((chest + 1024) // 8, 0, 255).astype(np.int16), np.uint8, ()),
        (lambda chest: (chest - chest.min()).astype(np.int16), np.uint16, ()),
        (
            lambda chest: (chest // 2).astype(np.int16),
            np.uint16,
            ("540 added to every voxel, so that none is below 0",),
        ),
        (lambda chest: (chest.astype(np.int32) - chest.min()) * 30, np.uint16, ()),
        (lambda chest: (chest / 1000).astype(np.float64), np.float32, ()),
    ],
)
def test_what_is_not_in_hounsfield_units_is_grey(tmp_path, change, dtype, notes):
    stored = change(CHEST)
    volume = read_volume(write_nifti(tmp_path / "chest.nii.gz", stored, AFFINE))
    assert (volume.array.dtype, volume.hounsfield, volume.notes) == (dtype, False, notes)
    assert_allclose(
        volume.array, stored - min(0, stored.min()) if dtype != np.float32 else stored, rtol=1e-6
    )


def test_of_several_volumes_one_is_chosen(tmp_path):
    four = np.stack([CHEST, CHEST[::-1]])
    path = write_nifti(tmp_path / "four.nii.gz", four, AFFINE)
    with pytest.raises(
        UnsupportedError, match=r"it holds 2 frames.*choose one with `frame`, from 1 to 2"
    ):
        read_volume(path)
    volume = read_volume(path, frame=2)
    assert_array_equal(volume.array, CHEST[::-1])
    assert volume.notes == ("frame 2 of 2",)
    with pytest.raises(InputError, match="frame 3 was asked for, and it holds 2"):
        read_volume(path, frame=3)
    check_chest(read_volume(write_nifti(tmp_path / "one.nii.gz", four[:1], AFFINE)))


def test_five_axes_colours_and_complex_numbers_are_refused(tmp_path):
    with pytest.raises(UnsupportedError, match="it has 5 axes, and a volume has 3"):
        read_volume(write_nifti(tmp_path / "five.nii", np.zeros((2, 2, *SHAPE), np.int16), AFFINE))
    path = write_nifti(
        tmp_path / "colours.nii", np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), AFFINE
    )
    with pytest.raises(UnsupportedError, match=r"its voxels are colours \(NIfTI datatype 128\)"):
        read_volume(path)
    with pytest.raises(UnsupportedError, match="numbers of a kind that CT does not have"):
        read_volume(write_nifti(tmp_path / "complex.nii", np.zeros(SHAPE, np.complex64), AFFINE))


def test_a_singular_sform_gives_way_to_the_qform_and_both_are_refused(tmp_path):
    path = patched(write_nifti(tmp_path / "chest.nii", CHEST, AFFINE), (296, "<4f", 0, 0, 0, 0))
    volume = read_volume(path)
    check_chest(volume)
    assert volume.notes == ("its sform cannot be inverted, so that its qform was taken",)
    with pytest.raises(
        UnreadableError, match="its sform and qform cannot be inverted, so that nobody knows where"
    ):
        read_volume(patched(path, (84, "<f", 0)))
    with pytest.raises(UnreadableError, match="its sform cannot be inverted"):
        read_volume(patched(path, (252, "<h", 0)))


def test_forms_that_are_mirror_images_of_each_other_are_told(tmp_path):
    image = nibabel.Nifti1Image(CHEST.T, to_ras(AFFINE))
    image.set_sform(to_ras(AFFINE), 1)
    image.set_qform(to_ras(AFFINE) @ np.diag([-1.0, 1.0, 1.0, 1.0]), 1)
    nibabel.save(image, tmp_path / "chest.nii")
    volume = read_volume(tmp_path / "chest.nii")
    check_chest(volume)
    assert volume.notes == (
        "its sform and its qform are mirror images of each other, so that right and left are "
        "uncertain",
    )


def test_without_a_form_right_and_left_are_assumed_and_said_to_be(tmp_path):
    path = patched(write_nifti(tmp_path / "chest.nii", CHEST, AFFINE), (252, "<2h", 0, 0))
    volume = read_volume(path)
    assert volume.notes == ("it states no orientation, so that right and left are only assumed",)
    assert volume.geometry.spacing == SPACING
    assert_allclose(to_ras(volume.geometry.affine)[:3, :3], nibabel.load(path).affine[:3, :3])


def test_metres_become_millimetres(tmp_path):
    affine = AFFINE.copy()
    affine[:3] /= 1000
    check_chest(
        read_volume(patched(write_nifti(tmp_path / "chest.nii", CHEST, affine), (123, "<b", 1)))
    )


def test_not_a_number_is_refused(tmp_path):
    for bad in (np.nan, np.inf):
        voxels = CHEST.astype(np.float32)
        voxels[3, 4, 5] = bad
        with pytest.raises(
            InputError, match="the volume contains NaN or infinite values; replace them"
        ):
            read_volume(write_nifti(tmp_path / "chest.nii.gz", voxels, AFFINE))


def test_label_maps_are_refused(tmp_path):
    labels = (CHEST < -500).astype(np.uint8)
    with pytest.raises(
        InputError, match="so few different values that it is a map of labels, no image"
    ):
        read_volume(write_nifti(tmp_path / "mask.nii.gz", labels, AFFINE))


def test_truncated_and_damaged_files(tmp_path):
    path = write_nifti(tmp_path / "chest.nii.gz", CHEST, AFFINE)
    packed, plain = path.read_bytes(), gzip.decompress(path.read_bytes())
    words = "the file ends before all voxels that its header states; copy"
    for content in (
        plain[:-1],
        plain[:1000],
        packed[: len(packed) // 2],
        gzip.compress(plain[:-2]),
    ):
        path.write_bytes(content)
        with pytest.raises(UnreadableError, match=words):
            read_volume(path)
    path.write_bytes(packed[:3000] + b"\xff" * 50 + packed[3050:])
    with pytest.raises(UnreadableError, match="the compressed voxels are damaged"):
        read_volume(path)
    path.write_bytes(b"\x1f\x8b" + b"\xff" * 100)
    with pytest.raises(UnreadableError, match="the gzip file is damaged"):
        read_volume(path)
    path.write_bytes(plain[:400])
    with pytest.raises(UnreadableError, match=words):
        read_volume(path)
    path.write_bytes(gzip.compress(plain[:346] + b"1" + plain[347:400]))
    with pytest.raises(UnreadableError, match=words):
        read_volume(path)
    path.write_bytes(gzip.compress(b"just text"))
    with pytest.raises(UnsupportedError, match="what the gzip file holds is no image"):
        read_volume(path)


def test_gzip_of_several_members(tmp_path):
    plain = write_nifti(tmp_path / "chest.nii", CHEST, AFFINE).read_bytes()
    path = tmp_path / "members.nii.gz"
    path.write_bytes(
        b"".join(gzip.compress(plain[start : start + 5000]) for start in range(0, len(plain), 5000))
    )
    check_chest(read_volume(path))


@pytest.mark.parametrize("cut", range(-2, 3))
def test_a_member_may_begin_at_the_end_of_what_was_read(cut):
    length = 2**18 - 100
    noise = np.random.default_rng(0).bytes(length + 100)
    length += 2**18 + cut - len(gzip.compress(noise[:length], 0))
    first = gzip.compress(noise[:length], 0)
    assert len(first) == 2**18 + cut
    stream = io.BufferedReader(InflatingStream(io.BytesIO(first + gzip.compress(b"the rest"))))
    assert stream.read() == noise[:length] + b"the rest"


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path):
    path = write_nifti(tmp_path / "chest.nii", CHEST, AFFINE)
    patched(path, (42, "<3h", 1024, 1025, 1024))
    assert MAX_VOLUME_VOXELS < 1024 * 1025 * 1024
    with pytest.raises(
        TooLargeError,
        match="the header states 1024 x 1025 x 1024 voxels, and it was not read; give a volume "
        "of at most",
    ):
        read_volume(path)
    patched(path, (42, "<3h", 512, 512, 512))
    (tmp_path / "small.nii.gz").write_bytes(gzip.compress(path.read_bytes()[:352] + bytes(100_000)))
    with pytest.raises(UnreadableError, match="the file ends before all voxels"):
        read_volume(tmp_path / "small.nii.gz")
    # What holds more than its header states is not inflated to the end.
    whole = write_nifti(tmp_path / "chest.nii", CHEST, AFFINE).read_bytes()
    (tmp_path / "more.nii.gz").write_bytes(gzip.compress(whole) + gzip.compress(bytes(50_000_000)))
    check_chest(read_volume(tmp_path / "more.nii.gz"))


def test_pictures_become_one_slice_in_greys(tmp_path):
    grey = np.clip((CHEST[10] + 1024) // 8, 0, 255).astype(np.uint8)
    for ending in ("png", "bmp", "tif"):
        path = tmp_path / f"slice.{ending}"
        cv2.imwrite(str(path), grey)
        volume = read_volume(path)
        assert_array_equal(volume.array, grey[np.newaxis])
        assert (volume.hounsfield, volume.geometry.affine, volume.modality) == (False, None, "ct")
        assert volume.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    spaced = slice_of(read_image(path, spacing=(0.75, 0.5)))
    assert spaced.geometry.spacing == (1.0, 0.75, 0.5)
    assert spaced.notes == ("the thickness of the slice is not known and was taken as 1 mm",)
    with pytest.raises(UsageError, match="a series was asked for, and only DICOM has them"):
        read_volume(path, series="1")


def test_signed_tiff_keeps_its_steps(tmp_path):
    from PIL import Image

    path = tmp_path / "slice.tif"
    Image.fromarray(CHEST[10].astype(np.int32)).save(path)
    volume = read_volume(path)
    assert_array_equal(volume.array[0], CHEST[10] - CHEST[10].min())
    assert not volume.hounsfield


def test_what_is_no_image_is_refused(tmp_path):
    for name, content, error, words in (
        ("a.nii", b"", UnreadableError, "the file is empty"),
        ("b.nii", b"words", UnsupportedError, "the file is text"),
        ("c.zip", b"PK\3\4", UnsupportedError, "ZIP files are not read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=words):
            read_volume(tmp_path / name)
    with pytest.raises(UnreadableError, match="there is no such file"):
        read_volume(tmp_path / "gone.nii.gz")
    with pytest.raises(InputError, match="too few to show lungs"):
        read_volume(write_nifti(tmp_path / "thin.nii", CHEST[:, :8, :8], AFFINE))
    with pytest.raises(UnsupportedError, match="a NIfTI file may hold a volume, but no radiograph"):
        read_image(write_nifti(tmp_path / "chest.nii", CHEST, AFFINE))


def test_label_volumes_are_read_with_their_grid_and_pictures_without(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 5:20, 4:18] = 2
    voxels, grid = read_label_volume(
        write_nifti(tmp_path / "labels.nii", *stored_as(labels, AFFINE, TURNS[20]))
    )
    turn = grid.to_axial()
    assert_array_equal(turn.apply(voxels), labels)
    assert_allclose(turn.geometry(grid).affine, AFFINE, atol=1e-3)
    cv2.imwrite(str(tmp_path / "labels.png"), labels[4])
    voxels, grid = read_label_volume(tmp_path / "labels.png")
    assert_array_equal(voxels, labels[4:5])
    assert (grid.shape, grid.affine) == ((1, *SHAPE[1:]), None)
