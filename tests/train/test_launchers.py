"""One process, unless something started several; and pictures without a screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lightning.fabric.plugins.environments import (
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from lungseg.train import trainer
from lungseg.train.settings import TrainingSettings

SALLOC = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "salloc", "SLURM_NTASKS": "2"}
SBATCH = SALLOC | {"SLURM_JOB_NAME": "train", "SLURM_PROCID": "0", "SLURM_NODEID": "0"}
SRUN = SBATCH | {
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NNODES": "1",
}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}


@pytest.fixture(autouse=True)
def outside_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "several", "launcher"),
    [
        ({}, False, type(None)),
        (SALLOC, False, LightningEnvironment),
        (SALLOC, True, LightningEnvironment),
        (SBATCH, False, LightningEnvironment),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, True, LightningEnvironment),
        (SRUN, True, SLURMEnvironment),
        (SRUN, False, SLURMEnvironment),
        (TORCHRUN | SALLOC, False, TorchElasticEnvironment),
    ],
)
def test_who_started_the_processes(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], several: bool, launcher: type
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert type(trainer._launcher(several=several)) is launcher


def test_an_allocation_for_several_trains_in_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in SALLOC.items():
        monkeypatch.setenv(name, value)
    settings = TrainingSettings(precision="32-true")
    built = trainer.build_trainer(tmp_path, settings, progress=False)
    assert (built.world_size, built.num_nodes) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "from lungseg.cli.train import training_module; "
        "training_module('pictures'); import matplotlib",
        "import lungseg.train.trainer, matplotlib",
    ],
    ids=["command", "Python"],
)
def test_the_backend_of_a_notebook_is_not_asked_for(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code + ".pyplot; print(matplotlib.get_backend().lower())"],
        env={**os.environ, "MPLBACKEND": "module://no_such_notebook.backend_inline"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "agg\n"), done.stderr
