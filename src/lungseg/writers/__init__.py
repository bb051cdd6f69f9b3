"""Results as files: masks, pictures, and the record of a run. Never half a file."""

from __future__ import annotations

from lungseg.writers.atomic import is_there, make_folder, write_file
from lungseg.writers.crops import box_of_crop
from lungseg.writers.encode import ENDINGS, volume_nifti
from lungseg.writers.ledger import LEDGER, SUMMARY, Ledger, read_records, written_out
from lungseg.writers.outputs import (
    MASK,
    OUTPUTS,
    Output,
    check_outputs,
    layer_outputs,
    listed,
    save,
    stem,
)
from lungseg.writers.png import image_png, picture_png
from lungseg.writers.record import (
    FAILED,
    LEFT_OUT,
    SEVERITY,
    Record,
    check_record,
    failure,
    input_path,
    left_out,
    record_schema,
    versions,
)

__all__ = [
    "ENDINGS",
    "FAILED",
    "LEDGER",
    "LEFT_OUT",
    "MASK",
    "OUTPUTS",
    "SEVERITY",
    "SUMMARY",
    "Ledger",
    "Output",
    "Record",
    "box_of_crop",
    "check_outputs",
    "check_record",
    "failure",
    "image_png",
    "input_path",
    "is_there",
    "layer_outputs",
    "left_out",
    "listed",
    "make_folder",
    "picture_png",
    "read_records",
    "record_schema",
    "save",
    "stem",
    "versions",
    "volume_nifti",
    "write_file",
    "written_out",
]
