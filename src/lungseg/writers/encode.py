"""What makes the bytes of each output: PNG of radiographs, NIfTI or NRRD of volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.draw.painted import painted
from lungseg.geometry import ImageGeometry, VolumeGeometry
from lungseg.image import Image
from lungseg.options import SegmentOptions
from lungseg.provenance import Format
from lungseg.segmentation import Labels, Probabilities, Segmentation, as_fraction
from lungseg.structures import PLURAL, Structure, is_finding
from lungseg.verdict import Verdict
from lungseg.volume import Volume
from lungseg.writers.crops import crop, flat_of, is_flat, masked, volume_crop_box
from lungseg.writers.png import (
    finding_png,
    image_png,
    label_png,
    mask_png,
    probabilities_tiff,
    stamped_png,
)
from lungseg.writers.viewer import viewer_npy

Encode = Callable[[], bytes | Iterable[bytes]]
"""Makes the bytes of one file, whole or piece by piece."""

PICTURE = ".png"
ENDINGS = (PICTURE, ".nii.gz", ".nrrd")
"""What the name of an output can end in: pictures, and volumes in the format of the input."""


@dataclass(frozen=True, slots=True)
class Encoders:
    """What makes the files of one input.

    Attributes:
        ending: of masks and of what is on the input's grid; one of `ENDINGS`.
        outputs: by the name of the output.
        layers: of each layer of structures beside that of the lungs, by the names of its
            structures; they are written with the mask.
    """

    ending: str
    outputs: dict[str, Encode]
    layers: Mapping[str, Encode] = field(default_factory=dict[str, Encode])


def encoders_of(
    image: Image | Volume,
    segmentation: Segmentation[Any],
    options: SegmentOptions,
    *,
    probabilities: Probabilities | None,
    verdict: Verdict,
    overlay: NDArray[np.uint8] | None = None,
) -> Encoders:
    """What makes the files of one input; arguments as for `lungseg.writers.outputs.save`."""
    if isinstance(image, Image):
        encoders = _of_image(image, segmentation, options, probabilities)
    elif is_flat(image):
        encoders = _of_slice(image, segmentation, options, probabilities)
    else:
        encoders = _of_volume(image, segmentation, options, probabilities)
    encoders.outputs["overlay"] = lambda: stamped_png(
        painted(image, segmentation, options) if overlay is None else overlay, verdict
    )
    encoders.outputs["viewer"] = partial(viewer_npy, image, segmentation)
    return encoders


def volume_nifti(volume: Volume) -> bytes:
    """The volume itself as a compressed NIfTI file."""
    from lungseg.writers.nifti import nifti_gz

    return nifti_gz([volume.array], volume, tuple(slice(0, side) for side in volume.geometry.shape))


def _of_image(
    image: Image,
    segmentation: Segmentation[ImageGeometry],
    options: SegmentOptions,
    probabilities: Probabilities | None,
) -> Encoders:
    outputs: dict[str, Encode] = {
        "mask": partial(mask_png, segmentation, binary=options.binary),
        "crop": lambda: image_png(crop(image, segmentation, options), of=image),
        "masked": lambda: image_png(masked(image, segmentation), of=image),
    }
    if probabilities is not None:
        outputs["probabilities"] = partial(probabilities_tiff, probabilities)
    layers: dict[str, Encode] = {
        name: partial(label_png, labels) for name, labels in _further_layers(segmentation).items()
    }
    for labels, structures in zip(segmentation.layers, segmentation.structures, strict=True):
        if labels is not segmentation.labels and len(structures) == 1 and is_finding(structures):
            name = structures[0].name
            layers[layer_name(structures)] = partial(
                _finding, labels, name, segmentation, probabilities
            )
    return Encoders(PICTURE, outputs, layers)


def _finding(
    labels: Labels,
    name: str,
    segmentation: Segmentation[ImageGeometry],
    probabilities: Probabilities | None,
) -> bytes:
    if probabilities is None:
        return finding_png(labels > 0, None)
    known = probabilities[name]
    lungs = segmentation.mask(PLURAL) if PLURAL in segmentation.names else known >= 0
    return finding_png(lungs, known)


def _of_slice(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    options: SegmentOptions,
    probabilities: Probabilities | None,
) -> Encoders:
    """Those of an image, for a slice that came as one."""
    image, flat = flat_of(volume, segmentation)
    if probabilities is not None:
        channels = np.stack([as_fraction(whole[0]) for whole in probabilities.values()])
        probabilities = Probabilities(probabilities.names, channels, image.geometry)
    return _of_image(image, flat, options, probabilities)


def _of_volume(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    options: SegmentOptions,
    probabilities: Probabilities | None,
) -> Encoders:
    volume, segmentation, values = on_even_grid(volume, segmentation, probabilities)
    whole = tuple(slice(0, side) for side in volume.geometry.shape)
    ending = ".nrrd" if volume.provenance.format is Format.NRRD else ".nii.gz"

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

    def mask() -> NDArray[np.uint8]:
        if options.binary or not segmentation.tells_sides:
            return segmentation.foreground.view(np.uint8)
        return segmentation.labels

    def cropped() -> bytes:
        return encode(lambda: [crop(volume, segmentation)], volume_crop_box(segmentation))

    outputs: dict[str, Encode] = {
        "mask": partial(encode, lambda: [mask()]),
        "crop": cropped,
        "masked": partial(encode, lambda: [masked(volume, segmentation)]),
    }
    if probabilities is not None:
        outputs["probabilities"] = partial(
            encode, values, channels=len(probabilities), scale=1 / 255
        )
    layers = {
        name: partial(encode, partial(_only, labels))
        for name, labels in _further_layers(segmentation).items()
    }
    return Encoders(ending, outputs, layers)


def on_even_grid(
    volume: Volume,
    segmentation: Segmentation[VolumeGeometry],
    probabilities: Probabilities | None = None,
) -> tuple[Volume, Segmentation[VolumeGeometry], Callable[[], Iterable[NDArray[Any]]]]:
    """A volume, what was found on it, and what makes the probabilities (none where there are none),
    as files can hold them: of unevenly spaced planes the nearest one at each place of an even grid
    (`lungseg.geometry.VolumeGeometry.even`), of any other volume the same.
    """
    given = probabilities.values if probabilities is not None else tuple
    if volume.geometry.planes is None:
        return volume, segmentation, given
    grid, nearest = volume.geometry.even()
    axis = volume.geometry.uneven_axis
    evened = replace(volume, array=volume.array.take(nearest, axis), geometry=grid)
    layers = [labels.take(nearest, axis) for labels in segmentation.layers]
    return (
        evened,
        evened.with_layers(layers, segmentation.structures),
        lambda: (channel.take(nearest, axis) for channel in given()),
    )


def _only(labels: Labels) -> list[NDArray[Any]]:
    return [labels]


def _further_layers(segmentation: Segmentation[Any]) -> dict[str, Labels]:
    """Label maps beside that of the lungs, by the names of their structures."""
    return {
        layer_name(structures): labels
        for labels, structures in zip(segmentation.layers, segmentation.structures, strict=True)
        if labels is not segmentation.labels
    }


def layer_name(structures: Sequence[Structure]) -> str:
    """What the file of a layer is called by."""
    return "_".join(structure.name.replace(" ", "_") for structure in structures)
