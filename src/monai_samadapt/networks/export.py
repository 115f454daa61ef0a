"""Turn an adapted network back into stock SAM or SAM2 weights (`samadapt merge`)."""

from __future__ import annotations

from segment_anything import sam_model_registry
from torch import Tensor

from monai_samadapt.backbones import family_of, sam2_variant, sam_variant
from monai_samadapt.networks.base import SegmentationNetwork


def merged_sam_state(network: SegmentationNetwork) -> dict[str, Tensor]:
    """The state dict of a plain SAM or SAM2 with the adapters merged in, with upstream's keys."""
    adapted = network.adapters.layers
    prefixes = tuple(f"{name}." for name in adapted)
    state = {key: value for key, value in network.sam.state_dict().items() if not key.startswith(prefixes)}
    for name, layer in adapted.items():
        state[f"{name}.weight"] = layer.compose_weight()
        if layer.bias is not None:
            state[f"{name}.bias"] = layer.bias
    return {key: value.detach().cpu().clone() for key, value in state.items()}


def why_not_stock(network: SegmentationNetwork) -> str | None:
    """Why upstream could not load the merged weights; None when it can."""
    if network.added_modules:
        return f"{network.method} adds modules that upstream does not have ({network.added_modules})"
    if family_of(network.variant) == "sam2":
        return _why_not_sam2(network.variant)
    if network.variant not in sam_model_registry:
        return f"segment_anything has no builder of {network.variant}"
    published = sam_variant(network.variant).image_size
    if network.image_size != published:
        return (
            f"image_size {network.image_size}: the positions were resized for it, and segment_anything builds "
            f"{network.variant} for {published} pixels only"
        )
    return None


def _why_not_sam2(variant: str) -> str | None:
    """No weight of SAM2 depends on the image size, so that only our own variant has no place upstream."""
    return f"sam2 has no configuration of {variant}" if sam2_variant(variant).overrides else None
