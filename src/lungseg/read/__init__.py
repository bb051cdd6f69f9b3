"""From a file or an array to an `Image`: sniff the bytes, dispatch, refuse; and from what a user names to a list of files."""

from __future__ import annotations

from lungseg.read.opening import read, read_mask
from lungseg.read.paths import Found, find, may_be_image

__all__ = ["Found", "find", "may_be_image", "read", "read_mask"]
