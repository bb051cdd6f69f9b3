"""Files of every kind that lungseg reads, whole and small, for the fuzzer to damage."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import nibabel
import numpy as np
from PIL import Image, features
from pydicom import dcmread
from pydicom.uid import UID

from dicom_files import compress
from lungseg.ends import Ends
from lungseg.predict import find_model
from lungseg.train.recipes import recipes
from lungseg.writers.png import label_png
from made_up_records import failed, made_up, measured
from metaimage_files import meta_fields, write_meta
from phantom_volumes import (
    AFFINE,
    SPACING,
    ct_slice,
    draw_chest,
    enhanced,
    write_nifti,
    write_series,
)
from tiny_model import dark_ellipses

Kind = Literal["bytes", "png", "gzip", "dicom", "text", "json", "zip"]
CR = "1.2.840.10008.5.1.4.1.1.1"
FILM = dark_ellipses((40, 48))
CHEST = draw_chest((6, 34, 40))
ELSEWHERE = Ends("input_1", "conv2d_18", "NHWC", "NHWC", mean=(0.485, 0.456, 0.406), std=(0.2,))


@dataclass(frozen=True, slots=True)
class Seed:
    """One input.

    Attributes:
        name: of it.
        group: of `fuzz.targets`, which says what reads it.
        files: by their names; those that are damaged first.
        kind: how a file is damaged.
        source: the name of the file that is read; "." for all of them as a folder.
        damaged: how many of the files, from the first, are damaged.
    """

    name: str
    group: str
    files: dict[str, bytes]
    kind: Kind = "bytes"
    source: str = ""
    damaged: int = 1


def make_seeds(folder: Path) -> list[Seed]:
    """All of them, made in an empty folder; the same each time."""
    makers = (pictures, radiographs, slices_of_ct, volumes, series, archives, texts, forms)
    numbers = (f"1.2.826.0.1.{number}" for number in count(1))
    with patch("phantom_volumes.generate_uid", lambda: UID(next(numbers))):
        return [seed for maker in makers for seed in maker(folder)]


def one(name: str, group: str, content: bytes, kind: Kind = "bytes") -> Seed:
    """A seed of a single file."""
    return Seed(name, group, {name: content}, kind, name)


def pictures(_: Path) -> Iterator[Seed]:
    """PNG, JPEG, TIFF, BMP, GIF, WebP, AVIF and HEIC."""
    film = Image.fromarray(FILM)
    deep = Image.fromarray(FILM.astype(np.uint16) * 200)
    number = Image.fromarray(FILM.astype(np.float32) / 3)
    colours = film.convert("RGB")
    ways: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("grey.png", film, "PNG", {}),
        ("deep.png", deep, "PNG", {}),
        ("palette.png", colours.convert("P", palette=Image.Palette.ADAPTIVE), "PNG", {}),
        ("colours.png", colours.convert("RGBA"), "PNG", {}),
        ("bits.png", film.convert("1"), "PNG", {}),
        ("grey.jpg", film, "JPEG", {}),
        ("colours.jpg", colours, "JPEG", {"exif": film.getexif()}),
        ("raw.tif", deep, "TIFF", {}),
        ("float.tif", number, "TIFF", {}),
        ("lzw.tif", film, "TIFF", {"compression": "tiff_lzw"}),
        ("deflate.tif", deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", film, "TIFF", {"compression": "jpeg"}),
        ("fax.tif", film.convert("1"), "TIFF", {"compression": "group4"}),
        ("pages.tif", film, "TIFF", {"save_all": True, "append_images": [film]}),
        ("grey.bmp", film, "BMP", {}),
        ("colours.bmp", colours, "BMP", {}),
        ("grey.gif", film, "GIF", {}),
        ("grey.webp", colours, "WEBP", {"lossless": True}),
    ]
    if features.check("avif"):
        ways.append(("grey.avif", colours, "AVIF", {}))
    for name, picture, file_format, options in ways:
        stream = io.BytesIO()
        picture.save(stream, file_format, **options)
        yield one(name, "picture", stream.getvalue(), "png" if file_format == "PNG" else "bytes")
    yield one("labels.png", "picture", label_png((FILM < 100).astype(np.uint8)), "png")
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError:
        return
    stream = io.BytesIO()
    heif.from_pillow(film).save(stream, quality=-1)
    yield one("grey.heic", "picture", stream.getvalue())


def radiographs(folder: Path) -> Iterator[Seed]:
    """DICOM of one frame and of several, plain and in every compression that GDCM writes."""
    film = ct_slice(
        FILM.astype(np.int16) * 8,
        (0, 0, 0),
        SOPClassUID=CR,
        Modality="CR",
        ImageType=["ORIGINAL", "PRIMARY"],
        RescaleIntercept=0,
        BitsStored=12,
        HighBit=11,
        ImagerPixelSpacing=[0.7, 0.7],
        ImagePositionPatient=None,
        PatientOrientation=["L", "F"],
        WindowCenter=1000,
        WindowWidth=1500,
    )
    film.save_as(folder / "film.dcm", enforce_file_format=True)
    plain = (folder / "film.dcm").read_bytes()
    yield one("film.dcm", "dicom", plain, "dicom")
    yield one("film.dcm.gz", "dicom", gzip.compress(plain, mtime=0), "gzip")
    for syntax in (
        "ImplicitVRLittleEndian",
        "ExplicitVRBigEndian",
        "RLELossless",
        "JPEGExtendedProcess2_4",
        "JPEGLosslessProcess14_1",
        "JPEGLSLossless",
        "JPEG2000Lossless",
        "DeflatedExplicitVRLittleEndian",
    ):
        path = folder / f"{syntax}.dcm"
        path.write_bytes(plain)
        yield one(path.name, "dicom", compress(path, syntax).read_bytes(), "dicom")
    film.NumberOfFrames = 2
    film.PixelData = film.PixelData * 2
    film.save_as(folder / "frames.dcm", enforce_file_format=True)
    yield one("frames.dcm", "dicom", (folder / "frames.dcm").read_bytes(), "dicom")


def slices_of_ct(folder: Path) -> Iterator[Seed]:
    """A slice of CT, and an enhanced image."""
    ct_slice(CHEST[2], (0, 0, 0)).save_as(folder / "slice.dcm", enforce_file_format=True)
    yield one("slice.dcm", "dicom", (folder / "slice.dcm").read_bytes(), "dicom")
    positions = [(0.0, 0.0, 2.5 * number) for number in range(3)]
    whole = enhanced(CHEST[:3], positions, [1.0, 1.0, 2.0])
    whole.save_as(folder / "enhanced.dcm", enforce_file_format=True)
    yield one("enhanced.dcm", "dicom", (folder / "enhanced.dcm").read_bytes(), "dicom")


def volumes(folder: Path) -> Iterator[Seed]:
    """NIfTI, NRRD and MetaImage: of one file and of two, packed and not."""
    plain = write_nifti(folder / "v.nii", CHEST, AFFINE).read_bytes()
    yield one("v.nii", "volume", plain)
    yield one("v.nii.gz", "volume", gzip.compress(plain, mtime=0), "gzip")
    yield one("v.nii.bz2", "volume", bz2.compress(plain))
    zstd = importlib.import_module("backports.zstd")
    yield one("v.nii.zst", "volume", zstd.compress(plain))
    second = write_nifti(folder / "v2.nii", CHEST, AFFINE, kind=nibabel.Nifti2Image)
    yield one("v2.nii", "volume", second.read_bytes())
    write_nifti(folder / "pair.img", CHEST, AFFINE, kind=nibabel.Nifti1Pair)
    pair = {name: (folder / name).read_bytes() for name in ("pair.hdr", "pair.img")}
    yield Seed("pair.hdr", "volume", pair, source="pair.hdr", damaged=2)

    fields = {
        "type": "short",
        "dimension": 3,
        "sizes": "40 34 6",
        "endian": "little",
        "encoding": "raw",
        "space": "left-posterior-superior",
        "space directions": "(0.5,0,0) (0,0.75,0) (0,0,2.5)",
        "space origin": "(-30,12.5,100)",
    }
    for encoding, content in (
        ("raw", CHEST.tobytes()),
        ("gzip", gzip.compress(CHEST.tobytes(), mtime=0)),
    ):
        own = fields | {"encoding": encoding}
        yield one(f"{encoding}.nrrd", "volume", _nrrd(own) + content, "text")
    apart = {"v.nhdr": _nrrd(fields | {"data file": "v.raw"}), "v.raw": CHEST.tobytes()}
    yield Seed("v.nhdr", "volume", apart, "text", "v.nhdr")

    size = {"DimSize": "40 34 6"}
    packed = zlib.compress(CHEST.tobytes())
    meta = write_meta(folder / "v.mha", meta_fields(**size), CHEST.tobytes())
    yield one("v.mha", "volume", meta.read_bytes(), "text")
    own = meta_fields(**size, CompressedData="True", CompressedDataSize=len(packed))
    yield one("packed.mha", "volume", write_meta(meta, own, packed).read_bytes(), "text")
    header = write_meta(meta, meta_fields(**size, ElementDataFile="v.raw")).read_bytes()
    yield Seed("v.mhd", "volume", {"v.mhd": header, "v.raw": CHEST.tobytes()}, "text", "v.mhd")


def _nrrd(fields: dict[str, Any]) -> bytes:
    lines = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return f"NRRD0004\n{lines}\n".encode()


def series(folder: Path) -> Iterator[Seed]:
    """A folder with a series, and one with an index of it."""
    paths = write_series(folder / "series", CHEST, AFFINE)
    files = {path.name: path.read_bytes() for path in paths}
    yield Seed("series", "series", files, "dicom", ".", damaged=len(files))
    index = dcmread(folder / "slice.dcm")
    index.SOPClassUID = index.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    records = []
    for name in files:
        record = ct_slice(CHEST[0], (0, 0, 0))
        for element in list(record):
            del record[element.tag]
        record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, "IMAGE"
        record.OffsetOfTheNextDirectoryRecord = (
            record.OffsetOfReferencedLowerLevelDirectoryEntity
        ) = 0
        record.ReferencedFileID = name
        records.append(record)
    index.DirectoryRecordSequence = records
    del index.PixelData
    index.save_as(folder / "DICOMDIR", enforce_file_format=True)
    listed = {"DICOMDIR": (folder / "DICOMDIR").read_bytes(), **files}
    yield Seed("DICOMDIR", "series", listed, "dicom", "DICOMDIR")


def archives(folder: Path) -> Iterator[Seed]:
    """Zips and tars of a series, and of a film."""
    members = {path.name: path.read_bytes() for path in sorted((folder / "series").iterdir())[:3]}
    film = io.BytesIO()
    Image.fromarray(FILM).save(film, "PNG")
    for name, content in (("series", members), ("film", {"a/film.png": film.getvalue()})):
        for way in ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz"):
            packed = zipped(content) if way == "zip" else _tarred(content, way)
            kind: Kind = {"zip": "zip", "tar.gz": "gzip"}.get(way, "bytes")  # type: ignore[assignment]
            yield one(f"{name}.{way}", "archive", packed, kind)


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip of files by their names."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _tarred(members: dict[str, bytes], way: str) -> bytes:
    stream = io.BytesIO()
    mode = f"w:{way.partition('.')[2]}"
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def texts(_: Path) -> Iterator[Seed]:
    """Cards, judge files, records, lists, settings and declarations."""
    for name in ("cxr", "ct"):
        model = find_model(name)
        content = model.with_suffix(".json").read_bytes()
        yield one(f"{name}.json", "card", content, "json")
        elsewhere = json.loads(content) | {"input_channels": 3, "ends": asdict(ELSEWHERE)}
        yield one(f"{name}-elsewhere.json", "card", json.dumps(elsewhere).encode(), "json")
        judge = model.with_name(f"{name}.judge.json").read_bytes()
        yield one(f"{name}.judge.json", "judge", judge, "json")
    lung = measured("area", 120.5, "mm2", "right lung"), measured("confidence", 0.9, "")
    records = [made_up("/a/b.png", measurements=list(lung)), failed("/a/c.png")]
    for number, record in enumerate((*records, made_up("/a/d", "ct", notes=["odd"]))):
        yield one(f"{number}.jsonl", "record", json.dumps(record).encode() + b"\n", "json")
    files = {"images/x.png": b"x", "masks/x.png": b"x"}
    rows = (
        "# drawn\ncase,patient,image,mask,source,split,lung_extent,notes,mask_left,decides,labels\n"
        'x,7,images/x.png,masks/x.png,here,test,field,"a, ""b""",,right lung;left lung,1=lung\n'
    )
    plain = "image;mask;split\nimages/x.png;masks/x.png;val\n"
    boxes = "patientId,x,y,width,height,Target\na,1.0,2,30,40.5,1\nb,,,,,0\n"
    yield Seed("cases.csv", "manifest", {"cases.csv": rows.encode(), **files}, "text", "cases.csv")
    yield Seed("any.csv", "manifest", {"any.csv": plain.encode(), **files}, "text", "any.csv")
    wide = {"utf16.csv": plain.encode("utf-16"), **files}
    yield Seed("utf16.csv", "manifest", wide, "bytes", "utf16.csv")
    pairs = "file_a,file_b\nimages/x.png,masks/x.png\n"
    yield Seed("pairs.csv", "pairs", {"pairs.csv": pairs.encode(), **files}, "text", "pairs.csv")
    yield one("boxes.csv", "boxes", boxes.encode(), "text")
    for name in recipes():
        recipe = Path(str(find_model("cxr").parent.parent / "recipes" / f"{name}.toml"))
        yield one(recipe.name, "settings", recipe.read_bytes(), "text")
    labels = {"labels": {"background": 0, "left lung": 1, "right lung": [2, 3], "4": "heart"}}
    yield one("labels.json", "declared", json.dumps(labels).encode(), "json")
    yield one("words", "declared_text", b"1=right lung;2=left lung;0.5=heart", "text")
    lists = {"x.png": ["drawn through the heart"], "y.png": []}
    flags = {"heart_shadow_inside_mask": ["a.png"], "b": ["c.png"]}
    yield one("questionable.json", "questionable", json.dumps(lists).encode(), "json")
    yield one("questionable_masks.json", "questionable", json.dumps(flags).encode(), "json")
    yield one("MetaData.csv", "questionable", b"id,county\nx,Montgomery\ny,Shenzhen\n", "text")


def forms(_: Path) -> Iterator[Seed]:
    """Bodies of uploads, and zips that are sent."""
    stream = io.BytesIO()
    Image.fromarray(FILM).save(stream, "PNG")
    film = stream.getvalue()
    spacing = ",".join(str(number) for number in SPACING)
    parts = [
        ('name="file"; filename="film.png"', film),
        ('name="spacing"', spacing.encode()),
        ('name="modality"', b"ct"),
        ('name="skip_quality"', b"true"),
    ]
    body = b"".join(
        b"--edge\r\nContent-Disposition: form-data; "
        + head.encode()
        + b"\r\n\r\n"
        + value
        + b"\r\n"
        for head, value in parts
    )
    yield one("form", "form", body + b"--edge--\r\n", "text")
    yield one("sent.zip", "sent_zip", zipped({"film.png": film, "a/film.png": film}), "zip")


def hot_bytes(content: bytes) -> int:
    """How many bytes from the first are likely to hold what a reader decides by: the header of
    DICOM ends with its pixels, that of others within some hundred bytes."""
    pixels = content.find(struct.pack("<HH", 0x7FE0, 0x0010))
    return pixels + 12 if pixels > 0 else min(len(content), 512)


def with_content(seed: Seed, name: str, content: bytes) -> Seed:
    """The seed with another content of one file."""
    return replace(seed, files={**seed.files, name: content})
