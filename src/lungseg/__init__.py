"""Finds the lungs in chest radiographs.

`segment` takes a file or an array and gives a `Result`; a `Segmenter` keeps its model loaded for many. Nothing here needs torch.
"""

from __future__ import annotations

from importlib.metadata import version

from lungseg.errors import InputError, LungsegError, ModelError, OutputError, TooLargeError, UnreadableError, UnsupportedError, UsageError
from lungseg.findings import Measurement, Verdict
from lungseg.geometry import Geometry
from lungseg.image import Image, Segmentation
from lungseg.pipeline import Segmenter, segment
from lungseg.read import read
from lungseg.result import Result

__version__ = version("lungseg")

__all__ = [
    "Geometry",
    "Image",
    "InputError",
    "LungsegError",
    "Measurement",
    "ModelError",
    "OutputError",
    "Result",
    "Segmentation",
    "Segmenter",
    "TooLargeError",
    "UnreadableError",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "__version__",
    "read",
    "segment",
]
