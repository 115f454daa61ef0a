"""Build the base model of a variant, whichever family it is of."""

from __future__ import annotations

from typing import Any

from monai_samadapt.backbones.sam import build_sam
from monai_samadapt.backbones.sam2 import build_sam2
from monai_samadapt.backbones.variants import SAM2_VARIANTS, SAM_VARIANTS, Sam2Variant, SamVariant
from monai_samadapt.errors import SamAdaptError


def family_of(variant: str) -> str:
    """``sam`` or ``sam2``.

    Raises:
        SamAdaptError: for an unknown variant.
    """
    if variant in SAM_VARIANTS:
        return "sam"
    if variant in SAM2_VARIANTS:
        return "sam2"
    known = ", ".join([*SAM_VARIANTS, *SAM2_VARIANTS])
    raise SamAdaptError("variant", variant, "unknown SAM or SAM2 variant", f"choose one of {known}")


def variant_sizes(variant: str) -> SamVariant | Sam2Variant:
    """Widths, depths and parameters of a variant.

    Raises:
        SamAdaptError: for an unknown variant.
    """
    return SAM_VARIANTS[variant] if family_of(variant) == "sam" else SAM2_VARIANTS[variant]


def build_base(variant: str, image_size: int, checkpoint: str | None, seed: int = 0) -> Any:
    """Build SAM or SAM2.1; see :func:`build_sam` and :func:`build_sam2`."""
    if family_of(variant) == "sam":
        return build_sam(variant, image_size, checkpoint, seed)
    return build_sam2(variant, image_size, checkpoint, seed=seed)
