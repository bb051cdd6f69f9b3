"""Checkpoints survive what stops the writing of the next one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lungseg.errors import OutputError
from lungseg.train.checkpoints import WholeFiles, network_weights, read_checkpoint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if (
        os.name != "posix"
        or os.geteuid() != 0
        or subprocess.run(mount, capture_output=True, check=False).returncode != 0
    ):
        pytest.skip("a small file system can only be made by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def checkpoint(numbers: int, value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {"state_dict": {"net.weight": torch.full((numbers,), value)}}


def test_where_the_disk_gets_full_the_last_good_checkpoint_survives(small_disk) -> None:
    path = small_disk / "last.ckpt"
    WholeFiles().save_checkpoint(checkpoint(100_000, 1.0), path)  # 0.4 MB
    with pytest.raises(OutputError) as refused:
        WholeFiles().save_checkpoint(checkpoint(200_000, 2.0), path)
    assert str(refused.value) == (
        f"{path}: cannot be written (no space left on device); make room or choose an output "
        "folder that can be written to."
    )
    assert [entry.name for entry in small_disk.iterdir()] == ["last.ckpt"]
    assert torch.equal(network_weights(path)["weight"], torch.full((100_000,), 1.0))


def test_where_writing_fails_the_last_good_checkpoint_survives(tmp_path, monkeypatch) -> None:
    path = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint(checkpoint(3, 1.0), path)

    def full(self: Path, mode: str = "r", **others: object) -> object:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(
            OutputError, match=r"last\.ckpt: cannot be written \(no space left on device\)"
        ):
            WholeFiles().save_checkpoint(checkpoint(3, 2.0), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path)["state_dict"]["net.weight"].tolist() == [1.0, 1.0, 1.0]
