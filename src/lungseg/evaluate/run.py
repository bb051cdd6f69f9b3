"""One evaluation, from a model and a list of cases to a folder of scores and pictures."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, read_labels
from lungseg.draw import contour, display, montage, overlay
from lungseg.evaluate.cases import CaseScore, score_cases
from lungseg.evaluate.changes import steadiness
from lungseg.evaluate.tables import summarise, summarise_changes, write_scores
from lungseg.pipeline import RadiographSegmenter
from lungseg.predict import find_model
from lungseg.read import read
from lungseg.result import Result
from lungseg.write import make_folder, write_file

WORST = 20
TILE = 320
"""Side of a picture on the sheet of the worst, in pixels."""
TRUTH_COLOUR = (255, 220, 0)


def evaluate(model: str | Path, cases: Sequence[Case], folder: Path, *, changed: bool = False, enter: bool = False) -> str:
    """Scores `model` on `cases`; leaves scores.csv, scores.md and worst.png in `folder`.

    Args:
        model: name of an embedded model, or path of an .onnx file.
        cases: with masks.
        folder: made here if need be.
        changed: also measure how steady the masks are when the pictures are changed (`lungseg.evaluate.changes`).
        enter: write the mean Dice, 5th percentile and HD95 of each source into the model's card.

    Returns:
        The tables, as Markdown; the same as in scores.md.

    Raises:
        InputError: a case cannot be read or does not fit its mask.
        ModelError: the model cannot be used.
        OutputError: the folder or a file in it cannot be written.
    """
    segmenter = RadiographSegmenter(model)
    make_folder(folder)
    scores: list[CaseScore] = []
    worst: list[tuple[float, int, NDArray[np.uint8]]] = []
    for case, (score, result) in zip(cases, score_cases(segmenter, cases), strict=True):
        scores.append(score)
        if len(worst) < WORST or -score.dice > worst[0][0]:
            heapq.heappush(worst, (-score.dice, len(scores) - 1, _tile(case, result)))
            if len(worst) > WORST:
                heapq.heappop(worst)
    write_scores(scores, folder / "scores.csv")
    worst.sort(reverse=True)
    captions = [f"{scores[i].dice:.3f} {scores[i].case}" for _, i, _ in worst]
    sheet = montage([tile for _, _, tile in worst], 5, captions)
    write_file(folder / "worst.png", cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())
    text = summarise(scores)
    if changed:
        text += "\n\n" + summarise_changes(steadiness(segmenter, [display(read(case.image)) for case in cases]))
    write_file(folder / "scores.md", f"{text}\n".encode())
    if enter:
        replace(segmenter.card, scores=_card_scores(scores)).write(find_model(model).with_suffix(".json"))
    return text


def _card_scores(scores: Sequence[CaseScore]) -> dict[str, Any]:
    """What the card says: of each source, without its questionable masks."""
    entries: dict[str, Any] = {}
    certain = [score for score in scores if score.notes != "questionable"]
    for source in sorted({score.source for score in certain}):
        mine = [score for score in certain if score.source == source]
        dice = [score.dice for score in mine]
        hd95 = [score.hd95 for score in mine if not np.isnan(score.hd95)]
        entries[source] = {
            "cases": len(mine),
            "truth": mine[0].convention,
            "dice": round(float(np.mean(dice)), 4),
            "dice_5th_percentile": round(float(np.percentile(dice, 5)), 4),
            **({"hd95_of_1024_pixels": round(float(np.mean(hd95)), 1)} if hd95 and np.isfinite(hd95).all() else {}),
        }
    return entries


def _tile(case: Case, result: Result) -> NDArray[np.uint8]:
    """The overlay with the outline of the truth, shrunk to fit a tile."""
    picture = overlay(result.image, result.segmentation)
    truth = read_labels(case) > 0
    picture[contour(truth, max(1, round(max(truth.shape) / TILE)))] = TRUTH_COLOUR
    scale = TILE / max(truth.shape)
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
