"""gzip on several threads."""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 4 << 20
"""Bytes that are compressed in one piece."""

LEVEL = 1
"""The quickest. A label map of 79 MB becomes 1.0 MB in 0.08 s of one core; level 6 takes 0.21 s for
0.4 MB."""

HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"
"""One deflated stream, no name and no time in it, so that equal contents give equal files (RFC
1952)."""

END = b"\x03\0"
"""An empty last block (RFC 1951)."""


def gzipped(parts: Iterable[bytes | NDArray[Any]]) -> bytes:
    """The parts one after the other, as the bytes of one gzip file with one stream, which every
    reader can read.

    Blocks are compressed side by side, each ended at a byte border, and put together.

    Args:
        parts: bytes, or arrays of any type, whose elements are taken in C order.
    """
    found, check, size = [HEADER], 0, 0
    waiting: deque[Future[bytes]] = deque()
    threads = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, "lungseg-gzip") as pool:
        for block in _blocks(parts):
            check, size = zlib.crc32(block, check), size + len(block)
            waiting.append(pool.submit(_deflated, block))
            if len(waiting) > 2 * threads:
                found.append(waiting.popleft().result())
        found += [future.result() for future in waiting]
    return b"".join([*found, END, struct.pack("<II", check, size % (1 << 32))])


def _blocks(parts: Iterable[bytes | NDArray[Any]]) -> Iterable[memoryview]:
    for part in parts:
        whole = (
            memoryview(part)
            if isinstance(part, bytes)
            else np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        )
        for start in range(0, len(whole), BLOCK):
            yield whole[start : start + BLOCK]


def _deflated(block: memoryview) -> bytes:
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
