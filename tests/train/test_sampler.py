"""Which case comes when, and on which device."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from lungseg.train import sampler as module
from lungseg.train.sampler import EpochSampler


class Cases(SimpleNamespace):
    def __len__(self) -> int:
        return 7


def of_devices(
    monkeypatch: pytest.MonkeyPatch, count: int, seed: int | None, epoch: int = 0
) -> list[list[int]]:
    data = Cases(epoch=torch.tensor(epoch), seed=seed)
    shares = []
    for device in range(count):
        monkeypatch.setattr(module, "_devices", lambda device=device: (device, count))
        order = EpochSampler(data)
        shares.append(list(order))
        assert len(order) == len(shares[-1])
    return shares


def test_one_device_sees_every_case_once_in_an_order_of_its_own_each_epoch(monkeypatch) -> None:
    (first,), (second,), (again,) = (of_devices(monkeypatch, 1, 5, epoch) for epoch in (0, 1, 0))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert first == again
    assert of_devices(monkeypatch, 1, 6) != [first]


def test_without_a_seed_the_order_is_that_of_the_data(monkeypatch) -> None:
    assert of_devices(monkeypatch, 1, None) == [list(range(7))]
    assert of_devices(monkeypatch, 2, None) == [[0, 2, 4, 6], [1, 3, 5, 0]]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_several_devices_share_one_order_evenly(monkeypatch, count) -> None:
    (whole,) = of_devices(monkeypatch, 1, 5)
    shares = of_devices(monkeypatch, count, 5)
    assert len({len(share) for share in shares}) == 1
    dealt = [share[i] for i in range(len(shares[0])) for share in shares]
    assert dealt[:7] == whole
    assert dealt[7:] == whole[: len(dealt) - 7]  # some come twice, so that no device waits in vain
