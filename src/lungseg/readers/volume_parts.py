"""Files that hold the voxels of a volume whose header is another file."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from lungseg.provenance import Format
from lungseg.readers import metaimage, nrrd
from lungseg.readers.signatures import HEAD_BYTES, sniff

_APART: Final = (".mhd", ".nhdr", ".hdr")
_HEADER_ENDINGS: Final = (*_APART, ".mha", ".nrrd")
_HEADER_BYTES: Final = 2**16
_FILES_NAMED: Final[dict[object, Callable[[bytes], list[str]]]] = {
    Format.METAIMAGE: metaimage.files_named,
    Format.NRRD: nrrd.files_named,
}


class VolumeParts:
    """The parts of volumes, folder by folder, each after those above it: a header can name files
    beside it and below.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()

    def among(self, others: Collection[Path], images: Sequence[Path]) -> set[Path]:
        """Those files of a folder that are parts, by what the headers there and above say.

        Args:
            others: files that are no images themselves.
            images: all others of the folder.
        """
        headers = [path for path in images if path.suffix.lower() in _HEADER_ENDINGS]
        said = b"\n".join(self._heads(headers))
        bases = {path.with_suffix("") for path in headers}
        return {
            path
            for path in others
            if _spelt_alike(path) in self._named
            or path.name.encode(errors="surrogateescape") in said
            or (path.suffix.lower() in (".raw", ".zraw") and path.with_suffix("") in bases)
        }

    def _heads(self, headers: Sequence[Path]) -> list[bytes]:
        """The first bytes of headers, of which the files are noted that they name."""
        heads: list[bytes] = []
        for path in headers:
            try:
                with path.open("rb") as file:
                    # Of a file that has the voxels itself the header alone.
                    is_apart = path.suffix.lower() in _APART
                    head = file.read(_HEADER_BYTES if is_apart else HEAD_BYTES)
            except OSError:
                continue  # reading it will say why
            heads.append(head)
            files_named = _FILES_NAMED.get(sniff(head))
            names = files_named(head) if files_named is not None else ()
            self._named |= {_spelt_alike(path.parent / name) for name in names}
        return heads


def _spelt_alike(path: Path) -> str:
    """The whole path, the same however its accents are spelt."""
    return unicodedata.normalize("NFC", os.path.abspath(path))  # noqa: PTH100
