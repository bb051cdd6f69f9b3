"""Pictures in files, and parts of PNG."""

import struct
import zlib
from pathlib import Path

from PIL import Image as Pillow


def save(picture, path: Path, kind: str, **options) -> Path:
    (picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)).save(
        path, kind, **options
    )
    return path


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
