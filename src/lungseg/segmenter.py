"""The way in for both modalities: what a source is decides which wing it goes to, unless the
options say so.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

from lungseg.card import ModelCard, read_card
from lungseg.ct import framed
from lungseg.ct.segment import VolumeSegmenter
from lungseg.errors import UnreadableError, UsageError
from lungseg.image import Image
from lungseg.installation import culprit
from lungseg.modality import EMBEDDED_MODEL, Modality
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.predict import find_model
from lungseg.radiograph.second_try import segment_either_way
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import Source, open_source, read
from lungseg.readers.blank import refuse_cut_out
from lungseg.readers.dispatch import ReadSettings
from lungseg.readers.looks_like_ct import DOUBT
from lungseg.readers.pictures import as_slice, is_picture, read_picture
from lungseg.readers.source import OpenedSource
from lungseg.result import Result, believed
from lungseg.timing import Progress, Seconds, no_progress, timed
from lungseg.volume import Volume

MAX_VOLUMES = 2
"""CT volumes that are worked on at the same time: one can be read while the network is busy with
the other."""

READING, PREDICTING, CLEANING = "reading", "finding the lungs", "cleaning and measuring"
"""The steps that progress tells of."""

I = TypeVar("I", bound=Image | Volume)  # noqa: E741 (an image)


class CallSettings(TypedDict, total=False):
    """What a `Segmenter` takes beside source, options and modality; explained there."""

    spacing: tuple[float, ...] | None
    affine: Any
    hounsfield: bool | None
    progress: Progress


class Segmenter:
    """Finds lungs in radiographs and CT, with the models kept loaded; may be used from several
    threads at once. It pickles without its models, and each process then keeps one of a kind.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        modality: Modality | None = None,
        threads: int | None = None,
        volume_threads: int | None = None,
    ) -> None:
        """Checks the model's card; models are loaded when they are first needed.

        Args:
            model: as in `SegmentOptions`, for every call whose options name none.
            modality: the same.
            threads: how many threads the network computes one radiograph with; None for one on each
                core.
            volume_threads: how many threads all volumes together are computed with; None for one on
                each core.

        Raises:
            ModelError: the model or its card is missing or broken.
            UsageError: there is no such modality, or the model is for the other one.
        """
        self._model, self._modality = model, modality
        self._threads, self._volume_threads = threads, volume_threads
        self._cards: dict[str, ModelCard] = {}
        self._radiographs: dict[str, RadiographSegmenter] = {}
        self._volumes: dict[str, VolumeSegmenter] = {}
        self._loading = threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_VOLUMES)
        self.modality(DEFAULTS)

    def __reduce__(self) -> tuple[Any, ...]:
        return _kept, (self._model, self._modality, self._threads, self._volume_threads)

    def modality(self, options: SegmentOptions = DEFAULTS) -> Modality | None:
        """What all sources are taken for; None where each is looked at.

        Raises:
            ModelError: the model or its card is missing or broken.
            UsageError: the model is for the other modality than was asked for.
        """
        return self._complete(options).modality

    def card(self, modality: Modality, options: SegmentOptions = DEFAULTS) -> ModelCard:
        """What is known of the model for that modality.

        Raises:
            ModelError: there is none.
            UsageError: the model that the options or the segmenter name is for the other one.
        """
        model = options.model or self._model or EMBEDDED_MODEL[modality]
        card = self._card(model)
        if card.modality != modality:
            raise _other_modality(model, card.modality, modality)
        return card

    def _complete(self, options: SegmentOptions) -> SegmentOptions:
        """The options with model and modality of the segmenter where they name none, and with the
        modality of the model.
        """
        model = options.model or self._model
        modality = options.modality or self._modality
        if model is not None:
            own = self._card(model).modality
            if modality is not None and modality != own:
                raise _other_modality(model, own, modality)
            modality = own
        return replace(options, model=model, modality=modality)

    @overload
    def __call__(
        self,
        source: Source,
        options: SegmentOptions = DEFAULTS,
        *,
        modality: Literal["radiograph"],
        **settings: Unpack[CallSettings],
    ) -> Result[Image]: ...
    @overload
    def __call__(
        self,
        source: Source,
        options: SegmentOptions = DEFAULTS,
        *,
        modality: Literal["ct"],
        **settings: Unpack[CallSettings],
    ) -> Result[Volume]: ...
    @overload
    def __call__(
        self,
        source: I,
        options: SegmentOptions = DEFAULTS,
        *,
        modality: None = None,
        **settings: Unpack[CallSettings],
    ) -> Result[I]: ...
    @overload
    def __call__(
        self,
        source: Source,
        options: SegmentOptions = DEFAULTS,
        *,
        modality: Modality | None = None,
        **settings: Unpack[CallSettings],
    ) -> Result[Image | Volume]: ...
    def __call__(
        self,
        source: Source,
        options: SegmentOptions = DEFAULTS,
        *,
        modality: Modality | None = None,
        spacing: tuple[float, ...] | None = None,
        affine: Any = None,
        hounsfield: bool | None = None,
        progress: Progress = no_progress,
    ) -> Result[Any]:
        """The lungs of one radiograph or CT.

        Type checkers know the result of an `Image` or a `Volume`, and of what `modality` names.
        Where the options name the modality instead, it is known only when it is run.

        Args:
            source: whatever `lungseg.read` takes: a file, a folder with a DICOM series, bytes, an
                array, an image of another library, or what was read before.
            options: how it is read, and what the result is like.
            modality: what it is taken for, as in `SegmentOptions`.
            spacing: of an array, as in `SegmentOptions`.
            affine: of an array of three axes, from (slice, row, column) to LPS millimetres.
            hounsfield: whether an array has Hounsfield units; None where its values are to tell.
            progress: told how far the work is; of a volume again and again.

        Raises:
            InputError: the source cannot be used; its subclasses say why.
            UsageError: an option has no meaning for it, or its type is not accepted.
            ModelError: the model cannot be loaded, or the network not be computed.
            InstallationError: a library that this needs is missing or broken.
        """
        options = self._complete(_with(options, modality=modality, spacing=spacing))
        progress(0.0, READING)
        try:
            return self._segment(source, options, affine, hounsfield, progress)
        except (UnreadableError, ImportError, AttributeError) as error:
            broken = culprit(error)  # then the input may be whole
            if broken is None:
                raise
            raise broken from error

    def _segment(
        self,
        source: Source,
        options: SegmentOptions,
        affine: Any,
        hounsfield: bool | None,  # noqa: FBT001 (of this module alone)
        progress: Progress,
    ) -> Result[Any]:
        seconds: Seconds = {}
        with timed("read", seconds):
            opened = open_source(
                source,
                modality=options.modality,
                affine=affine,
                hounsfield=hounsfield,
                frame=options.frame,
            )
        own = options.modality or opened.modality
        if own is not None:
            options.check_for(own, opened.source)
        if own == "ct" and not is_picture(opened):
            return self._segment_volume(opened, options, progress, seconds)
        with timed("read", seconds):
            image: Image | Volume
            if own is None and is_picture(opened):
                image, odds = read_picture(opened, frame=options.frame, spacing=options.spacing)
            else:
                image, odds = read_source(opened, own, options), -math.inf
        refuse_cut_out(image)
        progress(0.1, PREDICTING)
        if odds > -DOUBT and isinstance(image, Image):
            plane = as_slice(opened, image, _settings(options))
            if odds < DOUBT:
                return believed(
                    (image, plane),
                    lambda one: self._segment_picture(one, options, dict(seconds)),
                    likely=int(odds > 0),
                )
            image = plane
        return self._segment_picture(image, options, seconds)

    def _segment_picture(
        self, image: Image | Volume, options: SegmentOptions, seconds: Seconds
    ) -> Result[Any]:
        options.check_for(image.modality, image.source)
        if isinstance(image, Image):
            return segment_either_way(self._radiograph_segmenter(options), image, options, seconds)
        return framed.segment(self._volume_segmenter(options), image, options, seconds)

    def _segment_volume(
        self, opened: OpenedSource, options: SegmentOptions, progress: Progress, seconds: Seconds
    ) -> Result[Volume]:
        with self._slots, ThreadPoolExecutor(1) as pool:
            # A third of a second for which reading need not wait.
            loading = pool.submit(self._volume_segmenter, options)
            with timed("read", seconds):
                volume = read(opened, modality="ct", **_settings(options))

            def predicted(fraction: float) -> None:
                progress(0.1 + 0.7 * fraction, PREDICTING if fraction < 1 else CLEANING)

            predicted(0.0)
            return loading.result()(volume, options, progress=predicted, seconds=seconds)

    def _card(self, model: str | Path) -> ModelCard:
        if str(model) not in self._cards:
            self._cards[str(model)] = read_card(find_model(model).with_suffix(".json"))
        return self._cards[str(model)]

    def _radiograph_segmenter(self, options: SegmentOptions) -> RadiographSegmenter:
        model = options.model or EMBEDDED_MODEL["radiograph"]
        with self._loading:
            if str(model) not in self._radiographs:
                self._radiographs[str(model)] = RadiographSegmenter(model, threads=self._threads)
            return self._radiographs[str(model)]

    def _volume_segmenter(self, options: SegmentOptions) -> VolumeSegmenter:
        model = options.model or EMBEDDED_MODEL["ct"]
        with self._loading:
            if str(model) not in self._volumes:
                self._volumes[str(model)] = VolumeSegmenter(model, threads=self._volume_threads)
            return self._volumes[str(model)]


def _other_modality(model: str | Path, own: Modality, asked: Modality) -> UsageError:
    return UsageError(
        f"the model is for {own}, not for {asked}",
        where=model,
        cure="leave out `model` or `modality`",
    )


@overload
def segment(
    source: Source,
    options: SegmentOptions = DEFAULTS,
    *,
    modality: Literal["radiograph"],
    **settings: Unpack[CallSettings],
) -> Result[Image]: ...
@overload
def segment(
    source: Source,
    options: SegmentOptions = DEFAULTS,
    *,
    modality: Literal["ct"],
    **settings: Unpack[CallSettings],
) -> Result[Volume]: ...
@overload
def segment(
    source: I,
    options: SegmentOptions = DEFAULTS,
    *,
    modality: None = None,
    **settings: Unpack[CallSettings],
) -> Result[I]: ...
@overload
def segment(
    source: Source,
    options: SegmentOptions = DEFAULTS,
    *,
    modality: Modality | None = None,
    **settings: Unpack[CallSettings],
) -> Result[Image | Volume]: ...
def segment(
    source: Source,
    options: SegmentOptions = DEFAULTS,
    *,
    modality: Modality | None = None,
    spacing: tuple[float, ...] | None = None,
    affine: Any = None,
    hounsfield: bool | None = None,
    progress: Progress = no_progress,
) -> Result[Any]:
    """The lungs of one radiograph or CT; see `Segmenter`. Models are loaded when first needed and
    kept for the next calls.
    """
    options = _with(options, modality=modality, spacing=spacing)
    result: Result[Any] = _kept(None, None, None, None)(
        source, options, affine=affine, hounsfield=hounsfield, progress=progress
    )
    return result


@cache
def _kept(
    model: str | Path | None,
    modality: Modality | None,
    threads: int | None,
    volume_threads: int | None,
) -> Segmenter:
    """One a process, with the models that it has loaded."""
    return Segmenter(model, modality=modality, threads=threads, volume_threads=volume_threads)


def _with(
    options: SegmentOptions, *, modality: Modality | None, spacing: tuple[float, ...] | None
) -> SegmentOptions:
    """The options with what was given beside them.

    Raises:
        UsageError: it was also given among them.
    """
    given: dict[str, Any] = {"modality": modality, "spacing": spacing}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if getattr(options, name) is not None:
            raise UsageError(
                f"`{name}` was given twice, also among the options", cure="give it once"
            )
    return replace(options, **given)


def _settings(options: SegmentOptions) -> ReadSettings:
    return {
        "frame": options.frame,
        "series": options.series,
        "spacing": options.spacing,
        "skip_damaged": options.skip_damaged,
    }


def read_source(
    source: Source | OpenedSource, modality: Modality | None, options: SegmentOptions
) -> Image | Volume:
    """What a `Segmenter` with these options segments, where it takes the source for that modality.

    Raises:
        InputError, UsageError: as `Segmenter` does.
    """
    return read(source, modality=modality, **_settings(options))
