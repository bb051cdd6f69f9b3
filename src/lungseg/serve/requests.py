"""What a client asks for, checked, and turned into what a worker is told."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from lungseg.errors import InputError, TooLargeError
from lungseg.readers.jsrt import is_jsrt
from lungseg.readers.probe import READ, VOLUMES
from lungseg.readers.volume import kind_of
from lungseg.segmenter import Kind
from lungseg.serve.archive import check_zip
from lungseg.serve.jobs import Job
from lungseg.serve.problems import Refusal
from lungseg.serve.settings import Settings
from lungseg.serve.upload import Upload
from lungseg.writers import stem

KINDS: Final[dict[str, Kind | None]] = {"auto": None, "ct": "ct", "cxr": "cxr"}
TRUTHS: Final = {"true": True, "false": False}
SEVERAL: Final = "series"
"""What results are called where several files were sent."""
TAKEN: Final = (
    "Send a PNG, JPEG, TIFF, BMP, GIF, DICOM, NIfTI, NRRD or MetaImage file, the "
    "slices of a "
    "series, or a zip of them."
)


def enter(job: Job, upload: Upload, settings: Settings, only: Kind | None) -> None:
    """Looks at what came, and writes name and task of a job.

    Args:
        job: that the files are for.
        upload: what came.
        settings: of the server.
        only: the kind that the server's model is for; None where it has models for both.

    Raises:
        Refusal: 413, 415 or 422 with the reason.
    """
    if not upload.files:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "No file was sent; send at least one, in a part called file.",
        )
    wishes = _wishes(upload.fields, only)
    kinds = {path: _kind(path) for path in upload.files}
    first, several = upload.files[0], len(upload.files) > 1
    zipped = not several and kinds[first] == "ZIP"
    if several and "ZIP" in kinds.values():
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "A zip is sent alone.")
    if not zipped and not (READ | VOLUMES) & set(kinds.values()):
        found = next(iter(kinds.values()))
        what = (
            "The file is empty."
            if found == "empty"
            else f"This is no image that is read ({found})."
        )
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{what} {TAKEN}")
    if zipped:
        try:
            check_zip(first, most_bytes=settings.most_bytes, most_entries=settings.most_parts)
        except InputError as error:
            large = isinstance(error, TooLargeError)
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY,
                str(error),
            ) from error
    base = SEVERAL if several else stem(first.name)
    if zipped and base == first.name:
        base += "_unpacked"
    job.name = f"{first.name} ({len(upload.files)} files)" if several else first.name
    job.task = wishes | {
        "folder": str(job.folder),
        "name": first.name,
        "stem": base,
        "zipped": zipped,
        "several": several,
    }


def _kind(path: Path) -> str:
    """As `lungseg.read` tells it, from the bytes."""
    try:
        kind, _, _ = kind_of(path)
    except InputError:  # gzip that is none
        return "gzip"
    if kind == "unknown" and is_jsrt(path, path.stat().st_size):
        return "JSRT"
    return kind


def _wishes(fields: dict[str, str], only: Kind | None) -> dict[str, Any]:
    kind, quick, page = (
        fields.get("kind", "auto"),
        fields.get("quick", "false"),
        fields.get("page") or None,
    )
    if kind not in KINDS:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"kind is one of {', '.join(KINDS)}.")
    if only is not None and KINDS[kind] not in (None, only):
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"The model of this server is for {only} alone."
        )
    if quick not in TRUTHS:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"quick is one of {', '.join(TRUTHS)}.")
    if page is not None and not (
        page.isdecimal() and page.isascii() and len(page) < 7 and int(page) > 0
    ):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "page is a number from 1.")
    return {
        "kind": KINDS[kind],
        "quick": TRUTHS[quick],
        "page": None if page is None else int(page),
        "series": fields.get("series") or None,
    }
