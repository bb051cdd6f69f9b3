"""Whether an ONNX file is all of the network, or it names other files for its weights.

ONNX Runtime looks for such files in the folder that the program was started in, and no hash of the
model covers them. They are found by walking through the protocol buffer itself (Protocol Buffers,
"Encoding"; the numbers of the fields are those of onnx.proto3), since the package onnx is not
there where models are only used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_INSIDE: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "function": {7: "node", 11: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}  # fmt: skip
"""The messages that may hold a tensor: what lies in which field of each."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def names_other_files(content: bytes) -> bool:
    """Whether a network has weights that lie outside of its own bytes.

    Args:
        content: of the ONNX file.

    Raises:
        ValueError: it is no ONNX file. Not every broken one is found out.
    """
    view, waiting = memoryview(content), [("model", 0, len(content))]
    while waiting:
        kind, start, end = waiting.pop()
        for field, wire_type, first, last in _fields(view, start, end):
            if kind == "tensor":
                if field == _EXTERNAL_DATA or (field == _DATA_LOCATION and last > first):
                    return True
            elif wire_type == _MESSAGE and field in _INSIDE[kind]:
                waiting.append((_INSIDE[kind][field], first, last))
    return False


def _fields(view: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, begin and end of each field between two places; of a number that is 0
    begin and end are the same.
    """
    while start < end:
        tag, start = _varint(view, start, end)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, after = _varint(view, start, end)
            first, start = (start if value else after), after
        elif wire_type == _MESSAGE:
            length, first = _varint(view, start, end)
            start = first + length
        elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            first, start = start, start + (8 if wire_type == _EIGHT_BYTES else 4)
        else:
            raise ValueError(f"it has a field of the wire type {wire_type}")
        if start > end:
            raise ValueError("it ends within a field")
        yield field, wire_type, first, start


def _varint(view: memoryview, start: int, end: int) -> tuple[int, int]:
    """A number in groups of seven bits, and the place after it."""
    value = 0
    for shift, place in enumerate(range(start, min(end, start + _MAX_VARINT_BYTES))):
        value |= (view[place] & 0x7F) << (7 * shift)
        if view[place] < 0x80:
            return value, place + 1
    raise ValueError("it ends within a number")
