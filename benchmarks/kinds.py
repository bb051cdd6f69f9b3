"""How two models do on hard kinds of radiographs, told by what their masks and greys show.

    lungseg evaluate old.onnx cxr cases.csv -o compared --split test
    python benchmarks/kinds.py compared/old/scores.csv compared/cxr/scores.csv cases.csv

Prints a line for each kind: how many films, the mean Dice of both models, how many are under 0.90,
and the mean of the twenty films on which either model is worst.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.datasets import Case, read_labels, read_manifest
from lungseg.datasets.other_masks import read_other_masks
from lungseg.errors import InputError
from lungseg.readers import read_image
from lungseg.structures import LEFT_LUNG, LUNGS, RIGHT_LUNG

WORST: Final = 20
BAD: Final = 0.9
WHITE, CLEAR = 0.6, 0.2
"""Fraction of a lung that is opaque where it counts as white, and up to which as clear."""
FEW: Final = 0.1
"""Fraction of all films that have the lowest contrast, or the smallest lungs."""
COARSE: Final = 300
"""Rows or columns, of the fewer of which a coarse film has less."""


@dataclass(frozen=True)
class Look:
    """What a film shows, by the reader's masks.

    Attributes:
        case: the film.
        opaque: fraction of the right and of the left lung that is opaque; nan where nobody says.
        contrast: of the lungs and what lies around them, as a fraction of the picture's greys.
        size: fraction of the picture that is lung.
        side: rows or columns, whichever are fewer.
        is_cut: whether a lung reaches the edge of the picture.
    """

    case: Case
    opaque: tuple[float, float]
    contrast: float
    size: float
    side: int
    is_cut: bool


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path, help="scores.csv of a model")
    parser.add_argument("second", type=Path, help="scores.csv of another one, on the same list")
    parser.add_argument("cases", type=Path, help="the list that was evaluated")
    flags = parser.parse_args()
    first, second = flags.first.parent.name, flags.second.parent.name
    dice = {first: scores_of(flags.first), second: scores_of(flags.second)}
    looks = [
        look
        for case in read_manifest(flags.cases)
        if (case.source, case.case) in dice[first].keys() & dice[second]
        and (look := look_at(case)) is not None
    ]
    print(
        f"| kind | films | {first} | {second} | under {BAD}, {first} | {second} | "
        f"the {WORST} worst of {first}: {first} | {second} | "
        f"the {WORST} worst of {second}: {first} | {second} |\n" + "|---" * 10 + "|"
    )
    for kind, holds in kinds(looks).items():
        keys = [(look.case.source, look.case.case) for look in looks if holds(look)]
        if keys:
            print(f"| {kind} | {len(keys)} | {columns([dice[first], dice[second]], keys)} |")


def scores_of(path: Path) -> dict[tuple[str, str], float]:
    """The Dice of both lungs together, by source and case."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["source"], row["case"]): float(row["lungs_dice"]) for row in rows}


def look_at(case: Case) -> Look | None:
    """What a film shows; None where it cannot be read."""
    try:
        image = read_image(case.image)
        labels = read_labels(case, image.geometry.shape)
        opacity = read_other_masks(case, image.geometry.shape).get("opacity")
    except InputError:
        return None
    lungs = np.isin(labels, [lung.number for lung in LUNGS])
    grey = image.array.astype(np.float32)
    low, high = np.percentile(grey, (1, 99))
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (min(grey.shape) // 20) + 1,) * 2)
    ring = cv2.dilate(lungs.astype(np.uint8), reach).astype(bool) & ~lungs
    contrast = (grey[ring].mean() - grey[lungs].mean()) / max(float(high - low), 1e-6)
    edge = np.concatenate([lungs[0], lungs[-1], lungs[:, 0], lungs[:, -1]])
    return Look(
        case,
        (
            fraction(opacity, labels == RIGHT_LUNG.number),
            fraction(opacity, labels == LEFT_LUNG.number),
        ),
        float(contrast),
        float(lungs.mean()),
        min(grey.shape),
        bool(edge.mean() > 0.01),
    )


def fraction(opacity: NDArray[np.bool_] | None, lung: NDArray[np.bool_]) -> float:
    """Of a lung that is opaque; nan where nobody says, or there is none."""
    return float("nan") if opacity is None or not lung.any() else float(opacity[lung].mean())


def kinds(looks: list[Look]) -> Mapping[str, Callable[[Look], Any]]:
    """Whether a film is of a kind."""
    contrast, size = (
        float(np.quantile([getattr(look, name) for look in looks], FEW))
        for name in ("contrast", "size")
    )
    return {
        "all": lambda _: True,
        "COVID-19": lambda look: look.case.notes == "COVID-19",
        "other pneumonia": lambda look: look.case.notes == "Non-COVID",
        "without disease": lambda look: look.case.notes == "Normal",
        "diseased adults": lambda look: look.case.source == "diseased_adults",
        "children": lambda look: look.case.source == "paediatric",
        "one lung white": lambda look: min(look.opaque) <= CLEAR and max(look.opaque) >= WHITE,
        "both lungs white": lambda look: min(look.opaque) >= WHITE,
        "lowest contrast": lambda look: look.contrast <= contrast,
        "smallest lungs": lambda look: look.size <= size,
        "coarse": lambda look: look.side < COARSE,
        "cut off": lambda look: look.is_cut,
    }


def columns(dice: list[dict[tuple[str, str], float]], keys: list[tuple[str, str]]) -> str:
    """A line of the table, but for its first two columns."""
    values = np.array([[one[key] for key in keys] for one in dice])
    worst = [values[:, np.argsort(row)[:WORST]].mean(axis=1) for row in values]
    return " | ".join(
        [f"{mean:.4f}" for mean in values.mean(axis=1)]
        + [str(count) for count in (values < BAD).sum(axis=1)]
        + [f"{mean:.4f}" for pair in worst for mean in pair]
    )


if __name__ == "__main__":
    main()
