"""The one way in: `read` opens, sniffs, dispatches, and makes every failure one sentence;
`read_mask` does it for masks.
"""

from __future__ import annotations

import hashlib
import logging
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lungseg.errors import (
    LungsegError,
    TooLargeError,
    UnreadableError,
    UnsupportedError,
    UsageError,
)
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.readers.decoded import Decoded
from lungseg.readers.jsrt import KIND as JSRT
from lungseg.readers.jsrt import is_jsrt, read_jsrt
from lungseg.readers.limits import LARGEST_FILE
from lungseg.readers.probe import HEAD, READ, VOLUMES, sniff
from lungseg.readers.to_grey import to_grey, to_image_type
from lungseg.segmentation import Array

_log = logging.getLogger(__name__)
_FORMATS = "PNG, JPEG, TIFF, BMP, GIF or DICOM"


def read(
    source: str | Path | Array,
    *,
    spacing: tuple[float, float] | None = None,
    page: int | None = None,
) -> Image:
    """Read one radiograph from a file or an array.

    Args:
        source: a PNG, JPEG, TIFF, BMP, GIF or DICOM file, told by its bytes, or a raw JSRT film; or
            an array, (rows, columns) of any real numbers, or (rows, columns, 3 or 4) of red, green,
            blue and opacity as uint8 or uint16. The array is copied.
        spacing: millimetres between rows and between columns, in the patient; replaces what the
            file says. The resolution that PNG, JPEG and TIFF files state is meant for printing, and
            is not used.
        page: which page of a TIFF file or frame of a DICOM file, counted from 1; must be given
            where there are several.

    Returns:
        The image as it is meant to be displayed: turned as EXIF says, with DICOM's grey-level
        transformations applied.

    Raises:
        UnreadableError: the file is missing, empty, truncated, damaged, or may not be opened.
        UnsupportedError: the file is of another kind, has several pages, is a colour picture, or is
            not a radiograph.
        TooLargeError: the file or the image that its header states is too large.
        InputError: the pixels are no image: too few, all equal, or not finite.
        UsageError: the spacing is not two positive numbers, or a page of an array was asked for.
    """
    if isinstance(source, np.ndarray):
        if page is not None:
            raise UsageError("an array has no pages", cure="leave `page` out")
        decoded, name, content = (
            _read_array(source),
            "array",
            np.ascontiguousarray(source).tobytes(),
        )
    else:
        name = str(source)
        kind, content = _load(Path(source), name)
        decoded = _decode(content, kind, source=name, page=page)
    own = spacing is None
    return Image(
        array=decoded.array,
        geometry=ImageGeometry(
            _shape(decoded.array),
            decoded.spacing if own else spacing,
            decoded.spacing_plane if own else "patient",
        ),
        source=name,
        format=decoded.format,
        sha256=hashlib.sha256(content).hexdigest(),
        notes=decoded.notes,
    )


def read_mask(path: Path) -> Array:
    """The pixels of a file that holds a mask: (rows, columns), uint8, uint16 or float32. They may
    all be equal, as those of an image may not. Of a mask that `lungseg segment` wrote they are the
    labels.

    Raises:
        InputError: as `read` does for files.
    """
    kind, content = _load(path, str(path))
    labels = _label_map(content, kind, source=str(path))
    return _decode(content, kind, source=str(path), page=None).array if labels is None else labels


def read_label_map(path: Path) -> Array | None:
    """The labels, (rows, columns), uint8, in a PNG as `lungseg segment` writes its masks; None of
    any other file that can be read.

    Raises:
        InputError: as `read` does for files.
    """
    kind, content = _load(path, str(path))
    return _label_map(content, kind, source=str(path))


def _shape(pixels: Array) -> tuple[int, int]:
    rows, columns = pixels.shape
    return rows, columns


def _read_array(array: Array) -> Decoded:
    if 0 in array.shape:
        raise UnreadableError(f"the array of shape {array.shape} is empty", where="array")
    if array.ndim == 3 and array.shape[2] in (3, 4):
        if array.dtype not in (np.uint8, np.uint16):
            raise UnsupportedError(
                f"a colour array is uint8 or uint16, not {array.dtype}",
                where="array",
                cure="convert it first",
            )
        grey, notes = to_grey(array, source="array")
    elif array.ndim == 2:
        grey, notes = to_image_type(array, source="array")
    else:
        raise UnsupportedError(
            "an array is (rows, columns) or (rows, columns, 3 or 4), this one has shape "
            f"{array.shape}",
            where="array",
            cure="give one image at a time",
        )
    return Decoded(grey.copy() if np.shares_memory(grey, array) else grey, "array", notes=notes)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Where opening or reading a file or folder fails, the reason in words.

    Raises:
        UnreadableError: instead of any OSError.
    """
    try:
        yield
    except FileNotFoundError:
        what = (
            "it is a link to a file that does not exist"
            if path.is_symlink()
            else "there is no such file"
        )
        raise UnreadableError(what, where=path, cure="check the name") from None
    except PermissionError:
        raise UnreadableError(
            "permission to read it was denied", where=path, cure="change its permissions"
        ) from None
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise UnreadableError(
            f"it could not be read ({reason})", where=path, cure="copy it to another place"
        ) from error
    except ValueError:  # a NUL character in the name
        raise UnreadableError(
            "this is not a valid file name", where=path, cure="check the name"
        ) from None


def look(path: Path) -> tuple[int, bytes]:
    """Size and first `HEAD` bytes of a file.

    Raises:
        UnreadableError: it is a folder or no regular file.
        OSError: it cannot be opened; see `explained`.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        what = (
            "it is a folder, not a file"
            if stat.S_ISDIR(status.st_mode)
            else "it is not a regular file"
        )
        raise UnreadableError(what, where=path, cure="name the image file itself")
    with path.open("rb") as file:
        return status.st_size, file.read(HEAD)


def _load(path: Path, name: str) -> tuple[str, bytes]:
    """The file's kind and its bytes, which are read only where the kind is one that can be used."""
    with explained(path):
        size, head = look(path)
        if size > LARGEST_FILE:
            raise TooLargeError(
                f"the file has {size / 1024**3:.1f} GB, more than a radiograph has",
                where=name,
                cure="export it again",
            )
        kind = sniff(head)
        if kind == "unknown" and is_jsrt(path, size):
            kind = JSRT
        refuse_kind(kind, name)
        return kind, path.read_bytes()


def refuse_kind(kind: str, name: str) -> None:
    """Refuses, by its name, what is no single image.

    Raises:
        UnreadableError: the file is empty.
        UnsupportedError: it is of another kind.
    """
    if kind in READ:
        return
    if kind == "empty":
        raise UnreadableError("the file is empty", where=name, cure="copy or export it again")
    if kind == "unknown":
        raise UnsupportedError(
            f"the file is no {_FORMATS} image", where=name, cure="convert it to one of these"
        )
    if kind == "text":
        raise UnsupportedError(
            "the file is text, not an image", where=name, cure=f"give a {_FORMATS} file"
        )
    if kind in VOLUMES:
        raise UnsupportedError(
            f"a {kind} file may hold a volume, but no radiograph",
            where=name,
            cure="set `modality` to ct",
        )
    if kind == "gzip":
        raise UnsupportedError(
            "what the gzip file holds is no image",
            where=name,
            cure="unpack it, or set `modality` to ct for a NIfTI volume",
        )
    raise UnsupportedError(
        f"{kind} files are not read", where=name, cure=f"convert it to {_FORMATS}"
    )


def _label_map(content: bytes, kind: str, *, source: str) -> Array | None:
    if kind != "PNG":
        return None
    from lungseg.readers.raster import read_label_png

    with _in_words(kind, source):
        return read_label_png(content, source=source)


def _decode(content: bytes, kind: str, *, source: str, page: int | None) -> Decoded:
    with _in_words(kind, source):
        if kind == "DICOM":
            from lungseg.readers.dicom import read_dicom

            return read_dicom(content, source=source, page=page)
        if kind == JSRT:
            return read_jsrt(content, source=source)
        from lungseg.readers.raster import read_raster

        return read_raster(content, kind, source=source, page=page)


@contextmanager
def _in_words(kind: str, source: str) -> Iterator[None]:
    """Where decoding fails, an error of this package, whatever the decoder throws."""
    try:
        yield
    except LungsegError:
        raise
    except MemoryError as error:
        raise TooLargeError(
            "there is not enough memory to decode it", where=source, cure="use fewer workers"
        ) from error
    except Exception as error:  # the decoder's own words may quote the patient, so they stay out
        _log.debug("%s: %s while decoding", source, type(error).__name__)
        raise UnreadableError(
            f"the {kind} file is damaged and could not be decoded",
            where=source,
            cure="export it again",
        ) from error
