"""The loss against torch's and MONAI's own where nothing is left open, and what is left open where
something is."""

from __future__ import annotations

import pytest
import torch
from monai.losses.dice import DiceLoss
from monai.losses.focal_loss import FocalLoss
from monai.losses.hausdorff_loss import LogHausdorffDTLoss
from monai.losses.tversky import TverskyLoss

from lungseg.datasets.label_sets import layer_classes
from lungseg.train.losses import (
    boundary_loss,
    focal_loss,
    loss_of,
    partial_label_loss,
    tversky_loss,
)
from lungseg.train.settings import TrainingSettings

BACKGROUND, RIGHT, LEFT, MEDIASTINUM, ANYTHING = 1, 2, 4, 8, 15
"""Sets of classes of the layer of the lungs."""

SURE = 60.0
"""A logit so high that the softmax is 1 in float32."""

LOSSES = ("bce", "dice", "bce+dice", "focal", "tversky", "boundary")


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


def test_with_one_allowed_class_everywhere_it_is_the_dice_loss_of_the_two_lungs(
    logits, classes
) -> None:
    lungs = torch.nn.functional.one_hot(classes, 4).movedim(-1, 1)[:, 1:3]
    expected = DiceLoss(smooth_nr=1, smooth_dr=1)(logits.softmax(dim=1)[:, 1:3], lungs)
    torch.testing.assert_close(partial_label_loss(logits, only(classes), dice_weight=1), expected)


def test_weights_add_up(logits, classes) -> None:
    allowed = only(classes)
    entropy, dice = (partial_label_loss(logits, allowed, dice_weight=weight) for weight in (0, 1))
    torch.testing.assert_close(
        partial_label_loss(logits, allowed, dice_weight=0.3), 0.7 * entropy + 0.3 * dice
    )


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
    as_lung, as_heart, as_background = (
        partial_label_loss(sure_of(torch.full((1, 4, 4), channel)), allowed)
        for channel in (lung, 3, 0)
    )
    assert as_lung.item() == pytest.approx(0, abs=1e-6)
    assert as_heart.item() == pytest.approx(0, abs=1e-6)
    assert as_background.item() > SURE / 3
    swapped = [0, 1, 2, 3]
    swapped[lung], swapped[3] = 3, lung
    many = allowed[:, :1, :1].expand(3, 6, 5)
    torch.testing.assert_close(
        partial_label_loss(logits, many), partial_label_loss(logits[:, swapped], many)
    )


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
    # One image right, in the other the left lung missed: the mean of four Dice of which one is 1 /
    # (5 + 1).
    classes = torch.zeros(2, 5, 3, dtype=torch.int64)
    classes[:, :, 0], classes[:, :, 2] = 1, 2
    found = classes.clone()
    found[1, :, 2] = 0
    loss = partial_label_loss(sure_of(found), only(classes), dice_weight=1)
    assert loss.item() == pytest.approx(1 - (3 + 1 / 6) / 4)


def lungs_of(classes: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, 4).movedim(-1, 1)[:, 1:3].float()


def test_with_one_allowed_class_everywhere_it_is_monais_focal_loss(logits, classes) -> None:
    each = torch.nn.functional.one_hot(classes, 4).movedim(-1, 1)
    expected = (
        FocalLoss(gamma=1.5, use_softmax=True, reduction="none")(logits, each).sum(dim=1).mean()
    )
    torch.testing.assert_close(focal_loss(logits, only(classes), gamma=1.5), expected)


def test_without_its_exponent_the_focal_loss_is_cross_entropy_where_masks_leave_pixels_open_too(
    logits,
) -> None:
    allowed = torch.randint(1, 16, (3, 6, 5), generator=torch.Generator().manual_seed(3)).to(
        torch.uint8
    )
    torch.testing.assert_close(
        focal_loss(logits, allowed, gamma=0), partial_label_loss(logits, allowed, dice_weight=0)
    )


def test_with_one_allowed_class_everywhere_it_is_monais_tversky_loss_of_the_two_lungs(
    logits, classes
) -> None:
    expected = TverskyLoss(alpha=0.3, beta=0.7, smooth_nr=0.5, smooth_dr=0.5)(
        logits.softmax(dim=1)[:, 1:3], lungs_of(classes)
    )
    torch.testing.assert_close(tversky_loss(logits, only(classes), alpha=0.3, beta=0.7), expected)


def test_a_tversky_loss_that_weighs_both_errors_alike_is_the_dice_loss(logits, classes) -> None:
    expected = partial_label_loss(logits, only(classes), dice_weight=1)
    torch.testing.assert_close(tversky_loss(logits, only(classes), alpha=0.5, beta=0.5), expected)


def test_with_one_allowed_class_everywhere_it_is_monais_boundary_loss_of_the_two_lungs(
    logits, classes
) -> None:
    expected = LogHausdorffDTLoss(include_background=True)(
        logits.softmax(dim=1)[:, 1:3], lungs_of(classes)
    )
    torch.testing.assert_close(boundary_loss(logits, only(classes)), expected)


def test_an_error_far_from_the_boundary_costs_more() -> None:
    classes = torch.zeros(1, 16, 16, dtype=torch.int64)
    classes[:, :, :3] = 1
    losses = []
    for column in (3, 9, 15):
        found = classes.clone()
        found[:, 8, column] = 1
        losses.append(boundary_loss(sure_of(found), only(classes)).item())
    assert 0 < losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("name", LOSSES)
def test_the_settings_choose_the_loss(name, logits, classes) -> None:
    allowed = only(classes)
    settings = TrainingSettings(
        loss=name,
        dice_weight=0.3,
        focal_gamma=1,
        tversky_alpha=0.2,
        tversky_beta=0.9,
        boundary_weight=0.4,
    )
    entropy, dice = (partial_label_loss(logits, allowed, dice_weight=weight) for weight in (0, 1))
    expected = {
        "bce": entropy,
        "dice": dice,
        "bce+dice": 0.7 * entropy + 0.3 * dice,
        "focal": focal_loss(logits, allowed, gamma=1),
        "tversky": tversky_loss(logits, allowed, alpha=0.2, beta=0.9),
        "boundary": 0.7 * entropy + 0.3 * dice + 0.4 * boundary_loss(logits, allowed),
    }
    torch.testing.assert_close(loss_of(logits, allowed.unsqueeze(1), settings), expected[name])


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_learns_from_pixels_where_everything_is_allowed(name, logits, classes) -> None:
    allowed = only(classes)
    allowed[:, :, 2] = ANYTHING
    logits.requires_grad_()
    loss_of(logits, allowed.unsqueeze(1), TrainingSettings(loss=name)).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[..., 2], torch.zeros(3, 4, 6), rtol=0, atol=1e-7)
    assert (logits.grad[..., 1].abs().amax(dim=1) > 0).any()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_perfect_logits_cost_nothing_and_give_finite_gradients(name, classes) -> None:
    sure = sure_of(classes).requires_grad_()
    loss = loss_of(sure, only(classes).unsqueeze(1), TrainingSettings(loss=name))
    assert loss.item() == pytest.approx(0, abs=1e-6)
    loss.backward()
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()


def test_class_weights_are_those_of_torchs_cross_entropy(logits, classes) -> None:
    weights = torch.tensor([0.2, 3.0, 1.0, 0.5])
    expected = torch.nn.functional.cross_entropy(logits, classes, weight=weights)
    settings = TrainingSettings(
        loss="bce", class_weights=("background=0.2", "right lung=3", "mediastinum=0.5")
    )
    torch.testing.assert_close(loss_of(logits, only(classes).unsqueeze(1), settings), expected)
    torch.testing.assert_close(
        focal_loss(logits, only(classes), gamma=0, weights=weights), expected
    )


def test_a_lung_that_weighs_more_counts_more_in_dice(logits, classes) -> None:
    allowed = only(classes)
    alone = [
        tversky_loss(logits, allowed, alpha=0.5, beta=0.5, weights=torch.tensor(w))
        for w in ([1.0, 1, 0, 1], [1.0, 0, 1, 1])
    ]
    for loss in ("dice", "tversky"):
        settings = TrainingSettings(
            loss=loss, tversky_alpha=0.5, tversky_beta=0.5, class_weights=("right lung=3",)
        )
        torch.testing.assert_close(
            loss_of(logits, allowed.unsqueeze(1), settings), 0.75 * alone[0] + 0.25 * alone[1]
        )


def test_a_pixel_weighs_as_much_as_the_mean_of_its_allowed_classes(logits) -> None:
    allowed = torch.tensor([[[BACKGROUND | MEDIASTINUM, RIGHT]]], dtype=torch.uint8)
    logits = logits[:1, :, :1, :2]
    p = logits.softmax(dim=1)[0, :, 0]
    losses = -torch.stack([(p[0, 0] + p[3, 0]).log(), p[1, 1].log()])
    weights = torch.tensor([1.0, 4.0, 1.0, 2.0])
    expected = (1.5 * losses[0] + 4 * losses[1]) / 5.5
    torch.testing.assert_close(
        partial_label_loss(logits, allowed, dice_weight=0, weights=weights), expected
    )


CHEST = (("right lung", "left lung", "heart"), ("opacity",))
"""Channels: background, right lung, left lung, heart, mediastinum; background, opacity."""


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_several_layers_counts_each_as_often_as_it_has_structures(
    name,
) -> None:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 7, 6, 5, generator=generator)
    allowed = torch.stack(
        [only(torch.randint(0, count, (2, 6, 5), generator=generator)) for count in (5, 2)],
        dim=1,
    )
    chest, opacity = layer_classes(CHEST)
    alone = {
        "bce": lambda *layer: partial_label_loss(*layer, dice_weight=0),
        "dice": lambda *layer: partial_label_loss(*layer, dice_weight=1),
        "bce+dice": partial_label_loss,
        "focal": lambda logits, sets, classes: focal_loss(logits, sets, gamma=2.0),
        "tversky": lambda *layer: tversky_loss(*layer, alpha=0.3, beta=0.7),
        "boundary": lambda *layer: partial_label_loss(*layer) + 0.1 * boundary_loss(*layer),
    }[name]
    expected = (
        3 * alone(logits[:, :5], allowed[:, 0], chest)
        + alone(logits[:, 5:], allowed[:, 1], opacity)
    ) / 4
    torch.testing.assert_close(
        loss_of(logits, allowed, TrainingSettings(layers=CHEST, loss=name)), expected
    )


@pytest.mark.parametrize("name", ["bce", "dice", "bce+dice", "focal", "tversky"])
def test_a_sample_that_leaves_a_layer_open_does_not_dilute_what_the_others_teach(name) -> None:
    logits = torch.randn(2, 7, 6, 5, generator=torch.Generator().manual_seed(7))
    chest, opacity = layer_classes(CHEST)
    allowed = torch.full((2, 2, 6, 5), 1, dtype=torch.uint8)
    allowed[0, 1, 2:4, 1:4] = opacity.bits("opacity")
    allowed[1, 1] = opacity.anything
    allowed[:, 0] = chest.anything
    settings = TrainingSettings(layers=CHEST, loss=name)
    loss = loss_of(logits, allowed, settings)
    assert loss > 0
    torch.testing.assert_close(loss, loss_of(logits[:1], allowed[:1], settings))
    assert loss_of(logits[1:], allowed[1:], settings) == 0


def test_dice_is_of_all_structures_of_the_layer() -> None:
    (chest,) = layer_classes(CHEST[:1])
    logits = torch.randn(3, 5, 6, 5, generator=torch.Generator().manual_seed(5))
    classes = torch.randint(0, 5, (3, 6, 5), generator=torch.Generator().manual_seed(6))
    structures = torch.nn.functional.one_hot(classes, 5).movedim(-1, 1)[:, 1:4]
    expected = DiceLoss(smooth_nr=1, smooth_dr=1)(logits.softmax(dim=1)[:, 1:4], structures)
    torch.testing.assert_close(
        partial_label_loss(logits, only(classes), chest, dice_weight=1), expected
    )


@pytest.mark.parametrize("name", LOSSES)
def test_a_structure_that_no_mask_decides_gets_no_gradient_beside_what_they_do(name) -> None:
    # Outside the lungs there may be a heart or none: its probability moves with that of the
    # background, and nothing is learnt of which it is.
    (chest,) = layer_classes(CHEST[:1])
    outside = chest.bits("background", "heart", "mediastinum")
    allowed = torch.full((1, 1, 6, 6), outside, dtype=torch.uint8)
    allowed[..., :2, :], allowed[..., 4:, :] = RIGHT, LEFT
    logits = torch.randn(1, 5, 6, 6, generator=torch.Generator().manual_seed(7), requires_grad=True)
    loss_of(logits, allowed, TrainingSettings(layers=CHEST[:1], loss=name)).backward()
    middle = logits.grad[0, :, 2:4]
    p = logits.detach().softmax(dim=1)[0, :, 2:4]
    open_ = [0, 3, 4]  # background, heart, mediastinum
    ratio = middle[open_] / p[open_]
    torch.testing.assert_close(ratio, ratio[:1].expand(3, -1, -1), rtol=1e-4, atol=1e-7)


def test_weights_are_of_the_classes_of_all_layers() -> None:
    settings = TrainingSettings(layers=CHEST, class_weights=("heart=3", "background=0.5"))
    assert settings.weights() == (0.5, 1, 1, 3, 1, 0.5, 1)
