"""Uploads: read piece by chunk, onto the disk, with every limit looked at before a byte is kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, fields
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from lungseg.options import SegmentOptions
from lungseg.serve.names import safe_name
from lungseg.serve.problems import HTTPProblem
from lungseg.serve.settings import ServerSettings
from lungseg.writers.names import unused

FIELDS: Final = tuple(option.name for option in fields(SegmentOptions))
"""Parts of a form that are no files."""
MAX_FIELD_BYTES: Final = 256
"""Bytes of what is no file."""
MAX_HEADER_BYTES: Final = 2048
"""Bytes of a line before a part."""
MAX_HEADERS: Final = 8


def _unprocessable(sentence: str) -> HTTPProblem:
    return HTTPProblem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)


@dataclass(slots=True)
class Upload:
    """What came.

    Attributes:
        files: where the files are, in the order in which they came.
        fields: what else was sent, by the name of the part.
    """

    files: list[Path] = field(default_factory=list[Path])
    fields: dict[str, str] = field(default_factory=dict[str, str])


class _Form:
    """Writes the parts of a form into a folder while they come. Its methods are what the parser
    calls.
    """

    def __init__(self, folder: Path, max_files: int) -> None:
        self.upload = Upload()
        self.whole = False
        self._folder, self._max_files = folder, max_files
        self._taken: set[str] = set()
        self._parts = 0
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._file: BinaryIO | None = None
        self._name, self._text = "", bytearray()

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_files + len(FIELDS):
            raise self._too_many()
        self._headers = {}

    def on_header_begin(self) -> None:
        self._header, self._value = bytearray(), bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name, self._text = options.get(b"name", b"").decode(errors="replace"), bytearray()
        if self._name == "file":
            if len(self.upload.files) == self._max_files:
                raise self._too_many()
            name = unused(
                safe_name(options.get(b"filename", b"").decode(errors="replace")), self._taken
            )
            self.upload.files.append(self._folder / name)
            self._file = self.upload.files[-1].open("xb")
        elif self._name not in FIELDS:
            raise _unprocessable(
                f"A form has parts called file, {', '.join(FIELDS)}, and no others."
            )

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
        else:
            self._text += data[start:end]
            if len(self._text) > MAX_FIELD_BYTES:
                raise _unprocessable(f"The part {self._name} is too long.")

    def on_part_end(self) -> None:
        if self._file is None:
            self.upload.fields[self._name] = self._text.decode(errors="replace")
        self.close()

    def on_end(self) -> None:
        self.whole = True

    def _too_many(self) -> HTTPProblem:
        return HTTPProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"At most {self._max_files} files are taken at a time.",
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


async def receive(request: Request, folder: Path, settings: ServerSettings) -> Upload:
    """Takes in a form, its files written into `folder`, which is created.

    Raises:
        HTTPProblem: 400, 408, 413, 415 or 422 with the reason.
        OSError: a file cannot be written.
        ClientDisconnect: the client went away.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise HTTPProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Files are sent as multipart/form-data, each in a part called file.",
        )
    stated = request.headers.get("content-length", "0")
    if not stated.isdecimal() or len(stated) > 15 or int(stated) > settings.max_upload_bytes:
        raise _too_large(settings)
    folder.mkdir()
    form = _Form(folder, settings.max_files)
    # Named one by one: the parser calls what it finds under these names.
    callbacks = {
        "on_part_begin": form.on_part_begin,
        "on_header_begin": form.on_header_begin,
        "on_header_field": form.on_header_field,
        "on_header_value": form.on_header_value,
        "on_header_end": form.on_header_end,
        "on_headers_finished": form.on_headers_finished,
        "on_part_data": form.on_part_data,
        "on_part_end": form.on_part_end,
        "on_end": form.on_end,
    }
    try:
        parser = MultipartParser(
            options[b"boundary"],
            callbacks,  # type: ignore[arg-type]
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )  # fmt: skip
        await _feed(request, parser, settings)
        parser.finalize()
    except FormParserError as error:
        raise HTTPProblem(HTTPStatus.BAD_REQUEST, "The form is broken.") from error
    finally:
        form.close()
    if not form.whole:
        raise HTTPProblem(HTTPStatus.BAD_REQUEST, "The form ends too early.")
    return form.upload


async def _feed(request: Request, parser: MultipartParser, settings: ServerSettings) -> None:
    total, start = 0, time.monotonic()
    while True:
        try:
            async with asyncio.timeout(settings.client_timeout):
                message = await request.receive()
        except TimeoutError:
            what = f"Nothing came for {settings.client_timeout:g} s, and the upload was given up."
            raise HTTPProblem(HTTPStatus.REQUEST_TIMEOUT, what) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        total += len(chunk)
        if total > settings.max_upload_bytes:
            raise _too_large(settings)
        parser.write(chunk)
        if not message.get("more_body", False):
            return
        passed = time.monotonic() - start
        if passed > settings.client_timeout and total < settings.min_upload_rate * passed:
            raise HTTPProblem(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The upload is slower than {settings.min_upload_rate:g} bytes a second, and was "
                "given up.",
            )


def _too_large(settings: ServerSettings) -> HTTPProblem:
    return HTTPProblem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"At most {settings.max_upload_bytes / 1e6:g} MB are taken at a time.",
    )
