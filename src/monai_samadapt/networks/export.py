"""Turn an adapted network back into stock SAM weights (`samadapt merge`)."""

from __future__ import annotations

from torch import Tensor

from monai_samadapt.backbones import build_sam, sam_variant
from monai_samadapt.backbones.loading import load_sam_state
from monai_samadapt.networks.base import SegmentationNetwork


def merged_sam_state(network: SegmentationNetwork) -> dict[str, Tensor]:
    """The state dict of a plain SAM with the adapters merged in, with upstream's keys."""
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
    published = sam_variant(network.variant).image_size
    if network.image_size != published:
        return (
            f"image_size {network.image_size}: the positions were resized for it, and segment_anything builds "
            f"{network.variant} for {published} pixels only"
        )
    return None


def check_stock(state: dict[str, Tensor], variant: str, image_size: int) -> None:
    """Load a merged state strictly into a plain SAM.

    Raises:
        SamAdaptError: when a key is missing, left over or of another shape.
    """
    load_sam_state(build_sam(variant, image_size, None), state, variant, "merged weights")
