"""What reads each group of seeds, as the package itself does; whoever raises something else than a
sentence of lungseg is found."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from lungseg.card import read_card
from lungseg.datasets import declared_labels, public, read_manifest
from lungseg.datasets.columns import has_columns, read_any, read_pairs
from lungseg.datasets.rsna import read_boxes
from lungseg.errors import LungsegError
from lungseg.options import SegmentOptions
from lungseg.predict import find_model
from lungseg.quality.files import read_quality_model
from lungseg.readers import (
    find_inputs,
    patient_of,
    read,
    read_label_map,
    read_label_volume,
    read_mask_pixels,
)
from lungseg.readers.archive import Limits, Unpacked
from lungseg.report.index import index_page, rows_of
from lungseg.segmenter import Segmenter
from lungseg.serve.archive import check_zip, unzip
from lungseg.serve.problems import HTTPProblem
from lungseg.serve.requests import ServedModels, parse
from lungseg.serve.settings import ServerSettings
from lungseg.serve.upload import receive
from lungseg.train.settings import read_settings
from lungseg.writers import Ledger, read_records
from tiny_model import write_tiny_model

Target = Callable[[Path], object]
KIN: Final = (LungsegError, HTTPProblem, ClientDisconnect)
"""What may be raised: one sentence."""


def _bytes(path: Path) -> object:
    return read(path.read_bytes())


def _radiograph(path: Path) -> object:
    return read(path, modality="radiograph", frame=1)


def _ct(path: Path) -> object:
    return read(path, modality="ct", skip_damaged=True)


def _with_spacing(path: Path) -> object:
    return read(path, spacing=(2.0, 0.7, 0.7))


def _found(path: Path) -> object:
    found = find_inputs([path])
    return [read(one) for one in found.files[:2]]


@cache
def _segmenters() -> tuple[Segmenter, Segmenter]:
    folder = Path(tempfile.mkdtemp(prefix="lungseg-fuzz-"))
    film = write_tiny_model(folder, name="film")
    ct = write_tiny_model(folder, name="ct", modality="ct")
    return Segmenter(film, threads=1, volume_threads=1), Segmenter(ct, threads=1, volume_threads=1)


def _film_segmented(path: Path) -> object:
    return _segmenters()[0](path, SegmentOptions(modality="radiograph")).record()


def _volume_segmented(path: Path) -> object:
    return _segmenters()[1](path, SegmentOptions(modality="ct")).record()


def _unpacked(path: Path) -> object:
    return Unpacked(path, Limits(max_bytes=50_000_000, max_entries=100))


def _sent_zip(path: Path) -> object:
    names = check_zip(path, max_bytes=50_000_000, max_entries=100)
    with tempfile.TemporaryDirectory() as folder:
        unzip(path, Path(folder) / "files", max_bytes=50_000_000, max_entries=100)
    return names


def _judge(path: Path) -> object:
    name = path.name.removesuffix(".judge.json")
    return read_quality_model(path.with_name(f"{name}.onnx"), _sha256(name))


@cache
def _sha256(name: str) -> str:
    return read_card(find_model(name).with_suffix(".json")).sha256


def _records(path: Path) -> object:
    return list(read_records(path))


def _ledger(path: Path) -> object:
    """As the next run in that folder, and a report of it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "results.jsonl").write_bytes(path.read_bytes())
        with Ledger(place) as ledger:
            return index_page(rows_of(ledger.records(), place))


def _cases(path: Path) -> object:
    return has_columns(path), read_any(path)


def _declared(path: Path) -> object:
    return declared_labels._declaration.__wrapped__(path)


def _declared_text(path: Path) -> object:
    return declared_labels.read_declared(path.read_bytes().decode(errors="replace"))


def _public(path: Path) -> object:
    return public.lung_extents(path.parent), public.counties(path.parent)


def _form(path: Path) -> object:
    """As the server takes an upload."""
    body = path.read_bytes()
    parts = [body[start : start + 700] for start in range(0, len(body), 700)] or [b""]
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]

    async def come() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    headers = [(b"content-type", b"multipart/form-data; boundary=edge")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, come)
    with tempfile.TemporaryDirectory() as folder:
        taken = receive(
            request, Path(folder) / "sent", ServerSettings(max_upload_mb=1, max_files=5)
        )
        upload = asyncio.run(taken)
        return parse(upload.fields, ServedModels({}, {}))


TARGETS: Final[Mapping[str, tuple[Target, ...]]] = {
    "picture": (read, read, read, _bytes, _radiograph, _ct, read_mask_pixels, read_mask_pixels,
                read_label_map, _found),
    "dicom": (read, read, read, _bytes, _radiograph, _ct, read_mask_pixels, patient_of, patient_of,
              _found),
    "volume": (read, read, read, _ct, _with_spacing, read_label_volume, read_label_volume, _found),
    "series": (read, _ct, _found),
    "archive": (_unpacked, _unpacked, _unpacked, _found, read),
    "card": (read_card,),
    "judge": (_judge,),
    "record": (_records, _records, _records, _ledger),
    "manifest": (read_manifest, _cases),
    "pairs": (read_pairs,),
    "boxes": (read_boxes,),
    "settings": (read_settings,),
    "declared": (_declared,),
    "declared_text": (_declared_text,),
    "questionable": (_public,),
    "form": (_form,),
    "sent_zip": (_sent_zip,),
}  # fmt: skip
"""By group of seeds; what stands there twice is called twice as often."""
SEGMENTED: Final[Mapping[str, tuple[Target, ...]]] = {
    "picture": (_film_segmented,),
    "dicom": (_film_segmented, _volume_segmented),
    "volume": (_volume_segmented,),
    "series": (_volume_segmented,),
}
"""The whole way to a record, with a network of a few weights; slow."""
SEGMENTED_FRACTION: Final = 0.02


def _ends(path: Path) -> object:
    """As a library that writes where nothing is."""
    os.abort()


def _never_ends(path: Path) -> object:
    while True:
        pass


def _raises(path: Path) -> object:
    raise ValueError("odd")


def _takes_much(path: Path) -> object:
    return len(b"x" * 1_100_000_000)


def _takes_all(path: Path) -> object:
    return len(b"x" * 3_000_000_000)


PROOF: Final = {"proof": (_ends, _never_ends, _raises, _takes_much, _takes_all)}
"""Readers of which each does what none may: that the fuzzer sees it."""
WEIGHTS: Final = {"picture": 7.0, "dicom": 4.0, "volume": 5.0, "series": 0.3, "manifest": 2.0,
                  "card": 2.0, "judge": 2.0, "record": 2.0, "form": 2.0}  # fmt: skip
"""How often a group is chosen; once where it is not named."""
