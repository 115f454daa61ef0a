"""SAM and SAM2 as built by ``segment-anything`` and ``sam2``, with fused attention and strict weight loading."""

from monai_samadapt.backbones.base import LoadedBase
from monai_samadapt.backbones.build import build_base, family_of, variant_sizes
from monai_samadapt.backbones.sam import build_sam, fuse
from monai_samadapt.backbones.sam2 import build_sam2
from monai_samadapt.backbones.variants import SAM2_VARIANTS, SAM_VARIANTS, sam2_variant, sam_variant

__all__ = [
    "SAM2_VARIANTS",
    "SAM_VARIANTS",
    "LoadedBase",
    "build_base",
    "build_sam",
    "build_sam2",
    "family_of",
    "fuse",
    "sam2_variant",
    "sam_variant",
    "variant_sizes",
]
