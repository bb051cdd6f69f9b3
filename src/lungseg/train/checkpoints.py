"""Checkpoints: written whole or not at all, and read as plain tensors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lungseg.errors import ModelError
from lungseg.writers import write_file


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name and renames it, so that where the disk gets full
    the one before survives.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Writes one.

        Raises:
            OutputError: the folder cannot be written to, or the disk is full.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_file(Path(path), buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of `lungseg train` holds, on the CPU.

    Raises:
        ModelError: the file is no such checkpoint, or holds anything but plain tensors, numbers and
            words: code is refused, not run.
    """
    cure = "give best.ckpt or last.ckpt of a run"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(
            f"the checkpoint cannot be read ({(error.strerror or str(error)).lower()})",
            where=path,
            cure=cure,
        ) from error
    except Exception as error:  # torch raises a dozen kinds for a file that is not its own
        raise ModelError(
            f"this is no checkpoint, or one with code in it ({type(error).__name__})",
            where=path,
            cure=cure,
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ModelError("this is no checkpoint of a network", where=path, cure=cure)
    return content


def network_weights(path: Path) -> dict[str, Any]:
    """The weights of the network in a checkpoint, under the network's own names; the averaged ones,
    where there is an average.

    Raises:
        ModelError: as `read_checkpoint`.
    """
    return {
        name.removeprefix("net."): value
        for name, value in read_checkpoint(path)["state_dict"].items()
    }
