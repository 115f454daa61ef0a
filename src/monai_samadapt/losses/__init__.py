"""Losses of the published methods, on logits."""

from monai_samadapt.losses.bce_dice import BCEDiceLoss
from monai_samadapt.losses.boundary import BoundaryLoss
from monai_samadapt.losses.ce_dice import CEDiceLoss
from monai_samadapt.losses.composite import CompositeLoss
from monai_samadapt.losses.focal_dice import FocalDiceLoss
from monai_samadapt.losses.gathered import GatheredLoss

__all__ = ["BCEDiceLoss", "BoundaryLoss", "CEDiceLoss", "CompositeLoss", "FocalDiceLoss", "GatheredLoss"]
