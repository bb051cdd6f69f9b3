from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

from lungseg.writers import gzipped
from lungseg.writers.gzipped import BLOCK


@pytest.mark.parametrize("size", [0, 1, BLOCK, 3 * BLOCK + 17])
def test_what_was_written_is_read_again(size: int) -> None:
    array = np.random.default_rng(0).integers(0, 3, size).astype(np.uint8)
    assert gzip.decompress(gzipped.gzipped([b"head", array])) == b"head" + array.tobytes()


def test_it_is_one_stream_for_readers_that_stop_after_the_first() -> None:
    content = gzipped.gzipped([np.arange(3_000_000, dtype=np.int32)])
    stream = zlib.decompressobj(wbits=31)
    assert stream.decompress(content) == np.arange(3_000_000, dtype=np.int32).tobytes()
    assert stream.eof
    assert stream.unused_data == b""


def test_arrays_are_taken_in_c_order_whatever_they_are() -> None:
    array = np.arange(24, dtype=">i2").reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    assert gzip.decompress(gzipped.gzipped([array, array])) == array.tobytes() * 2


def test_equal_contents_give_equal_files() -> None:
    content = gzipped.gzipped([b"abc"])
    assert content == gzipped.gzipped([b"abc"])
    assert content[4:8] == bytes(4)  # no time (RFC 1952 section 2.3)
