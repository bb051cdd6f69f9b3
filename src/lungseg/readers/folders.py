"""What lies in folders: series of CT, single images, and all that is neither."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from lungseg.errors import InputError, UnreadableError
from lungseg.provenance import Format
from lungseg.readers.dicom_ct import CtFile, Slice, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_kind import DicomKind
from lungseg.readers.endings import FileKind, look_at
from lungseg.readers.left_out import LeftOut, left_out_dicom
from lungseg.readers.probe import Probe
from lungseg.readers.series import dicom_files
from lungseg.readers.volume_parts import VolumeParts

_OF_CT: Final = (DicomKind.SLICE, DicomKind.CAPTURE)
_MAX_KEPT_HEADERS: Final = 50_000
"""Headers that are kept for reading, some 100 MB; those of further folders are read again then."""
_SAME_PLACE: Final = 0.01
"""Millimetres, as in `lungseg.readers.slice_stack`."""
_NO_IMAGE: Final = {
    FileKind.NO_IMAGE: ("no_image", "no image"),
    FileKind.THUMBNAIL: ("thumbnail", "a thumbnail"),
    FileKind.ARCHIVE: ("archive", "an archive"),
}


@dataclass(slots=True)
class FolderContents:
    """What was found in a folder and all below.

    Attributes:
        files: inputs in their order: files, and folders that stand for a series of CT.
        problems: folders that could not be read.
        probes: what was learned of inputs, by their absolute path.
        left_out: every other file that is not hidden.
        header_count: how many headers of DICOM were read.
    """

    files: list[Path] = field(default_factory=list[Path])
    problems: list[InputError] = field(default_factory=list[InputError])
    probes: dict[Path, Probe] = field(default_factory=dict[Path, Probe])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    header_count: int = 0


@dataclass(frozen=True, slots=True)
class _Stack:
    """The slices of one folder, where all are of one series and say where they lie.

    Attributes:
        key: what those of one series share.
        heights: millimetres along the normal.
        numbers: InstanceNumber, where all slices state it.
    """

    key: tuple[object, ...]
    heights: tuple[float, ...]
    numbers: tuple[float, ...]


def look_through(
    folder: Path, *, series: bool = True, only: Collection[Path] | None = None
) -> FolderContents:
    """Every file below a folder, sorted folder by folder, but hidden ones; links to other folders
    are not followed.

    Args:
        folder: where to begin.
        series: whether folders with slices of CT stand for these; else each DICOM file is an input.
        only: the files that count, absolute; None for all.
    """
    found = FolderContents()
    stacks: dict[Path, _Stack | None] = {}
    parts = VolumeParts()
    for parent, paths in _walk(folder, found.problems):
        counted = paths if only is None else [path for path in paths if absolute(path) in only]
        found.left_out += [
            LeftOut(path, "not_listed", "not listed")
            for path in paths
            if only is not None
            and absolute(path) not in only
            and look_at(path) in (FileKind.IMAGE, FileKind.DICOM)
        ]
        headers = _look_through_one(
            parent, counted, parts, found, series=series, some=only is not None
        )
        if headers:
            stacks[parent] = _stack(headers)
    _join(stacks, found)
    return found


def absolute(path: Path) -> Path:
    """Without "..", and without following links."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _walk(folder: Path, problems: list[InputError]) -> Iterator[tuple[Path, list[Path]]]:
    def refused(error: OSError) -> None:
        what = (
            "permission to read the folder was denied"
            if isinstance(error, PermissionError)
            else "the folder could not be read"
        )
        problems.append(
            UnreadableError(
                what, where=error.filename or folder, cure="change its permissions or leave it out"
            )
        )

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield (
            Path(parent),
            [Path(parent, name) for name in sorted(files) if not name.startswith(".")],
        )


def _look_through_one(
    parent: Path,
    paths: Sequence[Path],
    parts: VolumeParts,
    found: FolderContents,
    *,
    series: bool,
    some: bool,
) -> list[CtFile]:
    """Sorts the files of one folder, or some of them; returns the headers of its slices of CT."""
    looks = {path: look_at(path) for path in paths}
    images = [path for path in paths if looks[path] in (FileKind.IMAGE, FileKind.DICOM)]
    others = [path for path in paths if looks[path] in _NO_IMAGE]
    of_volumes = parts.among(others, images)
    found.left_out += [LeftOut(p, *_NO_IMAGE[looks[p]]) for p in others if p not in of_volumes]
    headers = _headers([p for p in images if looks[p] is FileKind.DICOM]) if series else {}
    kinds = {header.kind for header in headers.values()}
    has_ct = not kinds.isdisjoint(_OF_CT)
    slices = {p: one for p, one in headers.items() if one.kind in _OF_CT}
    if DicomKind.SLICE in kinds:
        slices = {p: one for p, one in slices.items() if one.kind is DicomKind.SLICE}
    with_headers = found.header_count < _MAX_KEPT_HEADERS
    found.header_count += len(headers)
    if has_ct:
        place = absolute(parent)
        found.files.append(parent)
        kept = tuple(headers.values()) if with_headers else tuple(slices.values())[:1]
        files = [path for path in images if looks[path] is FileKind.DICOM] if some else []
        found.probes[place] = Probe(
            str(place),
            place,
            Format.DICOM_SERIES,
            "ct",
            headers=kept,
            files=tuple(DicomFile(str(absolute(path)), absolute(path)) for path in files),
        )
    for path in images:
        header = headers.get(path)
        if header is None:
            if not (
                has_ct and looks[path] is FileKind.DICOM
            ):  # a damaged slice is named by reading
                found.files.append(path)
        elif header.kind is DicomKind.FILM or (
            header.kind is DicomKind.PICTURE and DicomKind.SLICE not in kinds
        ):
            found.files.append(path)
            if with_headers:
                name = header.file.name
                found.probes[Path(name)] = Probe(
                    name, Path(name), Format.DICOM, header.modality, headers=(header,)
                )
        elif path not in slices:
            found.left_out.append(left_out_dicom(header, path))
    return list(slices.values())


def _headers(paths: Sequence[Path]) -> dict[Path, CtFile]:
    """Of those DICOM files that have one; of the others reading says why."""
    headers: dict[Path, CtFile] = {}
    for path in paths:
        try:
            headers[path] = read_header(DicomFile(str(absolute(path)), absolute(path)))
        except InputError:
            continue
    return headers


def _stack(headers: Sequence[CtFile]) -> _Stack | None:
    slices = [slice_ for header in headers for slice_ in header.slices]
    keys = {_key(slice_) for slice_ in slices}
    if len(keys) != 1 or not slices[0].provenance.series_uid:
        return None
    axes = slices[0].orientation
    if axes is None:
        return None
    normal = np.cross(axes[0], axes[1])
    heights = [float(one.position @ normal) for one in slices if one.position is not None]
    numbers = [one.instance for one in slices if one.instance is not None]
    if len(heights) != len(slices):
        return None
    whole = len(numbers) == len(slices) and all(one.frames == 1 for one in slices)
    return _Stack(keys.pop(), tuple(heights), tuple(numbers) if whole else ())


def _key(slice_: Slice) -> tuple[object, ...]:
    of = slice_.provenance
    axes = None if slice_.orientation is None else tuple(np.round(slice_.orientation, 2).flat)
    spacing = None if slice_.spacing is None else tuple(np.round(slice_.spacing, 3))
    same = (of.study_uid, of.series_uid, of.patient.id, slice_.traits.kernel)
    return *same, slice_.shape, axes, spacing


def _join(stacks: dict[Path, _Stack | None], found: FolderContents) -> None:
    """Folders between which an archive has parted one series become one input, called after the
    folder that all of them are in, or after the first where something else is called so.
    """
    alike: dict[tuple[object, ...], list[Path]] = defaultdict(list)
    for folder, stack in stacks.items():
        if stack is not None:
            alike[stack.key].append(folder)
    inputs, places = set(found.files), dict[Path, Path]()
    for folders in alike.values():
        if len(folders) == 1 or not _complete_each_other([stacks[one] for one in folders]):
            continue
        common = Path(os.path.commonpath(folders))
        place = folders[0] if common in inputs else common
        inputs.add(place)
        probes = [found.probes.pop(absolute(one)) for one in folders]
        found.probes[absolute(place)] = Probe(
            str(absolute(place)),
            absolute(place),
            Format.DICOM_SERIES,
            "ct",
            headers=tuple(header for one in probes for header in one.headers),
            files=tuple(
                file
                for one, own in zip(folders, probes, strict=True)
                for file in own.files or dicom_files(absolute(one))
            ),
        )
        places |= dict.fromkeys(folders, place)
    found.files = list(dict.fromkeys(places.get(path, path) for path in found.files))


def _complete_each_other(stacks: Sequence[_Stack | None]) -> bool:
    """Whether no two slices lie at one place, or have one number: so copies, and patients to whom
    an anonymiser gave one UID, stay apart.
    """
    if not all(one is not None and one.numbers for one in stacks):
        return False
    heights = np.sort([height for one in stacks if one is not None for height in one.heights])
    numbers = [number for one in stacks if one is not None for number in one.numbers]
    return bool(np.diff(heights).min() > _SAME_PLACE) and len({*numbers}) == len(numbers)
