"""What is scored as one, and which pixels are counted."""

from __future__ import annotations

import torch

from lungseg.datasets.label_sets import LUNG_LAYERS, layer_classes
from lungseg.train.regions import certain_counts, regions_of

LUNGS = ("right lung", "left lung")


def test_a_pair_is_one_region_and_any_other_structure_another() -> None:
    layers = layer_classes((("heart", *LUNGS), ("opacity",)))
    assert [(region.name, region.layer, region.channels) for region in regions_of(layers)] == [
        ("lungs", 0, (2, 3)),
        ("heart", 0, (1,)),
        ("opacity", 1, (1,)),
    ]


def logits(channels: int, *found: int) -> torch.Tensor:
    """(1, channels, 1, pixels), sure of one channel for each pixel."""
    of_pixels = torch.nn.functional.one_hot(torch.tensor(found), channels)
    return 50.0 * of_pixels.T.reshape(1, channels, 1, len(found))


def sets(*layers: list[int]) -> torch.Tensor:
    return torch.tensor(layers, dtype=torch.uint8).reshape(1, len(layers), 1, -1)


def test_only_pixels_that_are_certain_are_counted() -> None:
    allowed = sets([2, 2, 10, 10, 1, 1, 15, 9])
    # Found are one certain pixel of two, and two that are open; and one that is certainly none.
    found = logits(4, 1, 0, 1, 0, 0, 2, 1, 0)
    assert certain_counts(found, allowed, LUNG_LAYERS).tolist() == [[[1, 1, 1, 2]]]


def test_the_other_lung_is_lung() -> None:
    found = logits(4, 2, 1, 3)
    assert certain_counts(found, sets([2, 4, 9]), LUNG_LAYERS).tolist() == [[[2, 0, 0, 1]]]


def test_each_region_is_counted_in_its_layer() -> None:
    layers = layer_classes(((*LUNGS, "heart"), ("opacity",)))
    allowed = sets([2, 4, 8, 17, 17], [1, 2, 3, 1, 1])
    found = torch.cat([logits(5, 1, 2, 3, 3, 0), logits(2, 1, 1, 1, 0, 0)], dim=1)
    assert certain_counts(found, allowed, layers).tolist() == [
        [[2, 0, 0, 3], [1, 1, 0, 3], [1, 1, 0, 2]]
    ]


def test_what_a_mask_does_not_decide_is_not_counted() -> None:
    layers = layer_classes(((*LUNGS, "heart"),))
    undecided = sets([2, 4, 25, 25])  # outside the lungs may be a heart
    assert certain_counts(logits(5, 1, 2, 3, 0), undecided, layers).tolist() == [
        [[2, 0, 0, 2], [-1, -1, -1, -1]]
    ]
    absent = sets([2, 4, 17, 17])  # or none
    assert certain_counts(logits(5, 1, 2, 3, 0), absent, layers).tolist() == [
        [[2, 0, 0, 2], [0, 1, 0, 3]]
    ]
