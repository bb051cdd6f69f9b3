"""One evaluation, from models and a list of cases to a folder with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.card import read_card
from lungseg.datasets import Case
from lungseg.datasets.label_sets import HOW_JUDGED
from lungseg.draw.picture import display
from lungseg.errors import InputError, UsageError
from lungseg.evaluate.cases import CaseScore
from lungseg.evaluate.compare import Difference, compare_table, differences, need_scipy
from lungseg.evaluate.page import HUMAN_DICE, Section, distributions, every_metric, page
from lungseg.evaluate.pictures import Shown, worst, write_sheet
from lungseg.evaluate.robustness import measure_robustness
from lungseg.evaluate.scoring import EVERYTHING, score_cases
from lungseg.evaluate.summary import group, structures_of, summaries
from lungseg.evaluate.tables import (
    Table,
    summarise,
    summarise_confidence,
    summarise_ratio,
    summarise_robustness,
    summarise_volumes,
    write_patients,
    write_scores,
    write_table,
)
from lungseg.modality import LungExtent
from lungseg.options import SegmentOptions
from lungseg.predict import find_model
from lungseg.readers import read_image
from lungseg.segmenter import Segmenter
from lungseg.writers import make_folder, write_file, written_out

WAYS_TO_READ = (
    "Scores are of what users run, at the input's own resolution. {} HD95 (at 1024) is "
    "in pixels of a picture whose longer side has 1024. Intervals are of the mean, by resampling "
    "patients. Raw: the same probabilities, only thresholded."
)

HOW_JUDGED_THROUGH_HEART = (
    "Lungs are drawn through the heart, and judged in the whole picture by masks drawn that way."
)

WAYS_TO_READ_CT = (
    "Volumes are scored in space, at their own resolution, in millimetres where the spacing is "
    "known: distances lie between surfaces. "
    "Where the ground truth does not tell right from left, single lungs have no score. Single "
    "slices whose ground truth is empty stand apart: there Dice is 1 where nothing was found and 0 "
    "elsewhere. Of volumes, missed are slices that the ground truth has something in and nothing "
    "was found in, and claimed those it has nothing in and something was found in. Slices are "
    "numbered from 0, as they are stored."
)

MAX_LISTED_VOLUMES = 30
"""So many volumes at most have a line each in the tables."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of an evaluation.

    Attributes:
        text: the tables, as Markdown; the same as in scores.md.
        failures: why each case that is not in the tables could not be scored.
        without_mask: cases that nobody drew a mask for; they are not in the tables either.
        other_extent: cases whose masks do not follow what the lungs were to follow; likewise.
    """

    text: str
    failures: tuple[str, ...]
    without_mask: int
    other_extent: int = 0


@dataclass(frozen=True, slots=True)
class _ModelScores:
    """One model's part of a report."""

    scores: list[CaseScore]
    shown: list[Shown]
    tables: dict[str, Table]
    failures: tuple[str, ...]


def evaluate(
    models: Sequence[str | Path],
    cases: Sequence[Case],
    folder: Path,
    *,
    robustness: bool = False,
    enter: bool = False,
    spacing: tuple[float, float] | None = None,
    lung_extent: LungExtent = "field",
    workers: int = 1,
) -> Evaluation:
    """Scores each model on `cases`.

    Leaves in `folder` scores.md, report.html, scores.csv (a line for each case), patients.csv,
    summary.csv and worst.png. With several models, the CSVs and worst.png are in a folder for each,
    and comparison.csv has the paired differences.

    Args:
        models: names of embedded models, or paths of .onnx files.
        cases: those without a mask are left out.
        folder: made here if need be.
        robustness: also measure how much the masks change when the pictures are perturbed
            (`lungseg.evaluate.robustness`).
        enter: write the mean Dice, 5th percentile and HD95 of each source into the models' cards.
        spacing: millimetres between rows and between columns, instead of what the files say.
        lung_extent: what the lungs of radiographs are to follow. "field" is scored on all masks, of
            those that draw through the heart outside the mediastinal band; "through-heart" on these
            alone, and all of them.
        workers: cases at a time.

    Raises:
        InputError: no case can be scored.
        ModelError: a model cannot be used.
        OutputError: the folder or a file in it cannot be written.
        UsageError: there are several models, and SciPy is not installed.
    """
    labelled = _judgeable(cases, lung_extent, of_default=enter or robustness)
    named = name_models(models)
    _check_models(named, robustness=robustness)
    threads = None if workers == 1 else 1
    options = replace(EVERYTHING, spacing=spacing, lung_extent=lung_extent)
    segmenters = {name: Segmenter(model, threads=threads) for name, model in named.items()}
    done: dict[str, _ModelScores] = {}
    for name, segmenter in segmenters.items():
        place = folder if len(named) == 1 else folder / name
        done[name] = _one(
            segmenter, labelled, place, options, robustness=robustness, workers=workers
        )
        if enter:
            _enter(done[name].scores, find_model(named[name]).with_suffix(".json"))
    compared = differences({name: each.scores for name, each in done.items()})
    if compared:
        write_table((asdict(difference) for difference in compared), folder / "comparison.csv")
    failures = tuple(dict.fromkeys(why for each in done.values() for why in each.failures))
    text = written_out(_text(done, compared, failures, len(labelled)))
    write_file(folder / "scores.md", f"{text}\n".encode())
    page = _page(done, compared, failures, len(labelled), lung_extent)
    write_file(folder / "report.html", written_out(page).encode())
    without = sum(case.mask is None for case in cases)
    return Evaluation(text, failures, without, len(cases) - without - len(labelled))


def _judgeable(cases: Sequence[Case], extent: LungExtent, *, of_default: bool) -> list[Case]:
    """Those with a mask that lungs of an extent can be judged by.

    Args:
        cases: all of them.
        extent: what the lungs are to follow.
        of_default: whether something is asked for that is of lungs as they are by default.

    Raises:
        InputError: there are none.
        UsageError: that and the extent do not go together.
    """
    labelled = [case for case in cases if case.mask is not None]
    if not labelled:
        raise InputError(
            f"none of the {len(cases)} cases has a mask to be judged by",
            cure="give cases with masks",
        )
    if extent == "through-heart":
        if of_default:
            raise UsageError(
                "cards and robustness are of lungs as they are by default",
                cure="leave `lung_extent` out",
            )
        labelled = [case for case in labelled if case.lung_extent == extent]
        if not labelled:
            raise InputError(
                f"none of the {len(cases)} cases has a mask that is drawn through the heart",
                cure="give such cases, or leave `lung_extent` out",
            )
    return labelled


def _check_models(named: Mapping[str, str | Path], *, robustness: bool) -> None:
    """That the models can be evaluated together."""
    modalities = {
        name: read_card(find_model(model).with_suffix(".json")).modality
        for name, model in named.items()
    }
    if len(set(modalities.values())) > 1:
        both = " and ".join(
            next(name for name, own in modalities.items() if own == modality)
            for modality in sorted(set(modalities.values()))
        )
        raise UsageError(
            f"the models are for images of different modalities: {both}",
            cure="evaluate those for CT and for radiographs apart",
        )
    if robustness and "ct" in modalities.values():
        raise UsageError(
            "pictures are perturbed for models of radiographs only", cure="leave `robustness` out"
        )
    if len(named) > 1:
        need_scipy()


def name_models(models: Sequence[str | Path]) -> dict[str, str | Path]:
    """The models by short names: that of the file, with its folder's where two files have the same.

    Raises:
        UsageError: two models have the same name all the same, or there is none.
    """
    stems = [Path(model).stem for model in models]
    named = {
        stem if stems.count(stem) == 1 else f"{Path(model).absolute().parent.name}-{stem}": model
        for stem, model in zip(stems, models, strict=True)
    }
    if len(named) < len(models) or not models:
        raise UsageError(
            "models to be compared need names of their own",
            cure="give each model once, and rename files of the same name",
        )
    return named


def _one(
    segmenter: Segmenter,
    cases: Sequence[Case],
    folder: Path,
    options: SegmentOptions,
    *,
    robustness: bool,
    workers: int,
) -> _ModelScores:
    make_folder(folder)
    scores, failures = score_cases(segmenter, cases, options, workers=workers)
    if not scores:
        raise InputError(
            f"none of {len(cases)} cases could be scored; the first: {failures[0].why.rstrip('.')}"
        )
    found = summaries(scores)
    write_scores(scores, folder / "scores.csv")
    write_patients(scores, folder / "patients.csv")
    write_table((asdict(summary) for summary in found), folder / "summary.csv")
    shown = worst(segmenter, cases, scores, options)
    write_sheet(shown, folder / "worst.png")
    tables = _tables(scores) | {
        "Confidence intervals, and what postprocessing does": summarise_confidence(found)
    }
    if robustness:
        readable = [
            case
            for case in cases
            if (case.source, case.case) in {(score.source, score.case) for score in scores}
        ]
        tables["Robustness"] = summarise_robustness(
            measure_robustness(segmenter, (display(read_image(case.image)) for case in readable))
        )
    return _ModelScores(scores, shown, tables, tuple(failure.why for failure in failures))


def _tables(scores: Sequence[CaseScore]) -> dict[str, Table]:
    """Pictures and volumes apart, since their metrics differ."""
    pictures = [score for score in scores if score.kind != "volume"]
    volumes = [score for score in scores if score.kind == "volume"]
    tables: dict[str, Table] = {}
    for structure in structures_of(scores):
        of = f" of {structure}" if len(structures_of(scores)) > 1 else ""
        if any(structure in score.raw for score in pictures):
            tables[f"Scores{of}"] = summarise(pictures, structure)
        mine = [score for score in volumes if structure in score.raw]
        if mine:
            tables[f"Scores{of} in volumes" if of else "Scores of volumes"] = summarise_volumes(
                group(mine), structure
            )
        if 1 < len(mine) <= MAX_LISTED_VOLUMES:
            each = {f"{score.source}/{score.case}": [score] for score in mine}
            tables[f"Each volume{of}"] = summarise_volumes(each, structure)
    ratios = summarise_ratio(pictures)
    return tables | ({"Cardiothoracic ratio": ratios} if ratios.rows else {})


def _left_out(failures: Sequence[str], total: int) -> str:
    return (
        f"{len(failures)} of {total} cases could not be scored and are left out: "
        f"{' '.join(failures)}"
    )


def _text(
    done: Mapping[str, _ModelScores],
    compared: Sequence[Difference],
    failures: Sequence[str],
    total: int,
) -> str:
    parts = [compare_table(compared).markdown()] if compared else []
    for name, each in done.items():
        parts += [f"{name}:"] * (len(done) > 1) + [
            table.markdown() for table in each.tables.values()
        ]
    return "\n\n".join(parts + [_left_out(failures, total)] * bool(failures))


def _page(
    done: Mapping[str, _ModelScores],
    compared: Sequence[Difference],
    failures: Sequence[str],
    total: int,
    extent: LungExtent,
) -> str:
    first = next(iter(done.values()))
    radiographs = first.scores[0].kind == "radiograph"
    sections = []
    if failures:
        sections.append(Section("Left out", _left_out(failures, total)))
    if compared:
        caption = (
            "Second less first, on the same cases; p of the Wilcoxon signed-rank test on patients."
        )
        sections.append(Section("Compared", table=compare_table(compared), caption=caption))
    for name, each in done.items():
        sections += [
            Section(f"{name}: {title}", table=table, caption=title)
            for title, table in each.tables.items()
        ]
    human = (
        f"The dashed line is the mean Dice of one person against another, {HUMAN_DICE}, on "
        "305 radiographs from six hospitals."
    )
    shown_in = {
        name: [score for score in each.scores if not score.is_empty] or each.scores
        for name, each in done.items()
    }
    sections += [
        Section(
            "Distributions",
            human if radiographs else "Of what shows something.",
            charts=distributions(shown_in),
        ),
        *(
            Section(
                f"The worst of {name}",
                "By Dice. The true outlines are yellow.",
                pictures=each.shown,
                caption="What was found, and the true outlines in yellow",
            )
            for name, each in done.items()
        ),
        *(
            every_metric(f"Every metric of {name}", summaries(each.scores))
            for name, each in done.items()
        ),
    ]
    judged = HOW_JUDGED if extent == "field" else HOW_JUDGED_THROUGH_HEART
    how = WAYS_TO_READ.format(judged) if radiographs else WAYS_TO_READ_CT
    return page(f"Evaluation of {', '.join(done)}", sections, how)


def _enter(scores: Sequence[CaseScore], card: Path) -> None:
    """Writes into a model's card what its scores come to."""
    replace(read_card(card), scores=_card_scores(scores)).write(card)


def _card_scores(scores: Sequence[CaseScore]) -> dict[str, Any]:
    """What the card says: of each source and, within it, of each pair and structure of none,
    without questionable masks and those that are empty.
    """
    entries: dict[str, Any] = {}
    certain = [score for score in scores if score.notes != "questionable" and not score.is_empty]
    for source in sorted({score.source for score in certain}):
        mine = [score for score in certain if score.source == source]
        entries[source] = {"cases": len(mine), "lung_extent": mine[0].lung_extent} | {
            name: _card_metrics([score for score in mine if name in score.raw], name)
            for name in structures_of(mine)
        }
    return entries


def _card_metrics(scores: Sequence[CaseScore], name: str) -> dict[str, float]:
    dice = [score.scores[name].dice for score in scores]
    at_1024 = [score.scores[name].hd95_at_1024 for score in scores]
    in_mm = [
        score.scores[name].hd95 for score in scores if score.kind == "volume" and score.unit == "mm"
    ]
    metrics = {
        "dice": round(float(np.mean(dice)), 4),
        "dice_p05": round(float(np.percentile(dice, 5)), 4),
    }
    for metric, values, digits in (
        ("hd95_at_1024_pixels", [v for v in at_1024 if not np.isnan(v)], 1),
        ("hd95_mm", [v for v in in_mm if not np.isnan(v)], 2),
    ):
        if values and np.isfinite(values).all():
            metrics[metric] = round(float(np.mean(values)), digits)
    return metrics
