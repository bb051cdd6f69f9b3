"""The way in for both kinds of image: what the source is decides which road it takes, unless the
caller says so.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from lungseg.card import ModelCard, read_card
from lungseg.ct.segment import Progress, VolumeSegmenter
from lungseg.errors import UsageError
from lungseg.image import Image
from lungseg.options import check_radius
from lungseg.predict import find_model
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import detect, is_picture, looks_like_ct, read_volume, slice_of
from lungseg.result import Result
from lungseg.segmentation import Array
from lungseg.timing import Seconds, timed
from lungseg.volume import Volume

Source = str | Path | Array | Image | Volume
"""A file, a folder with a DICOM series, an array (rows, columns), or an image or volume that was
read before."""

Kind = Literal["ct", "cxr"]
"""Computed tomography, or chest radiograph; also the name of the embedded model for it."""

KINDS: Final[dict[str, Kind]] = {"ct": "ct", "radiograph": "cxr"}
"""Of what stands in a card and in a record."""

MOST_VOLUMES = 2
"""CT volumes that are worked on at the same time: one can be read while the network is busy with
the other."""


class Segmenter:
    """Finds lungs in radiographs and CT, with the models kept loaded; may be used from several
    threads at once.

    Attributes:
        kind: what all sources are taken for; None where each is looked at.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        kind: Kind | None = None,
        threads: int | None = None,
        volume_threads: int | None = None,
    ) -> None:
        """Checks the model's card; models are loaded when they are first needed.

        Args:
            model: name of an embedded model, or path of an .onnx file with its card (.json) beside
                it; all sources are taken for the kind that it is for. None for the embedded model
                of each source's kind.
            kind: take all sources for this, whatever they seem to be.
            threads: how many threads the network computes one radiograph with; None for one on each
                core.
            volume_threads: how many threads all volumes together are computed with; None for one on
                each core.

        Raises:
            ModelError: the model or its card is missing or broken.
            UsageError: there is no such kind, or the model is for the other one.
        """
        self.kind = taken_for(model, kind)
        self._model, self._threads, self._volume_threads = model, threads, volume_threads
        self._radiograph_road: RadiographSegmenter | None = None
        self._volume_road: VolumeSegmenter | None = None
        self._loading, self._room = threading.Lock(), threading.BoundedSemaphore(MOST_VOLUMES)

    def card(self, kind: Kind) -> ModelCard:
        """What is known of the model for that kind.

        Raises:
            ModelError: there is none.
        """
        return read_card(find_model(self._model or kind).with_suffix(".json"))

    def __call__(
        self,
        source: Source,
        *,
        spacing: tuple[float, float] | None = None,
        page: int | None = None,
        series: str | None = None,
        skip_damaged: bool = False,
        dilate: float = 0.0,
        hull: bool = False,
        quick: bool = False,
        progress: Progress | None = None,
    ) -> Result[Any]:
        """The lungs of one radiograph or CT.

        Args:
            source: path of a file or of a folder with a DICOM series, an array (rows, columns), an
                `Image` or a `Volume`.
            spacing: millimetres between rows and between columns, in the patient; instead of what
                the file says. Not of volumes.
            page: which page or frame of a file with several, counted from 1.
            series: which series of a folder with several: number, UID or description.
            skip_damaged: leave out slices of a series that cannot be decoded.
            dilate: how far the mask is widened: in millimetres where the spacing is known, else in
                pixels. Radiographs only.
            hull: take what lies between the lungs into the mask, the heart too, before it is
                widened. Radiographs only.
            quick: leave out the expected Dice of CT, which takes another look; that of radiographs
                costs nothing.
            progress: told how far the network is with a volume.

        Raises:
            InputError: the source cannot be used; its subclasses say why.
            UsageError: a setting has no meaning.
            ModelError: the model cannot be loaded, or the network not be computed.
        """
        check_radius(dilate)
        seconds: Seconds = {}
        with timed("read", seconds):
            seems = self._seems(source)
        if isinstance(source, Volume) or (seems == "volume" and isinstance(source, str | Path)):
            _refuse("a spacing", given=spacing is not None, where=source)
            _refuse("a widened mask", given=hull or dilate != 0, where=source)
            return self._segment_volume(
                source,
                page=page,
                series=series,
                skip_damaged=skip_damaged,
                quick=quick,
                progress=progress,
                seconds=seconds,
            )
        image = RadiographSegmenter.read(source, spacing=spacing, page=page, seconds=seconds)
        with timed("read", seconds):
            is_slice = seems == "picture" and (self.kind == "ct" or looks_like_ct(image.array))
        if is_slice:
            _refuse("a widened mask", given=hull or dilate != 0, where=image.source)
            return self._volumes()(slice_of(image), quick=quick, seconds=seconds)
        return self._radiographs()(image, dilate=dilate, hull=hull, seconds=seconds)

    def _seems(self, source: Source) -> Literal["volume", "picture", "radiograph"]:
        """What the source is by what is stored; of a picture only its pixels tell, unless the
        caller does.
        """
        if isinstance(source, Volume):
            if self.kind == "cxr":
                raise UsageError(
                    "it is a volume, and is to be taken for a radiograph",
                    where=source.source,
                    cure="take it for CT",
                )
            return "volume"
        if isinstance(source, Image):
            return "picture" if self.kind == "ct" else "radiograph"
        if self.kind == "cxr":
            return "radiograph"
        if isinstance(source, np.ndarray) or is_picture(source):
            return "picture"
        return "volume" if self.kind == "ct" or KINDS[detect(source)] == "ct" else "radiograph"

    def _segment_volume(
        self,
        source: str | Path | Volume,
        *,
        page: int | None,
        series: str | None,
        skip_damaged: bool,
        quick: bool,
        progress: Progress | None,
        seconds: Seconds,
    ) -> Result[Volume]:
        with self._room, ThreadPoolExecutor(1) as pool:
            loading = pool.submit(
                self._volumes
            )  # a third of a second for which reading need not wait
            with timed("read", seconds):
                if not isinstance(source, Volume):
                    source = read_volume(
                        source, series=series, frame=page, skip_damaged=skip_damaged
                    )
                elif page is not None or series is not None:
                    raise UsageError(
                        "a volume that was read before has its page and series",
                        where=source.source,
                        cure="leave both out",
                    )
            return loading.result()(source, quick=quick, progress=progress, seconds=seconds)

    def _radiographs(self) -> RadiographSegmenter:
        with self._loading:
            if self._radiograph_road is None:
                self._radiograph_road = RadiographSegmenter(
                    self._model or "cxr", threads=self._threads
                )
            return self._radiograph_road

    def _volumes(self) -> VolumeSegmenter:
        with self._loading:
            if self._volume_road is None:
                self._volume_road = VolumeSegmenter(
                    self._model or "ct", threads=self._volume_threads
                )
            return self._volume_road


def taken_for(model: str | Path | None, kind: Kind | None) -> Kind | None:
    """What a `Segmenter` of that model and kind takes all sources for; None where it looks at each.

    Raises:
        ModelError: the model or its card is missing or broken.
        UsageError: there is no such kind, or the model is for the other one.
    """
    if kind is not None and kind not in get_args(Kind):
        raise UsageError(
            f"there is no kind of image called {kind!r}",
            cure=f"choose from {', '.join(get_args(Kind))}",
        )
    if model is None:
        return kind
    own = KINDS[read_card(find_model(model).with_suffix(".json")).modality]
    if kind not in (None, own):
        raise UsageError(
            f"the model is for {own}, not for {kind}", where=model, cure="leave one of the two out"
        )
    return own


def segment(
    source: Source,
    *,
    spacing: tuple[float, float] | None = None,
    page: int | None = None,
    series: str | None = None,
    skip_damaged: bool = False,
    dilate: float = 0.0,
    hull: bool = False,
    quick: bool = False,
    model: str | Path | None = None,
    kind: Kind | None = None,
) -> Result[Any]:
    """The lungs of one radiograph or CT; see `Segmenter`. Models are loaded when first needed and
    kept for the next calls.
    """
    segmenter = _kept(model, kind)
    return segmenter(
        source,
        spacing=spacing,
        page=page,
        series=series,
        skip_damaged=skip_damaged,
        dilate=dilate,
        hull=hull,
        quick=quick,
    )


@cache
def _kept(model: str | Path | None, kind: Kind | None) -> Segmenter:
    return Segmenter(model, kind=kind)


def _refuse(setting: str, *, given: bool, where: Source) -> None:
    if given:
        name = where.source if isinstance(where, Volume) else where
        raise UsageError(
            f"{setting} is for radiographs, and this is CT",
            where=name,
            cure="segment CT without it",
        )
