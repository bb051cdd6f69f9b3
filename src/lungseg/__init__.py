"""Finds the lungs in chest radiographs and CT.

`segment` takes a file, a folder with a DICOM series or an array, and gives a `Result` or, of CT, a
`Result[Volume]`; a `Segmenter` keeps its models loaded for many. Nothing here needs torch.
"""

from __future__ import annotations

from importlib.metadata import version

from lungseg.errors import (
    InputError,
    LungsegError,
    ModelError,
    OutputError,
    TooLargeError,
    UnreadableError,
    UnsupportedError,
    UsageError,
)
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.image import Image
from lungseg.measurement import Measurement
from lungseg.options import SegmentOptions
from lungseg.readers import read
from lungseg.result import Result
from lungseg.segmentation import Segmentation
from lungseg.segmenter import Segmenter, segment
from lungseg.verdict import Verdict
from lungseg.volume import Volume

__version__ = version("lungseg")

__all__ = [
    "Image",
    "ImageGeometry",
    "InputError",
    "LungsegError",
    "Measurement",
    "ModelError",
    "OutputError",
    "Result",
    "SegmentOptions",
    "Segmentation",
    "Segmenter",
    "TooLargeError",
    "UnreadableError",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "Volume",
    "VolumeGeometry",
    "__version__",
    "read",
    "segment",
]
