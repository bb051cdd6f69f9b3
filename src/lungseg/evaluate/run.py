"""One evaluation, from models and a list of cases to a folder with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.card import read_card
from lungseg.datasets import Case
from lungseg.draw.picture import display
from lungseg.errors import InputError, UsageError
from lungseg.evaluate.cases import CaseScore
from lungseg.evaluate.compare import Difference, compare_table, differences, need_scipy
from lungseg.evaluate.page import HUMAN_DICE, Section, distributions, every_metric, page
from lungseg.evaluate.pictures import Shown, worst, write_sheet
from lungseg.evaluate.robustness import steadiness
from lungseg.evaluate.scoring import score_cases
from lungseg.evaluate.summary import group, summaries
from lungseg.evaluate.tables import (
    Table,
    summarise,
    summarise_changes,
    summarise_surely,
    summarise_volumes,
    write_patients,
    write_scores,
    write_table,
)
from lungseg.predict import find_model
from lungseg.readers import read_image
from lungseg.segmenter import Segmenter
from lungseg.writers import make_folder, write_file

WAYS_TO_READ = (
    "Scores are of what users run, at the input's own resolution. Masks that draw through the "
    "heart are judged outside the band where "
    "heart and mediastinum may lie. HD95 (of 1024) is in pixels of a picture whose longer side "
    "has 1024. Intervals are of the mean, by "
    "resampling patients. Not cleaned: the same probabilities, only thresholded."
)

WAYS_TO_READ_CT = (
    "Volumes are scored in space, at their own resolution, in millimetres where the spacing is "
    "known: distances lie between surfaces. "
    "Where the truth does not tell right from left, single lungs have no score. Single slices "
    "whose truth has no lung stand apart: there "
    "Dice is 1 where nothing was found and 0 elsewhere. Of volumes, missed are slices with lung "
    "in which nothing was found, and claimed "
    "those without lung in which something was. Slices are numbered from 0, as they are stored."
)

EACH = 30
"""So many volumes at most have a line each in the tables."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an evaluation.

    Attributes:
        text: the tables, as Markdown; the same as in scores.md.
        failures: why each case that is not in the tables could not be scored.
        without_mask: cases that nobody drew a mask for; they are not in the tables either.
    """

    text: str
    failures: tuple[str, ...]
    without_mask: int


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """One model's share of a report."""

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
    jobs: int = 1,
) -> Report:
    """Scores each model on `cases`.

    Leaves in `folder` scores.md, report.html, scores.csv (a line for each case), patients.csv,
    summary.csv and worst.png. With several models, the CSVs and worst.png are in a folder for each,
    and comparison.csv has the paired differences.

    Args:
        models: names of embedded models, or paths of .onnx files.
        cases: those without a mask are left out.
        folder: made here if need be.
        robustness: also measure how steady the masks are when the pictures are changed
            (`lungseg.evaluate.robustness`).
        enter: write the mean Dice, 5th percentile and HD95 of each source into the models' cards.
        spacing: millimetres between rows and between columns, instead of what the files say.
        jobs: cases at a time.

    Raises:
        InputError: no case can be scored.
        ModelError: a model cannot be used.
        OutputError: the folder or a file in it cannot be written.
        UsageError: there are several models, and SciPy is not installed.
    """
    labelled = [case for case in cases if case.mask is not None]
    if not labelled:
        raise InputError(
            f"none of the {len(cases)} cases has a mask to be judged by",
            cure="give cases with masks",
        )
    named = name_models(models)
    kinds = {
        name: read_card(find_model(model).with_suffix(".json")).modality
        for name, model in named.items()
    }
    if len(set(kinds.values())) > 1:
        both = " and ".join(
            next(name for name, own in kinds.items() if own == kind)
            for kind in sorted(set(kinds.values()))
        )
        raise UsageError(
            f"the models are for images of different kinds: {both}",
            cure="evaluate those for CT and for radiographs apart",
        )
    if robustness and "ct" in kinds.values():
        raise UsageError(
            "pictures are changed for models of radiographs only", cure="leave `robustness` out"
        )
    if len(named) > 1:
        need_scipy()
    segmenters = {
        name: Segmenter(model, threads=None if jobs == 1 else 1) for name, model in named.items()
    }
    done: dict[str, _Evaluated] = {}
    for name, segmenter in segmenters.items():
        place = folder if len(named) == 1 else folder / name
        done[name] = _one(
            segmenter, labelled, place, robustness=robustness, spacing=spacing, jobs=jobs
        )
        if enter:
            path = find_model(named[name]).with_suffix(".json")
            replace(read_card(path), scores=_card_scores(done[name].scores)).write(path)
    compared = (
        differences({name: each.scores for name, each in done.items()}) if len(done) > 1 else []
    )
    if compared:
        write_table((asdict(difference) for difference in compared), folder / "comparison.csv")
    failures = tuple(dict.fromkeys(why for each in done.values() for why in each.failures))
    text = _text(done, compared, failures, len(labelled))
    write_file(folder / "scores.md", f"{text}\n".encode())
    write_file(folder / "report.html", _page(done, compared, failures).encode())
    return Report(text, failures, len(cases) - len(labelled))


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
    *,
    robustness: bool,
    spacing: tuple[float, float] | None,
    jobs: int,
) -> _Evaluated:
    make_folder(folder)
    scores, failures = score_cases(segmenter, cases, spacing=spacing, jobs=jobs)
    if not scores:
        raise InputError(
            f"none of {len(cases)} cases could be scored; the first: {failures[0].why.rstrip('.')}"
        )
    found = summaries(scores)
    write_scores(scores, folder / "scores.csv")
    write_patients(scores, folder / "patients.csv")
    write_table((asdict(summary) for summary in found), folder / "summary.csv")
    shown = worst(segmenter, cases, scores)
    write_sheet(shown, folder / "worst.png")
    tables = _tables(scores) | {
        "How sure the means are, and what cleaning does": summarise_surely(found)
    }
    if robustness:
        readable = [
            case
            for case in cases
            if (case.source, case.case) in {(score.source, score.case) for score in scores}
        ]
        tables["How steady the masks are"] = summarise_changes(
            steadiness(segmenter, (display(read_image(case.image)) for case in readable))
        )
    return _Evaluated(scores, shown, tables, tuple(failure.why for failure in failures))


def _tables(scores: Sequence[CaseScore]) -> dict[str, Table]:
    """Pictures and volumes apart, since what is said of them differs."""
    pictures = [score for score in scores if score.kind != "volume"]
    volumes = [score for score in scores if score.kind == "volume"]
    tables = {"Scores": summarise(pictures)} if pictures else {}
    if volumes:
        tables["Scores of volumes"] = summarise_volumes(group(volumes))
    if 1 < len(volumes) <= EACH:
        tables["Each volume"] = summarise_volumes(
            {f"{score.source}/{score.case}": [score] for score in volumes}
        )
    return tables


def _said(failures: Sequence[str], total: int) -> str:
    return (
        f"{len(failures)} of {total} cases could not be scored and are left out: "
        f"{' '.join(failures)}"
    )


def _text(
    done: Mapping[str, _Evaluated],
    compared: Sequence[Difference],
    failures: Sequence[str],
    total: int,
) -> str:
    parts = [compare_table(compared).markdown()] if compared else []
    for name, each in done.items():
        parts += [f"{name}:"] * (len(done) > 1) + [
            table.markdown() for table in each.tables.values()
        ]
    return "\n\n".join(parts + [_said(failures, total)] * bool(failures))


def _page(
    done: Mapping[str, _Evaluated], compared: Sequence[Difference], failures: Sequence[str]
) -> str:
    first, shown = next((name, each.shown) for name, each in done.items())
    films = done[first].scores[0].kind == "radiograph"
    sections = []
    if failures:
        left_out = _said(failures, len(failures) + len(done[first].scores))
        sections.append(Section("Left out", left_out))
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
    with_lung = {
        name: [score for score in each.scores if score.has_lung] or each.scores
        for name, each in done.items()
    }
    sections += [
        Section(
            "Distributions",
            human if films else "Of what shows lung.",
            charts=distributions(with_lung),
        ),
        Section(
            f"The worst of {first}",
            "By Dice. The true outline is yellow.",
            pictures=shown,
            caption="Lungs found, and the true outline in yellow",
        ),
        *(
            every_metric(f"Every metric of {name}", summaries(each.scores))
            for name, each in done.items()
        ),
    ]
    how = WAYS_TO_READ if films else WAYS_TO_READ_CT
    return page(f"Lung masks of {', '.join(done)}", sections, how)


def _card_scores(scores: Sequence[CaseScore]) -> dict[str, Any]:
    """What the card says: of each source, without its questionable masks and those that show no
    lung.
    """
    entries: dict[str, Any] = {}
    certain = [score for score in scores if score.notes != "questionable" and score.has_lung]
    for source in sorted({score.source for score in certain}):
        mine = [score for score in certain if score.source == source]
        dice = [score.lungs.dice for score in mine]
        hd95 = [score.hd95_of_1024 for score in mine if not np.isnan(score.hd95_of_1024)]
        in_mm = [
            score.lungs.hd95 for score in mine if score.kind == "volume" and score.unit == "mm"
        ]
        entries[source] = {
            "cases": len(mine),
            "truth": mine[0].lung_extent,
            "dice": round(float(np.mean(dice)), 4),
            "dice_5th_percentile": round(float(np.percentile(dice, 5)), 4),
            **(
                {"hd95_of_1024_pixels": round(float(np.mean(hd95)), 1)}
                if hd95 and np.isfinite(hd95).all()
                else {}
            ),
            **(
                {"hd95_mm": round(float(np.mean(in_mm)), 2)}
                if in_mm and np.isfinite(in_mm).all()
                else {}
            ),
        }
    return entries
