"""One DICOM object wherever it is: in a file, in bytes, or as a data set that is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from lungseg.readers.dicom_pixels import InflateGuard
from lungseg.readers.files import Data, file_head, open_data, read_data, read_errors
from lungseg.readers.packing import PACKINGS, unpacked
from lungseg.readers.refusals import refuse_what_stands_for_a_file
from lungseg.readers.signatures import HEAD_BYTES, sniff

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset


@dataclass(frozen=True, slots=True, eq=False)
class DicomFile:
    """Where a DICOM object is.

    Attributes:
        name: what it is called in messages: the file's path, or such as "dataset 3".
        data: the file, its bytes, or a pydicom data set, which is not changed.
    """

    name: str
    data: Data | Dataset

    @property
    def short_name(self) -> str:
        """The name without its folder."""
        return PurePath(self.name).name

    def parse(self, tags: Sequence[str] | None = None) -> FileDataset:
        """The data set. To be called within `lungseg.readers.dicom_pixels.quiet_pydicom`.

        Args:
            tags: keywords of the elements that are wanted, pixels not among them; None for all.

        Raises:
            UnreadableError: the file cannot be opened, or not be inflated, or a download left
                something else in its place.
            TooLargeError: a deflated file holds too much.
        """
        if not isinstance(self.data, Path | bytes):
            return _shallow_copy(self.data)
        with read_errors(self.data):
            stream = open_data(self.content())
        with stream:
            refuse_what_stands_for_a_file(stream.read(HEAD_BYTES), self.name)
            stream.seek(0)
            return parse(stream, self.name, tags)

    def load(self) -> tuple[bytes, FileDataset]:
        """What stands for the object in a check sum, which is the file's bytes or, of a data set,
        its pixels; and the whole data set. To be called as `parse` is.

        Raises:
            UnreadableError: the file cannot be read, or not be inflated.
            TooLargeError: a deflated file holds too much.
        """
        if isinstance(self.data, Path | bytes):
            content = read_data(self.content())
            return content, DicomFile(self.name, content).parse()
        pixels = self.data.get("PixelData")
        return pixels if isinstance(pixels, bytes) else b"", _shallow_copy(self.data)

    def content(self) -> Data:
        """The file, or what it holds where it is packed; not of a data set.

        Raises:
            UnreadableError: the file cannot be read, or not be unpacked.
        """
        data: Any = self.data
        with read_errors(data):
            packing = PACKINGS.get(sniff(file_head(data)[1]))
        return data if packing is None else unpacked(data, packing, source=self.name)


def parse(stream: BinaryIO, name: str, tags: Sequence[str] | None = None) -> FileDataset:
    """The data set that a stream holds; see `DicomFile.parse`."""
    import pydicom

    return pydicom.dcmread(
        InflateGuard(stream, name),
        stop_before_pixels=tags is not None,
        force=True,
        specific_tags=None if tags is None else list(tags),
    )


def _shallow_copy(dataset: Dataset) -> FileDataset:
    """A data set of the same elements, to which others can be added without the caller noticing."""
    from pydicom.dataset import FileDataset, FileMetaDataset

    implicit, little = dataset.original_encoding
    meta: Dataset | None = getattr(dataset, "file_meta", None)
    return FileDataset(
        getattr(dataset, "filename", None) or "",
        dict(dataset.items()),
        file_meta=FileMetaDataset({} if meta is None else dict(meta.items())),
        is_implicit_VR=bool(implicit),
        is_little_endian=little is not False,
    )
