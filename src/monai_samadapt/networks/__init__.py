"""The networks of the published methods, and a plain U-Net to compare with."""

from monai_samadapt.networks.balr_sam import BALRSam
from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.networks.baseline import PlainUNet
from monai_samadapt.networks.s_sam import SSam
from monai_samadapt.networks.sam2_lora import Sam2LoRA

METHODS: dict[str, type[SegmentationNetwork]] = {kind.method: kind for kind in (SSam, BALRSam, Sam2LoRA, PlainUNet)}

__all__ = ["METHODS", "BALRSam", "PlainUNet", "SSam", "Sam2LoRA", "SegmentationNetwork"]
