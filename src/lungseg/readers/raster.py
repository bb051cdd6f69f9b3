"""Pictures: the header is checked first, then the pixels are decoded.

PNG and JPEG, the common ones, are checked by walking their own structure, which finds a truncated
file whatever the decoder thinks of it. JPEG is decoded by OpenCV, and nothing else is, since the
libraries for PNG and TIFF within it are years old: PNG, TIFF, BMP, GIF, WebP and AVIF are Pillow's,
HEIC is pillow-heif's, and TIFF that Pillow does not open our own.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lungseg.errors import TooLargeError, UnreadableError, UnsupportedError
from lungseg.provenance import Format, Provenance
from lungseg.readers.codestream import FRAME_HEADERS, SCAN, segments
from lungseg.readers.decoded import DecodedImage
from lungseg.readers.dicom_pixels import quiet_pydicom
from lungseg.readers.limits import MAX_AREA_PIXELS, SMALLER_IMAGE, chosen_frame, refuse_too_large
from lungseg.readers.sixteen_bits import colours_of_sixteen_bits, grey_with_opacity_as_colours
from lungseg.readers.tiff import read_tiff
from lungseg.readers.to_grey import to_grey, to_image_type
from lungseg.segmentation import Array
from lungseg.structures import STRUCTURES

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_ORIENTATIONS = {
    2: "mirrored",
    3: "rotated by 180 degrees",
    4: "flipped",
    5: "mirrored along the diagonal",
    6: "rotated by 90 degrees clockwise",
    7: "mirrored along the other diagonal",
    8: "rotated by 90 degrees anticlockwise",
}
"""What the EXIF and TIFF tag 274, Orientation, asks for; 1 is upright."""
_ORIENTATION = 0x0112
_PNG_COLOURS, _PNG_GREY_AND_OPACITY, _PNG_COLOURS_AND_OPACITY = 2, 4, 6
_PHOTOMETRIC, _BITS_PER_SAMPLE, _SAMPLE_FORMAT, _PLANAR = 262, 258, 339, 284
_WHITE_IS_ZERO, _RGB_COLOURS, _SIGNED, _APART = 0, 2, 2, 2
"""Tags of TIFF, and what they can hold (TIFF 6.0)."""
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
"""Frame headers of JPEG (ITU-T T.81, table B.1) and JPEG-LS."""
_PICTORIAL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PILLOW_NAMES = {
    Format.TIFF: "TIFF",
    Format.BMP: "BMP",
    Format.GIF: "GIF",
    Format.WEBP: "WEBP",
    Format.AVIF: "AVIF",
    Format.HEIC: "HEIF",
}
_PALETTE_WITHIN = 1024
"""Bytes from the beginning of a PNG file, where the palette of a label map stands."""


def read_raster(
    content: bytes, file_format: Format, *, source: str, frame: int | None
) -> DecodedImage:
    """Decode a picture to grey.

    Args:
        content: the whole file.
        file_format: that of a picture.
        source: the file's name, for errors.
        frame: of a file with several, counted from 1.

    Raises:
        UnreadableError: the file is truncated or damaged.
        UnsupportedError: it is a colour picture, or has several frames and none was chosen.
        TooLargeError: its header states too many pixels.
    """
    if file_format in (Format.PNG, Format.JPEG):
        pictorial, has_exif = (
            _check_png(content, source)
            if file_format is Format.PNG
            else (content, _check_jpeg(content, source))
        )
        chosen_frame(frame, 1, source=source)
        decode = _decode_png if file_format is Format.PNG else _decode_jpeg
        pixels = decode(pictorial, source)
        orientation = _exif_orientation(content) if has_exif else 1
        pixels = _upright(pixels, orientation)
    else:
        pixels, orientation = _decode_with_pillow(content, file_format, source=source, frame=frame)
    grey, notes = (
        to_grey(pixels, source=source) if pixels.ndim == 3 else to_image_type(pixels, source=source)
    )
    if orientation in _ORIENTATIONS:
        notes = (*notes, f"{_ORIENTATIONS[orientation]}, as its orientation tag asks")
    return DecodedImage(np.ascontiguousarray(grey), Provenance(format=file_format), notes=notes)


def check_raster(content: bytes, file_format: Format, *, source: str) -> None:
    """That a PNG or a JPEG is whole and not too large; of other formats decoding tells.

    Raises:
        UnreadableError: the file is truncated or damaged.
        UnsupportedError: it is a JPEG of a kind that is not read.
        TooLargeError: its header states too many pixels.
    """
    if file_format is Format.PNG:
        _check_png(content, source)
    elif file_format is Format.JPEG:
        _check_jpeg(content, source)


def read_label_png(content: bytes, *, source: str) -> Array | None:
    """The label map (rows, columns), uint8, in a PNG whose palette has the colours of
    `lungseg.structures`; None in any other PNG.

    Raises:
        UnreadableError: the file is truncated or damaged.
        TooLargeError: its header states too many pixels.
    """
    if (
        b"PLTE" + bytes(part for structure in STRUCTURES for part in structure.colour)
        not in content[:_PALETTE_WITHIN]
    ):
        return None
    _check_png(content, source)
    from PIL import Image as Picture

    with Picture.open(BytesIO(content)) as picture:
        return np.asarray(picture, dtype=np.uint8)


def _truncated(file_format: Format, source: str) -> UnreadableError:
    return UnreadableError(
        f"the {file_format.value} file is truncated", where=source, cure="copy or export it again"
    )


def _damaged(file_format: Format, source: str) -> UnreadableError:
    return UnreadableError(
        f"the {file_format.value} file is damaged", where=source, cure="copy or export it again"
    )


def _check_png(content: bytes, source: str) -> tuple[bytes, bool]:
    """Walk the chunks to the end (PNG specification, section 5), with their check sums.

    Returns:
        The file without the chunks that say nothing of the pixels (colour profiles are what libpng
        most often complains of, on stderr), and whether there is an EXIF chunk.
    """
    pictorial, has_exif, position = [content[:8]], False, 8
    while position + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if name == b"IHDR" and position + 16 <= len(content):
            columns, rows = struct.unpack_from(">II", content, position + 8)
            refuse_too_large(rows, columns, source=source)
        if end > len(content):
            break
        if zlib.crc32(memoryview(content)[position + 4 : end - 4]) != int.from_bytes(
            content[end - 4 : end], "big"
        ):
            raise _damaged(Format.PNG, source)
        if name in _PICTORIAL_CHUNKS:
            pictorial.append(content[position:end])
        if name == b"IEND":
            return b"".join(pictorial), has_exif
        has_exif = has_exif or name == b"eXIf"
        position = end
    raise _truncated(Format.PNG, source)


def _check_jpeg(content: bytes, source: str) -> bool:
    """Walk the markers to the first scan, and look for the end marker; returns whether there is
    EXIF.
    """
    has_exif = False
    try:
        for marker, position in segments(content):
            if marker in FRAME_HEADERS and position + 9 <= len(content):
                rows, columns = struct.unpack_from(">HH", content, position + 5)
                refuse_too_large(rows, columns, source=source)
                if marker in _LOSSLESS or content[position + 4] != 8:
                    what = (
                        "a lossless JPEG file, or one of more than 8 bits, is read within "
                        "DICOM only"
                    )
                    raise UnsupportedError(what, where=source, cure="convert it to PNG")
            # Within a scan FF is always escaped, so that FF D9 can only be the end; what some
            # writers append after it does no harm.
            if marker == SCAN and content.find(b"\xff\xd9", position) >= 0:
                return has_exif
            has_exif = has_exif or (
                marker == 0xE1 and content[position + 4 : position + 8] == b"Exif"
            )
    except ValueError:
        raise _damaged(Format.JPEG, source) from None
    raise _truncated(Format.JPEG, source)


def _decode_jpeg(content: bytes, source: str) -> Array:
    pixels: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise _damaged(Format.JPEG, source)
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]  # OpenCV has blue, green, red


def _decode_png(content: bytes, source: str) -> Array:
    from PIL import Image as Pillow

    def opened(whole: bytes = content) -> PillowImage:
        return Pillow.open(BytesIO(whole), formats=("PNG",))

    try:
        header = struct.unpack_from(">4s8xBB", content, 12)
        if header == (b"IHDR", 16, _PNG_GREY_AND_OPACITY):
            numbers = np.asarray(opened(grey_with_opacity_as_colours(content))).astype(np.uint16)
            return (numbers[..., ::2] << 8 | numbers[..., 1::2])[..., [0, 0, 0, 1]]
        picture = opened()
        deep = header[1:] in ((16, _PNG_COLOURS), (16, _PNG_COLOURS_AND_OPACITY))
        pixels = colours_of_sixteen_bits(opened) if deep else _from_pillow(picture)
        if header[2] == _PNG_COLOURS and "transparency" in picture.info:  # a colour stands for it
            shown = (pixels != np.array(picture.info["transparency"])).any(axis=2, keepdims=True)
            opacity = shown.astype(pixels.dtype) * np.iinfo(pixels.dtype).max
            pixels = np.concatenate([pixels, opacity], axis=2)
    except (OSError, SyntaxError, ValueError, struct.error):
        raise _damaged(Format.PNG, source) from None
    return pixels


def _exif_orientation(content: bytes) -> int:
    from PIL import Image as Pillow

    with Pillow.open(BytesIO(content), formats=("PNG", "JPEG")) as opened:
        return int(opened.getexif().get(_ORIENTATION, 1))


def _decode_with_pillow(
    content: bytes, file_format: Format, *, source: str, frame: int | None
) -> tuple[Array, int]:
    """The pixels, grey or colour, of one frame, already turned upright, and the orientation it
    had.
    """
    picture = _opened_with_pillow(content, file_format, source)
    if picture is None or _is_opacity_apart(picture):
        pixels, orientation = read_tiff(content, source=source, frame=frame)
        return _upright(_with_opacity(pixels, source), orientation), orientation
    with picture as opened:
        index = chosen_frame(frame, getattr(opened, "n_frames", 1), source=source)
        opened.seek(index)
        refuse_too_large(opened.height, opened.width, source=source)
        tags = dict(getattr(opened, "tag_v2", {}))
        try:
            opened.load()
        except (OSError, SyntaxError, ValueError):
            raise UnreadableError(
                f"the {file_format.value} file is truncated or damaged",
                where=source,
                cure="copy or export it again",
            ) from None
        if file_format in (Format.WEBP, Format.AVIF, Format.HEIC):
            orientation = int(opened.getexif().get(_ORIENTATION, 1))
            return _upright(_from_pillow(opened), orientation), orientation
        # Of TIFF, both libraries turn the pixels themselves.
        orientation = int(tags.get(_ORIENTATION, 1))
        bits = tags.get(_BITS_PER_SAMPLE, (8,))
        if len(bits) >= 3 and max(bits) == 16:
            # Pillow would keep only eight of the sixteen bits of a colour.
            if tags.get(_PHOTOMETRIC) != _RGB_COLOURS or tags.get(_PLANAR) == _APART:
                what = (
                    "it is a TIFF of 16-bit colours that are not red, green and blue side by side"
                )
                raise UnsupportedError(what, where=source, cure="export it in grey")
            return _deep_tiff(content, index, source), orientation
        pixels = _as_stated(_from_pillow(opened), tags)
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # which Pillow heeds in 8 bits only
            if pixels.dtype == np.uint16:
                pixels = np.uint16(2 ** bits[0] - 1) - pixels
            elif pixels.dtype == np.float32:
                pixels = -pixels
            elif pixels.ndim == 2 and pixels.dtype.itemsize > 1:
                pixels = ~pixels
        return pixels, orientation


def _opened_with_pillow(content: bytes, file_format: Format, source: str) -> PillowImage | None:
    """The picture, of which only the header was looked at; None of a TIFF file of another kind than
    Pillow opens.
    """
    from PIL import Image as Pillow
    from PIL import features

    if file_format is Format.HEIC:
        _register_heif(source)

    if file_format is Format.AVIF and not features.check("avif"):
        raise UnsupportedError(
            "the installed version of Pillow decodes no AVIF",
            where=source,
            cure="install Pillow 11.3 or later, or convert it to PNG",
        )
    try:
        with quiet_pydicom():  # and Pillow, which warns of tags that it does not understand
            return Pillow.open(BytesIO(content), formats=(_PILLOW_NAMES[file_format],))
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        limit = f"more than {MAX_AREA_PIXELS // 1_000_000} million pixels"
        raise TooLargeError(
            f"the header states {limit}, and it was not decoded", where=source, cure=SMALLER_IMAGE
        ) from None
    except (OSError, SyntaxError):
        if file_format is Format.TIFF:
            return None
        raise UnreadableError(
            f"the {file_format.value} file is damaged, or holds pixels of a kind that is not read",
            where=source,
            cure="export it again in 8 or 16 bits",
        ) from None


def _is_opacity_apart(picture: PillowImage) -> bool:
    """Whether a TIFF has its grey and then its opacity, which Pillow opens and does not decode."""
    return picture.mode == "LA" and getattr(picture, "tag_v2", {}).get(_PLANAR) == _APART


def _register_heif(source: str) -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        raise UnsupportedError(
            "HEIC files are read where pillow-heif is installed",
            where=source,
            cure="install it (pip install pillow-heif), or convert it to PNG",
        ) from None


def _with_opacity(pixels: Array, source: str) -> Array:
    """Grey, or grey and opacity as red, green, blue and opacity, of the types that have it."""
    if pixels.ndim == 2:
        return pixels
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnsupportedError(
            f"it is a TIFF of {pixels.dtype} with opacity",
            where=source,
            cure="export it without opacity",
        )
    return np.ascontiguousarray(pixels[..., [0, 0, 0, 1]])


def _as_stated(pixels: Array, tags: dict[int, Any]) -> Array:
    """Grey whose sign a TIFF file states otherwise than Pillow takes it: 8 bits for unsigned, 32
    bits for signed.
    """
    signed = tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED
    if pixels.dtype == np.uint8 and signed:
        return pixels.view(np.int8)
    if pixels.dtype == np.int32 and not signed and tags.get(_BITS_PER_SAMPLE) == (32,):
        return pixels.view(np.uint32)
    return pixels


def _deep_tiff(content: bytes, index: int, source: str) -> Array:
    """A page of colours of 16 bits."""

    def opened() -> PillowImage:
        picture = _opened_with_pillow(content, Format.TIFF, source)
        if picture is None:
            raise ValueError("it was opened before")
        picture.seek(index)
        return picture

    try:
        return colours_of_sixteen_bits(opened)
    except (OSError, SyntaxError, ValueError):
        raise _damaged(Format.TIFF, source) from None


def _from_pillow(opened: PillowImage) -> Array:
    mode = opened.mode
    if mode in ("L", "I", "F", "1", "RGB", "RGBA") or mode.startswith("I;16"):
        pixels = np.asarray(opened)
        return pixels.astype(np.uint16) if mode.startswith("I;16") else pixels
    transparent = mode in ("LA", "PA", "La", "RGBa") or "transparency" in opened.info
    return np.asarray(opened.convert("RGBA" if transparent else "RGB"))


def _upright(pixels: Array, orientation: int) -> Array:
    """The pixels, (rows, columns) or (rows, columns, channels), turned as `orientation` asks; see
    `_ORIENTATIONS`.
    """
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
