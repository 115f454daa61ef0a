"""Inference on images and volumes."""

from monai_samadapt.inferers.volume import VolumeInferer

__all__ = ["VolumeInferer"]
