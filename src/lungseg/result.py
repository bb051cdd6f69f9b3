"""The lungs of one image or volume, with all that was found on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.image import Image
from lungseg.measurement import Measurement
from lungseg.segmentation import Segmentation, VolumeSegmentation
from lungseg.structures import LUNGS
from lungseg.verdict import Verdict
from lungseg.volume import Volume


class _Measured:
    """What results have in common."""

    measurements: tuple[Measurement, ...]

    def measurement(self, name: str, label: str = "lungs") -> Measurement:
        """The measurement of that name and label.

        Raises:
            KeyError: there is none.
        """
        for measurement in self.measurements:
            if (measurement.name, measurement.label) == (name, label):
                return measurement
        raise KeyError((name, label))


@dataclass(frozen=True, eq=False)
class Result(_Measured):
    """The lungs of one radiograph.

    Attributes:
        image: what was segmented.
        segmentation: right and left lung on the image's grid.
        measurements: what was measured on the segmentation.
        verdict: whether a reader should look.
        card: of the model that made it.
        seconds: how long each step took.
    """

    image: Image
    segmentation: Segmentation
    measurements: tuple[Measurement, ...]
    verdict: Verdict
    card: ModelCard
    seconds: dict[str, float]
    restore_probabilities: Callable[[], NDArray[np.float32]] = field(repr=False)

    @property
    def mask(self) -> NDArray[np.uint8]:
        """(rows, columns) of the input: 0 background, 1 right lung, 2 left lung (the patient's)."""
        return self.segmentation.labels

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """(3, rows, columns) on the input's grid: background, right lung, left lung; 0 to 1, adding
        up to 1. Before cleaning.
        """
        return self.restore_probabilities()

    def overlay(self) -> NDArray[np.uint8]:
        """(rows, columns, 3), red, green, blue: the radiograph with the lungs tinted and outlined;
        marked where it was refused.
        """
        from lungseg.draw.picture import overlay, stamped

        return stamped(overlay(self.image, self.segmentation), self.verdict)

    def save(
        self,
        folder: str | Path,
        outputs: Sequence[str] = ("mask", "overlay"),
        *,
        name: str | None = None,
        binary: bool = False,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Writes outputs into `folder`, named after the image's file or as `name` says, and returns
        their paths.

        Arguments and errors are those of `lungseg.writers.save`; an existing file is an error
        unless `overwrite` is set.
        """
        from lungseg.writers import save

        return save(
            self.image,
            self.segmentation,
            Path(folder),
            outputs,
            name=name,
            binary=binary,
            overwrite=overwrite,
            probabilities=lambda: self.probabilities,
            verdict=self.verdict,
        )

    def record(self) -> dict[str, Any]:
        """All of this but the pixels, ready for JSON; see `docs/outputs.md`."""
        from lungseg.writers import record

        return record(self.image, self.measurements, self.verdict, self.card, self.seconds)


@dataclass(frozen=True, eq=False)
class VolumeResult(_Measured):
    """The lungs of one CT volume, or of one slice.

    Attributes:
        volume: what was segmented.
        segmentation: right and left lung on the volume's grid.
        measurements: what was measured on the segmentation.
        verdict: whether a reader should look.
        card: of the model that made it.
        seconds: how long each step took.
    """

    volume: Volume
    segmentation: VolumeSegmentation
    measurements: tuple[Measurement, ...]
    verdict: Verdict
    card: ModelCard
    seconds: dict[str, float]
    restore_probability: Callable[[int], NDArray[np.uint8]] = field(repr=False)

    @property
    def mask(self) -> NDArray[np.uint8]:
        """(slices, rows, columns) in the input's own order: 0 background, 1 right lung, 2 left lung
        (the patient's).
        """
        return self.segmentation.labels

    def probability(self, label: str) -> NDArray[np.uint8]:
        """(slices, rows, columns) in the input's own order: probability of the "right lung" or
        "left lung" in 255ths, before cleaning.

        Raises:
            KeyError: there is no lung of that name.
        """
        return self.restore_probability({lung.name: lung.number for lung in LUNGS}[label])

    def overlay(self) -> NDArray[np.uint8]:
        """(rows, columns, 3), red, green, blue: a sheet of slices in three planes, lungs tinted and
        outlined; marked where refused.
        """
        from lungseg.draw.picture import stamped
        from lungseg.draw.volume import overview

        return stamped(overview(self.volume, self.segmentation), self.verdict)

    def save(
        self,
        folder: str | Path,
        outputs: Sequence[str] = ("mask", "overlay"),
        *,
        name: str | None = None,
        binary: bool = False,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Writes outputs into `folder`, named after the volume's file or folder or as `name` says,
        and returns their paths.

        Arguments and errors are those of `lungseg.writers.save_volume`; an existing file is an
        error unless `overwrite` is set.
        """
        from lungseg.writers import save_volume

        return save_volume(
            self.volume,
            self.segmentation,
            Path(folder),
            outputs,
            name=name,
            binary=binary,
            overwrite=overwrite,
            probability=self.restore_probability,
            verdict=self.verdict,
        )

    def record(self) -> dict[str, Any]:
        """All of this but the voxels, ready for JSON; see `docs/outputs.md`."""
        from lungseg.writers import volume_record

        return volume_record(self.volume, self.measurements, self.verdict, self.card, self.seconds)
