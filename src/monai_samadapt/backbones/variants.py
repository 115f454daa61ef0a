"""The sizes of SAM this package builds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class SamVariant:
    """Widths and depths of one SAM.

    Attributes:
        embed_dim, depth, num_heads, global_blocks, window_size: the ViT encoder.
        decoder_dim, decoder_mlp_dim, iou_hidden_dim: the prompt encoder and mask decoder.
        parameters: of the whole model at ``image_size``.
        image_size: side of the images the published weights were trained on.
    """

    embed_dim: int
    depth: int
    num_heads: int
    global_blocks: tuple[int, ...]
    parameters: int
    window_size: int = 14
    decoder_dim: int = 256
    decoder_mlp_dim: int = 2048
    iou_hidden_dim: int = 256
    image_size: int = 1024


SAM_VARIANTS = {
    "vit_b": SamVariant(768, 12, 12, (2, 5, 8, 11), 93_735_472),
    "vit_l": SamVariant(1024, 24, 16, (5, 11, 17, 23), 312_342_832),
    "vit_h": SamVariant(1280, 32, 16, (7, 15, 23, 31), 641_090_608),
    "vit_nano": SamVariant(160, 8, 4, (1, 3, 5, 7), 3_581_024, 8, 128, 512, 128, image_size=256),
}


def sam_variant(name: str) -> SamVariant:
    """Look a variant up by name.

    Raises:
        SamAdaptError: for an unknown name.
    """
    if name not in SAM_VARIANTS:
        raise SamAdaptError("variant", name, "unknown SAM variant", f"choose one of {', '.join(SAM_VARIANTS)}")
    return SAM_VARIANTS[name]


def variant_of(state: dict[str, Tensor]) -> str | None:
    """Tell the variant of a SAM state dict by its encoder width and depth; None when it is no known one."""
    patch = state.get("image_encoder.patch_embed.proj.weight")
    depth = len({key.split(".")[2] for key in state if key.startswith("image_encoder.blocks.")})
    for name, variant in SAM_VARIANTS.items():
        if patch is not None and (patch.shape[0], depth) == (variant.embed_dim, variant.depth):
            return name
    return None
