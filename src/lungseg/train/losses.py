"""The loss: binary cross-entropy and Dice, for masks that leave some pixels open."""

from __future__ import annotations

import torch
from torch import Tensor

from lungseg.datasets.convention import CLASSES, LEFT, RIGHT


def partial_label_loss(logits: Tensor, allowed: Tensor, *, dice_weight: float = 0.5) -> Tensor:
    """(1 - w) BCE + w (1 - Dice), as a scalar.

    BCE is -log of the probability that the class is one of the allowed ones: the marginal cross-entropy of partially labelled data
    (G. Shi et al., "Marginal loss and exclusion loss for partially supervised multi-organ segmentation", Medical Image Analysis 70,
    2021). Dice is soft, of each lung in each image, over the pixels where it is certain whether they belong to that lung.

    Args:
        logits: (N, 4, H, W), one channel for each of `lungseg.datasets.convention.CLASSES`.
        allowed: (N, H, W), uint8, sets of allowed classes as sums of class bits.
        dice_weight: w, 0 to 1.
    """
    bits = torch.tensor([1 << i for i in range(len(CLASSES))], dtype=torch.uint8, device=allowed.device)
    inside = (allowed.unsqueeze(1) & bits.view(1, -1, 1, 1)) > 0  # (N, 4, H, W)
    log_p = logits.float().log_softmax(dim=1)
    bce = -log_p.masked_fill(~inside, -1e4).logsumexp(dim=1).mean()
    dice = torch.stack([_soft_dice(log_p[:, channel].exp(), allowed, bit) for channel, bit in ((1, RIGHT), (2, LEFT))])
    return (1 - dice_weight) * bce + dice_weight * (1 - dice.mean())


def _soft_dice(probability: Tensor, allowed: Tensor, bit: int, smooth: float = 1.0) -> Tensor:
    """Soft Dice of one lung: (N, H, W) and (N, H, W) -> (N,); `smooth`, in pixels, makes an absent lung rightly not found count as 1."""
    truth = allowed == bit
    certain = truth | ((allowed & bit) == 0)
    p = probability * certain
    both = (p * truth).sum(dim=(1, 2))
    return (2 * both + smooth) / (p.sum(dim=(1, 2)) + truth.sum(dim=(1, 2)) + smooth)
