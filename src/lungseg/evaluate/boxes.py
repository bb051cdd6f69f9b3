"""How much of what radiologists marked a mask keeps: boxes around opacities, in films without
masks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, OpacityBox
from lungseg.draw.picture import Picture, overlay, thumbnail
from lungseg.errors import InputError, UsageError
from lungseg.evaluate.intervals import mean_intervals, percentile
from lungseg.evaluate.opacities import (
    STRUCTURES,
    OpacityScore,
    finds_opacities,
    score_opacities,
    summarise_opacities,
)
from lungseg.evaluate.page import Section, page
from lungseg.evaluate.pictures import GROUND_TRUTH_COLOUR, TILE, WORST_CASES, Shown, write_sheet
from lungseg.evaluate.run import Evaluation
from lungseg.evaluate.tables import Table, write_table
from lungseg.modality import LungExtent
from lungseg.morphology.dilation import dilate
from lungseg.morphology.hull import hull
from lungseg.options import SegmentOptions, check_radius
from lungseg.radiograph.measure import doubt_of_scale
from lungseg.radiograph.segment import RadiographSegmenter
from lungseg.writers import make_folder, write_file, written_out


@dataclass(frozen=True, slots=True)
class BoxScore:
    """How much of one box lies inside the mask.

    Attributes:
        case, patient: of the image.
        box: number of the box within its image, from 1.
        inside: fraction of the box's pixels that the mask holds, 0 to 1.
        inside_dilated: the same after the mask was widened.
        inside_hull: the same of the convex hull of both lungs, widened likewise.
        dilated_by: how far it was widened, such as "10 mm".
        verdict: on the mask, "ok" or "review".
        doubt: of the pixel spacing, in words, see `lungseg.radiograph.measure.doubt_of_scale`; ""
            where there is none.
    """

    case: str
    patient: str
    box: int
    inside: float
    inside_dilated: float
    inside_hull: float
    dilated_by: str
    verdict: str
    doubt: str


def fraction_inside(mask: NDArray[Any], box: OpacityBox) -> float:
    """Fraction of the pixels of a box, as far as it lies within the image, where a mask (rows,
    columns) is not 0; 0 to 1.

    A pixel belongs to the box where its centre does. NaN where no pixel does.
    """
    inner = mask[box.pixels(mask.shape)]
    return float(np.count_nonzero(inner) / inner.size) if inner.size else float("nan")


def evaluate_boxes(
    model: str | Path,
    cases: Sequence[Case],
    boxes: Mapping[str, Sequence[OpacityBox]],
    folder: Path,
    *,
    radius: float = 10.0,
    spacing: tuple[float, float] | None = None,
    lung_extent: LungExtent = "field",
    workers: int = 1,
) -> Evaluation:
    """Measures how much of each box lies inside the lung mask, and leaves scores.md, boxes.csv,
    worst.png and report.html in `folder`; of a model that predicts opacities also how well it
    finds them, in opacities.csv.

    Args:
        model: name of an embedded model, or path of an .onnx file.
        cases: masks are not needed.
        boxes: of each patient. Where none was marked, the list is empty: such films are looked at
            for opacities alone, others not at all.
        folder: made here if need be.
        radius: how far the mask is widened: in millimetres where the spacing is known, else in
            pixels.
        spacing: millimetres between rows and between columns, instead of what the files say.
        lung_extent: what the lungs are to follow.
        workers: images at a time.

    Raises:
        InputError: no image has a box, or none of those can be read.
        ModelError: the model cannot be used.
        OutputError: the folder or a file in it cannot be written.
        UsageError: the radius is none, or the model predicts no lungs, or none of that extent.
    """
    check_radius(radius)
    options = SegmentOptions(spacing=spacing, lung_extent=lung_extent)
    marked = [case for case in cases if boxes.get(case.patient)]
    if not marked:
        raise InputError(
            f"none of the {len(cases)} images has a box",
            cure="give the folder with images and list of boxes",
        )
    make_folder(folder)
    segmenter = _segmenter(model, workers)
    listed = [case for case in cases if case.patient in boxes]
    asked = listed if finds_opacities(segmenter) else marked
    with ThreadPoolExecutor(workers, "lungseg") as pool:
        found = list(pool.map(partial(_try, segmenter, boxes, radius, options), asked))
    scores = [score for one in found if isinstance(one, _Found) for score in one.boxes]
    opacities = [one.opacities for one in found if isinstance(one, _Found) and one.opacities]
    failures = tuple(one for one in found if isinstance(one, str))
    _check_scores(scores, len(marked))
    rows = (asdict(score) for score in sorted(scores, key=_kept))
    write_table(rows, folder / "boxes.csv")
    shown = _worst(segmenter, marked, scores, boxes, radius, options)
    write_sheet(shown, folder / "worst.png")
    missing = {patient for patient, own in boxes.items() if own} - {case.patient for case in cases}
    left_out = _left_out(scores, failures, len(asked), len(missing))
    return _written(folder, Path(model).stem, scores, opacities, left_out, shown, failures)


def _check_scores(scores: Sequence[BoxScore], images: int) -> None:
    if not scores:
        what = f"no box of {images} images could be looked at"
        raise InputError(what, cure="see the log for the reasons")
    if all(np.isnan(score.inside) for score in scores):
        what = f"all boxes of {images} images lie beside their pictures"
        cure = "correct the list of boxes, or give the images that they are of"
        raise InputError(what, cure=cure)


def _written(
    folder: Path,
    model: str,
    scores: Sequence[BoxScore],
    opacities: Sequence[OpacityScore],
    left_out: str,
    shown: Sequence[Shown],
    failures: tuple[str, ...],
) -> Evaluation:
    """Writes scores.md, report.html and opacities.csv."""
    table = summarise_boxes(scores)
    sections = _sections(table, left_out, shown)
    text = table.markdown() + left_out
    if opacities:
        rows = (asdict(score) for score in sorted(opacities, key=lambda score: -score.score))
        write_table(rows, folder / "opacities.csv")
        of_opacities = summarise_opacities(opacities)
        text += f"\n\n{of_opacities.markdown()}"
        sections.insert(1, Section("How well opacities are found", table=of_opacities))
    text = written_out(text)
    write_file(folder / "scores.md", f"{text}\n".encode())
    title = f"Marked opacities in the lung masks of {model}"
    write_file(folder / "report.html", written_out(page(title, sections)).encode())
    return Evaluation(text, failures, 0)


@dataclass(frozen=True, slots=True)
class _Found:
    """Of one image."""

    boxes: list[BoxScore]
    opacities: OpacityScore | None


def _segmenter(model: str | Path, workers: int) -> RadiographSegmenter:
    segmenter = RadiographSegmenter(model, threads=None if workers == 1 else 1)
    if not segmenter.card.has_lungs:
        raise UsageError(
            "boxes are scored by the lungs, which the model does not predict",
            cure="give another model",
        )
    return segmenter


def _left_out(scores: Sequence[BoxScore], failures: Sequence[str], total: int, missing: int) -> str:
    """Paragraphs, each after an empty line, on what could not be read, or not be measured; of so
    many patients with boxes there is no image.
    """
    text = ""
    if missing:
        patients = f"{missing} patient{'s' * (missing > 1)}"
        text += f"\n\nThere is no image of {patients} with marked opacities."
    if beside := [f"{score.case}: box {score.box}" for score in scores if np.isnan(score.inside)]:
        text += (
            f"\n\nThese boxes lie beside their pictures and are not counted: {', '.join(beside)}; "
            "correct the list."
        )
    if failures:
        text += (
            f"\n\n{len(failures)} of {total} images could not be read and are left out: "
            f"{' '.join(failures)}"
        )
    if doubtful := {score.case for score in scores if score.doubt}:
        images = f"{len(doubtful)} image{'s' * (len(doubtful) > 1)}"
        text += (
            f"\n\nOf {images} the pixel spacing seems wrong, and so are millimetres "
            "(boxes.csv says why); `spacing` states it."
        )
    return text


def _sections(table: Table, left_out: str, shown: Sequence[Shown]) -> list[Section]:
    caption = (
        "Fraction of each marked box that lies inside the lung mask; intervals of the mean over "
        "boxes, by resampling patients."
    )
    return [
        Section(
            "How much of the boxes the mask keeps", left_out.strip(), table=table, caption=caption
        ),
        Section(
            "The worst",
            pictures=shown,
            caption="Widened lung mask, the marked boxes in yellow, and the fraction of the box "
            "that it keeps least of",
        ),
    ]


def _try(
    segmenter: RadiographSegmenter,
    boxes: Mapping[str, Sequence[OpacityBox]],
    radius: float,
    options: SegmentOptions,
    case: Case,
) -> _Found | str:
    opaque = finds_opacities(segmenter)
    asked = STRUCTURES if opaque else None
    try:
        result = segmenter(case.image, replace(options, structures=asked))
    except InputError as error:
        return error.recorded
    known = result.image.geometry.spacing
    lungs = result.segmentation.foreground.view(np.uint8)
    widened, bridged = (dilate(mask, radius, (1,), known) for mask in (lungs, hull(lungs, (1,))))
    by = f"{radius:g} {'pixels' if known is None else 'mm'}"
    scores = [
        BoxScore(
            case=case.case,
            patient=case.patient,
            box=i,
            inside=fraction_inside(lungs, box),
            inside_dilated=fraction_inside(widened, box),
            inside_hull=fraction_inside(bridged, box),
            dilated_by=by,
            verdict=result.verdict.status,
            doubt=doubt_of_scale(result.measurements) or "",
        )
        for i, box in enumerate(boxes[case.patient], 1)
    ]
    opacities = score_opacities(result, case, boxes[case.patient]) if opaque else None
    return _Found(scores, opacities)


def _kept(score: BoxScore) -> tuple[bool, float]:
    """What boxes are sorted by: those that lie beside their picture come last."""
    return math.isnan(score.inside_dilated), score.inside_dilated


def _worst(
    segmenter: RadiographSegmenter,
    cases: Sequence[Case],
    scores: Sequence[BoxScore],
    boxes: Mapping[str, Sequence[OpacityBox]],
    radius: float,
    options: SegmentOptions,
) -> list[Shown]:
    """The images of the boxes that are kept least."""
    least: dict[str, float] = {}
    for score in sorted(scores, key=_kept):
        if not math.isnan(score.inside_dilated):
            least.setdefault(score.case, score.inside_dilated)
    known = {case.case: case for case in cases}
    return [
        (
            f"{fraction:.3f} {name}",
            _tile(segmenter, known[name], boxes[known[name].patient], radius, options),
        )
        for name, fraction in list(least.items())[:WORST_CASES]
    ]


def _tile(
    segmenter: RadiographSegmenter,
    case: Case,
    boxes: Sequence[OpacityBox],
    radius: float,
    options: SegmentOptions,
) -> Picture:
    result = segmenter(case.image, replace(options, dilate=radius))
    picture = overlay(result.image, result.segmentation)
    for box in boxes:
        corners = (
            (round(box.x), round(box.y)),
            (round(box.x + box.width) - 1, round(box.y + box.height) - 1),
        )
        cv2.rectangle(
            picture, *corners, GROUND_TRUTH_COLOUR, max(1, round(max(picture.shape) / TILE))
        )
    return thumbnail(picture, TILE)


def summarise_boxes(scores: Sequence[BoxScore]) -> Table:
    """What the fractions come to, over boxes and over images, of the mask as it is and widened."""
    header = (
        "mask",
        "boxes",
        "images",
        "patients",
        "mean over boxes (95 % interval)",
        "mean over images",
        "5th percentile",
        "under 0.50",
    )
    images = [score.case for score in scores]
    ways = {"as it is": [score.inside for score in scores]}
    for by in dict.fromkeys(score.dilated_by for score in scores):
        some = [score if score.dilated_by == by else None for score in scores]
        ways[f"widened by {by}"] = [
            score.inside_dilated if score else float("nan") for score in some
        ]
        ways[f"hull of both lungs, widened by {by}"] = [
            score.inside_hull if score else float("nan") for score in some
        ]
    rows = []
    for name, values in ways.items():
        fractions = np.array(values)
        known = ~np.isnan(fractions)
        low, high = mean_intervals(fractions[:, np.newaxis], [score.patient for score in scores])
        of_images: dict[str, list[float]] = {}
        for value, image in zip(fractions[known], itertools.compress(images, known), strict=True):
            of_images.setdefault(image, []).append(value)
        rows.append(
            [
                name,
                str(int(known.sum())),
                str(len({score.case for score, k in zip(scores, known, strict=True) if k})),
                str(len({score.patient for score, k in zip(scores, known, strict=True) if k})),
                f"{fractions[known].mean():.4f}"
                + ("" if np.isnan(low[0]) else f" ({low[0]:.4f} to {high[0]:.4f})"),
                f"{np.mean([np.mean(own) for own in of_images.values()]):.4f}",
                f"{percentile(fractions[known], 5):.4f}",
                str(int((fractions[known] < 0.5).sum())),
            ]
        )
    return Table(header, rows)
