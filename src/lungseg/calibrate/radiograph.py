"""What a model for radiographs is calibrated on: cases as they are, degraded and rotated, and
pictures that are no frontal chest radiographs; and the quality model that follows.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.augment.degradations import degrade, shrink
from lungseg.calibrate.fit import (
    Sample,
    SampleKind,
    calibration_curve,
    check_enough,
    dice_of,
    fit_frontal,
    fit_score,
    left_out_scores,
    of_cases,
    review_limit,
    widening_for_strangers,
)
from lungseg.datasets import Case, read_labels
from lungseg.datasets.label_sets import judged_pixels
from lungseg.errors import InputError
from lungseg.geometry import ImageGeometry
from lungseg.image import Image
from lungseg.morphology.sides import lung_mask
from lungseg.quality.features import CERTAINTY_FEATURES
from lungseg.quality.files import decode_quality_model, encode_quality_model
from lungseg.quality.model import FrontalModel, QualityModel
from lungseg.radiograph.inference import ForwardPass
from lungseg.radiograph.orientation import AS_USUAL, stated_view
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.readers import read_image
from lungseg.result import Result
from lungseg.scores import count
from lungseg.structures import LUNGS

log = logging.getLogger(__name__)

Array = NDArray[Any]

BIN_SIZE: Final = 60
"""Masks in a bin of the calibration curve."""

MAX_TRIES: Final = 20
"""Degradations that are drawn for a case; some leave too little of the lungs."""


@dataclass(frozen=True, slots=True)
class RadiographItem:
    """A picture that the model is shown.

    Attributes:
        key: a name that no other item has.
        kind: what was done to it, or that it is no chest.
        group: the source of the case, or what the picture shows.
        patient: shared by the items of one patient, and by no others.
        image: as it was read, or (rows, columns) of any real type.
        labels: (rows, columns), the ground truth; None where there is none.
        known: where the ground truth is known, of the same shape.
        degradations: what was done, for tables.
    """

    key: str
    kind: SampleKind
    group: str
    patient: str
    image: Image | Array
    labels: Array | None = None
    known: Array | None = None
    degradations: str = ""

    @property
    def arrays(self) -> list[Array]:
        """All that is measured of it."""
        image = self.image.array if isinstance(self.image, Image) else self.image
        return [array for array in (image, self.labels, self.known) if array is not None]


def case_items(case: Case, *, degraded: int, rotated: bool = False) -> Iterator[RadiographItem]:
    """A case as it is, degraded so many times, and rotated by one, two and three quarter turns; the
    same at every call.

    Raises:
        InputError: the image or its mask cannot be used.
    """
    image = read_image(case.image)
    labels = read_labels(case, image.geometry.shape)
    known = judged_pixels(labels, LUNGS, case.lung_extent)
    if known is None:
        known = np.ones(labels.shape, bool)
    key, patient = f"{case.source}/{case.case}", f"{case.source}/{case.patient}"
    yield RadiographItem(key, "as_is", case.source, patient, image, labels, known)
    rng = np.random.default_rng(zlib.crc32(case.case.encode()))
    # Those without a header hang as films do.
    view = stated_view(image.provenance.patient_orientation) or AS_USUAL
    hung = [np.ascontiguousarray(view.of(array)) for array in (image.array, labels, known)]
    shrunk, made = shrink(*hung), 0
    for _ in range(MAX_TRIES * degraded):
        if made == degraded:
            break
        if (found := degrade(shrunk, rng)) is None:
            continue
        worse, names = found
        yield RadiographItem(
            f"{key} degraded {made}",
            "degraded",
            case.source,
            patient,
            np.rint(worse.grey * 255).astype(np.uint8),
            worse.labels,
            worse.known,
            names,
        )
        made += 1
    for quarters in (1, 2, 3) if rotated else ():
        turned, turned_labels, turned_known = (
            np.ascontiguousarray(np.rot90(array, quarters)) for array in hung
        )
        yield RadiographItem(
            f"{key} rotated {quarters}",
            "rotated",
            f"rotated by {90 * quarters} degrees",
            patient,
            turned,
            turned_labels,
            turned_known,
        )


def measure_radiograph(segmenter: RadiographSegmenter, item: RadiographItem) -> list[Sample]:
    """The sample of one item; none where the picture cannot be taken for a radiograph.

    Args:
        segmenter: of a model whose quality model is left out.
        item: any.
    """
    try:
        image = as_image(item.image)
    except InputError as error:
        log.info("%s: %s", item.key, error)
        return []
    prediction = segmenter.infer(image)
    return [sample_of(item, prediction, segmenter.finish(image, prediction))]


def as_image(picture: Image | Array) -> Image:
    """An array (rows, columns) as an image of unknown spacing.

    Raises:
        InputError: it is too small, of another type or of one grey.
    """
    if isinstance(picture, Image):
        return picture
    return Image(picture, ImageGeometry((picture.shape[0], picture.shape[1])))


def sample_of(item: RadiographItem, prediction: ForwardPass, result: Result[Image]) -> Sample:
    """What was found of an item."""
    dice = None
    if item.labels is not None and item.known is not None:
        ground_truth, found = (
            lung_mask(labels)[item.known] for labels in (item.labels, result.segmentation.labels)
        )
        dice = count(ground_truth, found).dice
    return Sample(
        item.kind,
        item.group,
        item.patient,
        "radiograph",
        prediction.features,
        dice,
        prediction.first_features,
    )


def fit_radiograph(
    samples: Sequence[Sample], sha256: str, *, frontal: FrontalModel | None = None
) -> QualityModel:
    """The quality model of the ONNX file with that hash.

    Its intervals are meant to hold for nine in ten films of any source, see
    `lungseg.calibrate.fit.widening_for_strangers`; the limit for review is set by what it costs on
    films as they are, degraded ones left aside, see `lungseg.calibrate.fit.review_limit`.

    Args:
        samples: of cases and of other pictures.
        sha256: of the model's file.
        frontal: what tells frontal radiographs from other pictures; None to fit it, too.

    Raises:
        InputError: there are too few masks of known Dice.
    """
    masks = of_cases(samples)
    check_enough(masks, "radiographs")
    widening = widening_for_strangers(masks, CERTAINTY_FEATURES, bin_size=BIN_SIZE)
    log.info("intervals are %.2f times as wide as films of known sources need", widening)
    scores = left_out_scores(masks, CERTAINTY_FEATURES)
    worth = dice_of(masks)
    curve = calibration_curve(scores, worth, bin_size=BIN_SIZE, widening=widening)
    films = [i for i, sample in enumerate(masks) if sample.kind == "as_is"]
    limit = review_limit([curve(scores[i]).value for i in films], worth[films].tolist())
    fitted = QualityModel(
        sha256,
        fit_score(masks, CERTAINTY_FEATURES),
        {"radiograph": curve},
        limit,
        frontal or fit_frontal(samples),
    )
    return decode_quality_model(encode_quality_model(fitted))  # as its file will have it
