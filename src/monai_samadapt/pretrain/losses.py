"""SAM's mask and quality losses, per prompt and mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FOCAL_WEIGHT, DICE_WEIGHT = 20.0, 1.0


def focal_loss(logits: Tensor, target: Tensor, alpha: float = 0.5, gamma: float = 2.0) -> Tensor:
    r"""Mean over pixels of :math:`-\alpha_t (1 - p_t)^\gamma \log p_t` (Lin et al. 2017, eq. 5).

    Args:
        logits: (..., h, w).
        target: (..., h, w) the share of each cell that the object covers, 0 to 1.
        alpha: weight of the object; 1 - alpha is that of the background. With the usual .25 a model trained for a short
            time draws its masks too small.
        gamma: 0 gives the weighted cross entropy.

    Returns:
        (...), the leading dimensions.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none")
    probability = torch.sigmoid(logits)
    p_t = probability * target + (1 - probability) * (1 - target)
    alpha_t = alpha * target + (1 - alpha) * (1 - target)
    return (alpha_t * (1 - p_t) ** gamma * entropy).mean((-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    r""":math:`1 - (2 \sum p t + 1) / (\sum p + \sum t + 1)` over the pixels of each mask (..., h, w)."""
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Weigh focal and Dice loss 20:1 as SAM does (Kirillov et al. 2023, app. A)."""
    return FOCAL_WEIGHT * focal_loss(logits, target) + DICE_WEIGHT * dice_loss(logits, target)


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Measure intersection over union of ``logits > 0`` and ``target > .5`` (..., h, w); 1 for two empty masks."""
    found, truth = logits > 0, target > 0.5
    union = (found | truth).sum((-2, -1))
    return torch.where(union > 0, (found & truth).sum((-2, -1)) / union.clamp(min=1), 1.0)


def prompt_loss(logits: Tensor, quality: Tensor, target: Tensor, ambiguous: Tensor) -> Tensor:
    r"""Loss of each prompt's four masks.

    .. math:: L = L_0 + [\text{ambiguous}] \min_{k=1..3} L_k + \frac{1}{|K|} \sum_{k \in K} (q_k - \text{IoU}_k)^2

    Mask 0 is trained on every prompt; of the masks 1 to 3, which share out the meanings of a single click, only the
    best. K holds the masks that are trained.

    Args:
        logits: (B, P, 4, h, w).
        quality: (B, P, 4) the predicted IoU.
        target: (B, P, h, w) covered share of each cell.
        ambiguous: (B, P) bool, the prompts of a single click.

    Returns:
        (B, P).
    """
    target = target.unsqueeze(2)
    loss = mask_loss(logits, target)
    error = (quality - mask_iou(logits.detach(), target)) ** 2
    single = loss[..., 0] + error[..., 0]
    several = loss[..., 0] + loss[..., 1:].amin(-1) + error.mean(-1)
    return torch.where(ambiguous, several, single)
