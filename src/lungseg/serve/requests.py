"""What a client asks for, checked, and turned into options and into what a process is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from lungseg.errors import InputError, TooLargeError, UsageError
from lungseg.modality import LUNG_EXTENTS, MODALITIES, Modality
from lungseg.options import MAX_PICTURE, MIN_PICTURE, SegmentOptions
from lungseg.provenance import Format
from lungseg.readers.probe import identify
from lungseg.readers.signatures import OtherContent
from lungseg.report import has_reportlab
from lungseg.runner import Job, RunOptions
from lungseg.serve.archive import check_zip
from lungseg.serve.jobs import ServedJob
from lungseg.serve.names import RESULTS
from lungseg.serve.problems import HTTPProblem
from lungseg.serve.settings import ServerSettings
from lungseg.serve.upload import Upload
from lungseg.serve.worker import UploadTask
from lungseg.writers import stem

SEVERAL: Final = "series"
"""What results are called where several files were sent."""
TAKEN: Final = (
    "Send a PNG, JPEG, TIFF, BMP, GIF, WebP, AVIF, DICOM, NIfTI, NRRD or MetaImage file, the "
    "slices of a "
    "series, or a zip of them."
)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _count(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 7):
        raise ValueError(text)
    return int(text)


def _numbers(text: str) -> tuple[float, ...]:
    """One number is that of rows and columns."""
    numbers = tuple(float(part) for part in text.split(","))
    return numbers * 2 if len(numbers) == 1 else numbers


@dataclass(frozen=True, slots=True)
class Field:
    """A part of the form that states an option.

    Attributes:
        parse: makes the option's value of its text; a KeyError or ValueError where it cannot.
        wanted: what it is, for the sentence of a refusal.
        schema: of OpenAPI.
    """

    parse: Callable[[str], Any]
    wanted: str
    schema: Mapping[str, Any]


_TRUTH: Final = Field(_truth, "true or false", {"type": "boolean", "default": False})
_SIDE: Final = Field(
    _count,
    "a number of pixels",
    {"type": "integer", "minimum": MIN_PICTURE, "maximum": MAX_PICTURE},
)

FIELDS: Final[dict[str, Field]] = {
    "modality": Field(
        lambda text: {str(name): name for name in MODALITIES}[text],
        f"one of {', '.join(MODALITIES)}",
        {"type": "string", "enum": MODALITIES},
    ),
    "model": Field(str, "a name", {"type": "string"}),
    "structures": Field(str, "names with commas between", {"type": "string"}),
    "frame": Field(_count, "a number from 1", {"type": "integer", "minimum": 1}),
    "series": Field(str, "a text", {"type": "string"}),
    "spacing": Field(_numbers, "numbers with commas between", {"type": "string"}),
    "skip_damaged": _TRUTH,
    "dilate": Field(float, "a number", {"type": "number", "minimum": 0, "default": 0}),
    "lung_extent": Field(
        lambda text: {str(name): name for name in LUNG_EXTENTS}[text],
        f"one of {', '.join(LUNG_EXTENTS)}",
        {"type": "string", "enum": LUNG_EXTENTS, "default": LUNG_EXTENTS[0]},
    ),
    "hull": _TRUTH,
    "crop_square": _TRUTH,
    "crop_size": _SIDE,
    "overlay_style": Field(str, "a text", {"type": "string"}),
    "overlay_size": _SIDE,
    "binary": _TRUTH,
    "skip_quality": _TRUTH,
    "skip_refused": _TRUTH,
}
"""One for each field of `SegmentOptions`."""


def form_schema() -> dict[str, Any]:
    """The form of a request, for OpenAPI."""
    file = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    options = {
        option.name: {**FIELDS[option.name].schema, "description": option.metadata["about"]}
        for option in fields(SegmentOptions)
    }
    return {
        "type": "object",
        "required": ["file"],
        "properties": {"file": file, **options},
        "additionalProperties": False,
    }


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The models that a server was started with.

    Attributes:
        files: what `SegmentOptions` names each by, by the name that a client may say.
        modalities: what each is for.
        only: the name of the one for every input; None where the input decides.
    """

    files: Mapping[str, str | Path]
    modalities: Mapping[str, Modality]
    only: str | None = None


def parse(texts: Mapping[str, str], models: ServedModels) -> SegmentOptions:
    """The options that a form states.

    Args:
        texts: by name of the part; an empty one states nothing.
        models: of the server.

    Raises:
        HTTPProblem: 422 with the reason.
    """
    values: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            values |= {name: FIELDS[name].parse(text)} if text else {}
        except (KeyError, ValueError):
            raise _unprocessable(f"{name} is {FIELDS[name].wanted}.") from None
    model = values.get("model", models.only)
    if model is not None:
        if model not in models.files:
            raise _unprocessable(f"model is one of {', '.join(models.files)}.")
        modality = models.modalities[model]
        if values.get("modality", modality) != modality:
            raise _unprocessable(f"The model {model} is for {modality} alone.")
        values |= {"model": models.files[model], "modality": modality}
    try:
        return SegmentOptions(**values)
    except UsageError as error:
        raise _unprocessable(str(error)) from error


def task_of(
    job: ServedJob, upload: Upload, settings: ServerSettings, models: ServedModels
) -> UploadTask:
    """Looks at what came, names the job, and says what is to be done.

    Args:
        job: that the files are for.
        upload: what came.
        settings: of the server.
        models: of the server.

    Raises:
        HTTPProblem: 413, 415 or 422 with the reason.
    """
    if not upload.files:
        raise _unprocessable("No file was sent; send at least one, in a part called file.")
    options = parse(upload.fields, models)
    kinds = {path: _kind(path) for path in upload.files}
    first, several = upload.files[0], len(upload.files) > 1
    packed = not several and kinds[first] is OtherContent.ZIP
    if several and OtherContent.ZIP in kinds.values():
        raise _unprocessable("A zip is sent alone.")
    if not packed and not any(isinstance(kind, Format) for kind in kinds.values()):
        found = next(iter(kinds.values()))
        what = (
            "The file is empty."
            if found is OtherContent.EMPTY
            else f"This is no image that is read ({found.value})."
        )
        raise HTTPProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{what} {TAKEN}")
    if packed:
        _check_packed(first, settings)
    base = SEVERAL if several else stem(first.name)
    if packed and base == first.name:
        base += "_unpacked"
    job.name = f"{first.name} ({len(upload.files)} files)" if several else first.name
    cropped = options.crop_square or options.crop_size is not None
    run = RunOptions(
        job.folder / RESULTS,
        ("mask", "overlay", "viewer", *(("crop",) if cropped else ())),
        ("report", "pdf") if has_reportlab() else ("report",),
    )
    source = first.parent if several else first
    name = SEVERAL if several else first.name
    work = Job(source, base, options, run, replace=True, display_name=name)
    return UploadTask(work, packed, settings.max_upload_bytes, settings.max_files)


def _check_packed(path: Path, settings: ServerSettings) -> None:
    try:
        check_zip(path, max_bytes=settings.max_upload_bytes, max_entries=settings.max_files)
    except InputError as error:
        large = isinstance(error, TooLargeError)
        raise HTTPProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.UNPROCESSABLE_ENTITY,
            str(error),
        ) from error


def _unprocessable(sentence: str) -> HTTPProblem:
    return HTTPProblem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)


def _kind(path: Path) -> Format | OtherContent:
    """As `lungseg.read` tells it, from the bytes."""
    try:
        return identify(path, unpack=False).format
    except InputError:  # gzip that is none
        return OtherContent.GZIP
