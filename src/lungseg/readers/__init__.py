"""From a file, a folder or an array to an `Image` or a `Volume`: sniff the bytes, dispatch, refuse;
and from what a user names to files.
"""

from __future__ import annotations

from lungseg.readers.detect import detect, is_picture, looks_like_ct
from lungseg.readers.find import Found, find, may_be_image
from lungseg.readers.image import read, read_label_map, read_mask
from lungseg.readers.series import holds_series
from lungseg.readers.volume import read_label_volume, read_volume, slice_of

__all__ = [
    "Found",
    "detect",
    "find",
    "holds_series",
    "is_picture",
    "looks_like_ct",
    "may_be_image",
    "read",
    "read_label_map",
    "read_label_volume",
    "read_mask",
    "read_volume",
    "slice_of",
]
