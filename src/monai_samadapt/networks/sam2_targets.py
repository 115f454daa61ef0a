"""The linears of SAM2 that can be adapted, and the rank that keeps to the paper's share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks.decode import attention_names

ENCODER_LAYERS = {"qkv": ("attn.qkv",), "proj": ("attn.proj",), "mlp": ("mlp.layers.0", "mlp.layers.1")}
DECODER_LAYERS = ("attention", "mlp")
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")
USUAL_RANK = 64
LARGEST_SHARE = 0.05


def encoder_targets(sam: Any, layers: Sequence[str], first_block: int = 0) -> tuple[str, ...]:
    """Full names of the linears of every Hiera block from the first on.

    Raises:
        SamAdaptError: for an unknown layer.
    """
    _check("encoder_layers", layers, tuple(ENCODER_LAYERS))
    blocks = range(first_block, len(sam.image_encoder.trunk.blocks))
    kinds = [linear for layer in layers for linear in ENCODER_LAYERS[layer]]
    return tuple(f"image_encoder.trunk.blocks.{index}.{linear}" for index in blocks for linear in kinds)


def decoder_targets(sam: Any, layers: Sequence[str]) -> tuple[str, ...]:
    """Full names of the linears of the mask decoder's transformer: 28 of its attentions, 4 of its MLPs.

    Raises:
        SamAdaptError: for an unknown layer.
    """
    _check("decoder_layers", layers, DECODER_LAYERS)
    prefix, transformer = "sam_mask_decoder.transformer", sam.sam_mask_decoder.transformer
    names = []
    if "attention" in layers:
        names += [f"{name}.{linear}" for name in attention_names(transformer) for linear in PROJECTIONS]
    if "mlp" in layers:
        names += [f"layers.{index}.mlp.layers.{layer}" for index in range(len(transformer.layers)) for layer in (0, 1)]
    return tuple(f"{prefix}.{name}" for name in names)


def default_rank(sam: Any, targets: Sequence[str], parameters: int) -> int:
    """64, or the largest rank whose adapters are below 5 % of ``parameters``: r (in + out) for each target."""
    linears = [sam.get_submodule(name) for name in targets]
    each = sum(layer.in_features + layer.out_features for layer in linears if isinstance(layer, nn.Linear))
    return max(1, min(USUAL_RANK, int(LARGEST_SHARE * parameters / each))) if each else USUAL_RANK


def _check(key: str, layers: Sequence[str], known: tuple[str, ...]) -> None:
    unknown = set(layers) - set(known)
    if unknown:
        raise SamAdaptError(key, list(layers), f"unknown: {sorted(unknown)}", f"choose from {', '.join(known)}")
