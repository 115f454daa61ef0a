"""The loss of BALR-SAM: cross-entropy plus Dice, on logits; after SAMed (Zhang and Liu, arXiv 2304.13785)."""

from __future__ import annotations

from monai.losses import DiceCELoss
from torch import Tensor, nn

from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.losses.bce_dice import BCEDiceLoss
from monai_samadapt.losses.boundary import BoundaryLoss


class CEDiceLoss(nn.Module):
    r"""Cross-entropy plus Dice.

    Several exclusive labels, with p the softmax over the background and the K labels and t the one-hot target:

    .. math::
        L = 0.2 \cdot \operatorname{mean}(-\log p_{\text{true}}) + 0.8 \cdot \frac{1}{K} \sum_{k=1}^K
            \Big(1 - \frac{2 \sum p_k t_k + 1}{\sum p_k + \sum t_k + 1}\Big),

    each sum over the whole batch, so that a label that is absent from one slice weighs little. One label, whose
    constant background is left out, and overlapping labels: :class:`BCEDiceLoss`. Channels beyond those of the labels
    are boundary logits (see :class:`monai_samadapt.networks.BALRSam`), whose :class:`BoundaryLoss` is added. Computed
    in float32.

    Attributes:
        pooled: whether its sums go over the whole batch.

    Args:
        labels, overlapping: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        cross_entropy_weight, dice_weight: of the two terms for several exclusive labels.
        boundary_weight: of the boundary loss, where the network gives boundary logits.
    """

    def __init__(
        self,
        labels: Labels,
        overlapping: bool = False,
        cross_entropy_weight: float = 0.2,
        dice_weight: float = 0.8,
        boundary_weight: float = 0.5,
    ) -> None:
        super().__init__()
        spec = LabelSpec.parse(labels, overlapping)
        self.channels, self.single = spec.num_channels, spec.exclusive and spec.num_labels == 1
        self.boundary, self.boundary_weight = BoundaryLoss(labels, overlapping), boundary_weight
        self.binary = BCEDiceLoss() if self.single or not spec.exclusive else None
        self.pooled = self.binary is None
        self.multi_class = DiceCELoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            batch=True,
            smooth_nr=1.0,
            smooth_dr=1.0,
            lambda_ce=cross_entropy_weight,
            lambda_dice=dice_weight,
        )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits (B, C, H, W) to a label map (B, 1, H, W), or (B, K, H, W) for overlapping labels."""
        masks, boundaries = logits.float().split([self.channels, logits.shape[1] - self.channels], dim=1)
        if self.binary is not None:
            loss: Tensor = self.binary(masks[:, int(self.single) :], target)
        else:
            loss = self.multi_class(masks, target)
        return loss + self.boundary_weight * self.boundary(boundaries, target) if boundaries.shape[1] else loss
