"""What is read of CT as scanners and archives leave it: among other files, in phases, as captures,
without positions, in nested folders, on discs and in archives.

    python benchmarks/folders.py [VOLUME...]

Each VOLUME, and a drawn one, is written as a plain DICOM series, and again in each of the ways of
the table that is printed. A way is right where reading it gives the voxels of the plain series, at
the same places; where the way loses something (greys, millimetres), where the mask has a Dice of at
least 0.98 with that of the plain series, and the verdict is review.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from lungseg.errors import LungsegError
from lungseg.options import SegmentOptions
from lungseg.phantom.ct import ct_phantom
from lungseg.readers import find_inputs, read
from lungseg.scores import dice
from lungseg.segmenter import Segmenter
from lungseg.volume import Volume

STORAGE = "1.2.840.10008.5.1.4.1.1."
CT, CAPTURE = STORAGE + "2", STORAGE + "7"
MANY = 60
"""Files that lie before the slices."""
PLACED = (
    "RescaleSlope",
    "RescaleIntercept",
    "ImagePositionPatient",
    "PixelSpacing",
    "ImageOrientationPatient",
    "SliceThickness",
)
EIGHT_BITS = {"SOPClassUID": CAPTURE, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
OTHERS: dict[str, dict[str, Any]] = {
    "PET": {"SOPClassUID": STORAGE + "128", "Modality": "PT"},
    "MR": {"SOPClassUID": STORAGE + "4", "Modality": "MR"},
    "dose as secondary capture": {"SOPClassUID": CAPTURE, "Modality": "CT", "InstanceNumber": 1},
    "screenshots": {"SOPClassUID": CAPTURE, "Modality": "OT"},
    "structured reports": {"SOPClassUID": STORAGE + "88.67", "Modality": "SR", "Rows": None},
    "PDF": {"SOPClassUID": STORAGE + "104.1", "Modality": "DOC", "Rows": None},
    "presentation states": {"SOPClassUID": STORAGE + "11.1", "Modality": "PR", "Rows": None},
    "raw data": {"SOPClassUID": STORAGE + "66", "Modality": "CT", "Rows": None},
    "contours": {"SOPClassUID": STORAGE + "481.3", "Modality": "RTSTRUCT", "Rows": None},
}
SCOUTS = ("LOCALIZER", "SCOUT", "TOPOGRAM", "CT_SURVIEW")
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "two phases, by acquisition": (
        {"AcquisitionNumber": 1},
        {"AcquisitionNumber": 2},
        "acquisition 1",
    ),
    "two phases, by time": (
        {"AcquisitionTime": "101500"},
        {"AcquisitionTime": "101545"},
        "10:15:00",
    ),
    "two kernels": ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}, "B30f"),
    "two thicknesses": ({}, {"SliceThickness": 1}, "5 mm"),
    "two voltages": ({"KVP": 80}, {"KVP": 140}, "80 kV"),
}
Way = Callable[[Volume, Path], tuple[Path, str | None]]


def one_slice(volume: Volume, number: int, **header: Any) -> FileDataset:
    """A slice as DICOM, with the header's elements on top (None takes one away)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    uid = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    affine = volume.geometry.affine
    assert affine is not None
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    pixels = volume.array[number].astype(np.int32) + 1024
    elements: dict[str, Any] = {
        "SOPClassUID": CT, "SOPInstanceUID": uid, "StudyInstanceUID": "1.2.1",
        "SeriesInstanceUID": "1.2.3", "SeriesNumber": 2, "SeriesDescription": "CHEST",
        "PatientID": "1", "PatientName": "A^B", "StudyID": "1", "StudyDate": "20200101",
        "StudyTime": "10", "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "InstanceNumber": number + 1, "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1, "Rows": pixels.shape[0], "Columns": pixels.shape[1],
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
        "RescaleSlope": 1, "RescaleIntercept": -1024, "SliceThickness": 5,
        "PixelSpacing": [float(value) for value in spacing[1:]],
        "ImageOrientationPatient": [*(affine[:3, 2] / spacing[2]), *(affine[:3, 1] / spacing[1])],
        "ImagePositionPatient": [float(v) for v in affine[:3, 3] + number * affine[:3, 0]],
        "PixelData": np.clip(pixels, 0, 65535).astype(np.uint16).tobytes(),
    }  # fmt: skip
    for keyword, value in (elements | header).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "Rows" in header and header["Rows"] is None:
        del dataset.PixelData
    elif dataset.BitsAllocated == 8:
        dataset["PixelData"].VR = "OB"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, uid
    return dataset


def write(folder: Path, volume: Volume, *, first: str = "", **header: Any) -> list[Path]:
    """A series, one file a slice, named against their order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(len(volume.array)):
        paths.append(folder / f"{first}IM{len(volume.array) - number:03}")
        one_slice(volume, number, **header).save_as(paths[-1], enforce_file_format=True)
    return paths


def ways(volume: Volume) -> Iterator[tuple[str, bool, Way]]:
    """What the way is called, whether it loses something, and what makes it: from the volume and an
    empty folder to the input and the series to choose.
    """
    for name, header in OTHERS.items():
        yield f"{MANY} files first: {name}", False, among(header)
    for word in SCOUTS:
        yield f"one localizer, {word}", False, scout(word)
    for name, (own, other, wish) in PARTS.items():
        yield f"one UID: {name}", False, in_parts(own, other, wish)
    grey = np.clip((volume.array.astype(np.int32) + 1000) // 6, 0, 255).astype(np.uint8)
    for name, pixels, more in (
        ("8 bits", grey, {}),
        ("8 bits, MONOCHROME1", 255 - grey, {"PhotometricInterpretation": "MONOCHROME1"}),
        ("RGB", np.stack([grey] * 3, axis=-1), {
            "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0,
        }),
    ):  # fmt: skip
        yield f"secondary capture of {name}, without positions", True, capture(pixels, more)
    yield "secondary capture of 16 bits, with positions", False, plain(SOPClassUID=CAPTURE)
    for name in ("SliceLocation", "instance numbers", "names"):
        yield f"no positions: {name}", True, unplaced(name)
    yield "the same position in all", True, plain(ImagePositionPatient=[0, 0, 0])
    for name, place in (
        ("three folders deep", "a/b/c/{name}"),
        ("ten slices a folder", "a/{ten}/{name}"),
        ("a folder for each slice", "{name}/x"),
    ):
        yield f"nested: {name}", False, nested(place)
    yield "DICOMDIR that is named", False, on_disc
    for kind in ("zip", "tar", "gztar", "bztar", "xztar"):
        yield f"archive: {kind}", False, archived(kind)


def plain(**header: Any) -> Way:
    """The series with another header."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        write(folder, volume, **header)
        return folder, None

    return make


def among(header: dict[str, Any]) -> Way:
    """Many other files before the slices."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        write(folder, volume)
        other = one_slice(volume, 0, **{"SeriesInstanceUID": "1.2.9"} | header)
        for number in range(MANY):
            other.save_as(folder / f"0{number:03}", enforce_file_format=True)
        return folder, None

    return make


def scout(word: str) -> Way:
    """A localizer under the UID of the series."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        write(folder, volume)
        header: dict[str, Any] = {"ImageType": ["ORIGINAL", "PRIMARY", word]}
        header["ImageOrientationPatient"] = [1, 0, 0, 0, 0, -1]
        one_slice(volume, 0, **header).save_as(folder / "scout", enforce_file_format=True)
        return folder, None

    return make


def in_parts(own: dict[str, Any], other: dict[str, Any], wish: str) -> Way:
    """Two volumes under one UID, of which the first is wanted."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        write(folder, volume, **own)
        write(folder, volume, first="x", **other)
        return folder, wish

    return make


def capture(pixels: np.ndarray[Any, Any], more: dict[str, Any]) -> Way:
    """A secondary capture a slice, of other pixels and without any geometry."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        for number in range(len(volume.array)):
            header = dict.fromkeys(PLACED) | EIGHT_BITS
            header |= {"PixelData": pixels[number].tobytes()}
            dataset = one_slice(volume, number, **header | more)
            dataset.save_as(folder / f"{number}", enforce_file_format=True)
        return folder, None

    return make


def unplaced(by: str) -> Way:
    """No position in any slice; one of the other orders is there."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        for number in range(len(volume.array)):
            header: dict[str, Any] = {"ImagePositionPatient": None}
            if by == "SliceLocation":
                header |= {"SliceLocation": 5.0 * number - 300, "InstanceNumber": 900 - number}
            if by == "names":
                header["InstanceNumber"] = None
            name = f"IM{number}" if by == "names" else f"{number * 7 % len(volume.array)}"
            one_slice(volume, number, **header).save_as(folder / name, enforce_file_format=True)
        return folder, None

    return make


def nested(place: str) -> Way:
    """Slices in folders below, by a pattern of number and name."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        for number, path in enumerate(write(folder / "all", volume)):
            goal = folder / place.format(name=path.name, ten=number // 10)
            goal.parent.mkdir(parents=True, exist_ok=True)
            path.rename(goal)
        (folder / "all").rmdir()
        return folder, None

    return make


def on_disc(volume: Volume, folder: Path) -> tuple[Path, str | None]:
    """A file set with its index, and other files beside it."""
    write(folder / "all", volume)
    write(folder / "more", volume, SeriesInstanceUID="1.2.8", InstanceNumber=7)
    files = FileSet()
    for path in sorted((folder / "all").iterdir()):
        files.add(path)
    files.write(folder / "disc")
    shutil.move(folder / "more", folder / "disc" / "OTHER")
    return folder / "disc" / "DICOMDIR", None


def archived(kind: str) -> Way:
    """An archive of the series in a folder."""

    def make(volume: Volume, folder: Path) -> tuple[Path, str | None]:
        write(folder / "in" / "patient", volume)
        return Path(shutil.make_archive(str(folder / "scan"), kind, folder / "in")), None

    return make


def agreement(segmenter: Segmenter, plain_mask: np.ndarray[Any, Any], volume: Volume) -> str:
    """Whether it is "right", or what is wrong with the mask of a volume that lost something."""
    result = segmenter(volume, SegmentOptions(skip_quality=True))
    values = [dice(plain_mask == number, result.segmentation.labels == number) for number in (1, 2)]
    if min(values) < 0.98:
        return f"Dice {min(values):.3f}"
    return "right" if result.verdict.status == "review" else result.verdict.status


def is_same(got: Volume, expected: Volume) -> bool:
    """Whether voxels and places are those of the plain series."""
    mine, its = got.geometry.affine, expected.geometry.affine
    assert its is not None
    return (
        mine is not None
        and np.array_equal(got.array, expected.array)
        and np.allclose(mine, its, atol=1e-3)
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volumes", type=Path, nargs="*")
    asked = parser.parse_args()
    segmenter = Segmenter(modality="ct", volume_threads=2)
    outcomes: dict[str, list[str]] = defaultdict(list)
    for source in (ct_phantom((24, 128, 128)).volume, *asked.volumes):
        with tempfile.TemporaryDirectory() as place:
            volume = source if isinstance(source, Volume) else read(source, modality="ct")
            write(Path(place) / "plain", volume)
            expected = read(Path(place) / "plain", modality="ct")
            mask = segmenter(expected, SegmentOptions(skip_quality=True)).segmentation.labels
            for number, (name, loses, way) in enumerate(ways(expected)):
                folder = Path(place) / f"{number}"
                folder.mkdir()
                try:
                    path, series = way(expected, folder)
                    inputs = find_inputs([path])
                    got = read(inputs.probes[inputs.files[0]], modality="ct", series=series)
                except LungsegError as error:
                    outcomes[name].append(str(error))
                    continue
                if len(inputs.files) != 1:
                    outcomes[name].append(f"{len(inputs.files)} inputs")
                elif loses:
                    outcomes[name].append(agreement(segmenter, mask, got))
                else:
                    outcomes[name].append("right" if is_same(got, expected) else "other voxels")
                shutil.rmtree(folder)
    print("| way | tried | right | else |\n|---|---|---|---|")
    for name, each in outcomes.items():
        wrong = "; ".join(dict.fromkeys(one for one in each if one != "right"))
        print(f"| {name} | {len(each)} | {each.count('right')} | {wrong} |")


if __name__ == "__main__":
    main()
