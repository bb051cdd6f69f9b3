"""What one job is and who does it, for all who have many: batch and server."""

from __future__ import annotations

from lungseg.runner.job import Job, Outcome, RunOptions
from lungseg.runner.work import failed

__all__ = ["Job", "Outcome", "RunOptions", "failed"]
