"""What the process ends with; 0 where all went well."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""Some inputs failed, or a result could not be written."""
WRONG_USE: Final = 2
"""No such option or model, or options that contradict each other."""
INTERRUPTED: Final = 130
"""Ctrl-C: 128 + SIGINT, as shells have it."""
