"""A loss on the boundaries of labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.losses.bce_dice import BCEDiceLoss


def morphological_gradient(masks: Tensor) -> Tensor:
    """Dilation less erosion by a square of 3 pixels (Beucher): 1 on both sides of a boundary, else 0.

    Args:
        masks: (B, K, H, W) of 0 and 1; what lies outside is like the nearest pixel inside.

    Returns:
        (B, K, H, W) float32 of 0 and 1.
    """
    masks = masks.float()
    return F.max_pool2d(masks, 3, 1, 1) + F.max_pool2d(-masks, 3, 1, 1)


class BoundaryLoss(nn.Module):
    """Binary cross-entropy plus Dice between boundary logits and the labels' morphological gradient.

    Args:
        labels, overlapping: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
    """

    def __init__(self, labels: Labels, overlapping: bool = False) -> None:
        super().__init__()
        self.label_spec, self.loss = LabelSpec.parse(labels, overlapping), BCEDiceLoss()

    def forward(self, boundary_logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits (B, K, H, W) to a label map (B, 1, H, W), or (B, K, H, W) for overlapping labels."""
        return self.loss(boundary_logits, morphological_gradient(self.label_spec.masks(target)))
