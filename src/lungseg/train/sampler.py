"""The order in which cases are seen, the same again after a resume, and which of several devices
sees which.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch.distributed
from torch.utils.data import Sampler

from lungseg.train.data import CaseArrays


class EpochSampler(Sampler[int]):
    """Places of the cases, shared out over the devices.

    Every device gets equally many, because each waits for the others; where the cases do not share
    evenly, some come twice.

    Args:
        data: the cases; its `seed` and `epoch` are what the order depends on. Without a seed the
            cases stay as they are.
    """

    def __init__(self, data: CaseArrays) -> None:
        self.data = data

    def __len__(self) -> int:
        return math.ceil(len(self.data) / _devices()[1])

    def __iter__(self) -> Iterator[int]:
        count, seed = len(self.data), self.data.seed
        order = (
            np.arange(count)
            if seed is None
            else np.random.default_rng((seed, int(self.data.epoch))).permutation(count)
        )
        mine, devices = _devices()
        return iter(np.resize(order, len(self) * devices)[mine::devices].tolist())


def _devices() -> tuple[int, int]:
    """Number of this device and of all."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()
