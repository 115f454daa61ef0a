"""SAM as built by ``segment-anything``, with fused attention and strict weight loading."""

from monai_samadapt.backbones.sam import LoadedBase, build_sam, fuse
from monai_samadapt.backbones.variants import SAM_VARIANTS, sam_variant

__all__ = ["SAM_VARIANTS", "LoadedBase", "build_sam", "fuse", "sam_variant"]
