"""A CT series in DICOM: which files belong to it, in which order its slices lie, and the volume of
them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePath

import numpy as np

from lungseg.errors import InputError, TooLargeError, UnreadableError, UnsupportedError
from lungseg.geometry import VolumeGeometry
from lungseg.provenance import Format, Provenance
from lungseg.readers.dicom_ct import CtFile, Decoder, Slice, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.dicom_kind import GIVE_SLICES, LOCALIZER, NO_USE_OF_LOCALIZERS, DicomKind
from lungseg.readers.files import file_head, read_errors, sha256
from lungseg.readers.hounsfield import LIMITS, as_greys, is_hounsfield, padding_notes
from lungseg.readers.limits import chosen_frame
from lungseg.readers.raw_volume import MAX_VOLUME_VOXELS
from lungseg.readers.series_parts import Series, chosen, volumes_in
from lungseg.readers.signatures import has_dicom_ending, sniff
from lungseg.readers.slice_stack import SliceStack, stack_slices
from lungseg.segmentation import Array
from lungseg.volume import Volume


@dataclass(slots=True)
class _FolderContents:
    """What the files are."""

    series: list[Series] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    damaged: list[InputError] = field(default_factory=list)


def read_series(
    files: Sequence[DicomFile],
    *,
    source: str,
    file_format: Format = Format.DICOM_SERIES,
    headers: Sequence[CtFile] = (),
    series: str | None = None,
    frame: int | None = None,
    skip_damaged: bool = False,
) -> Volume:
    """The volume of the CT series in DICOM files, or of a single file.

    Args:
        files: that may belong to it, in any order.
        source: the folder, or the file.
        file_format: `Format.DICOM` for a single file.
        headers: of files that were asked before; those are not read again.
        series: which one of several; see `lungseg.readers.series_parts.chosen`.
        frame: of an enhanced image in a file, counted from 1: that slice alone.
        skip_damaged: leave out files that cannot be read or decoded; else they are refused, by
            name.

    Returns:
        Slices in ascending order along their normal, wherever the files' names put them. Where they
        are unevenly spaced, or some are missing or left out, `geometry.planes` says where they are,
        and `missing_slices` and `notes` say so.

    Raises:
        UnreadableError: there is no CT in it, or a file is damaged.
        UnsupportedError: several series and none chosen, or slices of several sizes or spacings,
            or of which only some state positions.
        InputError: two different slices at one position.
    """
    single = file_format is Format.DICOM
    found, slices = _meant(files, headers, series, source, single=single, skip_damaged=skip_damaged)
    if frame is not None:
        slices = [slices[chosen_frame(frame, len(slices), source=source)]]
    return _assembled(slices, found, source, file_format, skip_damaged=skip_damaged)


def hash_of_series(
    files: Sequence[DicomFile],
    *,
    source: str,
    headers: Sequence[CtFile] = (),
    series: str | None = None,
    skip_damaged: bool = False,
    counts: Container[int],
) -> str:
    """The check sum of the volume that `read_series` would give, in the order of its slices,
    whatever its files are called; nothing is decoded.

    Args:
        files: that may belong to it, in any order.
        source: the folder.
        headers: as in `read_series`.
        series: as there.
        skip_damaged: as there, of headers.
        counts: how many slices it may have for any file to be read whole.

    Returns:
        In hexadecimal; empty where it has another number of slices.

    Raises:
        InputError: as `read_series`, for what headers tell.
    """
    slices = _meant(files, headers, series, source, single=False, skip_damaged=skip_damaged)[1]
    _refuse_unlike(slices, source)
    stacked = stack_slices(slices).slices
    if len(stacked) not in counts:
        return ""
    return sha256(*(file.content() for file, _ in groupby(one.file for one in stacked)))


def holds_series(folder: Path) -> bool:
    """Whether a folder holds CT slices in DICOM."""
    return any(header.slices for header in ask_for_ct(dicom_files(folder)))


def ask_for_ct(files: Iterable[DicomFile]) -> tuple[CtFile, ...]:
    """The headers of files up to the first CT slice, or of all where there is none. What cannot be
    read is passed over: reading it says why.
    """
    asked: list[CtFile] = []
    for file in files:
        try:
            asked.append(read_header(file))
        except InputError:
            continue
        if asked[-1].slices:
            break
    return tuple(asked)


def dicom_files(folder: Path) -> list[DicomFile]:
    """The folder's own DICOM files, told by their bytes, and those that only claim to be, so that
    they are named where they are broken.

    Raises:
        UnreadableError: the folder or a file cannot be opened.
    """
    with read_errors(folder):
        files = [
            path
            for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.startswith(".")
        ]
        files = [path for path in files if path.name.upper() != "DICOMDIR"]
        return [
            DicomFile(str(path), path)
            for path in files
            if has_dicom_ending(path) or sniff(file_head(path)[1]) is Format.DICOM
        ]


def _contents(files: Sequence[DicomFile], headers: Sequence[CtFile]) -> _FolderContents:
    found = _FolderContents()
    known = {header.file.name: header for header in headers}
    asked: list[CtFile] = []
    for file in files:
        try:
            asked.append(known.get(file.name) or read_header(file))
        except InputError as error:
            found.damaged.append(error)
    # Beside slices, captures are screenshots and tables of doses.
    whole = any(header.kind is DicomKind.SLICE for header in asked)
    series: dict[str, list[Series]] = {}
    for header in asked:
        if header.other and (whole or not header.slices):
            found.others[header.other] += 1
            continue
        for slice_ in header.slices:
            uid = slice_.provenance.series_uid
            alike = series.setdefault(uid, [])
            for one in alike:
                if one.has(slice_):
                    break
            else:
                one = Series(uid, header.number, header.description)
                alike.append(one)
            one.slices.append(slice_)
    found.series = volumes_in(one for alike in series.values() for one in alike)
    return found


def _meant(
    files: Sequence[DicomFile],
    headers: Sequence[CtFile],
    series: str | None,
    source: str,
    *,
    single: bool,
    skip_damaged: bool,
) -> tuple[_FolderContents, list[Slice]]:
    """What the files are, and the slices of the series that is meant."""
    found = _contents(files, headers)
    if found.damaged and not skip_damaged:
        raise _refused(found.damaged[0])
    return found, _chosen(found, series, source, single=single).slices


def _refused(error: InputError) -> InputError:
    return UnreadableError(
        error.what,
        where=error.where,
        cure="copy it again, or leave it out with `skip_damaged`",
    )


def _chosen(found: _FolderContents, wanted: str | None, source: str, *, single: bool) -> Series:
    if found.series:
        return chosen(found.series, wanted, source)
    if found.damaged:
        raise found.damaged[0]
    there = f" (it is {next(iter(found.others))})" if found.others else ""
    if single and LOCALIZER in found.others:
        raise UnsupportedError(NO_USE_OF_LOCALIZERS, where=source, cure=GIVE_SLICES)
    raise UnsupportedError(
        f"the DICOM file is no CT slice{there}" if single else "it holds no CT slices in DICOM",
        where=source,
        cure="give a CT slice" if single else "name a folder with a CT series itself",
    )


def _assembled(
    slices: list[Slice],
    found: _FolderContents,
    source: str,
    file_format: Format,
    *,
    skip_damaged: bool,
) -> Volume:
    _refuse_unlike(slices, source)
    stack = stack_slices(slices)
    voxels, used, digest, damaged = _decoded(stack, skip_damaged=skip_damaged)
    duplicates = len(slices) - len(used) - len(damaged)
    if used != stack.slices:
        stack = stack_slices(used)
    grid = VolumeGeometry(_shape(voxels), stack.affine, stack.planes)
    notes = [
        *stack.notes,
        *_evened(grid),
        *_left_out(found, [*found.damaged, *damaged], duplicates),
    ]
    hounsfield = all(
        slice_.rescale and slice_.rescale[1] <= -500 for slice_ in used
    ) or is_hounsfield(voxels)
    if hounsfield:
        if voxels.dtype != np.int16:
            voxels = voxels.clip(LIMITS.min, LIMITS.max).astype(np.int16)
        notes += padding_notes(voxels)
    else:
        voxels, shift = as_greys(voxels)
        notes += shift
    return Volume(
        array=voxels,
        geometry=grid,
        hounsfield=hounsfield,
        missing_slices=stack.missing_slices,
        assumed_order=bool(stack.order_from),
        provenance=replace(_provenance(used), source=source, format=file_format, sha256=digest),
        notes=tuple(notes),
    )


def _evened(grid: VolumeGeometry) -> Iterator[str]:
    """A note on what no file of a volume can say."""
    if grid.planes is not None:
        even = grid.even()[0]
        apart = (even.spacing or (0.0,))[0]
        yield (
            f"files of the volume have {even.shape[0]} slices, {apart:.4g} mm apart, each of them "
            "the nearest one of the series"
        )


def _left_out(found: _FolderContents, damaged: list[InputError], duplicates: int) -> Iterator[str]:
    """Notes on what is not in the volume."""
    if len(found.series) > 1:
        yield f"chosen among {len(found.series)} series"
    if found.others:
        yield "set aside: " + ", ".join(
            f"{count} {_plural(kind, count)}" for kind, count in sorted(found.others.items())
        )
    if damaged:
        names = ", ".join(PurePath(str(error.where)).name for error in damaged)
        yield f"left out because damaged: {names}"
    if duplicates:
        yield (
            "slices left out because there are others of the same content at the same position: "
            f"{duplicates}"
        )


def _provenance(used: list[Slice]) -> Provenance:
    """That of the first slice, and of each slice, in the order of the array, what is its own."""
    uids = tuple("".join(slice_.provenance.instance_uids) for slice_ in used)
    positions = [slice_.position for slice_ in used if slice_.position is not None]
    return replace(
        used[0].provenance,
        instance_uids=uids if any(uids) else (),
        frame_numbers=tuple(slice_.frame + 1 for slice_ in used)
        if any(slice_.frames > 1 for slice_ in used)
        else (),
        slice_positions=tuple((x, y, z) for x, y, z in np.array(positions).tolist())
        if len(positions) == len(used)
        else (),
    )


def _plural(kind: str, count: int) -> str:
    return kind if kind.startswith("of ") else kind.removeprefix("a ") + ("s" if count > 1 else "")


def _shape(voxels: Array) -> tuple[int, int, int]:
    slices, rows, columns = voxels.shape
    return slices, rows, columns


def _refuse_unlike(slices: list[Slice], source: str) -> None:
    """Slices of other sizes or spacings than the most usual; and more of them than a volume may
    have.
    """
    for what, values in (
        ("pixels", [slice_.shape for slice_ in slices]),
        ("mm of spacing", [_rounded(slice_) for slice_ in slices]),
    ):
        usual = Counter(values).most_common(1)[0][0]
        for slice_, value in zip(slices, values, strict=True):
            if value != usual:
                own, others = (
                    " x ".join(f"{side:g}" for side in pair) if pair else "unknown"
                    for pair in (value, usual)
                )
                raise UnsupportedError(
                    f"the slice has {own} {what}, and others of its series {others}",
                    where=slice_.file.name,
                    cure="take it out of the folder",
                )
    rows, columns = slices[0].shape
    if len(slices) * rows * columns > MAX_VOLUME_VOXELS:
        raise TooLargeError(
            f"the series has {len(slices)} slices of {rows} x {columns} pixels, and was not read",
            where=source,
        )


def _rounded(slice_: Slice) -> tuple[float, float] | None:
    return slice_.spacing and (round(slice_.spacing[0], 3), round(slice_.spacing[1], 3))


def _decoded(
    stack: SliceStack, *, skip_damaged: bool
) -> tuple[Array, list[Slice], str, list[InputError]]:
    """Voxels (slices, rows, columns), the first slice at each position that could be decoded, the
    SHA-256 of their files, and what went wrong with others.
    """
    voxels = np.empty((len(stack.slices), *stack.slices[0].shape), np.int16)
    used: list[Slice] = []
    damaged: list[InputError] = []
    decode, copies, digest = Decoder(), Decoder(), hashlib.sha256()
    last: DicomFile | None = None

    def decoded(slice_: Slice, by: Decoder) -> Array | None:
        try:
            return by(slice_)
        except InputError as error:
            if not skip_damaged:
                raise error if isinstance(error, UnsupportedError) else _refused(error) from error
            damaged.append(error)
            return None

    for first, duplicates in zip(stack.slices, stack.duplicates, strict=True):
        kept: Array | None = None
        for slice_ in (first, *duplicates):
            pixels = decoded(slice_, decode if kept is None else copies)
            if pixels is None:
                continue
            if kept is None:
                if slice_.file is not last:
                    digest.update(decode.content)
                    last = slice_.file
                if pixels.dtype != voxels.dtype and voxels.dtype == np.int16:
                    voxels = voxels.astype(pixels.dtype)
                voxels[len(used)] = kept = pixels
                used.append(slice_)
            elif not np.array_equal(pixels, kept):
                what = f"it shows something else at the same place as {used[-1].file.short_name}"
                raise InputError(
                    what, where=slice_.file.name, cure="take one of them out of the folder"
                )
    if not used:
        raise damaged[0]
    return voxels[: len(used)], used, digest.hexdigest(), damaged
