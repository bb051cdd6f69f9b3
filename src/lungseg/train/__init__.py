"""Training: data, augmentation, loss, the Lightning module, one function that runs it all, and the
export to ONNX and card.
"""

from __future__ import annotations

import os
from importlib.util import find_spec


def _leave_out_missing_backend() -> None:
    """Where MPLBACKEND names a module that is not there, as a notebook leaves it to the programs
    that it starts, Matplotlib could not even be imported; its pictures here need no screen.
    """
    backend = os.environ.get("MPLBACKEND", "")
    if not backend.startswith("module://"):
        return
    try:
        there = find_spec(backend.removeprefix("module://")) is not None
    except (ImportError, ValueError):
        there = False
    if not there:
        os.environ["MPLBACKEND"] = "agg"


_leave_out_missing_backend()
