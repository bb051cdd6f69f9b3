"""One evaluation, from models and a list of cases to a folder with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.datasets import Case
from lungseg.draw import display
from lungseg.errors import InputError, UsageError
from lungseg.evaluate.cases import CaseScore, score_cases
from lungseg.evaluate.changes import steadiness
from lungseg.evaluate.compare import Difference, compare_table, differences, need_scipy
from lungseg.evaluate.page import HUMAN_DICE, distributions, every_metric, gallery, page, section, table_of
from lungseg.evaluate.pictures import Shown, worst, write_sheet
from lungseg.evaluate.summary import summaries
from lungseg.evaluate.tables import Table, summarise, summarise_changes, summarise_surely, write_patients, write_scores, write_table
from lungseg.pipeline import RadiographSegmenter
from lungseg.predict import find_model
from lungseg.read import read
from lungseg.write import make_folder, write_file

WAYS_TO_READ = (
    "Scores are of what users run, at the input's own resolution. Masks that draw through the heart are judged outside the band where "
    "heart and mediastinum may lie. HD95 (of 1024) is in pixels of a picture whose longer side has 1024. Intervals are of the mean, by "
    "resampling patients. Not cleaned: the same probabilities, only thresholded."
)


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
    changed: bool = False,
    enter: bool = False,
    spacing: tuple[float, float] | None = None,
    jobs: int = 1,
) -> Report:
    """Scores each model on `cases`.

    Leaves in `folder` scores.md, report.html, scores.csv (a line for each case), patients.csv, summary.csv and worst.png. With several
    models, the CSVs and worst.png are in a folder for each, and comparison.csv has the paired differences.

    Args:
        models: names of embedded models, or paths of .onnx files.
        cases: those without a mask are left out.
        folder: made here if need be.
        changed: also measure how steady the masks are when the pictures are changed (`lungseg.evaluate.changes`).
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
        raise InputError(f"none of the {len(cases)} cases has a mask to be judged by", cure="give cases with masks")
    named = name_models(models)
    if len(named) > 1:
        need_scipy()
    segmenters = {name: RadiographSegmenter(model, threads=None if jobs == 1 else 1) for name, model in named.items()}
    done: dict[str, _Evaluated] = {}
    for name, segmenter in segmenters.items():
        place = folder if len(named) == 1 else folder / name
        done[name] = _one(segmenter, labelled, place, changed=changed, spacing=spacing, jobs=jobs)
        if enter:
            replace(segmenter.card, scores=_card_scores(done[name].scores)).write(find_model(named[name]).with_suffix(".json"))
    compared = differences({name: each.scores for name, each in done.items()}) if len(done) > 1 else []
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
        raise UsageError("models to be compared need names of their own", cure="give each model once, and rename files of the same name")
    return named


def _one(
    segmenter: RadiographSegmenter, cases: Sequence[Case], folder: Path, *, changed: bool, spacing: tuple[float, float] | None, jobs: int
) -> _Evaluated:
    make_folder(folder)
    scores, failures = score_cases(segmenter, cases, spacing=spacing, jobs=jobs)
    if not scores:
        raise InputError(f"none of {len(cases)} cases could be scored; the first: {failures[0].why.rstrip('.')}")
    found = summaries(scores)
    write_scores(scores, folder / "scores.csv")
    write_patients(scores, folder / "patients.csv")
    write_table((asdict(summary) for summary in found), folder / "summary.csv")
    shown = worst(segmenter, cases, scores)
    write_sheet(shown, folder / "worst.png")
    tables = {"Scores": summarise(scores), "How sure the means are, and what cleaning does": summarise_surely(found)}
    if changed:
        readable = [case for case in cases if (case.source, case.case) in {(score.source, score.case) for score in scores}]
        tables["How steady the masks are"] = summarise_changes(steadiness(segmenter, [display(read(case.image)) for case in readable]))
    return _Evaluated(scores, shown, tables, tuple(failure.why for failure in failures))


def _said(failures: Sequence[str], total: int) -> str:
    return f"{len(failures)} of {total} cases could not be scored and are left out: {' '.join(failures)}"


def _text(done: Mapping[str, _Evaluated], compared: Sequence[Difference], failures: Sequence[str], total: int) -> str:
    parts = [compare_table(compared).markdown()] if compared else []
    for name, each in done.items():
        parts += [f"{name}:"] * (len(done) > 1) + [table.markdown() for table in each.tables.values()]
    return "\n\n".join(parts + [_said(failures, total)] * bool(failures))


def _page(done: Mapping[str, _Evaluated], compared: Sequence[Difference], failures: Sequence[str]) -> str:
    first, shown = next((name, each.shown) for name, each in done.items())
    parts = [f"<p>{WAYS_TO_READ}</p>"]
    if failures:
        parts.append(section("Left out", text=_said(failures, len(failures) + len(next(iter(done.values())).scores))))
    if compared:
        caption = "Second less first, on the same cases; p of the Wilcoxon signed-rank test on patients."
        parts.append(section("Compared", table_of(compare_table(compared), caption)))
    for name, each in done.items():
        parts += [section(f"{name}: {title}", table_of(table, title)) for title, table in each.tables.items()]
    human = f"The dashed line is the mean Dice of one person against another, {HUMAN_DICE}, on 305 radiographs from six hospitals."
    parts.append(section("Distributions", distributions({name: each.scores for name, each in done.items()}), text=human))
    parts.append(
        section(
            f"The worst of {first}",
            gallery(shown, "Lungs found, and the true outline in yellow"),
            text="By Dice. The true outline is yellow.",
        )
    )
    for name, each in done.items():
        parts.append(section(f"Every metric of {name}", every_metric(summaries(each.scores))))
    return page(f"Lung masks of {', '.join(done)}", parts)


def _card_scores(scores: Sequence[CaseScore]) -> dict[str, Any]:
    """What the card says: of each source, without its questionable masks."""
    entries: dict[str, Any] = {}
    certain = [score for score in scores if score.notes != "questionable"]
    for source in sorted({score.source for score in certain}):
        mine = [score for score in certain if score.source == source]
        dice = [score.lungs.dice for score in mine]
        hd95 = [score.hd95_of_1024 for score in mine if not np.isnan(score.hd95_of_1024)]
        entries[source] = {
            "cases": len(mine),
            "truth": mine[0].convention,
            "dice": round(float(np.mean(dice)), 4),
            "dice_5th_percentile": round(float(np.percentile(dice, 5)), 4),
            **({"hd95_of_1024_pixels": round(float(np.mean(hd95)), 1)} if hd95 and np.isfinite(hd95).all() else {}),
        }
    return entries
