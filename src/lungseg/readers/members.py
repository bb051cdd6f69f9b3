"""What is known of an input that lies in an archive, under the name that it has there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lungseg.errors import InputError
from lungseg.provenance import Format
from lungseg.readers.dicom_ct import CtFile
from lungseg.readers.dicom_file import DicomFile
from lungseg.readers.probe import Probe, identify, probe
from lungseg.readers.series import dicom_files


def member_probe(
    place: Path, name: Path, known: Probe | None, root: Path, archive: Path, kept: object
) -> Probe:
    """The probe of an input that was unpacked.

    Args:
        place: where it is now.
        name: the archive's path, and its path within.
        known: what was learned of it already.
        root: the folder into which it was unpacked.
        archive: the archive's path.
        kept: what must live as long as the probe does.
    """
    if known is None:
        try:
            known = probe(place)
        except InputError:
            known = identify(place)  # reading it says why

    def renamed(file: DicomFile) -> DicomFile:
        if not isinstance(file.data, Path):
            return file
        return DicomFile(str(archive / file.data.relative_to(root)), file.data)

    def of_archive(header: CtFile) -> CtFile:
        file = renamed(header.file)
        slices = tuple(replace(one, file=file) for one in header.slices)
        return replace(header, file=file, slices=slices)

    files = known.files
    if known.format is Format.DICOM_SERIES and not files:
        files = tuple(dicom_files(place))
    return replace(
        known,
        source=str(name),
        headers=tuple(map(of_archive, known.headers)),
        files=tuple(map(renamed, files)),
        kept=kept,
    )
