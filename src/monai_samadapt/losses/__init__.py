"""Losses of the published methods, on logits."""

from monai_samadapt.losses.focal_dice import FocalDiceLoss

__all__ = ["FocalDiceLoss"]
