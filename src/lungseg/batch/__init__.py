"""Many inputs in one go: which ones, under which names, side by side, and what became of each."""

from __future__ import annotations

from lungseg.batch.inputs import without_own_outputs
from lungseg.batch.many import segment_many

__all__ = ["segment_many", "without_own_outputs"]
