"""The losses, each for masks that leave some pixels open."""

from __future__ import annotations

import torch
from torch import Tensor

from lungseg.datasets.label_sets import CLASSES, LEFT, RIGHT
from lungseg.train.settings import TrainingSettings

IMPOSSIBLE = -1e4
"""In place of the logarithm of no probability; finite, so that its gradient is."""


def loss_of(logits: Tensor, allowed: Tensor, settings: TrainingSettings) -> Tensor:
    """The loss that the settings name, as a scalar.

    Args:
        logits: (N, 4, H, W), one channel for each of `lungseg.datasets.label_sets.CLASSES`.
        allowed: (N, H, W), uint8, sets of allowed classes as sums of class bits. A pixel where all
            are allowed is ignored.
        settings: of the run.
    """
    weights = torch.tensor(settings.weights() or (1.0,) * len(CLASSES), device=logits.device)
    if settings.loss == "focal":
        return focal_loss(logits, allowed, gamma=settings.focal_gamma, weights=weights)
    if settings.loss == "tversky":
        return tversky_loss(
            logits,
            allowed,
            alpha=settings.tversky_alpha,
            beta=settings.tversky_beta,
            weights=weights,
        )
    dice_weight = {"bce": 0.0, "dice": 1.0}.get(settings.loss, settings.dice_weight)
    loss = partial_label_loss(logits, allowed, dice_weight=dice_weight, weights=weights)
    if settings.loss == "boundary":
        loss = loss + settings.boundary_weight * boundary_loss(logits, allowed)
    return loss


def partial_label_loss(
    logits: Tensor, allowed: Tensor, *, dice_weight: float = 0.5, weights: Tensor | None = None
) -> Tensor:
    """(1 - w) BCE + w (1 - Dice), as a scalar.

    BCE is -log of the probability that the class is one of the allowed ones: the marginal
    cross-entropy of partially labelled data (G. Shi et al., "Marginal loss and exclusion loss for
    partially supervised multi-organ segmentation", Medical Image Analysis 70, 2021). Dice is soft,
    of each lung in each image, over the pixels where it is certain whether they belong to that
    lung.

    Args:
        logits: (N, 4, H, W), one channel for each of `lungseg.datasets.label_sets.CLASSES`.
        allowed: (N, H, W), uint8, sets of allowed classes as sums of class bits.
        dice_weight: w, 0 to 1.
        weights: (4,), of the classes; None for 1 each. A pixel weighs as much as the mean of its
            allowed classes.
    """
    if weights is None:
        weights = torch.ones(len(CLASSES), device=logits.device)
    log_p = logits.float().log_softmax(dim=1)
    terms: list[Tensor] = []
    if dice_weight < 1:
        inside, each = _inside(allowed), _pixel_weights(allowed, weights)
        terms.append((1 - dice_weight) * -(_log_sum(log_p, inside) * each).sum() / each.sum())
    if dice_weight > 0:
        probability, truth = _certain(log_p.exp(), allowed)
        dice = (2 * (probability * truth).sum(dim=(2, 3)) + 1) / (
            probability.sum(dim=(2, 3)) + truth.sum(dim=(2, 3)) + 1
        )
        terms.append(dice_weight * _mean_of_lungs(1 - dice, weights))
    return torch.stack(terms).sum()


def focal_loss(
    logits: Tensor, allowed: Tensor, *, gamma: float, weights: Tensor | None = None
) -> Tensor:
    """Mean over the pixels of -(1 - p)^gamma log p, where p is the probability that the class is
    one of the allowed ones.

    After T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; MONAI's. Arguments
    as of `partial_label_loss`.
    """
    from monai.losses.focal_loss import FocalLoss

    inside = _inside(allowed)
    log_p = logits.float().log_softmax(dim=1)
    either = torch.stack(
        [_log_sum(log_p, inside), _log_sum(log_p, ~inside)], dim=1
    )  # (N, 2, H, W): allowed, not allowed
    target = torch.zeros_like(either)
    target[:, 0] = 1
    loss = FocalLoss(gamma=gamma, use_softmax=True, reduction="none")(either, target)[:, 0]
    each = _pixel_weights(
        allowed, torch.ones(len(CLASSES), device=logits.device) if weights is None else weights
    )
    return (loss * each).sum() / each.sum()


def tversky_loss(
    logits: Tensor, allowed: Tensor, *, alpha: float, beta: float, weights: Tensor | None = None
) -> Tensor:
    """1 - TP / (TP + alpha FP + beta FN), the mean over lungs and images, over the pixels where it
    is certain whether they are that lung.

    After S. S. M. Salehi et al., "Tversky loss function for image segmentation using 3D fully
    convolutional deep networks", MLMI 2017; MONAI's. Alpha and beta of 0.5 make it the Dice loss.
    Other arguments as of `partial_label_loss`.
    """
    from monai.losses.tversky import TverskyLoss

    probability, truth = _certain(logits.float().softmax(dim=1), allowed)
    each = TverskyLoss(alpha=alpha, beta=beta, smooth_nr=0.5, smooth_dr=0.5, reduction="none")(
        probability, truth
    )
    lungs = each.reshape(len(logits), 2)
    return _mean_of_lungs(
        lungs, torch.ones(len(CLASSES), device=logits.device) if weights is None else weights
    )


def boundary_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """log(1 + h), where h is the mean over pixels of the squared error of each lung times its
    squared distance, in pixels, to the outlines of truth and prediction; pixels where it is not
    certain whether they are that lung have no error.

    After D. Karimi, S. E. Salcudean, "Reducing the Hausdorff Distance in Medical Image Segmentation
    with Convolutional Neural Networks", IEEE Transactions on Medical Imaging 39(2), 2020; MONAI's.
    Arguments as of `partial_label_loss`.
    """
    from monai.losses.hausdorff_loss import LogHausdorffDTLoss

    probability, truth = _certain(logits.float().softmax(dim=1), allowed)
    loss: Tensor = LogHausdorffDTLoss(include_background=True)(probability, truth)
    return loss


def _inside(allowed: Tensor) -> Tensor:
    """Whether each class is allowed: (N, H, W) -> (N, 4, H, W)."""
    bits = torch.tensor(
        [1 << i for i in range(len(CLASSES))], dtype=torch.uint8, device=allowed.device
    )
    return (allowed.unsqueeze(1) & bits.view(1, -1, 1, 1)) > 0


def _log_sum(log_p: Tensor, chosen: Tensor) -> Tensor:
    """Logarithm of the summed probability of the chosen classes: both (N, 4, H, W) -> (N, H, W)."""
    return log_p.masked_fill(~chosen, IMPOSSIBLE).logsumexp(dim=1)


def _pixel_weights(allowed: Tensor, weights: Tensor) -> Tensor:
    """The mean weight of the classes that are allowed: (N, H, W)."""
    inside = _inside(allowed)
    return (inside * weights.view(1, -1, 1, 1)).sum(dim=1) / inside.sum(dim=1)


def _certain(probability: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Probability and truth (0, 1) of right and left lung, (N, 2, H, W) each, both 0 where it is
    open whether a pixel is that lung.
    """
    bits = torch.tensor([RIGHT, LEFT], dtype=torch.uint8, device=allowed.device).view(1, 2, 1, 1)
    sets = allowed.unsqueeze(1)
    truth = sets == bits
    return probability[:, 1:3] * (truth | ((sets & bits) == 0)), truth.float()


def _mean_of_lungs(each: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over both lungs of all images: (N, 2), (4,) -> scalar."""
    return (each * weights[1:3]).mean(dim=0).sum() / weights[1:3].sum()
