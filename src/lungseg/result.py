"""What was found on one image or volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lungseg.card import ModelCard
from lungseg.errors import InputError, UsageError
from lungseg.image import Image
from lungseg.measurement import Measurements
from lungseg.options import DEFAULTS, SegmentOptions
from lungseg.segmentation import Probabilities, Segmentation
from lungseg.structures import PLURAL
from lungseg.verdict import Verdict
from lungseg.volume import Volume

if TYPE_CHECKING:
    from lungseg.writers.record import Record

Sides = Literal["predicted", "assigned", "undecided"]
"""How right and left lung were told apart: by the network; afterwards, by where they lie; not."""

UNDECIDED: Final = (
    "the lungs touch, or lie, so that right and left cannot be told, and the model predicts them "
    "as one"
)
"""Why there are no labels."""

I_co = TypeVar("I_co", bound=Image | Volume, covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Result(Generic[I_co]):
    """What was found on one radiograph (`Result[Image]`), or on one CT volume or slice
    (`Result[Volume]`).

    Attributes:
        image: what was segmented.
        segmentation: the structures on its grid.
        measurements: what was measured on them, by name and structure.
        verdict: whether a reader should look.
        card: of the model that made it.
        probabilities: the network's, of each structure by its name, before postprocessing, on the
            image's grid; computed when asked for.
        notes: what had to be done to the image for the network, and what is doubtful about it, in
            words.
        seconds: how long each step took.
        options: that it was made with.

    Raises:
        InputError: one lung is asked for, and nobody knows which is which.
    """

    image: I_co
    segmentation: Segmentation[Any]
    measurements: Measurements
    verdict: Verdict
    card: ModelCard
    probabilities: Probabilities
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()
    options: SegmentOptions = DEFAULTS

    def __post_init__(self) -> None:
        if self.options.names_a_side and self.sides == "undecided":
            raise InputError(
                UNDECIDED,
                where=self.image.source,
                cure='ask for "lungs", or give a model that tells sides',
            )

    def __repr__(self) -> str:
        return f"<Result: {self.about}, {self.verdict.status}>"

    @property
    def about(self) -> str:
        """The image in words, such as "radiograph, 512 x 512, spacing unknown"; nothing of whose it
        is.
        """
        shape = " x ".join(str(side) for side in self.image.array.shape)
        spacing = self.image.geometry.spacing
        known = "spacing unknown"
        if spacing is not None:
            known = " x ".join(f"{side:.4g}" for side in spacing) + " mm"
        what = "CT" if isinstance(self.image, Volume) else "radiograph"
        return f"{what}, {shape}, {known}"

    def _repr_html_(self) -> str:
        """As the last line of a notebook's cell: verdict, overlay, main measurements."""
        from lungseg.draw.cell import result_html

        picture = self.overlay(in_proportion=True)
        return result_html(
            picture,
            self.about,
            self.verdict,
            self.measurements,
            self.notes,
            film=isinstance(self.image, Image),
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Of CT a slider over its slices in place of the sheet, where somebody can move one; pages
        without widgets take HTML or PNG.
        """
        from lungseg.draw.cell import words_html
        from lungseg.draw.picture import STYLE
        from lungseg.draw.slider import can_slide, slices_widget, view

        if not isinstance(self.image, Volume) or not can_slide(self.image):
            return {}
        words = words_html(self.about, self.verdict, self.measurements, self.notes)
        style = self.options.overlay_style or STYLE
        labels = self.segmentation.labels
        return view(slices_widget(self.image, labels, style, self.verdict, words))

    def _repr_png_(self) -> bytes:
        from lungseg.draw.cell import small_png

        return small_png(self.overlay(in_proportion=True))

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The label map of the lungs' layer, on the grid of `image`: 0 background, 1 right lung, 2
        left lung (the patient's), and other structures of that layer by their numbers
        (`lungseg.structures`). That is the grid of the input, but of a radiograph with directions
        of its own, as of NIfTI and SimpleITK, which is turned to be looked at; `notes` say so.

        Raises:
            UsageError: `sides` is "undecided", so there are no labels.
        """
        if self.sides == "undecided":
            raise UsageError(
                UNDECIDED,
                where=self.image.source,
                cure='take `result.segmentation.mask("lungs")`, or give a model that tells sides',
            )
        return self.segmentation.labels

    @property
    def sides(self) -> Sides | None:
        """How right and left lung were told apart; None where no lungs were looked for."""
        if PLURAL not in self.segmentation.names:
            return None
        if self.card.tells_sides:
            return "predicted"
        return "assigned" if self.segmentation.tells_sides else "undecided"

    def overlay(self, *, in_proportion: bool = False) -> NDArray[np.uint8]:
        """(rows, columns, 3), red, green, blue: the radiograph, or a sheet of slices in three
        planes, with the structures tinted and outlined as the options say; marked where it was
        refused.

        Args:
            in_proportion: a radiograph with oblong pixels in the proportions of the patient, which
                sheets of slices have in any case, and not pixel by pixel.
        """
        from lungseg.draw.painted import painted
        from lungseg.draw.picture import in_proportion as proportioned
        from lungseg.draw.picture import refused_stamp

        picture = painted(self.image, self.segmentation, self.options)
        if in_proportion and isinstance(self.image, Image):
            picture = proportioned(picture, self.image.geometry.spacing)
        return refused_stamp(picture, self.verdict)

    def crop(self, size: int | None = None, *, square: bool = False) -> NDArray[Any]:
        """The image or volume cut to the lungs with a small margin, in its own pixel type.

        Args:
            size: of a radiograph, pixels of each side of the square that it becomes; the options'
                `crop_size` where not given.
            square: of a radiograph, whether it is a square around the lungs in any case, black
                beyond the image; if the options ask for `crop_square` it is.

        Raises:
            UsageError: the size is no number of pixels, or this is CT.
        """
        from lungseg.writers.crops import crop

        options = replace(
            self.options,
            crop_size=self.options.crop_size if size is None else size,
            crop_square=self.options.crop_square or square,
        )
        options.check_for(self.card.modality, self.image.source)
        return crop(self.image, self.segmentation, options)

    def masked(self) -> NDArray[Any]:
        """The image or volume in its own pixel type, with all but the lungs black: 0 (of an image
        of real numbers its lowest value), or -1024 in Hounsfield units.
        """
        from lungseg.writers.crops import masked

        return masked(self.image, self.segmentation)

    def save(
        self,
        folder: str | Path,
        outputs: Sequence[str] = ("mask", "overlay"),
        *,
        name: str | None = None,
        binary: bool = False,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Writes outputs into `folder`, named after the input's file or folder or as `name` says,
        and returns their paths.

        Masks are `binary`, 255 in a PNG and 1 in a volume without sides, if this or the options ask
        for it. Other arguments, and errors, are those of `lungseg.writers.outputs.save`; an
        existing file is an error unless `overwrite` is set.
        """
        from lungseg.writers.outputs import save

        return save(
            self.image,
            self.segmentation,
            Path(folder),
            outputs,
            options=replace(self.options, binary=binary or self.options.binary),
            name=name,
            overwrite=overwrite,
            probabilities=self.probabilities,
            verdict=self.verdict,
        )

    def record(self) -> Record:
        """All of this but the pixels, ready for JSON; see `docs/outputs.md`."""
        from lungseg.writers.record import record

        entry = record(
            self.image, self.measurements, self.verdict, self.card, self.seconds, notes=self.notes
        )
        entry["options"] = self.options.record()
        entry["sides"] = self.sides
        return entry

    def to_dataframe_row(self) -> dict[str, str]:
        """The row of `summary.csv`, by column: `pandas.DataFrame([r.to_dataframe_row() ...])`."""
        from lungseg.writers.table import row

        return row(self.record())

    def to_nibabel(self) -> Any:
        """The mask as `nibabel.Nifti1Image` on the grid of `image`; see
        `lungseg.writers.objects.to_nibabel`.
        """
        from lungseg.writers.objects import to_nibabel

        return to_nibabel(self.mask, self.image.geometry)

    def to_sitk(self) -> Any:
        """The mask as `SimpleITK.Image` on the grid of `image`; see
        `lungseg.writers.objects.to_sitk`.
        """
        from lungseg.writers.objects import to_sitk

        return to_sitk(self.mask, self.image.geometry)


def notes_on_sides(card: ModelCard, segmentation: Segmentation[Any]) -> tuple[str, ...]:
    """What is to be said of right and left where the model does not tell them apart."""
    if card.tells_sides or PLURAL not in segmentation.names:
        return ()
    if segmentation.tells_sides:
        return ("the model predicts the lungs as one: right and left are told by where they lie",)
    return (f"{UNDECIDED}: the mask says where lung is, without labels",)


_NOT_ONE: Final = frozenset({"no_lung", "not_frontal", "doubtful_view", "no_lung_in_slice"})
"""Codes of what is no radiograph, or no slice, to the network for them."""


def believed(
    kinds: Sequence[Image | Volume],
    segment: Callable[[Image | Volume], Result[Any]],
    *,
    likely: int,
) -> Result[Any]:
    """Of a picture that may be a radiograph or a slice of CT, what the network for one of them
    believes; the same with a note that it was not plain.

    Args:
        kinds: what it may be taken for; the first that is believed is taken.
        segment: gives the result of one.
        likely: number of the one that is taken where none is believed.

    Raises:
        UsageError: an option means nothing for any of them.
    """
    found: dict[int, Result[Any]] = {}
    for number, kind in enumerate(kinds):
        with suppress(UsageError):  # an option that is for one of them alone
            found[number] = segment(kind)
            verdict = found[number].verdict
            if verdict.status != "refused" and not _NOT_ONE.intersection(verdict.codes):
                return _noted(found[number])
    if not found:
        return segment(kinds[likely])
    return _noted(found.get(likely) or next(iter(found.values())))


def _noted(result: Result[Any]) -> Result[Any]:
    taken = "a slice of CT" if isinstance(result.image, Volume) else "a radiograph"
    note = f"whether it is a radiograph or a slice of CT was not plain: taken for {taken}"
    return replace(result, notes=(*result.notes, note))
