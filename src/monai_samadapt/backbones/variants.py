"""The sizes of SAM and SAM2 this package builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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


@dataclass(frozen=True)
class Sam2Variant:
    """One SAM2, whose widths and depths are in the yaml files of the ``sam2`` package.

    Attributes:
        config: ending of the yaml file's name.
        embed_dim, stages: width of the first stage and blocks of each; a stage doubles width and stride (4 to 32).
        parameters: of the whole model, version 2.1, memory modules included.
        overrides: changes of the yaml file.
        image_size: side of the images the weights were trained on.
    """

    config: str
    embed_dim: int
    stages: tuple[int, ...]
    parameters: int
    overrides: dict[str, Any] = field(default_factory=dict)
    image_size: int = 1024


NANO_OVERRIDES: dict[str, Any] = {
    "image_encoder": {
        "trunk": {"embed_dim": 48, "stages": [1, 2, 4, 1], "global_att_blocks": [4, 6], "window_spec": [8, 4, 8, 4]},
        "neck": {
            "d_model": 128,
            "backbone_channel_list": [384, 192, 96, 48],
            "position_encoding": {"num_pos_feats": 128},
        },
    },
    "memory_attention": {
        "d_model": 128,
        "num_layers": 1,
        "layer": {
            "d_model": 128,
            "dim_feedforward": 256,
            "self_attention": {"embedding_dim": 128, "feat_sizes": [16, 16]},
            "cross_attention": {"embedding_dim": 128, "feat_sizes": [16, 16], "kv_in_dim": 32},
        },
    },
    "memory_encoder": {
        "in_dim": 128,
        "out_dim": 32,
        "position_encoding": {"num_pos_feats": 32},
        "mask_downsampler": {"embed_dim": 128},
        "fuser": {"num_layers": 1, "layer": {"dim": 128}},
    },
}

SAM2_VARIANTS = {
    "hiera_t": Sam2Variant("hiera_t", 96, (1, 2, 7, 2), 38_962_498),
    "hiera_s": Sam2Variant("hiera_s", 96, (1, 2, 11, 2), 46_060_354),
    "hiera_b+": Sam2Variant("hiera_b+", 112, (2, 3, 16, 3), 80_850_178),
    "hiera_l": Sam2Variant("hiera_l", 144, (2, 6, 36, 4), 224_446_642),
    "hiera_nano": Sam2Variant("hiera_t", 48, (1, 2, 4, 1), 5_951_554, NANO_OVERRIDES, 256),
}


def sam2_variant(name: str) -> Sam2Variant:
    """Look a SAM2 variant up by name.

    Raises:
        SamAdaptError: for an unknown name.
    """
    if name not in SAM2_VARIANTS:
        raise SamAdaptError("variant", name, "unknown SAM2 variant", f"choose one of {', '.join(SAM2_VARIANTS)}")
    return SAM2_VARIANTS[name]


def encoder_depth(name: str) -> int:
    """Number of blocks in a variant's encoder."""
    if name in SAM2_VARIANTS:
        return sum(SAM2_VARIANTS[name].stages)
    return sam_variant(name).depth


def variant_of(state: Mapping[str, Tensor]) -> str | None:
    """Tell the variant of a SAM or SAM2 state dict by its encoder's width and depth; None when it is no known one."""
    patch = state.get("image_encoder.patch_embed.proj.weight")
    depth = len({key.split(".")[2] for key in state if key.startswith("image_encoder.blocks.")})
    for name, variant in SAM_VARIANTS.items():
        if patch is not None and (patch.shape[0], depth) == (variant.embed_dim, variant.depth):
            return name
    patch = state.get("image_encoder.trunk.patch_embed.proj.weight")
    depth = len({key.split(".")[3] for key in state if key.startswith("image_encoder.trunk.blocks.")})
    for name, hiera in SAM2_VARIANTS.items():
        if patch is not None and (patch.shape[0], depth) == (hiera.embed_dim, sum(hiera.stages)):
            return name
    return None


def sam2_version_of(state: Mapping[str, Tensor]) -> str:
    """``2.1`` for a SAM2 state dict with the embeddings that version added, else ``2.0``."""
    return "2.1" if "no_obj_embed_spatial" in state else "2.0"
