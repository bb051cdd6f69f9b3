"""What is not read says what it is, and what makes of it something that is."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import struct
import sys
import zipfile

import nibabel
import numpy as np
import pytest

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.provenance import Format
from lungseg.readers import find_inputs, packing, read, read_image, read_volume, refusals
from lungseg.readers.packing import Packing, unpacked, unpacked_head
from lungseg.readers.probe import identify, probe
from lungseg.readers.refusals import refuse_other_content
from lungseg.readers.signatures import OtherContent, sniff
from phantom_volumes import AFFINE, CHEST, check_chest, ct_slice, write_nifti, write_series

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5626\n"
PAGE = b"\xef\xbb\xbf\r\n<!DOCTYPE HTML>\n<html><head><title>Sign in</title></head></html>"
NPY = io.BytesIO()
np.save(NPY, np.zeros((2, 2)))


def zipped(name):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, b"it")
    return archive.getvalue()


@pytest.mark.parametrize(
    ("content", "found", "words"),
    [
        (POINTER, OtherContent.GIT_LFS, "never fetched; fetch it with git lfs pull"),
        (PAGE, OtherContent.WEB_PAGE, "a web page.*log in there and download the file again"),
        (b"<html>", OtherContent.WEB_PAGE, "a web page"),
        (NPY.getvalue(), OtherContent.NUMPY, "NumPy files are not read; give lungseg.segment the"),
        (zipped("image.npy"), OtherContent.NUMPY, "NumPy files are not read; give"),
        (zipped("archive/data.pkl"), OtherContent.PICKLE, "pickle files are not read"),
        (zipped("[Content_Types].xml"), OtherContent.OFFICE, "Office files are not read"),
        (zipped("film.png.txt"), OtherContent.ZIP, "ZIP files are not read|leads to no images"),
        (pickle.dumps([1]), OtherContent.PICKLE, "opening a pickle can run any program"),
        (pickle.dumps({}, 2), OtherContent.PICKLE, "opening a pickle can run any program"),
        (b"MATLAB 5.0 MAT-file, on", OtherContent.MATLAB, "with imwrite as PNG .*niftiwrite"),
        (b"MATLAB 7.3 MAT-file, on", OtherContent.MATLAB, "MATLAB files are not read"),
        (
            b"\x89HDF\r\n\x1a\n" + bytes(9),
            OtherContent.HDF5,
            "HDF5 files are not read",
        ),
        (b"CDF\x01" + bytes(9), OtherContent.NETCDF, "mnc2nii FILE.mnc FILE.nii"),
        (b"CDF\x02" + bytes(9), OtherContent.NETCDF, "mnc2nii FILE.mnc FILE.nii"),
        (b"\0\0\0\1" + struct.pack(">4i", 9, 9, 9, 1), OtherContent.MGH, "mri_convert"),
        (struct.pack("<i", 348) + bytes(400), OtherContent.ANALYZE, "right and left, which"),
        (struct.pack(">i", 348) + bytes(400), OtherContent.ANALYZE, "Analyze 7.5 files"),
        (b"# vtk DataFile Version 3.0\n", OtherContent.VTK, "3D Slicer as NRRD or MetaImage"),
        (b'<VTKFile type="ImageData">', OtherContent.VTK, "VTK files are not read"),
        (b"!INTERFILE :=\n", OtherContent.INTERFILE, "to NIfTI or NRRD"),
        (b"SIMPLE  =                    T", OtherContent.FITS, "FITS files are not read"),
        (b"P5\n# made by hand\n60 80\n255\n" + bytes(9), OtherContent.NETPBM, "magick FILE.pgm"),
        (b"P7\nWIDTH 3\n" + bytes(9), OtherContent.NETPBM, "Netpbm files are not read"),
        (b"\x76\x2f\x31\x01" + bytes(9), OtherContent.OPENEXR, "magick FILE.exr FILE.tif"),
        (b"8BPS" + bytes(9), OtherContent.PHOTOSHOP, "to PNG, with 16 bits where"),
        (b'<?xml version="1.0"?>\n<svg xmlns="w3"/>', OtherContent.SVG, "it is a drawing"),
        (b"<!-- a --><svg/>", OtherContent.SVG, "it is a drawing"),
        (b"%PDF-1.7", OtherContent.PDF, "pdfimages -png"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OtherContent.OFFICE, "Office files are not read"),
        (b"PAR1", OtherContent.PARQUET, "it is a table"),
        (b"SQLite format 3\0", OtherContent.SQLITE, "it is a data base"),
        (b"\xfd7zXZ\0", OtherContent.XZ, "unxz FILE.xz"),
        (b"7z\xbc\xaf\x27\x1c", OtherContent.SEVEN_ZIP, "unpack it, and give what was in it"),
        (b"Rar!\x1a\x07\0", OtherContent.RAR, "unpack it, and give what was in it"),
        (b"\0\0\0\x0cjP  \r\n", OtherContent.JPEG_2000, "opj_decompress"),
        (b"\xff\x0a", OtherContent.JPEG_XL, "djxl"),
        (b"\0\0\0\x18ftypisom", OtherContent.VIDEO, "save one picture of it"),
        (b"key = 3\nother = 4\n", OtherContent.TEXT, "the file is text, not an image"),
        (b"ObjectType : Image\nNDims = 3\n", OtherContent.TEXT, "the file is text"),
    ],
)
def test_each_other_kind_has_its_cure(tmp_path, content, found, words):
    path = tmp_path / "film.dcm"
    path.write_bytes(content)
    assert sniff(content) is found
    for door in (read_image, read_volume, read):
        with pytest.raises(InputError, match=words) as caught:
            door(path)
        assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"\x80", b"\x80\x04", b"\x80\xff\x95"])
def test_what_only_begins_like_a_pickle_is_none(content):
    assert sniff(content) is OtherContent.UNKNOWN


def test_every_kind_has_a_sentence_and_formats_have_none():
    for content in OtherContent:
        with pytest.raises(InputError, match=r"^it: .+; .+\.$"):
            refuse_other_content(content, "it")
    for content in Format:
        if content is not Format.DICOM_SERIES:
            refuse_other_content(content, "it")


@pytest.mark.parametrize("installed", [True, False])
def test_a_file_of_no_known_kind_is_told_every_kind_that_is_read(monkeypatch, installed):
    monkeypatch.setattr(refusals, "find_spec", lambda name: installed or None)
    heic = ", HEIC" if installed else ""
    kinds = f"PNG, JPEG, TIFF, BMP, GIF, WebP, AVIF{heic}"
    targa = b"\0\0\3" + bytes(9) + b"\0\2\0\2\x08\0" + bytes(99)
    with pytest.raises(UnsupportedError) as caught:
        refuse_other_content(sniff(targa), "a.tga")
    assert str(caught.value) == (
        f"a.tga: the file is no {kinds} or DICOM image, and no NIfTI, NRRD or MetaImage volume; "
        "convert it to PNG (a film) or NIfTI (CT)."
    )
    with pytest.raises(UnsupportedError, match=f"give a {kinds}, DICOM, NIfTI, NRRD or MetaImage"):
        refuse_other_content(OtherContent.TEXT, "a")


@pytest.mark.parametrize(
    "start",
    [
        "ObjectType = Image\nNDims = 3\n",
        "ObjectType  =  Image\n",
        "NDims = 3\nDimSize = 3 3 3\n",
        "NDims=3\n",
        "\nComment = of a = b\nCreator = me\nObjectType = Image\n",
        "Comment = Größe\r\nDimSize = 3 3 3\r\n",
        "  ElementDataFile = a.raw\n",
        "\ufeffObjectType = Image\nNDims = 3\n",
    ],
)
def test_a_metaimage_header_may_begin_with_any_of_its_fields(start):
    assert sniff(start.encode()) is Format.METAIMAGE


def test_a_text_of_other_fields_is_no_metaimage_header():
    assert sniff(b"Comment = a\n" * 20 + b"NDims = 3\n") is OtherContent.TEXT
    assert sniff(b"Name = a\nsome words\nNDims = 3\n") is OtherContent.TEXT


def test_a_web_page_or_pointer_among_slices_is_named_as_what_it_is(tmp_path):
    for number in range(12):
        ct_slice(CHEST[number], (0, 0, 2.5 * number)).save_as(
            tmp_path / f"{number:02}.dcm", enforce_file_format=True
        )
    for content, words in ((PAGE, "99.dcm: it is a web page"), (POINTER, "99.dcm: it is a point")):
        (tmp_path / "99.dcm").write_bytes(content)
        with pytest.raises(UnreadableError, match=words):
            read_volume(tmp_path)
        volume = read_volume(tmp_path, skip_damaged=True)
        assert len(volume.array) == 12
        assert "left out because damaged: 99.dcm" in volume.notes


def zstd_packed(content: bytes) -> bytes:
    return pytest.importorskip("backports.zstd").compress(content)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd_packed}


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_volumes_are_read_as_they_are_unpacked(tmp_path, ending):
    plain = write_nifti(tmp_path / "chest.nii", CHEST, AFFINE).read_bytes()
    path = tmp_path / f"chest.nii.{ending}"
    path.write_bytes(PACKERS[ending](plain))
    check_chest(read_volume(path))
    check_chest(read_volume(path.read_bytes()))
    assert probe(path).modality == "ct"
    path.write_bytes(PACKERS[ending](plain)[:4000])
    with pytest.raises(
        UnreadableError, match=r"the file ends before|are damaged|holds nothing, or is truncated"
    ):
        read_volume(path)


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_films_and_slices_are_unpacked_first(tmp_path, write_dicom, film, ending):
    content = write_dicom(film).read_bytes()
    path = tmp_path / f"film.dcm.{ending}"
    path.write_bytes(PACKERS[ending](content))
    assert np.array_equal(read_image(path).array, read_image(content).array)
    assert probe(path).modality == "radiograph"
    ct_slice(CHEST[9], (0, 0, 0)).save_as(tmp_path / "slice.dcm", enforce_file_format=True)
    path.write_bytes(PACKERS[ending]((tmp_path / "slice.dcm").read_bytes()))
    assert np.array_equal(read(path).array[0], CHEST[9])


def test_what_unpacks_zstandard_is_named_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_ZSTD_MODULES", ("no_such_module",))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "chest.nii.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(40))
    words = r"packed with Zstandard.*install backports\.zstd \(pip install backports\.zstd\), or un"
    with pytest.raises(UnsupportedError, match=words):
        probe(tmp_path / "chest.nii.zst")


def test_packed_mgh_is_named_and_other_gzip_is_to_be_unpacked(tmp_path):
    (tmp_path / "vol.mgz").write_bytes(gzip.compress(b"\0\0\0\1" + bytes(400)))
    with pytest.raises(UnsupportedError, match="FreeSurfer MGH files are not read"):
        read(tmp_path / "vol.mgz")
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"a text"))
    with pytest.raises(UnsupportedError, match="what the gzip file holds is no image; unpack it"):
        read(tmp_path / "text.gz")


def test_what_is_unpacked_as_a_whole_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MAX_UNPACKED_BYTES", 2**21)
    limit: dict[Packing, bytes] = {
        "deflate": gzip.compress(bytes(2**21)),
        "bzip2": bz2.compress(bytes(2**21)),
    }
    for kind, content in limit.items():
        assert unpacked(content, kind, source="it") == bytes(2**21)
        assert unpacked_head(content, kind, 100, source="it") == bytes(100)
        assert unpacked_head(content, kind, 2**21 + 5, source="it") == bytes(2**21)
    with pytest.raises(TooLargeError, match="it holds more than 2 MB, and was not unpacked"):
        unpacked(gzip.compress(bytes(2**21 + 1)), "deflate", source="it")
    whole = write_nifti(tmp_path / "chest.nii", np.resize(CHEST, (60, 160, 160)), AFFINE)
    assert identify(gzip.compress(whole.read_bytes())).packing == "deflate"  # a stream has none


@pytest.mark.parametrize(("packed", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2")])
def test_damaged_packed_files(packed, name):
    content = bytearray(packed(np.random.default_rng(1).bytes(9000)))
    content[8:60] = bytes(52)
    with pytest.raises(UnreadableError, match=f"the {name} file is damaged; copy or export it"):
        identify(bytes(content))


def test_nibabel_reads_the_same_packed_files(tmp_path):
    path = tmp_path / "chest.nii.bz2"
    nibabel.save(nibabel.Nifti1Image(CHEST.T, np.eye(4) * (1, 1, 2, 1)), path)
    assert np.array_equal(read_volume(path).array, CHEST)


def test_a_series_of_packed_slices_is_one_volume(tmp_path):
    for path in write_series(tmp_path / "series", CHEST, AFFINE):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert find_inputs([tmp_path]).files == [tmp_path / "series"]
    check_chest(read_volume(tmp_path / "series"))
