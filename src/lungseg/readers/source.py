"""What `lungseg.readers.read` is given, told apart and named before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from lungseg.errors import UnreadableError, UsageError
from lungseg.image import Image
from lungseg.modality import Modality
from lungseg.readers.dicom_ct import CtFile, read_header
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.find import archive_member, only_input
from lungseg.readers.objects import (
    ArrayInput,
    DicomDataset,
    NibabelImage,
    PillowImage,
    SimpleItkImage,
    Tensor,
    array_input,
)
from lungseg.readers.probe import BYTES, Probe, identify, probe
from lungseg.segmentation import Array
from lungseg.volume import Volume


@runtime_checkable
class BinaryStream(Protocol):
    """Such as a file that was opened for reading bytes."""

    def read(self) -> bytes:
        """All that is left."""


Source = (
    str
    | Path
    | bytes
    | BinaryStream
    | Array
    | Tensor
    | NibabelImage
    | SimpleItkImage
    | PillowImage
    | DicomDataset
    | Sequence[str | Path | bytes | DicomDataset]
    | Probe
    | Image
    | Volume
)
"""What `read` takes; see there."""

ACCEPTED: Final = (
    "a path, bytes, a binary stream, a NumPy array, a tensor, an image of Pillow, nibabel or "
    "SimpleITK, a pydicom data set, or a list of DICOM files or data sets"
)


@dataclass(frozen=True, slots=True, eq=False)
class DicomInput:
    """DICOM objects that are at hand.

    Attributes:
        files: where each of them is.
        source: what they are called in messages and records.
        header: of a single one.
    """

    files: tuple[DicomFile, ...]
    source: str
    header: CtFile | None = None

    @property
    def modality(self) -> Modality | None:
        """What the header of a single one says; several are slices of CT."""
        return "ct" if self.header is None else self.header.modality

    @property
    def is_picture(self) -> bool:
        """Whether its header does not tell the modality."""
        return self.modality is None


OpenedSource = Probe | ArrayInput | DicomInput | Image | Volume
"""A source that was told apart; `read` takes it, too."""


def open_source(
    source: Source | OpenedSource,
    *,
    modality: Modality | None = None,
    affine: Any = None,
    hounsfield: bool | None = None,
    frame: int | None = None,
) -> OpenedSource:
    """What a source is: named, and with its modality where that is known before a pixel of a file
    is decoded.

    Args:
        source: as in `read`.
        modality: what it is taken for; then no header is asked for it.
        affine: of an array, as in `read`.
        hounsfield: of an array, as in `read`.
        frame: of a nibabel or SimpleITK image with four axes, as in `read`.

    Raises:
        InputError: it cannot be opened.
        UsageError: it is of a type that is not accepted, or is no array and an affine was given.
    """
    opened = _opened(source, modality, frame)
    if affine is None and hounsfield is None:
        return opened
    if not isinstance(opened, ArrayInput):
        name = "affine" if affine is not None else "hounsfield"
        raise UsageError(
            f"`{name}` is for arrays, and what this is says it itself",
            where=opened.source,
            cure=f"leave `{name}` out",
        )
    if affine is None:
        return replace(opened, hounsfield=hounsfield)
    if opened.affine is not None:
        raise UsageError(
            "it has an affine of its own", where=opened.source, cure="leave `affine` out"
        )
    try:
        matrix = np.array(affine, np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape != (4, 4):
        raise UsageError(
            "an affine is a (4, 4) matrix from (slice, row, column) to LPS millimetres",
            cure="give such a matrix, or `spacing`",
        )
    return replace(opened, affine=matrix, hounsfield=hounsfield)


def _opened(source: Any, modality: Modality | None, frame: int | None) -> OpenedSource:
    probing = probe if modality is None else identify
    if isinstance(source, Probe | ArrayInput | DicomInput | Image | Volume):
        return source
    if isinstance(source, str) and not source:  # which `Path` takes for the working directory
        raise UnreadableError("a path is empty", cure="name a file or a folder")
    if isinstance(source, str | Path):
        series = modality != "radiograph"
        named = archive_member(Path(source), series=series) or only_input(
            identify(source), series=series
        )
        return named if modality is not None else probe(named)
    if isinstance(source, bytes):
        return probing(source)
    if isinstance(source, bytearray | memoryview):
        return probing(bytes(source))
    if isinstance(source, np.ndarray | Tensor | NibabelImage | SimpleItkImage | PillowImage):
        return array_input(source, frame=frame)
    if isinstance(source, DicomDataset):
        dataset: Any = source
        file = DicomFile("data set", dataset)
        return DicomInput((file,), file.name, read_header(file))
    if isinstance(source, list | tuple) and source:
        return _slices(source)
    if isinstance(source, BinaryStream):
        name = getattr(source, "name", None)
        if isinstance(content := _content(source), bytes):
            return probing(content, name=name if isinstance(name, str) else BYTES)
    raise UsageError(f"{_described(source)} is no image", cure=f"give {ACCEPTED}")


def _content(stream: BinaryStream) -> object:
    """What is in it; None of a file with other bytes than text that was opened as text."""
    try:
        return stream.read()
    except UnicodeDecodeError:
        return None
    except (ValueError, OSError) as error:
        raise UnreadableError(
            f"the stream cannot be read ({error})",
            cure="give one that is open for reading, at its beginning",
        ) from error


def _described(source: Any) -> str:
    name = type(source).__name__
    if isinstance(source, list | tuple):
        return f"an empty {name}"
    if isinstance(source, BinaryStream):
        return f"a stream of text ({name})"
    return "None" if source is None else f"an object of type {name}"


def _slices(sources: Sequence[Any]) -> DicomInput:
    files = []
    for number, source in enumerate(sources, start=1):
        held: Any = source
        if isinstance(source, str | Path):
            files.append(DicomFile(str(source), Path(source)))
        elif isinstance(source, bytes):
            files.append(DicomFile(f"file {number}", source))
        elif isinstance(source, DicomDataset):
            files.append(DicomFile(f"data set {number}", held))
        else:
            raise UsageError(
                f"a list has DICOM files or data sets, and its number {number} is an object of "
                f"type {type(source).__name__}",
                cure="give slices, or stack arrays into one of three axes",
            )
    folders = {str(PurePath(file.name).parent) for file in files if isinstance(file.data, Path)}
    several = len(folders) != 1 or not all(isinstance(file.data, Path) for file in files)
    return DicomInput(tuple(files), f"{len(files)} files" if several else folders.pop())
