"""The loss of SAM2LoRA: cross-entropy, Dice, focal Tversky and the error of the predicted IoU, on logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss, TverskyLoss
from torch import Tensor, nn

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import Labels, LabelSpec

SMALLEST = 1e-7
"""The power of the focal Tversky term has an infinite slope at 0; below this the slope is 0."""


class CompositeLoss(nn.Module):
    r"""Weighted sum of four terms over independent labels.

    With p the sigmoid of a logit, t its target, s = ``smooth`` and the sums over the pixels of one image and label (or
    of one label over the batch, ``pooled``):

    .. math::
        L &= w_b\,\mathrm{BCE} + w_d\,\mathrm{Dice} + w_t\,\mathrm{FT} + w_i\,|\widehat{IoU} - IoU| \\
        \mathrm{Dice} &= 1 - \frac{2 \sum p t + s}{\sum p + \sum t + s} \\
        \mathrm{FT} &= \Big(1 - \frac{\sum p t + s}
            {\sum p t + \alpha \sum p (1 - t) + \beta \sum (1 - p) t + s}\Big)^\gamma

    BCE is the mean over pixels. IoU is that of the decided mask (logit > 0), 1 where mask and target are empty; no
    gradient flows through it. Each term is the mean over images and labels. The constant background channel of
    exclusive labels is left out. Computed in float32 whatever the precision of the logits.

    Dice: Milletari et al., 3DV 2016. Focal Tversky: Abraham and Khan, ISBI 2019; their alpha is the weight of false
    negatives, here, as in MONAI, ``alpha`` is that of false positives and ``beta`` that of false negatives. The sum:
    Mandal et al., arXiv 2510.10288.

    Attributes:
        terms: the last call's ``bce``, ``dice``, ``tversky`` and, where the IoU was predicted, ``iou``: scalars
            without their weights, detached, on the device.

    Args:
        labels: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        overlapping: the labels may overlap.
        bce, dice, tversky, iou: weights of the terms.
        alpha, beta: weights of false positives and false negatives in the Tversky index.
        gamma: exponent of the Tversky term.
        smooth: added to numerators and denominators.
        pooled: one sum for each label over the whole batch, in Dice, Tversky index and IoU.
    """

    def __init__(
        self,
        labels: Labels,
        overlapping: bool = False,
        bce: float = 1.0,
        dice: float = 1.0,
        tversky: float = 1.0,
        iou: float = 0.1,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 0.75,
        smooth: float = 1.0,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.label_spec = LabelSpec.parse(labels, overlapping)
        self.weights = {"bce": bce, "dice": dice, "tversky": tversky, "iou": iou}
        self.gamma, self.pooled = gamma, pooled
        self.dice = DiceLoss(smooth_nr=smooth, smooth_dr=smooth, batch=pooled)
        self.tversky = TverskyLoss(
            alpha=alpha, beta=beta, smooth_nr=smooth, smooth_dr=smooth, batch=pooled, reduction="none"
        )
        self.terms: dict[str, Tensor] = {}

    def forward(self, prediction: Tensor | tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """Compare a prediction to its target.

        Args:
            prediction: logits (B, C, H, W), with C = K + 1 (exclusive labels after their background) or C = K (one
                channel a label, as from prompts); or a pair of them and the predicted IoU (B, K).
            target: label map (B, 1, H, W) for exclusive labels, (B, K, H, W) for overlapping ones.

        Returns:
            The scalar loss.

        Raises:
            SamAdaptError: for logits or a predicted IoU of another number of channels.
        """
        logits, quality = prediction if isinstance(prediction, tuple) else (prediction, None)
        logits = self._without_background(logits).float()
        truth = self.label_spec.masks(target).float()
        probabilities = torch.sigmoid(logits)
        terms = {
            "bce": F.binary_cross_entropy_with_logits(logits, truth),
            "dice": self.dice(probabilities, truth),
            "tversky": self.tversky(probabilities, truth).clamp(min=SMALLEST).pow(self.gamma).mean(),
        }
        if quality is not None:
            self._check("predicted IoU", quality.shape[1])
            terms["iou"] = (quality.float() - self._iou(logits.detach() > 0, truth > 0)).abs().mean()
        self.terms = {name: value.detach() for name, value in terms.items()}
        return torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()

    def _without_background(self, logits: Tensor) -> Tensor:
        if self.label_spec.exclusive and logits.shape[1] == self.label_spec.num_channels:
            return logits[:, 1:]
        self._check("logits", logits.shape[1])
        return logits

    def _check(self, name: str, channels: int) -> None:
        if channels != self.label_spec.num_labels:
            problem = f"has {channels} channels for {self.label_spec.num_labels} labels"
            raise SamAdaptError("prediction", name, problem, "give one channel for each label")

    def _iou(self, mask: Tensor, truth: Tensor) -> Tensor:
        """IoU of bool masks (B, K, H, W): (B, K), or (K,) when pooled."""
        axes = (0, 2, 3) if self.pooled else (2, 3)
        intersection, union = (mask & truth).sum(axes), (mask | truth).sum(axes)
        return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)
