"""MetaImage files of a small chest, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from phantom_volumes import AFFINE


def meta_fields(**more: Any) -> dict[str, Any]:
    steps = [AFFINE[:3, axis] for axis in (2, 1, 0)]
    lengths = [np.linalg.norm(step) for step in steps]
    matrix = " ".join(
        f"{number:g}"
        for step, length in zip(steps, lengths, strict=True)
        for number in step / length
    )
    fields: dict[str, Any] = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
    }
    fields |= {
        "TransformMatrix": matrix,
        "Offset": " ".join(f"{number:g}" for number in AFFINE[:3, 3]),
    }
    fields |= {
        "ElementSpacing": " ".join(f"{length:g}" for length in lengths),
        "DimSize": "40 34 20",
        "ElementType": "MET_SHORT",
    }
    return fields | more | {"ElementDataFile": more.get("ElementDataFile", "LOCAL")}


def write_meta(path: Path, fields: dict[str, Any], content: bytes = b"") -> Path:
    fields["ElementDataFile"] = fields.pop("ElementDataFile")  # the last line
    path.write_bytes(
        "".join(f"{key} = {value}\n" for key, value in fields.items()).encode() + content
    )
    return path
