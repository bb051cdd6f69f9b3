"""The loss against torch's and MONAI's own where nothing is left open, and what is left open where something is."""

from __future__ import annotations

import pytest
import torch
from monai.losses.dice import DiceLoss

from lungseg.datasets.convention import ANYTHING, BACKGROUND, LEFT, MEDIASTINUM, RIGHT
from lungseg.train.losses import partial_label_loss

SURE = 60.0
"""A logit so high that the softmax is 1 in float32."""


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(3, 4, 6, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def classes() -> torch.Tensor:
    return torch.randint(0, 4, (3, 6, 5), generator=torch.Generator().manual_seed(2))


def only(classes: torch.Tensor) -> torch.Tensor:
    """The sets that allow nothing but these classes."""
    return (1 << classes).to(torch.uint8)


def sure_of(channels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(channels, 4).movedim(-1, 1) * SURE


def test_with_one_allowed_class_everywhere_it_is_cross_entropy(logits, classes) -> None:
    expected = torch.nn.functional.cross_entropy(logits, classes)
    torch.testing.assert_close(partial_label_loss(logits, only(classes), dice_weight=0), expected)


def test_with_one_allowed_class_everywhere_it_is_the_dice_loss_of_the_two_lungs(logits, classes) -> None:
    lungs = torch.nn.functional.one_hot(classes, 4).movedim(-1, 1)[:, 1:3]
    expected = DiceLoss(smooth_nr=1, smooth_dr=1)(logits.softmax(dim=1)[:, 1:3], lungs)
    torch.testing.assert_close(partial_label_loss(logits, only(classes), dice_weight=1), expected)


def test_weights_add_up(logits, classes) -> None:
    allowed = only(classes)
    entropy, dice = (partial_label_loss(logits, allowed, dice_weight=weight) for weight in (0, 1))
    torch.testing.assert_close(partial_label_loss(logits, allowed, dice_weight=0.3), 0.7 * entropy + 0.3 * dice)


def test_half_precision_logits_are_computed_in_full_precision(logits, classes) -> None:
    half = logits.to(torch.bfloat16)
    loss = partial_label_loss(half, only(classes))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, partial_label_loss(half.float(), only(classes)))


def test_pixels_where_everything_is_allowed_get_no_gradient(logits, classes) -> None:
    allowed = only(classes)
    allowed[:, :, 2] = ANYTHING
    logits.requires_grad_()
    partial_label_loss(logits, allowed).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[..., 2], torch.zeros(3, 4, 6), rtol=0, atol=1e-8)
    assert (logits.grad[..., 1].abs().amax(dim=1) > 1e-4).all()


@pytest.mark.parametrize(("bit", "lung"), [(RIGHT, 1), (LEFT, 2)])
def test_over_the_heart_lung_and_mediastinum_are_equally_right(bit, lung, logits) -> None:
    allowed = torch.full((1, 4, 4), bit | MEDIASTINUM, dtype=torch.uint8)
    as_lung, as_heart, as_background = (partial_label_loss(sure_of(torch.full((1, 4, 4), channel)), allowed) for channel in (lung, 3, 0))
    assert as_lung.item() == pytest.approx(0, abs=1e-6)
    assert as_heart.item() == pytest.approx(0, abs=1e-6)
    assert as_background.item() > SURE / 3
    swapped = [0, 1, 2, 3]
    swapped[lung], swapped[3] = 3, lung
    many = allowed[:, :1, :1].expand(3, 6, 5)
    torch.testing.assert_close(partial_label_loss(logits, many), partial_label_loss(logits[:, swapped], many))


def test_the_other_lung_is_wrong_over_the_heart() -> None:
    allowed = torch.full((1, 4, 4), RIGHT | MEDIASTINUM, dtype=torch.uint8)
    assert partial_label_loss(sure_of(torch.full((1, 4, 4), 2)), allowed).item() > SURE / 3


def test_outside_a_lung_mask_background_and_mediastinum_are_equally_right() -> None:
    allowed = torch.full((1, 4, 4), BACKGROUND | MEDIASTINUM, dtype=torch.uint8)
    for channel, right in ((0, True), (3, True), (1, False), (2, False)):
        loss = partial_label_loss(sure_of(torch.full((1, 4, 4), channel)), allowed).item()
        assert (loss < 1e-6) == right


def test_perfect_logits_cost_nothing(classes) -> None:
    assert partial_label_loss(sure_of(classes), only(classes)).item() == pytest.approx(0, abs=1e-6)


def test_dice_is_of_each_image_and_each_lung() -> None:
    # One image right, in the other the left lung missed: the mean of four Dice of which one is 1 / (5 + 1).
    classes = torch.zeros(2, 5, 3, dtype=torch.int64)
    classes[:, :, 0], classes[:, :, 2] = 1, 2
    found = classes.clone()
    found[1, :, 2] = 0
    loss = partial_label_loss(sure_of(found), only(classes), dice_weight=1)
    assert loss.item() == pytest.approx(1 - (3 + 1 / 6) / 4)
