"""What tells slices of one series apart that are not of one volume: two phases, two kernels, two
thicknesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.readers.dicom_header import numbers, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PLANES: Final = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one slice, as its header states them; empty or None where it does not.

    Attributes:
        kernel: ConvolutionKernel.
        acquisition: AcquisitionNumber.
        phase: TemporalPositionIdentifier, or TemporalPositionIndex of a frame.
        voltage: KVP.
        image_type: ImageType from its third word on, such as "AXIAL".
        time: when it was acquired, or drawn up where that is not stated: digits of date and time.
    """

    kernel: str = ""
    acquisition: int | None = None
    phase: int | None = None
    voltage: float | None = None
    image_type: str = ""
    time: str = ""


def traits_of(dataset: Dataset, frame: Mapping[str, Dataset]) -> Traits:
    """The traits of a slice.

    Args:
        dataset: the whole object.
        frame: of an enhanced image, for each element that its frame states itself, by keyword, the
            item that it is in.
    """

    def whole(*keywords: str) -> int | None:
        for keyword in keywords:
            found = numbers(frame.get(keyword, dataset), keyword)
            if len(found) == 1:
                return int(found[0])
        return None

    def words(keyword: str) -> str:
        return text(frame.get(keyword, dataset), keyword)

    voltage = numbers(frame.get("KVP", dataset), "KVP")
    day, hour = words("AcquisitionDate"), words("AcquisitionTime")
    time = (
        words("FrameAcquisitionDateTime") or words("AcquisitionDateTime") or (hour and day + hour)
    )
    return Traits(
        kernel=words("ConvolutionKernel"),
        acquisition=whole("FrameAcquisitionNumber", "AcquisitionNumber"),
        phase=whole("TemporalPositionIndex", "TemporalPositionIdentifier"),
        voltage=voltage[0] if len(voltage) == 1 else None,
        image_type=" ".join(text(dataset, "ImageType").upper().split("\\")[2:]),
        time=time or (hour and day + hour) or words("ContentTime"),
    )


def plane_of(orientation: NDArray[np.float64] | None) -> str:
    """The plane that is nearest to slices of an orientation; empty where it is not known."""
    if orientation is None:
        return ""
    return _PLANES[int(np.abs(np.cross(orientation[0], orientation[1])).argmax())]


def clock(time: str) -> str:
    """Hours, minutes and seconds of a DICOM time, or date and time; empty where it has none."""
    digits = time.partition(".")[0].partition("+")[0]
    hour = digits[8:14] if len(digits) >= 12 else digits[:6]
    if len(hour) < 4 or not hour.isdecimal():
        return ""
    return ":".join(hour[i : i + 2] for i in range(0, len(hour), 2))


Label = tuple[str, tuple[str, ...]]
"""How something is called in a list, and what else it may be called by who chooses it."""
LABELS: Final[Mapping[str, Callable[[str], Label]]] = {
    "kernel": lambda value: (f"kernel {value}", (value, value.partition("\\")[0])),
    "thickness": lambda value: (f"{value} mm thick", (f"{value} mm", f"thickness {value}")),
    "acquisition": lambda value: (f"acquisition {value}", ()),
    "phase": lambda value: (f"phase {value}", ()),
    "voltage": lambda value: (f"{value} kV", (f"{value} kVp",)),
    "time": lambda value: (f"at {value}", (value, value[:5])),
    "plane": lambda value: (value, ()),
    "image type": lambda value: (value.lower(), ()),
    "images": lambda value: (f"images {value}", ()),
}
"""For each trait how its value is said."""


def shown_number(value: float | None) -> str:
    """A number as it is said; empty for none."""
    return "" if value is None else f"{value:g}"


def span(values: Sequence[float | None]) -> str:
    """From the lowest to the highest, as "35 to 68"; empty where one is not known."""
    known = [value for value in values if value is not None]
    return f"{min(known):g} to {max(known):g}" if known and len(known) == len(values) else ""
