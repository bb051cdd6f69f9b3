"""A CT series in DICOM: which files belong to it, in which order its slices lie, and the volume of
them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.geometry import VolumeGeometry
from lungseg.readers.dicom_ct import CtFile, Decoder, Slice, read_header
from lungseg.readers.hounsfield import is_hounsfield, padding_notes
from lungseg.readers.image import explained, look
from lungseg.readers.limits import chosen_page
from lungseg.readers.probe import DICOM_ENDINGS, sniff
from lungseg.readers.raw_volume import LARGEST_VOLUME
from lungseg.readers.slice_stack import Stack, stacked
from lungseg.segmentation import Array
from lungseg.volume import Volume

_SAME_DIRECTION: Final = 1e-2
"""Cosines that differ by less are one orientation; what scanners write varies in the sixth
digit."""
_ASKED: Final = 50
"""DICOM files of a folder, the first by name, that are asked whether they are CT."""


@dataclass(slots=True)
class _Series:
    """Slices of one series that have one orientation."""

    uid: str
    number: int
    description: str
    slices: list[Slice] = field(default_factory=list)

    def has(self, file: CtFile, piece: Slice) -> bool:
        mine, its = self.slices[0].orientation, piece.orientation
        alike = (
            mine is its
            if mine is None or its is None
            else np.allclose(mine, its, atol=_SAME_DIRECTION)
        )
        return self.uid == file.uid and alike


@dataclass(slots=True)
class _Sorted:
    """What the files are."""

    series: list[_Series] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    damaged: list[InputError] = field(default_factory=list)


def read_series(
    path: Path, *, series: str | None = None, frame: int | None = None, skip_damaged: bool = False
) -> Volume:
    """The volume of the CT series in a folder (not in the folders within), or of a single CT file.

    Args:
        path: the folder, or the file.
        series: which one of several: its number in the list that the error gives, its UID, or its
            description.
        frame: of an enhanced image in a file, counted from 1: that slice alone.
        skip_damaged: leave out files that cannot be read or decoded; else they are refused, by
            name.

    Returns:
        Slices in ascending order along their normal, wherever the files' names put them. Where some
        are missing or left out, those that are there stand as if they were evenly spaced from the
        first to the last, and `gaps` and `notes` say so.

    Raises:
        UnreadableError: there is no CT in it, or a file is damaged.
        UnsupportedError: several series and none chosen, slices of several sizes or spacings, or
            without positions.
        InputError: two different slices at one position.
    """
    found = _sorted([path] if path.is_file() else _dicom_files(path))
    if found.damaged and not skip_damaged:
        raise _refused(found.damaged[0])
    chosen = _chosen(found, series, path)
    slices = chosen.slices
    if frame is not None:
        slices = [slices[chosen_page(frame, len(slices), noun="frame", source=str(path))]]
    return _assembled(slices, found, path, skip_damaged=skip_damaged)


def holds_series(folder: Path) -> bool:
    """Whether a folder holds CT slices in DICOM."""
    for path in _dicom_files(folder)[:_ASKED]:
        try:
            if read_header(path).slices:
                return True
        except InputError:
            continue
    return False


def _dicom_files(folder: Path) -> list[Path]:
    """The folder's own DICOM files, told by their bytes, and those that only claim to be, so that
    they are named where they are broken.
    """
    with explained(folder):
        files = [
            path
            for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.startswith(".")
        ]
        files = [path for path in files if path.name.upper() != "DICOMDIR"]
        return [
            path
            for path in files
            if path.suffix.lower() in DICOM_ENDINGS or sniff(look(path)[1]) == "DICOM"
        ]


def _sorted(files: list[Path]) -> _Sorted:
    found = _Sorted()
    for path in files:
        try:
            file = read_header(path)
        except InputError as error:
            found.damaged.append(error)
            continue
        if file.other:
            found.others[file.other] += 1
        for piece in file.slices:
            for one in found.series:
                if one.has(file, piece):
                    break
            else:
                one = _Series(file.uid, file.number, file.description)
                found.series.append(one)
            one.slices.append(piece)
    found.series.sort(key=lambda one: (one.number, one.uid))
    return found


def _refused(error: InputError) -> InputError:
    return UnreadableError(
        error.what,
        where=error.where,
        cure="copy it again, or leave it out with `skip_damaged`",
    )


def _chosen(found: _Sorted, wish: str | None, path: Path) -> _Series:
    if not found.series:
        if found.damaged:
            raise found.damaged[0]
        there = f" (it is {next(iter(found.others))})" if path.is_file() and found.others else ""
        what = (
            f"the DICOM file is no CT slice{there}"
            if path.is_file()
            else "the folder holds no CT slices in DICOM"
        )
        raise UnsupportedError(
            what,
            where=path,
            cure="give a CT slice" if path.is_file() else "name a folder with a CT series itself",
        )
    if wish is None and len(found.series) == 1:
        return found.series[0]
    listed = ", ".join(
        f"{number}: {one.description or 'without description'} ({len(one.slices)} slices, "
        f"{one.uid or 'no UID'})"
        for number, one in enumerate(found.series, start=1)
    )
    if wish is None:
        raise UnsupportedError(
            f"it holds {len(found.series)} CT series: {listed}",
            where=path,
            cure="choose one with `series`: number, UID or name",
        )
    fitting = [
        one
        for number, one in enumerate(found.series, start=1)
        if wish in (str(number), one.uid) or wish.lower() == one.description.lower()
    ]
    if len(fitting) != 1:
        which = "no series is" if not fitting else f"{len(fitting)} series are"
        raise InputError(
            f"{which} called {wish!r} among {listed}",
            where=path,
            cure="choose one by its number or UID",
        )
    return fitting[0]


def _assembled(slices: list[Slice], found: _Sorted, path: Path, *, skip_damaged: bool) -> Volume:
    _refuse_unlike(slices)
    stack = stacked(slices)
    voxels, used, sha256, damaged = _decoded(stack, skip_damaged=skip_damaged)
    duplicates = len(slices) - len(used) - len(damaged)
    if used != stack.slices:
        stack = stacked(used)
    damaged = [*found.damaged, *damaged]
    notes = list(stack.notes)
    if found.others:
        notes.append(
            "set aside: "
            + ", ".join(
                f"{count} {_plural(kind, count)}" for kind, count in sorted(found.others.items())
            )
        )
    if damaged:
        names = ", ".join(Path(str(error.where)).name for error in damaged)
        notes.append(f"left out because damaged: {names}")
    if duplicates:
        notes.append(
            "slices left out because there are others of the same content at the same position: "
            f"{duplicates}"
        )
    hounsfield = all(
        piece.rescale and piece.rescale[1] <= -500 for piece in stack.slices
    ) or is_hounsfield(voxels)
    if hounsfield:
        notes += padding_notes(voxels)
    else:
        voxels, shift = _greys(voxels)
        notes += shift
    single = path.is_file()
    return Volume(
        array=voxels,
        geometry=VolumeGeometry(_shape(voxels), stack.affine),
        hounsfield=hounsfield,
        source=str(path),
        format=("DICOM" if len(stack.slices) == 1 else "enhanced DICOM")
        if single
        else "DICOM series",
        sha256=sha256,
        gaps=stack.gaps,
        notes=tuple(notes),
    )


def _plural(kind: str, count: int) -> str:
    return kind if kind.startswith("of ") else kind.removeprefix("a ") + ("s" if count > 1 else "")


def _shape(voxels: Array) -> tuple[int, int, int]:
    slices, rows, columns = voxels.shape
    return slices, rows, columns


def _greys(voxels: Array) -> tuple[Array, list[str]]:
    """Of 16 bits and a sign: of 16 bits without."""
    low = int(voxels.min())
    if low >= 0:
        return voxels.view(np.uint16), []
    shifted = voxels.view(np.uint16)
    shifted -= np.uint16(low % 2**16)  # wraps around exactly where the sign does
    return shifted, [f"{-low} added to every voxel, so that none is below 0"]


def _refuse_unlike(slices: list[Slice]) -> None:
    """Slices of other sizes or spacings than the most usual; and more of them than a volume may
    have.
    """
    for what, values in (
        ("pixels", [piece.shape for piece in slices]),
        ("mm of spacing", [_rounded(piece) for piece in slices]),
    ):
        usual = Counter(values).most_common(1)[0][0]
        for piece, value in zip(slices, values, strict=True):
            if value != usual:
                own, others = (
                    " x ".join(f"{side:g}" for side in pair) if pair else "unknown"
                    for pair in (value, usual)
                )
                raise UnsupportedError(
                    f"the slice has {own} {what}, and others of its series {others}",
                    where=piece.path,
                    cure="take it out of the folder",
                )
    rows, columns = slices[0].shape
    if len(slices) * rows * columns > LARGEST_VOLUME:
        raise TooLargeError(
            f"the series has {len(slices)} slices of {rows} x {columns} pixels, and was not read",
            where=slices[0].path.parent,
        )


def _rounded(piece: Slice) -> tuple[float, float] | None:
    return piece.spacing and (round(piece.spacing[0], 3), round(piece.spacing[1], 3))


def _decoded(
    stack: Stack, *, skip_damaged: bool
) -> tuple[Array, list[Slice], str, list[InputError]]:
    """Voxels (slices, rows, columns), the first slice at each position that could be decoded, the
    SHA-256 of their files, and what went wrong with others.
    """
    voxels = np.empty((len(stack.slices), *stack.slices[0].shape), np.int16)
    used: list[Slice] = []
    damaged: list[InputError] = []
    decode, sha256, last = Decoder(), hashlib.sha256(), None

    def decoded(piece: Slice, by: Decoder) -> Array | None:
        try:
            return by(piece)
        except InputError as error:
            if not skip_damaged:
                raise _refused(error) from error
            damaged.append(error)
            return None

    for first, twins in zip(stack.slices, stack.twins, strict=True):
        kept: Array | None = None
        for piece in (first, *twins):
            pixels = decoded(piece, decode if kept is None else Decoder())
            if pixels is None:
                continue
            if kept is None:
                if piece.path != last:
                    sha256.update(decode.content)
                    last = piece.path
                voxels[len(used)] = kept = pixels
                used.append(piece)
            elif not np.array_equal(pixels, kept):
                what = f"it shows something else at the same place as {used[-1].path.name}"
                raise InputError(what, where=piece.path, cure="take one of them out of the folder")
    if not used:
        raise damaged[0]
    return voxels[: len(used)], used, sha256.hexdigest(), damaged
