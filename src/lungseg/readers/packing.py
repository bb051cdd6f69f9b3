"""Packed files: what unpacks them as a stream, so that no more is unpacked than was asked for."""

from __future__ import annotations

import bz2
import importlib
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, BinaryIO, Final, Literal

from lungseg.errors import TooLargeError, UnreadableError, UnsupportedError
from lungseg.readers.files import Data, open_data, read_errors
from lungseg.readers.signatures import OtherContent

Packing = Literal["none", "deflate", "bzip2", "zstd"]
PACKINGS: Final[Mapping[object, Packing]] = MappingProxyType(
    {OtherContent.GZIP: "deflate", OtherContent.BZIP2: "bzip2", OtherContent.ZSTD: "zstd"}
)
"""How a file is packed, by what its first bytes say."""
MAX_RATIOS: Final[Mapping[Packing, int | None]] = MappingProxyType(
    {"none": 1, "deflate": 1032, "bzip2": None, "zstd": None}
)
"""How many times smaller data can become at most (zlib technical details: 1032 to 1); None where
there is no bound worth the name."""
MAX_UNPACKED_BYTES: Final = 2**28
"""Bytes of a file that is unpacked as a whole; voxels of NIfTI are read from the stream instead."""
_CHUNK_BYTES: Final = 2**20
_ZSTD_MODULES: Final = ("compression.zstd", "backports.zstd")
_limit: ContextVar[int | None] = ContextVar("_limit", default=None)
_NAMES: Final = {"deflate": "gzip", "bzip2": "bzip2", "zstd": "Zstandard"}


def unpacking(file: BinaryIO, packing: Packing, *, source: str) -> BinaryIO:
    """A stream of what a file holds, from where it stands.

    Raises:
        UnsupportedError: nothing that is installed unpacks it.
    """
    stream: Any = file
    if packing == "none":
        return file
    if packing == "deflate":
        stream = InflatingStream(file)
    elif packing == "bzip2":
        stream = bz2.BZ2File(file)
    elif packing == "zstd":
        stream = _zstd_stream(file, source)
    limit = _limit.get()
    bounded: Any = stream if limit is None else _Bounded(stream, limit, source)
    return bounded


@contextmanager
def unpacking_at_most(count: int) -> Iterator[None]:
    """Within it no packed file may hold more than so many bytes, whatever its header says."""
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)


class _Bounded(io.RawIOBase):
    """A stream that gives no more than it should, and says so."""

    def __init__(self, stream: Any, limit: int, source: str) -> None:
        self._stream, self._limit, self._left, self._source = stream, limit, limit, source

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As of the stream.

        Raises:
            TooLargeError: it gave too much.
        """
        count: int = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise TooLargeError(
                f"it holds more than {self._limit / 1e6:g} MB, and was not unpacked",
                where=self._source,
                cure="give a smaller one",
            )
        return count


def _zstd_stream(file: BinaryIO, source: str) -> Any:
    for name in _ZSTD_MODULES:
        try:
            return importlib.import_module(name).ZstdFile(file)
        except ImportError:
            continue
    try:
        decompressor = importlib.import_module("zstandard").ZstdDecompressor()
        return io.BufferedReader(decompressor.stream_reader(file, read_across_frames=True))
    except ImportError:
        raise UnsupportedError(
            "it is packed with Zstandard, and nothing that is installed unpacks it",
            where=source,
            cure="install backports.zstd (pip install backports.zstd), or unpack it with zstd -d",
        ) from None


def read_into(stream: BinaryIO, target: memoryview, *, source: str) -> int:
    """Fills a buffer with the next bytes of a stream; how many there were, fewer where it ends.

    Raises:
        UnreadableError: what is packed is damaged.
    """
    done = 0
    try:
        while done < len(target):
            count = stream.readinto(target[done:])  # type: ignore[attr-defined]
            if not count:
                break
            done += count
    except EOFError:
        return done
    except TooLargeError:
        raise
    except Exception as error:  # zlib's, bz2's and zstd's own
        raise _damaged(source) from error
    return done


def _damaged(source: str) -> UnreadableError:
    return UnreadableError(
        "what is compressed in it is damaged", where=source, cure="copy or export it again"
    )


def unpacked_head(data: Data, packing: Packing, count: int, *, source: str) -> bytes:
    """The first bytes of what a packed file holds.

    Raises:
        UnreadableError: it cannot be opened, or is damaged.
        UnsupportedError: nothing that is installed unpacks it.
    """
    with read_errors(data):
        file = open_data(data)
    with file:
        buffer = bytearray(count)
        stream = unpacking(file, packing, source=source)
        try:
            done = read_into(stream, memoryview(buffer), source=source)
        except UnreadableError as error:
            raise UnreadableError(
                f"the {_NAMES[packing]} file is damaged",
                where=source,
                cure="copy or export it again",
            ) from error
    return bytes(buffer[:done])


def unpacked(data: Data, packing: Packing, *, source: str) -> bytes:
    """All that a packed file holds.

    Raises:
        UnreadableError: it cannot be opened, or is damaged.
        UnsupportedError: nothing that is installed unpacks it.
        TooLargeError: it is more than `MAX_UNPACKED_BYTES`.
    """
    with read_errors(data):
        file = open_data(data)
    content, chunk = io.BytesIO(), bytearray(_CHUNK_BYTES)
    with file:
        stream = unpacking(file, packing, source=source)
        while count := read_into(stream, memoryview(chunk), source=source):
            content.write(chunk[:count])
            if content.tell() > MAX_UNPACKED_BYTES:
                raise TooLargeError(
                    f"it holds more than {MAX_UNPACKED_BYTES / 1e6:.0f} MB, and was not unpacked",
                    where=source,
                    cure="unpack it yourself",
                )
    return content.getvalue()


class InflatingStream(io.RawIOBase):
    """The contents of a gzip (of one or several members) or zlib stream, never more of it at once
    than was asked for.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either of the two
        self._rest = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills up to the whole buffer; 0 at the end of the stream, and where the file ends before
        it.

        Raises:
            zlib.error: the stream is damaged.
        """
        while True:
            if self._inflate.eof:
                self._rest = self._inflate.unused_data
                if len(self._rest) < 2:
                    self._rest += self._file.read(2**18)
                if not self._rest.startswith(b"\x1f\x8b"):
                    return 0
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
            rest = self._rest or self._file.read(2**18)
            data = self._inflate.decompress(rest, len(buffer))
            self._rest = self._inflate.unconsumed_tail
            if data or not rest:
                buffer[: len(data)] = data
                return len(data)
