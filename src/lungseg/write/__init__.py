"""Results as files: masks, pictures, and the record of a run. Never half a file."""

from __future__ import annotations

from lungseg.write.atomic import is_there, make_folder, write_file
from lungseg.write.ledger import LEDGER, SUMMARY, Ledger, read_records
from lungseg.write.outputs import OUTPUTS, Output, check_outputs, save, stem
from lungseg.write.png import image_png
from lungseg.write.record import FAILED, failure, record, versions

__all__ = [
    "FAILED",
    "LEDGER",
    "OUTPUTS",
    "SUMMARY",
    "Ledger",
    "Output",
    "check_outputs",
    "failure",
    "image_png",
    "is_there",
    "make_folder",
    "read_records",
    "record",
    "save",
    "stem",
    "versions",
    "write_file",
]
