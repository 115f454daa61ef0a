"""The loss of S-SAM: focal plus Dice, on logits."""

from __future__ import annotations

from monai.losses import DiceLoss, FocalLoss
from torch import Tensor, nn

from monai_samadapt.labels import Labels, LabelSpec


class FocalDiceLoss(nn.Module):
    r"""Focal loss plus Dice loss over independent labels.

    With p the sigmoid of a logit, t its target and p_t = p where t = 1, else 1 - p:

    .. math::
        L = \operatorname{mean}\big(-\alpha_t (1 - p_t)^\gamma \log p_t\big)
            + \operatorname{mean}\Big(1 - \frac{2 \sum p t + 1}{\sum p + \sum t + 1}\Big)

    (Lin et al., ICCV 2017; Milletari et al., 3DV 2016, each sum over one image and label). The constant background
    channel of exclusive labels is left out. Computed in float32 whatever the precision of the logits.

    Args:
        labels: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        overlapping: the labels may overlap.
        alpha: weight of the positive voxels; the negative ones have 1 - alpha.
        gamma: focusing exponent.
    """

    def __init__(self, labels: Labels, overlapping: bool = False, alpha: float = 0.75, gamma: float = 2.0) -> None:
        super().__init__()
        exclusive = LabelSpec.parse(labels, overlapping).exclusive
        self.focal = FocalLoss(include_background=not exclusive, to_onehot_y=exclusive, alpha=alpha, gamma=gamma)
        self.dice = DiceLoss(
            include_background=not exclusive, to_onehot_y=exclusive, sigmoid=True, smooth_nr=1.0, smooth_dr=1.0
        )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits (B, C, …) to a label map (B, 1, …), or (B, K, …) for overlapping labels; returns a scalar."""
        logits = logits.float()
        return self.focal(logits, target) + self.dice(logits, target)
