"""Binary cross-entropy plus Dice over independent channels."""

from __future__ import annotations

import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor, nn


class BCEDiceLoss(nn.Module):
    r"""With p the sigmoid of a logit and t its target,

    .. math::
        L = \operatorname{mean}\big(-t \log p - (1 - t) \log(1 - p)\big)
            + \operatorname{mean}\Big(1 - \frac{2 \sum p t + 1}{\sum p + \sum t + 1}\Big),

    each sum over one image and channel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits (B, K, …) to masks (B, K, …) of 0 and 1; returns a scalar."""
        logits, target = logits.float(), target.float()
        return F.binary_cross_entropy_with_logits(logits, target) + self.dice(logits, target)
