"""One training run, from a list of cases to a folder with the best weights."""

from __future__ import annotations

import lungseg.train.libraries  # noqa: F401 (first, for what it says)

# isort: split

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from lungseg.augment.parameters import AugmentationSettings
from lungseg.datasets import Case, write_manifest
from lungseg.errors import UsageError
from lungseg.train.checkpoints import read_checkpoint
from lungseg.train.data import CaseArrays
from lungseg.train.initial_weights import load_initial_weights
from lungseg.train.memory import check_memory
from lungseg.train.module import LungModule
from lungseg.train.pseudo_labels import Teachers
from lungseg.train.recipes import difference
from lungseg.train.run_cases import assign_splits, check_same_cases, training_and_validation
from lungseg.train.sampler import EpochSampler
from lungseg.train.settings import TrainingSettings, read_settings
from lungseg.train.trainer import SetEpoch, build_trainer, interruptible, without_log_noise
from lungseg.writers.lock import only_writer

STATISTICS_SAMPLES = 32
"""Samples on which batch normalisation is measured, where a model to start from has lost its
statistics; fewer of more than 256 x 256 pixels, since they go through the network at once."""

TELLING = ("modality", "size", "architecture", "layers")
"""Settings by which a run of another recipe is told first, if they differ."""

INDIFFERENT = ("cache", "deterministic", "workers")
"""Settings that make no other run of the same recipe."""


def fit(
    cases: Sequence[Case],
    folder: Path,
    settings: TrainingSettings,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Trains, and leaves in `folder`: settings.toml, cases.csv, metrics.csv, best.ckpt (averaged
    weights), last.ckpt, and what `lungseg.train.logs` tells.

    With several devices, Lightning starts the same program once more for each of them, unless
    torchrun or SLURM has done so; only the first writes.

    Args:
        cases: with or without their split; those without a mask are listed, and nothing is learnt
            from them.
        folder: of the run; made here.
        settings: of the run.
        resume: go on from last.ckpt.
        progress: show a bar.

    Returns:
        The path of best.ckpt.

    Raises:
        InputError: there is nothing to train on or to validate on, or a patient is in two splits.
        ModelError: `start_from`, a model of `pseudo_label_with`, or last.ckpt cannot be used.
        OutputError: the folder cannot be written to, another program writes there, or the disk is
            full; what was there before is whole.
        UsageError: the memory will not do; the folder holds a run but should not, or none but
            should, or one of other cases; `start_from` has the weights of another network; what is
            monitored is not logged; there are fewer devices than asked for.
        KeyboardInterrupt: Ctrl-C; what was reached at the end of the last whole epoch can be
            resumed.
    """
    last = _checked_checkpoint(folder, settings, resume=resume)
    cases = assign_splits(cases, settings)
    if resume:
        check_same_cases(cases, folder / "cases.csv")
    training, validation = training_and_validation(cases, settings)
    check_memory(settings, len({*training, *validation}), resume=resume)
    alone = only_writer(folder) if is_first() else nullcontext()
    with alone, without_log_noise(), interruptible():
        trainer = build_trainer(folder, settings, progress=progress)
        lightning.seed_everything(settings.seed, workers=True, verbose=False)
        data, judged = arrays(training, settings), arrays(validation, settings, augmented=False)
        module = LungModule(settings, validation)
        if settings.start_from and not resume:
            # Evenly over the list, whose first cases may all be of one patient.
            few = max(4, STATISTICS_SAMPLES * 256**2 // settings.size**2)
            samples = np.linspace(0, len(data) - 1, min(STATISTICS_SAMPLES, few))
            spread = {round(place) for place in samples}
            pictures = (data[i][0] for i in sorted(spread))
            load_initial_weights(settings.start_from, module.net, pictures, settings.classes)
        _begin_folder(folder, settings, cases, resume=resume)
        loaders = _loader(data, settings), _loader(judged, settings)
        trainer.callbacks.insert(0, SetEpoch(data, settings.seed))
        trainer.fit(module, *loaders, ckpt_path=last if resume else None, weights_only=True)
    return folder / "best.ckpt"


def arrays(
    cases: Sequence[Case], settings: TrainingSettings, *, augmented: bool = True
) -> CaseArrays:
    """The cases as the network gets them in training, or in validation: without augmentation, and
    with what masks leave open left open.

    Raises:
        InputError: an image or mask cannot be used.
        ModelError: a model of `pseudo_label_with` cannot be used.
        OutputError: the cache cannot be written.
    """
    return CaseArrays(
        cases,
        (settings.size, settings.size),
        (settings.clip_low, settings.clip_high),
        seed=settings.seed if augmented else None,
        layers=settings.classes,
        augmentation=AugmentationSettings(
            **{field.name: getattr(settings, field.name) for field in fields(AugmentationSettings)}
        ),
        dilate=settings.dilate,
        cache=Path(settings.cache) if settings.cache else None,
        teachers=Teachers(settings.pseudo_label_with if augmented else ()),
    )


def is_first() -> bool:
    """Whether this process is the one of several that writes and speaks."""
    return rank_zero_only.rank == 0


def _checked_checkpoint(folder: Path, settings: TrainingSettings, *, resume: bool) -> Path:
    """The path of last.ckpt: of one that can be used where a run is resumed, else of none."""
    last = folder / "last.ckpt"
    if last.exists() and not resume:
        file = folder / "settings.toml"
        names = dict.fromkeys([*TELLING, *(field.name for field in fields(TrainingSettings))])
        compared = [name for name in names if name not in INDIFFERENT]
        other = difference(read_settings(file), settings, compared) if file.is_file() else ""
        other = f", and one of other settings ({other})" if other else ""
        raise UsageError(
            f"the folder holds a run already{other}",
            where=folder,
            cure="choose another folder, or resume it",
        )
    if resume and not last.exists():
        begun = (folder / "settings.toml").exists()
        raise UsageError(
            "the run was stopped before its first epoch was whole"
            if begun
            else "there is no run to resume",
            where=folder,
            cure="begin it again, without `resume`" if begun else "choose another folder",
        )
    if resume:
        read_checkpoint(last)
    return last


def _begin_folder(
    folder: Path, settings: TrainingSettings, cases: Sequence[Case], *, resume: bool
) -> None:
    """Writes what is known before the first epoch."""
    if not is_first():
        return
    settings.write(folder / "settings.toml")
    write_manifest(cases, folder / "cases.csv")
    if not resume:  # a table can only be left of a run that was stopped in its first epoch
        (folder / "metrics.csv").unlink(missing_ok=True)


def _loader(data: CaseArrays, settings: TrainingSettings) -> DataLoader[Any]:
    """Batches of training cases in the order of the epoch, or of validation cases in their own,
    which nothing has to be done to.
    """
    trained = data.seed is not None
    workers = settings.workers if trained else 0
    return DataLoader(
        data,
        batch_size=settings.batch,
        sampler=EpochSampler(data),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.accelerator.is_available(),
        drop_last=trained and len(data) > settings.batch * settings.devices * settings.nodes,
    )
