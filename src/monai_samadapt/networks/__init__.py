"""The networks of the published methods, and to compare with: a plain U-Net, and SAM and SAM2 trained as a whole."""

from monai_samadapt.networks.balr_sam import BALRSam
from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.networks.baseline import PlainUNet
from monai_samadapt.networks.full import FullSam, FullSam2
from monai_samadapt.networks.s_sam import SSam
from monai_samadapt.networks.sam2_lora import Sam2LoRA

METHODS: dict[str, type[SegmentationNetwork]] = {
    kind.method: kind for kind in (SSam, BALRSam, Sam2LoRA, PlainUNet, FullSam, FullSam2)
}

__all__ = ["METHODS", "BALRSam", "FullSam", "FullSam2", "PlainUNet", "SSam", "Sam2LoRA", "SegmentationNetwork"]
