"""Training in two processes on the CPU, started by Lightning itself, or as torchrun and SLURM start
one on each of two nodes."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lungseg.datasets import discover_cases
from lungseg.train.fit import fit
from lungseg.train.settings import TrainingSettings
from phantom_radiographs import write_radiographs

# Two batches of one image are one batch of two where no normalisation looks at the batch.
ONE = TrainingSettings(
    width=4,
    depth=3,
    size=64,
    norm="none",
    epochs=3,
    batch=2,
    learning_rate=0.01,
    ema_decay=0.5,
    validation=0.15,
    precision="32-true",
    workers=0,
)
TASKS = {
    "torchrun": {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "2",
    "TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1"},
    "SLURM": {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2",
              "SLURM_LOCALID": "0", "SLURM_NODELIST": "localhost",
              "SLURM_JOB_NODELIST": "localhost"},
}  # fmt: skip
"""What each of them says to every process beside which one it is."""
NUMBERS = {"torchrun": ("RANK", "GROUP_RANK"), "SLURM": ("SLURM_PROCID", "SLURM_NODEID")}


def metrics(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return [
            {name: float(value) for name, value in line.items()} for line in csv.DictReader(stream)
        ]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_radiographs(tmp_path_factory.mktemp("films"), count=14)


@pytest.fixture(scope="module")
def alone(films: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    """The metrics of one process."""
    folder = tmp_path_factory.mktemp("one")
    fit(discover_cases(films), folder, ONE, progress=False)
    return metrics(folder)


def free_port() -> str:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return str(door.getsockname()[1])


def environments(by: str) -> list[dict[str, str]]:
    """Of the processes to be started; Lightning starts its second one itself."""
    if by == "Lightning":
        return [{}]
    shared = TASKS[by] | {"MASTER_PORT": free_port()}
    return [shared | dict.fromkeys(NUMBERS[by], str(number)) for number in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["Lightning", *TASKS])
def test_two_processes_train_as_one_does(
    films: Path, alone: list[dict[str, float]], tmp_path: Path, by: str
) -> None:
    several = {"devices": 2} if by == "Lightning" else {"nodes": 2}
    replace(ONE, batch=1, **several).write(tmp_path / "two.toml")
    command = [
        sys.executable,
        "-m",
        "lungseg",
        "train",
        films,
        "-o",
        tmp_path / "two",
        "--settings",
        tmp_path / "two.toml",
        "-q",
    ]
    processes = [
        subprocess.Popen(
            [*map(str, command)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in environments(by)
    ]
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), said
    assert "".join(out for out, _ in said).count("Best weights: ") == 1
    together = metrics(tmp_path / "two")
    assert len(together) == 3
    assert together[-1]["train_loss"] < together[0]["train_loss"]
    for one, two in zip(alone, together, strict=True):
        assert two == pytest.approx(one, abs=2e-3)
