"""Damage to files, drawn from a generator: bytes, numbers in headers, words of texts, nodes of
JSON, elements of DICOM, and what is packed before it is packed again."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any, Final

from fuzz.seeds import Kind, hot_bytes, zipped

MAX_CHANGES: Final = 8
MAX_BYTES: Final = 2**18
"""Of a damaged file: a reader's limits are reached by what headers state, not by size."""

NUMBERS: Final = (
    b"0", b"-1", b"1", b"2", b"255", b"65536", b"2147483647", b"-2147483648", b"4294967296",
    b"9223372036854775808", b"1e-30", b"1e30", b"1e308", b"-1e308", b"1e999", b"nan", b"inf",
    b"-inf", b"1e-308", b"0.1", b"1,5", b"", b"9" * 40, b"9" * 5000, b"0x10", b"\xd9\xa3",
)  # fmt: skip
"""That stand in place of one in a text."""
WORDS: Final = (
    b"\0", b"\n", b"\r\n", b"\xff", b"\xed\xa0\x80", b"\xe2\x80\xae", b"../", b"/etc/passwd",
    b"=1+1", b"{" * 50, b"[" * 3000, b'{"a":' * 3000, b'"', b"'", b",", b";", b"\\", b"#",
    b"true", b"null", b"None", b"\xef\xbb\xbf", b"\xff\xfe", b"A" * 3000, b"%s%n", b"(", b")", b"=",
    b":", b" ", b"NRRD",
)  # fmt: skip
NAMES: Final = ("../x", "/x", "a/../../x", "C:\\x", "a" * 300, ".x", "", "a\0b", "ü", "DICOMDIR")
"""Of files in archives."""
INTEGERS: Final = (0, 1, 2, 3, 7, 8, 16, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
                   0xFFFFFFFF, 0xFFFFFFFE, 10**6, 10**9)  # fmt: skip
FLOATS: Final = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, 1e38, 1e308, float("nan"), float("inf"),
                 float("-inf"), 5e-324, 1e-3)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2, 10**30, 2**63, 1e308, 1e-308, float("nan"), float("inf"), "",
    "a", "lungs", "../x", "=1", "\udce9", [], {}, [[]], [None], [1, "a"], {"a": 1}, "9" * 5000,
)  # fmt: skip
"""That stand in place of one in JSON."""


def damaged(content: bytes, kind: Kind, rng: Random, other: bytes) -> bytes:
    """The content with one to `MAX_CHANGES` changes.

    Args:
        content: of a whole file.
        kind: of it.
        rng: everything is drawn from it.
        other: another file, of which parts may be put in.
    """
    special = _SPECIAL.get(kind)
    if special is not None and rng.random() < 0.7:
        try:
            return special(content, rng, other)[:MAX_BYTES]
        except (ValueError, LookupError, struct.error, zipfile.BadZipFile, OSError, EOFError):
            pass  # it was damaged before
    return _of_bytes(content, rng, other)


def _of_bytes(content: bytes, rng: Random, other: bytes) -> bytes:
    made = bytearray(content)
    for _ in range(_count(rng)):
        rng.choice(_CHANGES)(made, rng, other)
    return bytes(made[:MAX_BYTES])


def _count(rng: Random) -> int:
    count = 1
    while count < MAX_CHANGES and rng.random() < 0.5:
        count += 1
    return count


def _place(made: bytearray, rng: Random) -> int:
    """Where something changes: half of the times in what a reader decides by."""
    hot = hot_bytes(bytes(made[: 1 << 14])) if rng.random() < 0.5 else len(made)
    return rng.randrange(max(1, hot))


def _flip(made: bytearray, rng: Random, other: bytes) -> None:
    place = _place(made, rng)
    if place < len(made):
        made[place] ^= 1 << rng.randrange(8)


def _byte(made: bytearray, rng: Random, other: bytes) -> None:
    place = _place(made, rng)
    if place < len(made):
        made[place] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))


def _number(made: bytearray, rng: Random, other: bytes) -> None:
    order, layout = rng.choice("<>"), rng.choice("BHIQhifd")
    if layout in "fd":
        value: float = rng.choice(FLOATS)
        if layout == "f" and abs(value) == 1e308:
            value = 1e38
    else:
        bits = 8 * struct.calcsize(layout)
        value = rng.choice(INTEGERS) % 2**bits
        if layout in "hi" and value >= 2 ** (bits - 1):
            value -= 2**bits
    packed = struct.pack(order + layout, value)
    place = _place(made, rng)
    place -= place % rng.choice((1, 2, 4))
    made[place : place + len(packed)] = packed


def _remove(made: bytearray, rng: Random, other: bytes) -> None:
    place = _place(made, rng)
    del made[place : place + rng.choice((1, 2, 4, 16, 256))]


def _insert(made: bytearray, rng: Random, other: bytes) -> None:
    place = _place(made, rng)
    made[place:place] = rng.choice(
        (rng.randbytes(rng.randrange(1, 9)), bytes(4), rng.choice(WORDS))
    )


def _repeat(made: bytearray, rng: Random, other: bytes) -> None:
    place, length = _place(made, rng), rng.choice((1, 4, 12, 64, 1024))
    made[place:place] = made[place : place + length] * rng.choice((1, 1, 2, 16))


def _truncate(made: bytearray, rng: Random, other: bytes) -> None:
    if rng.random() < 0.3:
        del made[_place(made, rng) :]


def _splice(made: bytearray, rng: Random, other: bytes) -> None:
    if other and rng.random() < 0.5:
        place, theirs = _place(made, rng), rng.randrange(len(other))
        length = rng.choice((4, 16, 128, 1024))
        made[place : place + length] = other[theirs : theirs + length]


def _digits(made: bytearray, rng: Random, other: bytes) -> None:
    """A number in text becomes another one, as long as it was or not."""
    found = list(_NUMERALS.finditer(bytes(made[: 1 << 13])))
    if found:
        match = rng.choice(found)
        number = rng.choice(NUMBERS)
        if rng.random() < 0.5:
            number = number[: len(match[0])].ljust(len(match[0]))
        made[match.start() : match.end()] = number


_NUMERALS: Final = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_CHANGES: Final = (_flip, _byte, _number, _number, _remove, _insert, _repeat, _truncate, _splice,
                   _digits)  # fmt: skip


def _of_text(content: bytes, rng: Random, other: bytes) -> bytes:
    """Lines, words and numbers, in the part before a first byte of 0."""
    end = content.find(b"\0")
    head = bytearray(content if end < 0 else content[:end])
    for _ in range(_count(rng)):
        way = rng.randrange(5)
        if way == 0:
            _digits(head, rng, other)
        elif way == 1:
            _insert(head, rng, other)
        else:
            lines = head.split(b"\n")
            place = rng.randrange(len(lines))
            if way == 2:
                lines[place : place + 1] = [lines[place]] * rng.choice((0, 2, 50))
            elif way == 3:
                parts = re.split(rb"([,;=: \[\]\"]+)", lines[place])
                parts[rng.randrange(len(parts))] = rng.choice((*WORDS, *NUMBERS))
                lines[place] = b"".join(parts)
            else:
                rng.shuffle(lines)
            head = bytearray(b"\n".join(lines))
    return bytes(head) + (b"" if end < 0 else content[end:])


def _of_json(content: bytes, rng: Random, other: bytes) -> bytes:
    """A node becomes another value, goes, or is nested deep."""
    root, copies = {"": json.loads(content)}, (1, 2, 200)
    for _ in range(_count(rng)):
        place: Any = root
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and rng.random() < 0.75:
                place = place[key]
                continue
            way = rng.randrange(8)
            if way == 0 and place is not root:
                del place[key]
            elif way == 1 and isinstance(place, dict):
                place[rng.choice(("a", "", "name", "__class__"))] = place[key]
            elif way == 2:
                place[key] = [place[key]] * rng.choice(copies)
                copies = (1,)  # of copies it would soon be more than any memory holds
            else:
                place[key] = rng.choice(VALUES)
            break
    made = json.dumps(root[""])
    if rng.random() < 0.03:
        depth = rng.choice((100, 1000, 100_000))
        made = made.replace("1", "[" * depth + "]" * depth, 1)
    return made.encode()


def _of_gzip(content: bytes, rng: Random, other: bytes) -> bytes:
    return gzip.compress(_of_bytes(gzip.decompress(content), rng, other), 1, mtime=0)


def _of_zip(content: bytes, rng: Random, other: bytes) -> bytes:
    """A file in it is damaged, or called otherwise."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    own = members.pop(name)
    if rng.random() < 0.5:
        own = _of_bytes(own, rng, other)
    else:
        name = rng.choice(NAMES)
    return zipped({name: own, **members})


def _of_png(content: bytes, rng: Random, other: bytes) -> bytes:
    """Chunks are damaged, and their checksums are right again."""
    chunks, place = [], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    for _ in range(_count(rng)):
        number = rng.randrange(len(chunks))
        name, data = chunks[number]
        way = rng.randrange(6)
        if way == 0:
            chunks[number:number] = [chunks[number]] * rng.choice((1, 2, 30))
        elif way == 1 and len(chunks) > 1:
            del chunks[number]
        elif way == 2:
            chunks[number:number] = [(rng.choice(CHUNKS), data[:300])]
        elif way == 3 and name == b"IDAT":
            try:
                packed = zlib.compress(_of_bytes(zlib.decompress(data), rng, other))
            except zlib.error:
                continue
            chunks[number] = (name, packed)
        else:
            chunks[number] = (name, _of_bytes(data, rng, other))
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


CHUNKS: Final = (b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"zTXt", b"eXIf", b"acTL", b"sBIT", b"pHYs")
_LONG: Final = frozenset(b"OB OW OF OD OL SQ UC UN UR UT".split())


def _elements(content: bytes) -> list[tuple[int, int, int, int]]:
    """Of explicit little endian: where each element begins, where its length stands, in how many
    bytes, and where it ends."""
    found, place = [], 132
    while place + 8 <= len(content):
        form = content[place + 4 : place + 6]
        at, size = (place + 8, 4) if form in _LONG else (place + 6, 2)
        length = int.from_bytes(content[at : at + size], "little")
        end = at + size + length
        if not form.isalpha() or end > len(content):
            break
        found.append((place, at, size, end))
        place = end
    return found


def _of_dicom(content: bytes, rng: Random, other: bytes) -> bytes:
    """Elements get other values of any length, go, or come twice."""
    for _ in range(_count(rng)):
        elements = _elements(content)
        start, at, size, end = rng.choice(elements)
        way = rng.randrange(8)
        if way == 0:
            new = b""
        elif way == 1:
            new = content[start:end] * 2
        elif way == 2:
            form = rng.choice(b"DS IS US SS FD FL UI CS SQ UN OB LO AT".split())
            new = content[start : start + 4] + form + content[start + 6 : end]
        else:
            value = rng.choice(
                (rng.choice(NUMBERS), b"\\".join(rng.choices(NUMBERS, k=rng.randrange(2, 7))),
                 struct.pack("<H", rng.choice(INTEGERS) % 2**16), rng.choice(WORDS),
                 struct.pack("<d", rng.choice(FLOATS)), bytes(rng.randrange(4)))
            )[: 2 ** (8 * size) - 1]  # fmt: skip
            new = content[start:at] + len(value).to_bytes(size, "little") + value
        content = content[:start] + new + content[end:]
    return content


_SPECIAL: Final[dict[str, Callable[[bytes, Random, bytes], bytes]]] = {
    "text": _of_text,
    "json": _of_json,
    "gzip": _of_gzip,
    "zip": _of_zip,
    "png": _of_png,
    "dicom": _of_dicom,
}
