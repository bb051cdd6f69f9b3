"""From a file, a folder or an array to an `Image` or a `Volume`: sniff the bytes, dispatch, refuse;
and from what a user names to files.
"""

from __future__ import annotations

from lungseg.readers.check_sum import checksum
from lungseg.readers.dispatch import read
from lungseg.readers.find import FoundInputs, find_inputs, may_be_image
from lungseg.readers.image import read_image, read_label_map, read_mask, read_mask_pixels
from lungseg.readers.left_out import LeftOut
from lungseg.readers.mask_pixels import MaskPixels
from lungseg.readers.patient import patient_of
from lungseg.readers.probe import Probe
from lungseg.readers.series import holds_series
from lungseg.readers.source import Source, open_source
from lungseg.readers.volume import read_label_volume, read_volume, slice_of

__all__ = [
    "FoundInputs",
    "LeftOut",
    "MaskPixels",
    "Probe",
    "Source",
    "checksum",
    "find_inputs",
    "holds_series",
    "may_be_image",
    "open_source",
    "patient_of",
    "read",
    "read_image",
    "read_label_map",
    "read_label_volume",
    "read_mask",
    "read_mask_pixels",
    "read_volume",
    "slice_of",
]
