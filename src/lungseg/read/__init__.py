"""From a file or an array to an `Image`: sniff the bytes, dispatch, refuse; and from what a user names to a list of files."""

from __future__ import annotations

from lungseg.read.opening import read
from lungseg.read.paths import Found, find

__all__ = ["Found", "find", "read"]
