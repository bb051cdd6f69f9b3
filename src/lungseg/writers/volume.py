"""What is written for one CT volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.draw.picture import stamped
from lungseg.draw.volume import overview
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.morphology.boxes import enclosing_box
from lungseg.segmentation import VolumeSegmentation
from lungseg.structures import LUNGS
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers.outputs import PICTURE, UNJUDGED, Encode, image_encoders, stem, write_outputs
from lungseg.writers.png import MARGIN, picture_png

AIR = -1024
"""Hounsfield units of what is blanked; other greys become 0."""

PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "GIF")
"""How the formats of pictures begin."""

Probability = Callable[[int], NDArray[np.uint8]]


def save_volume(
    volume: Volume,
    segmentation: VolumeSegmentation,
    folder: Path,
    outputs: Sequence[str] = ("mask", "overlay"),
    *,
    name: str | None = None,
    binary: bool = False,
    overwrite: bool = False,
    probability: Probability | None = None,
    verdict: Verdict = UNJUDGED,
) -> dict[str, Path]:
    """Writes outputs of one volume into `folder`, which is created where it does not exist.

    What came as NRRD is written as NRRD, a slice that came as a picture as PNG, all else as NIfTI.

    Args:
        volume: what was segmented.
        segmentation: its lungs.
        folder: where to.
        outputs: names from `lungseg.writers.OUTPUTS`.
        name: the files are NAME_mask.nii.gz and so on; the name of the volume's file without
            ending, or of its folder, where not given.
        binary: 1 for either lung (255 in a picture), instead of labels.
        overwrite: replace files that exist.
        probability: gives (slices, rows, columns) in 255ths for the number of a lung's label; only
            where they are to be written.
        verdict: where it is "refused", the overlay says so.

    Returns:
        The path of each output, by its name.

    Raises:
        UsageError: an output is not known.
        OutputError: a file exists and `overwrite` is not set, or one cannot be written; then none
            is.
    """
    base = stem(volume.source) if name is None else name
    if (
        len(volume.array) == 1
        and not volume.hounsfield
        and (volume.geometry.affine is None or volume.format.startswith(PICTURES))
    ):
        ending, encoders = (
            PICTURE,
            _slice_encoders(volume, segmentation, binary=binary, probability=probability),
        )
    else:
        ending = ".nrrd" if volume.format.startswith("NRRD") else ".nii.gz"
        encoders = _volume_encoders(
            volume, segmentation, ending, binary=binary, probability=probability
        )
    encoders["overlay"] = lambda: picture_png(stamped(overview(volume, segmentation), verdict))
    return write_outputs(encoders, outputs, folder, base, ending, overwrite=overwrite)


def volume_nifti(volume: Volume) -> bytes:
    """The volume itself as a compressed NIfTI file."""
    from lungseg.writers.nifti import nifti_gz

    return nifti_gz([volume.array], volume, tuple(slice(0, side) for side in volume.geometry.shape))


def _slice_encoders(
    volume: Volume,
    segmentation: VolumeSegmentation,
    *,
    binary: bool,
    probability: Probability | None,
) -> dict[str, Encode]:
    """Those of an image, for a slice that came as one."""
    rows, columns = volume.geometry.shape[1:]
    image = Image(
        volume.array[0], ImageGeometry((rows, columns)), source=volume.source, format=volume.format
    )

    def probabilities() -> NDArray[np.float32]:
        lungs = (
            [probability(lung.number)[0] / np.float32(255) for lung in LUNGS] if probability else []
        )
        return np.stack([1 - np.sum(lungs, axis=0), *lungs])

    lungs = image.with_labels(segmentation.labels[0])
    return image_encoders(
        image, lungs, binary=binary, probabilities=probabilities if probability else None
    )


def _volume_encoders(
    volume: Volume,
    segmentation: VolumeSegmentation,
    ending: str,
    *,
    binary: bool,
    probability: Probability | None,
) -> dict[str, Encode]:
    whole = tuple(slice(0, side) for side in volume.geometry.shape)

    def encode(
        make: Callable[[], Iterable[NDArray[Any]]],
        box: tuple[slice, ...] = whole,
        *,
        channels: int = 1,
        scale: float = 1.0,
    ) -> bytes:
        if ending == ".nrrd":
            from lungseg.writers.nrrd import nrrd

            return nrrd(make(), volume, box, channels=channels)
        from lungseg.writers.nifti import nifti_gz

        return nifti_gz(make(), volume, box, channels=channels, scale=scale)

    labels = segmentation.labels
    box = crop_box(segmentation)
    encoders: dict[str, Encode] = {
        "mask": partial(encode, lambda: [(labels > 0).view(np.uint8) if binary else labels]),
        "crop": partial(encode, lambda: [volume.array[box]], box),
        "masked": partial(
            encode,
            lambda: [
                np.where(labels > 0, volume.array, volume.array.dtype.type(AIR * volume.hounsfield))
            ],
        ),
    }
    if probability is not None:
        encoders["probabilities"] = partial(
            encode,
            lambda: (probability(lung.number) for lung in LUNGS),
            channels=len(LUNGS),
            scale=1 / 255,
        )
    return encoders


def crop_box(segmentation: VolumeSegmentation) -> tuple[slice, slice, slice]:
    """Slices, rows and columns of the lungs with a margin of `MARGIN` of each side; the whole grid
    where there is no lung.
    """
    box = []
    for lungs, side in zip(
        enclosing_box(segmentation.labels), segmentation.geometry.shape, strict=True
    ):
        first, stop = (lungs.start, lungs.stop) if lungs.stop else (0, side)
        margin = max(1, round(MARGIN * (stop - first)))
        box.append(slice(max(0, first - margin), min(side, stop + margin)))
    return box[0], box[1], box[2]
