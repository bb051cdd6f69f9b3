"""From stored DICOM values to brightness: modality transformation, then VOI, then inversion, in
that order (PS3.3 C.11, PS3.4 N.2).

All three act on single values, so they are worked out once for every value that can occur, and the
image is looked up in that table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lungseg.readers.dicom_header import numbers
from lungseg.readers.limits import is_plausible_rescale
from lungseg.segmentation import Array

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Values = NDArray[np.float64]
_TABLE_LIMIT = 2**16
_MIN_SHOWN = 0.5
"""Fraction of an image that one of several windows or VOI LUTs shows neither black nor white, if it
is to show lungs; others are for bones, or for the mediastinum. One that stands alone is
believed."""


def to_grayscale(stored: Array, dataset: Dataset) -> tuple[Array, tuple[str, ...]]:
    """Displayable grey from the stored values of a MONOCHROME1 or MONOCHROME2 image; dense tissue
    comes out bright in both.

    Of several VOI LUTs the widest is taken that shows the image, else of windows. Without either,
    and where those stated leave too little to see, the full range is used: all that the bits can
    hold for up to 8 bits stored, else from the lowest to the highest value of the image, paddings
    left out.

    Args:
        stored: (rows, columns), whole numbers.
        dataset: where the transformations are stated.

    Returns:
        (rows, columns), uint8 where up to 8 bits are stored and 256 levels hold the result exactly,
        else uint16; and notes.
    """
    low, high = int(stored.min()), int(stored.max())
    if high - low < _TABLE_LIMIT:
        first = min(low, 0) if high < _TABLE_LIMIT else low
        values = np.arange(first, high + 1)
        index = stored if first == 0 else stored.astype(np.int64) - first
        counts = np.bincount(index.ravel(), minlength=len(values))
    else:
        values, index, counts = np.unique(stored, return_inverse=True, return_counts=True)
    present = counts > 0

    meant, notes = _modality(values, dataset)
    told = counts * ~_is_padding(values, dataset)
    shown, voi_notes = _voi(meant, told, dataset)
    if shown is None or np.ptp(shown[present]) == 0 < np.ptp(meant[present]):
        if shown is not None:
            voi_notes = (f"{voi_notes[0]} left nothing to see, full range used",)
        shown = _full_range(meant, values, present, dataset)
    if _is_inverse(dataset):
        shown = 1.0 - shown
        notes = (*notes, *voi_notes, "inverted, as the header asks")
    else:
        notes = (*notes, *voi_notes)
    table = _as_levels(shown, present, bits=int(dataset.BitsStored))
    return table[index.reshape(stored.shape)], notes


def _modality(values: Array, dataset: Dataset) -> tuple[Values, tuple[str, ...]]:
    """Modality LUT, else rescale (PS3.3 C.11.1)."""
    sequence = dataset.get("ModalityLUTSequence")
    if sequence:
        entries, _ = _look_up(values, sequence[0], dataset)
        return entries, ("modality LUT applied",)
    slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    if not slope or not intercept or slope[0] == 0 or (slope[0], intercept[0]) == (1, 0):
        return values.astype(np.float64), ()
    if not is_plausible_rescale(slope[0], intercept[0]):
        stated = f"{slope[0]:g} and {intercept[0]:g}"
        return values.astype(np.float64), (f"a rescaling by {stated} cannot be, and was left out",)
    return values * slope[0] + intercept[0], (f"rescaled by {slope[0]:g} and {intercept[0]:g}",)


def _voi(
    values: Values, counts: NDArray[np.intp], dataset: Dataset
) -> tuple[Values | None, tuple[str, ...]]:
    """VOI LUT, else window (PS3.3 C.11.2): 0 is black, 1 is white; None where the file states
    neither, or, of several, none that shows the image.

    Args:
        values: that can occur.
        counts: how many pixels have each of them, paddings left out.
        dataset: where it is stated.
    """
    tables = list(dataset.get("VOILUTSequence") or [])
    windows = list(
        zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False)
    )
    if not tables:
        return _by_window(values, counts, windows, dataset, several=len(windows) > 1)
    several = len(tables) + len(windows) > 1
    found = _by_table(values, counts, tables, dataset, several=several)
    if found is not None:
        return found
    failed = "the VOI LUT" if len(tables) == 1 else f"each of {len(tables)} VOI LUTs"
    failed = f"{failed} shows too little of the image"
    if not windows:
        return None, (f"{failed}, full range used",)
    shown, notes = _by_window(values, counts, windows, dataset, several=True)
    return shown, (f"{notes[0]}; {failed}",)


def _by_table(
    values: Values,
    counts: NDArray[np.intp],
    tables: list[Dataset],
    dataset: Dataset,
    *,
    several: bool,
) -> tuple[Values, tuple[str, ...]] | None:
    """By the widest VOI LUT that shows the image, or None; one that stands alone is believed."""
    best: tuple[int, int, Values] | None = None
    for number, table in enumerate(tables, start=1):
        first = int(table.LUTDescriptor[1])
        whole, bits = _look_up(np.arange(first, first + _count(table)), table, dataset)
        entries, _ = _look_up(np.rint(values), table, dataset)
        ends = float(whole.min()), float(whole.max())
        if several and _share(counts, _is_between(entries, ends)) < _MIN_SHOWN:
            continue
        width = int(_is_between(whole, ends).sum())
        if best is None or width > best[0]:
            best = width, number, np.clip(entries / (2**bits - 1), 0, 1)
    if best is None:
        return None
    which = "VOI LUT applied"
    if len(tables) > 1:
        which = f"VOI LUT {best[1]} of {len(tables)} applied, the widest that shows the image"
    return best[2], (which,)


def _is_between(entries: Values, ends: tuple[float, float]) -> NDArray[np.bool_]:
    """Which entries of a VOI LUT an eye tells from its lowest and its highest one."""
    step = (ends[1] - ends[0]) / 255
    inside = (entries >= ends[0] + step) & (entries <= ends[1] - step)
    return np.asarray(inside & (step > 0))


def _by_window(
    values: Values,
    counts: NDArray[np.intp],
    windows: list[tuple[float, float]],
    dataset: Dataset,
    *,
    several: bool,
) -> tuple[Values | None, tuple[str, ...]]:
    """By the widest window that shows the image; one that stands alone is believed.

    Args:
        values: that can occur.
        counts: how many pixels have each of them, paddings left out.
        windows: centre and width of each.
        dataset: where the function is stated.
        several: whether there is another one, or a VOI LUT beside it.
    """
    if not windows:
        return None, ()
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    possible = [one for one in windows if one[1] > 0 and (function != "LINEAR" or one[1] >= 1)]
    if not possible:
        return None, (f"window width {windows[0][1]:g} is not possible, full range used",)
    kind = "" if function == "LINEAR" else f" {function}"
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):  # damaged, and not repeated
        kind = " of an unknown function"
    useful = possible
    if several:
        useful = [one for one in possible if _share_within(values, counts, *one) >= _MIN_SHOWN]
    if not useful:
        named = " and ".join(f"{centre:g} / {width:g}{kind}" for centre, width in possible)
        verb = "windows {} show" if len(possible) > 1 else "window {} shows"
        return None, (f"{verb.format(named)} too little of the image, full range used",)
    centre, width = max(useful, key=lambda one: one[1])
    which = ""
    if len(windows) > 1:
        which = f", the widest of {len(windows)} that shows the image"
    shown = _windowed(values, centre, width, function)
    return shown, (f"window {centre:g} / {width:g}{kind}{which}",)


def _windowed(values: Values, centre: float, width: float, function: str) -> Values:
    """What a window makes of values: 0 is black, 1 is white."""
    if function == "SIGMOID":  # C.11.2.1.3.1
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    if function == "LINEAR_EXACT":  # C.11.2.1.3.2
        shown = (values - centre) / width + 0.5
    elif width == 1:  # C.11.2.1.2.1: a step
        shown = (values > centre - 0.5).astype(np.float64)
    else:
        shown = (values - (centre - 0.5)) / (width - 1) + 0.5
    return np.clip(shown, 0, 1)


def _share_within(values: Values, counts: NDArray[np.intp], centre: float, width: float) -> float:
    """Which fraction of an image a window shows neither black nor white; see `_share`."""
    return _share(counts, np.asarray(np.abs(values - centre) <= width / 2))


def _share(counts: NDArray[np.intp], within: NDArray[np.bool_]) -> float:
    """Which fraction of an image has the values `within`; pixels that have the least or greatest
    value of the image, as the air beside a patient and a shutter have, do not count.
    """
    present = np.flatnonzero(counts)
    inner = counts.astype(np.float64)
    inner[present[:1]] = inner[present[-1:]] = 0
    return float(inner[within].sum() / max(inner.sum(), 1))


def _full_range(
    meant: Values, values: Array, present: NDArray[np.bool_], dataset: Dataset
) -> Values:
    bits = int(dataset.BitsStored)
    if (
        bits <= 8
        and int(dataset.get("PixelRepresentation") or 0) == 0
        and not dataset.get("ModalityLUTSequence")
    ):
        ends, _ = _modality(np.array([0, 2**bits - 1]), dataset)
    else:
        useful = present & ~_is_padding(values, dataset)
        ends = meant[useful] if np.unique(meant[useful]).size > 1 else meant[present]
    low, high = float(ends.min()), float(ends.max())
    return np.clip((meant - low) / max(high - low, 1e-12), 0, 1)


def _is_padding(values: Array, dataset: Dataset) -> NDArray[np.bool_]:
    """Which stored values stand for "no image here" (PS3.3 C.7.5.1.1.2)."""
    padding = numbers(dataset, "PixelPaddingValue")
    if not padding:
        return np.zeros(len(values), bool)
    ends = sorted((padding[0], (numbers(dataset, "PixelPaddingRangeLimit") or padding)[0]))
    return np.asarray((values >= ends[0]) & (values <= ends[1]))


def _is_inverse(dataset: Dataset) -> bool:
    """Whether the lowest value is white.

    MONOCHROME1 and PresentationLUTShape INVERSE say the same thing (PS3.3 C.8.11.3.1.2 requires the
    one with the other), so that both together still invert once. Where they disagree, the one that
    asks for the inversion is believed: IDENTITY is what careless writers put everywhere.
    """
    return (
        "MONOCHROME1" in str(dataset.PhotometricInterpretation)
        or str(dataset.get("PresentationLUTShape")) == "INVERSE"
    )


def _look_up(values: Array, item: Dataset, dataset: Dataset) -> tuple[Values, int]:
    """The entries of a modality or VOI LUT for whole numbers, and the bits of an entry (PS3.3
    C.11.1.1.1 and C.11.2.1.1).

    pydicom has this, too, but keeps the index in the type of the entries, so that 4,096 entries of
    8 bits wrap around.
    """
    count, (_, first, bits) = _count(item), (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    entries: Array
    if isinstance(data, bytes):
        order = "<" if dataset.original_encoding[1] is not False else ">"
        entries = np.frombuffer(data, np.uint8 if len(data) == count else f"{order}u2")
    else:
        entries = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    entries = entries[:count]
    bits = max(
        bits, int(entries.max()).bit_length()
    )  # some writers state fewer than the entries have
    index = np.clip(values - first, 0, len(entries) - 1).astype(np.intp)
    return entries[index].astype(np.float64), bits


def _count(item: Dataset) -> int:
    """How many entries a LUT has, of which 2**16 are stated as 0."""
    return (int(item.LUTDescriptor[0]) & 0xFFFF) or 2**16


def _as_levels(shown: Values, present: NDArray[np.bool_], *, bits: int) -> Array:
    in_eight_bits = shown * 255
    if bits <= 8 and np.abs(in_eight_bits - np.rint(in_eight_bits))[present].max() < 1e-6:
        return np.rint(in_eight_bits).astype(np.uint8)
    return np.rint(shown * 65535).astype(np.uint16)
