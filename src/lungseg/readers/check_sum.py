"""What an input is known by wherever it lies: its check sum, for which no pixel is decoded."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from lungseg.provenance import Format
from lungseg.readers.files import sha256
from lungseg.readers.probe import Probe
from lungseg.readers.series import dicom_files, hash_of_series
from lungseg.readers.volume_file import hash_of_file


def checksum(
    probed: Probe,
    *,
    series: str | None = None,
    frame: int | None = None,
    skip_damaged: bool = False,
    counts: Container[int],
) -> str:
    """The SHA-256 that the provenance of an input has once it is read: of a file its bytes, of a
    volume in several files those of all of them, of a series those of its slices in their order.

    Args:
        probed: what is known of the input.
        series: which one of several, as in `lungseg.readers.read`.
        frame: which one of several, as there.
        skip_damaged: leave out slices whose headers cannot be read, as there.
        counts: how many slices a series may have to be worth reading.

    Returns:
        In hexadecimal; empty where a series has another number of slices. Of a series with slices
        whose pixels are damaged it is another one than reading it gives.

    Raises:
        InputError: it cannot be read, or its headers are refused.
    """
    if probed.format is Format.DICOM_SERIES:
        return hash_of_series(
            probed.files or dicom_files(Path(probed.source)),
            source=probed.source,
            headers=probed.headers,
            series=series,
            skip_damaged=skip_damaged,
            counts=counts,
        )
    if isinstance(probed.format, Format) and probed.format.is_volume:
        return hash_of_file(probed, frame=frame)
    return sha256(probed.data)
