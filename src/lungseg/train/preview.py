"""What the network will see: training samples as a picture, and the parameters to make each of
them again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungseg.augment.parameters import NO_AUGMENTATION, AugmentationParameters, sample_parameters
from lungseg.datasets.label_sets import ONLY_BACKGROUND, LayerClasses, Sets
from lungseg.draw.picture import Picture, contour, montage
from lungseg.errors import UsageError
from lungseg.preprocess import window
from lungseg.train.data import CaseArrays
from lungseg.writers import make_folder, picture_png, write_file

EPOCHS: Final = 5
"""Augmented samples in a row: those of the first so many epochs."""


def augmented_sheet(data: CaseArrays, count: int) -> Picture:
    """Red, green, blue: a row for each case, as it is and as it will be in the first `EPOCHS`
    epochs, structures outlined.

    Args:
        data: training cases.
        count: how many of them, spread over all; fewer where there are fewer.

    Raises:
        UsageError: the data is not augmented, or less than one case was asked for.
    """
    tiles, captions = [], []
    for index in _chosen(data, count):
        still = sample_parameters(np.random.default_rng(0), NO_AUGMENTATION)
        for parameters in (still, *(_parameters(data, index, epoch) for epoch in range(EPOCHS))):
            tiles.append(_tile(*data.augmented(index, parameters), data.clip, data.layers))
        captions += [data.cases[index].case, *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
    return montage(tiles, 1 + EPOCHS, captions)


def augmented_lines(data: CaseArrays, count: int) -> list[str]:
    """The parameters of the augmented samples of `augmented_sheet`, a line of JSON for each, which
    `replay` takes.
    """
    return [
        json.dumps(
            {
                "source": data.cases[index].source,
                "case": data.cases[index].case,
                "index": index,
                "epoch": epoch + 1,
                "parameters": json.loads(_parameters(data, index, epoch).to_json()),
            }
        )
        for index in _chosen(data, count)
        for epoch in range(EPOCHS)
    ]


def replay(line: str, data: CaseArrays) -> tuple[NDArray[Any], Sets]:
    """The sample that a line of `augmented_lines` describes, as `CaseArrays.augmented` gives it.

    Args:
        line: of JSON.
        data: the same cases at the same size; its seed and augmentation have no say.

    Raises:
        UsageError: the data has another case there.
    """
    entry = json.loads(line)
    index, name = entry["index"], (entry["source"], entry["case"])
    if index >= len(data) or (data.cases[index].source, data.cases[index].case) != name:
        problem = f"case {name[1]} of {name[0]} is not number {index} of these"
        raise UsageError(problem, cure="give the cases that the parameters were sampled for")
    return data.augmented(index, AugmentationParameters.from_json(json.dumps(entry["parameters"])))


def write_augmented(data: CaseArrays, count: int, picture: Path) -> None:
    """Writes `augmented_sheet` as PNG, and `augmented_lines` beside it with the ending .jsonl, into
    a folder that is created where it does not exist.

    Raises:
        OutputError: one of them cannot be written.
        UsageError: as `augmented_sheet`.
    """
    sheet, lines = augmented_sheet(data, count), augmented_lines(data, count)
    make_folder(picture.parent)
    write_file(picture, picture_png(sheet))
    write_file(picture.with_suffix(".jsonl"), "".join(f"{line}\n" for line in lines).encode())


def _chosen(data: CaseArrays, count: int) -> list[int]:
    if count < 1:
        raise UsageError(f"at least 1 case can be shown, not {count}")
    return np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(int).tolist()


def _parameters(data: CaseArrays, index: int, epoch: int) -> AugmentationParameters:
    parameters = data.parameters(index, epoch)
    if parameters is None:
        raise UsageError("these cases are not augmented", cure="show training cases")
    return parameters


def _tile(
    picture: NDArray[Any],
    allowed: Sets,
    clip: tuple[float, float],
    layers: Sequence[LayerClasses],
) -> Picture:
    """The greys that the network sees, and in its colour an outline around what may be a structure
    and is not background, by the mask.
    """
    tile = np.repeat(
        np.rint(window(picture, clip) * 255).astype(np.uint8)[..., np.newaxis], 3, axis=2
    )
    for sets, classes in zip(allowed, layers, strict=True):
        rest = (sets & ONLY_BACKGROUND) == 0
        for structure in classes.structures:
            own = rest & ((sets & classes.bits(structure.name)) > 0)
            tile[contour(own, 1)] = structure.colour
            rest &= ~own
    return tile
