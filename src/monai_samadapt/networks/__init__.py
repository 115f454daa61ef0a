"""The networks of the published methods, and a plain U-Net to compare with."""

from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.networks.baseline import PlainUNet
from monai_samadapt.networks.s_sam import SSam

METHODS: dict[str, type[SegmentationNetwork]] = {SSam.method: SSam, PlainUNet.method: PlainUNet}

__all__ = ["METHODS", "PlainUNet", "SSam", "SegmentationNetwork"]
