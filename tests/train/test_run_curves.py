"""Several runs over each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from command_line import lungseg
from lungseg.datasets import Case, write_manifest
from lungseg.errors import UsageError
from lungseg.train.run_curves import COLOURS, comparison, read_runs
from lungseg.train.settings import TrainingSettings

TABLE = "epoch,train_loss,val_loss,val_dice,val_iou,val_accuracy\n"


def run(folder: Path, dice: list[float], case: str = "a", **settings: Any) -> Path:
    folder.mkdir(parents=True)
    TrainingSettings(**settings).write(folder / "settings.toml")
    rows = [f"{i},{0.9 - d},{1 - d},{d},{d / 2},{0.5 + d / 2}" for i, d in enumerate(dice)]
    (folder / "metrics.csv").write_text(TABLE + "\n".join(rows) + "\n")
    image = folder / "film.png"
    cv2.imwrite(str(image), np.zeros((40, 40), np.uint8))
    write_manifest([Case(case, case, image, image, "north", "validation")], folder / "cases.csv")
    return folder


def test_the_best_epoch_of_each_run_is_told(tmp_path) -> None:
    runs = read_runs([run(tmp_path / "one", [0.2, 0.8, 0.6]), run(tmp_path / "two", [0.1, 0.3])])
    assert comparison(runs).splitlines()[2:] == [
        "| one | 3 | 1 | 0.8000 | 0.4000 | 0.9000 | 0.2000 |",
        "| two | 2 | 1 | 0.3000 | 0.1500 | 0.6500 | 0.7000 |",
    ]


def test_runs_that_were_validated_on_other_cases_do_not_compare(tmp_path) -> None:
    folders = [run(tmp_path / "x" / "r", [0.2]), run(tmp_path / "y" / "r", [0.3], case="b")]
    text = comparison(read_runs(folders))
    assert "| x/r | 1 |" in text
    assert "| y/r | 1 |" in text
    assert text.endswith("validated on the same cases, so their metrics do not compare.")


AS_ONE = (("lungs",),)
SIDES = (("right lung", "left lung"),)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"dilate": 7}, {}, "Neither losses nor Dice compare: dilate is 7 in x, and 0 in y."),
        ({"loss": "bce"}, {}, "The losses do not compare: loss is bce in x, and bce+dice in y."),
        (
            {"layers": AS_ONE},
            {"layers": SIDES},
            "The losses do not compare: layers is 'lungs' in x, and 'right lung, left lung' in y.",
        ),
        (
            {"layers": SIDES},
            {"layers": (*SIDES, ("heart",))},
            "Neither losses nor Dice compare: layers is 'right lung, left lung' in x, and "
            "'right lung, left lung' and 'heart' in y.",
        ),
        (
            {"class_weights": ("left lung=2",)},
            {},
            "The losses do not compare: class_weights is 'left lung=2' in x, and none in y.",
        ),
        ({"width": 8, "batch": 4}, {"epochs": 3}, ""),
    ],
)
def test_what_does_not_compare_is_said_with_the_setting_to_blame(
    first, second, said, tmp_path
) -> None:
    folders = [run(tmp_path / "x", [0.2], **first), run(tmp_path / "y", [0.3], **second)]
    below = comparison(read_runs(folders)).splitlines()[4:]
    assert below == (["", said] if said else [])
    (folders[1] / "settings.toml").write_text("of_another_version = 1")
    assert len(comparison(read_runs(folders)).splitlines()) == 4


@pytest.mark.slow
def test_every_run_has_a_line_in_every_panel(tmp_path) -> None:
    folders = [run(tmp_path / name, [0.2, 0.5 + i / 10, 0.4]) for i, name in enumerate("abc")]
    ran = lungseg("compare-runs", *folders, "-o", tmp_path / "runs.png")
    assert ran.exit_code == 0
    assert ran.stdout.endswith(f"Curves: {tmp_path / 'runs.png'}\n")
    picture = cv2.imread(str(tmp_path / "runs.png"))[..., ::-1]
    assert picture.shape == (1400, 2000, 3)
    for rows in (slice(0, 700), slice(700, 1400)):
        for columns in (slice(0, 1000), slice(1000, 2000)):
            for colour in COLOURS[:3]:
                rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
                assert (picture[rows, columns] == rgb).all(axis=2).sum() > 50


def test_what_is_no_run_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"no folder of a run; give what `lungseg train -o` wrote"):
        read_runs([tmp_path])
    (tmp_path / "settings.toml").touch()
    with pytest.raises(UsageError, match="no epoch of this run is whole yet"):
        read_runs([tmp_path])
    with pytest.raises(UsageError, match="1 to 28 runs"):
        read_runs([])


def test_runs_are_compared_where_their_films_are_not(tmp_path) -> None:
    folders = [run(tmp_path / name, [0.2, 0.8]) for name in ("one", "two")]
    for folder in folders:
        (folder / "film.png").unlink()
    assert comparison(read_runs(folders)).count("0.8000") == 2
