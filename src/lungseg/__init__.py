"""Finds the lungs in chest radiographs and CT.

`segment` takes a file, a folder with a DICOM series or an array, and gives a `Result` or, of CT, a
`Result[Volume]`; a `Segmenter` keeps its models loaded for many. Nothing here needs torch.

What is named here is imported when it is first asked for: the command line starts in half the time
for it.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lungseg.batch import segment_many as segment_many
    from lungseg.errors import InputError as InputError
    from lungseg.errors import InstallationError as InstallationError
    from lungseg.errors import LungsegError as LungsegError
    from lungseg.errors import ModelError as ModelError
    from lungseg.errors import OutputError as OutputError
    from lungseg.errors import TooLargeError as TooLargeError
    from lungseg.errors import UnreadableError as UnreadableError
    from lungseg.errors import UnsupportedError as UnsupportedError
    from lungseg.errors import UsageError as UsageError
    from lungseg.geometry import ImageGeometry as ImageGeometry
    from lungseg.geometry import VolumeGeometry as VolumeGeometry
    from lungseg.image import Image as Image
    from lungseg.measurement import Measurement as Measurement
    from lungseg.notebook import show as show
    from lungseg.options import SegmentOptions as SegmentOptions
    from lungseg.readers import read as read
    from lungseg.result import Result as Result
    from lungseg.runner import RunOptions as RunOptions
    from lungseg.segmentation import Segmentation as Segmentation
    from lungseg.segmenter import Segmenter as Segmenter
    from lungseg.segmenter import segment as segment
    from lungseg.verdict import Verdict as Verdict
    from lungseg.volume import Volume as Volume

    __version__: str

_HOMES: Final = {
    "InputError": "errors",
    "InstallationError": "errors",
    "LungsegError": "errors",
    "ModelError": "errors",
    "OutputError": "errors",
    "TooLargeError": "errors",
    "UnreadableError": "errors",
    "UnsupportedError": "errors",
    "UsageError": "errors",
    "ImageGeometry": "geometry",
    "VolumeGeometry": "geometry",
    "Image": "image",
    "Measurement": "measurement",
    "RunOptions": "runner",
    "SegmentOptions": "options",
    "read": "readers",
    "Result": "result",
    "Segmentation": "segmentation",
    "Segmenter": "segmenter",
    "segment": "segmenter",
    "segment_many": "batch",
    "show": "notebook",
    "Verdict": "verdict",
    "Volume": "volume",
}
"""The module of each public name."""

__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604 (they are names)

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version(__name__)
    elif name in _HOMES:
        try:
            value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        except (ImportError, AttributeError) as error:
            from lungseg.installation import broken_library

            broken = broken_library()
            if broken is None:
                raise
            raise broken from error
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
