"""The losses, each for masks that leave some pixels open."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lungseg.datasets.label_sets import LUNG_LAYERS, LayerClasses
from lungseg.train.allowed_values import NAMED
from lungseg.train.own import own_loss
from lungseg.train.settings import TrainingSettings

IMPOSSIBLE = -1e4
"""In place of the logarithm of no probability; finite, so that its gradient is."""

TINY = 1e-30
"""Smallest probability whose logarithm is taken."""

LUNG_LAYER = LUNG_LAYERS[0]


def loss_of(logits: Tensor, allowed: Tensor, settings: TrainingSettings) -> Tensor:
    """The loss that the settings name, as a scalar: the mean over the layers that they learn, each
    of which counts as often as it has structures.

    Args:
        logits: (N, all channels, H, W), of each layer one for each of its classes.
        allowed: (N, layers, H, W), uint8, sets of allowed classes as sums of class bits. A pixel
            where all are allowed is ignored.
        settings: of the run.
    """
    weights = torch.tensor(settings.weights() or (1.0,) * logits.shape[1], device=logits.device)
    layers = zip(
        split_channels(logits, settings.classes),
        allowed.unbind(dim=1),
        settings.classes,
        split_channels(weights, settings.classes, dim=0),
        strict=True,
    )
    counts = torch.tensor([len(c.structures) for c in settings.classes], device=logits.device)
    each = torch.stack([_layer_loss(*layer, settings) for layer in layers])
    return (each * counts).sum() / counts.sum()


def split_channels(
    channels: Tensor, layers: Sequence[LayerClasses], *, dim: int = 1
) -> tuple[Tensor, ...]:
    """Those of each layer: (N, all channels, H, W) -> (N, classes, H, W) each."""
    return torch.split(channels, [len(classes.names) for classes in layers], dim=dim)


def _layer_loss(
    logits: Tensor,
    allowed: Tensor,
    classes: LayerClasses,
    weights: Tensor,
    settings: TrainingSettings,
) -> Tensor:
    if settings.loss not in NAMED["loss"]:
        return own_loss(settings.loss, logits.float(), allowed, classes)
    if settings.loss == "focal":
        return focal_loss(logits, allowed, gamma=settings.focal_gamma, weights=weights)
    if settings.loss == "tversky":
        return tversky_loss(
            logits,
            allowed,
            classes,
            alpha=settings.tversky_alpha,
            beta=settings.tversky_beta,
            weights=weights,
        )
    dice_weight = {"bce": 0.0, "dice": 1.0}.get(settings.loss, settings.dice_weight)
    loss = partial_label_loss(logits, allowed, classes, dice_weight=dice_weight, weights=weights)
    if settings.loss == "boundary":
        loss = loss + settings.boundary_weight * boundary_loss(logits, allowed, classes)
    return loss


def partial_label_loss(
    logits: Tensor,
    allowed: Tensor,
    classes: LayerClasses = LUNG_LAYER,
    *,
    dice_weight: float = 0.5,
    weights: Tensor | None = None,
) -> Tensor:
    """(1 - w) BCE + w (1 - Dice), as a scalar.

    BCE is -log of the probability that the class is one of the allowed ones: the marginal
    cross-entropy of partially labelled data (G. Shi et al., "Marginal loss and exclusion loss for
    partially supervised multi-organ segmentation", Medical Image Analysis 70, 2021). Dice is soft,
    of each structure in each image, over the pixels where it is certain whether they belong to it.

    Args:
        logits: (N, C, H, W), one channel for each class of a layer.
        allowed: (N, H, W), uint8, sets of allowed classes as sums of class bits.
        classes: of the layer.
        dice_weight: w, 0 to 1.
        weights: (C,), of the classes; None for 1 each. A pixel weighs as much as the mean of its
            allowed classes.
    """
    if weights is None:
        weights = _alike(logits)
    # Of probabilities, not of their logarithms: two of three passes over all pixels less.
    p = logits.float().softmax(dim=1)
    terms: list[Tensor] = []
    if dice_weight < 1:
        inside, each = _inside(allowed, len(weights)), _pixel_weights(allowed, weights)
        log = (p * inside).sum(dim=1).clamp(min=TINY).log()
        terms.append((1 - dice_weight) * -_mean(log, each))
    if dice_weight > 0:
        probability, certain, known = certain_pixels(p, allowed, classes)
        dice = (2 * (probability * certain).sum(dim=(2, 3)) + 1) / (
            probability.sum(dim=(2, 3)) + certain.sum(dim=(2, 3)) + 1
        )
        terms.append(dice_weight * _mean_of_structures(1 - dice, known, weights))
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

    inside = _inside(allowed, logits.shape[1])
    log_p = logits.float().log_softmax(dim=1)
    either = torch.stack(
        [_log_sum(log_p, inside), _log_sum(log_p, ~inside)], dim=1
    )  # (N, 2, H, W): allowed, not allowed
    target = torch.zeros_like(either)
    target[:, 0] = 1
    loss = FocalLoss(gamma=gamma, use_softmax=True, reduction="none")(either, target)[:, 0]
    each = _pixel_weights(allowed, _alike(logits) if weights is None else weights)
    return _mean(loss, each)


def tversky_loss(
    logits: Tensor,
    allowed: Tensor,
    classes: LayerClasses = LUNG_LAYER,
    *,
    alpha: float,
    beta: float,
    weights: Tensor | None = None,
) -> Tensor:
    """1 - TP / (TP + alpha FP + beta FN), the mean over structures and images, over the pixels
    where it is certain whether they are that structure.

    After S. S. M. Salehi et al., "Tversky loss function for image segmentation using 3D fully
    convolutional deep networks", MLMI 2017; MONAI's. Alpha and beta of 0.5 make it the Dice loss.
    Other arguments as of `partial_label_loss`.
    """
    from monai.losses.tversky import TverskyLoss

    probability, certain, known = certain_pixels(logits.float().softmax(dim=1), allowed, classes)
    each = TverskyLoss(alpha=alpha, beta=beta, smooth_nr=0.5, smooth_dr=0.5, reduction="none")(
        probability, certain
    )
    structures = each.reshape(len(logits), probability.shape[1])
    return _mean_of_structures(structures, known, _alike(logits) if weights is None else weights)


def boundary_loss(logits: Tensor, allowed: Tensor, classes: LayerClasses = LUNG_LAYER) -> Tensor:
    """log(1 + h), where h is the mean over pixels of the squared error of each structure times its
    squared distance, in pixels, to the outlines of ground truth and prediction; pixels where it is
    not certain whether they are that structure have no error.

    After D. Karimi, S. E. Salcudean, "Reducing the Hausdorff Distance in Medical Image Segmentation
    with Convolutional Neural Networks", IEEE Transactions on Medical Imaging 39(2), 2020; MONAI's.
    Arguments as of `partial_label_loss`.
    """
    from monai.losses.hausdorff_loss import LogHausdorffDTLoss

    probability, certain, _ = certain_pixels(logits.float().softmax(dim=1), allowed, classes)
    loss: Tensor = LogHausdorffDTLoss(include_background=True)(probability, certain)
    return loss


def _alike(logits: Tensor) -> Tensor:
    """A weight of 1 for each class."""
    return torch.ones(logits.shape[1], device=logits.device)


def _bits(first: int, count: int, device: torch.device) -> Tensor:
    """Of so many classes from one on: (1, count, 1, 1)."""
    bits = [1 << i for i in range(first, first + count)]
    return torch.tensor(bits, dtype=torch.uint8, device=device).view(1, -1, 1, 1)


def _inside(allowed: Tensor, classes: int) -> Tensor:
    """Whether each class is allowed: (N, H, W) -> (N, C, H, W)."""
    return (allowed.unsqueeze(1) & _bits(0, classes, allowed.device)) > 0


def _log_sum(log_p: Tensor, chosen: Tensor) -> Tensor:
    """Logarithm of the summed probability of the chosen classes: both (N, C, H, W) -> (N, H, W)."""
    return log_p.masked_fill(~chosen, IMPOSSIBLE).logsumexp(dim=1)


def _pixel_weights(allowed: Tensor, weights: Tensor) -> Tensor:
    """The mean weight of the classes that are allowed, 0 where all are: (N, H, W)."""
    inside = _inside(allowed, len(weights))
    mean = (inside * weights.view(1, -1, 1, 1)).sum(dim=1) / inside.sum(dim=1)
    return mean * ~inside.all(dim=1)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean, 0 where nothing has a weight."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


def certain_pixels(
    probability: Tensor, allowed: Tensor, classes: LayerClasses
) -> tuple[Tensor, Tensor, Tensor]:
    """Probability and ground truth (0, 1) of each structure, (N, structures, H, W) each, both 0
    where it is open whether a pixel is that structure; and whether it is certain anywhere, (N,
    structures).

    Args:
        probability: (N, C, H, W), of each class of a layer: the logits' softmax.
        allowed: (N, H, W), uint8, sets of allowed classes as sums of class bits.
        classes: of the layer.
    """
    count = len(classes.structures)
    bits = _bits(1, count, allowed.device)
    sets = allowed.unsqueeze(1)
    certain = sets == bits
    known = certain | ((sets & bits) == 0)
    found = probability[:, 1 : 1 + count] * known
    return found, certain.float(), known.any(dim=3).any(dim=2)


def _mean_of_structures(each: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over the structures of all images that say something of them: (N, structures)
    twice, (C,) -> scalar.
    """
    return _mean(each, known * weights[1 : 1 + each.shape[1]])
