"""Processes that read foreign files and may do little else: no other files, no network, bounded
memory.

Nothing here imports more than Python itself: a process is confined before it loads libraries, whose
threads would go unconfined.
"""

from __future__ import annotations

from lungseg.confine.process import Confinement, confine, lacking, memory_for

__all__ = ["Confinement", "confine", "lacking", "memory_for"]
