"""Inference on images and volumes."""

from monai_samadapt.inferers.features import FeatureCache
from monai_samadapt.inferers.volume import VolumeInferer

__all__ = ["FeatureCache", "VolumeInferer"]
