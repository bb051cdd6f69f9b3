"""The results of several jobs in one zip, with one table of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

from lungseg.serve.jobs import ServedJob
from lungseg.serve.names import RESULTS
from lungseg.writers import SUMMARY
from lungseg.writers.table import measured, table

QUICK: Final = 1
"""Level of compression; pictures and masks are compressed already."""


def write_bundle(jobs: Sequence[ServedJob], path: Path) -> None:
    """Writes a zip: `summary.csv` with a row for each job, as the command line writes it, and of
    each job a folder, counted from 1 in their order, with all of its files.

    Args:
        jobs: that are done.
        path: of the zip.

    Raises:
        OSError: it cannot be written, or a result was deleted meanwhile.
    """
    digits, records = len(str(len(jobs))), list[Any]()
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=QUICK) as bundle:
        for number, job in enumerate(jobs, start=1):
            folder, files = job.folder / RESULTS, job.found["files"]
            record = json.loads((folder / files["record"]).read_text(encoding="utf-8"))
            records.append(record)
            for file in files.values():
                bundle.write(folder / file, f"{number:0{digits}}_{record['name']}/{file}")
        bundle.writestr(SUMMARY, table(records, measured(records)))
