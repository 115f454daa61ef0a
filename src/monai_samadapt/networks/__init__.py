"""The networks of the published methods."""

from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.networks.s_sam import SSam

METHODS: dict[str, type[SegmentationNetwork]] = {SSam.method: SSam}

__all__ = ["METHODS", "SSam", "SegmentationNetwork"]
