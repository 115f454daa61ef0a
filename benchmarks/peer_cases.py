"""The same encoders and adapters as transformers and peft have them, with the same weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from model_cases import images, network_of, step_of
from sides import Case, Step, precision
from torch import Tensor, nn

from monai_samadapt.adapters.lora import LoRALinear
from monai_samadapt.backbones import build_sam, build_sam2
from monai_samadapt.backbones.sam2_encoder import encode_still

RENAMED = ((r"patch_embed\.proj", "patch_embed.projection"), (r"norm(\d)", r"layer_norm\1"))
RENAMED_SAM = (
    *RENAMED,
    (r"blocks\.", "layers."),
    (r"neck\.0", "neck.conv1"),
    (r"neck\.1", "neck.layer_norm1"),
    (r"neck\.2", "neck.conv2"),
    (r"neck\.3", "neck.layer_norm2"),
)
RENAMED_SAM2 = (
    *RENAMED,
    (r"trunk\.", "backbone."),
    (r"mlp\.layers\.0", "mlp.proj_in"),
    (r"mlp\.layers\.1", "mlp.proj_out"),
    (r"\.conv\.", "."),
)


def renamed(state: dict[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """A state dict under transformers' names."""
    for pattern, replacement in rules:
        state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
    return state


def sam_of_transformers(encoder: Any, size: int) -> nn.Module:
    """transformers' vision encoder of SAM with scaled_dot_product_attention."""
    from transformers import SamVisionConfig
    from transformers.models.sam.modeling_sam import SamVisionEncoder

    first, depth = encoder.blocks[0], len(encoder.blocks)
    everywhere = [index for index, block in enumerate(encoder.blocks) if block.window_size == 0]
    width, out = first.attn.proj.out_features, encoder.neck[0].out_channels
    window = max(block.window_size for block in encoder.blocks)
    config = SamVisionConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=first.attn.num_heads,
        mlp_dim=4 * width,
        output_channels=out,
        image_size=size,
        window_size=window,
        global_attn_indexes=everywhere,
        attn_implementation="sdpa",
    )
    twin = SamVisionEncoder(config)
    twin.load_state_dict(renamed(encoder.state_dict(), RENAMED_SAM))
    return twin


def sam2_of_transformers(sam2: Any, size: int) -> nn.Module:
    """transformers' vision model of SAM2, tiny, with scaled_dot_product_attention."""
    from transformers import Sam2VisionConfig
    from transformers.models.sam2.modeling_sam2 import Sam2VisionModel

    config = Sam2VisionConfig(attn_implementation="sdpa")
    config.backbone_config.image_size = [size, size]
    config.backbone_feature_sizes = [[size // stride] * 2 for stride in (4, 8, 16)]
    twin = Sam2VisionModel(config)
    twin.load_state_dict(renamed(sam2.image_encoder.state_dict(), RENAMED_SAM2))
    return twin


def encode_of(variant: str, size: int, ours: bool, device: str) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """An encoder and how to call it for the embedding (B, C, S/16, S/16)."""
    if variant.startswith("hiera"):
        sam2 = build_sam2(variant, size, "random").to(device)
        sam2.no_mem_embed.data.zero_()  # transformers adds it outside of its encoder
        if ours:
            return sam2.image_encoder, lambda image: encode_still(sam2, image).embedding
        twin = sam2_of_transformers(sam2, size).to(device)
        return twin, lambda image: twin(image).fpn_hidden_states[-1]
    encoder = build_sam(variant, size, "random").image_encoder.to(device)
    if ours:
        return encoder, encoder
    twin = sam_of_transformers(encoder, size).to(device)
    return twin, lambda image: twin(image).last_hidden_state


def encoder(variant: str, size: int, batch: int, train: bool, ours: bool, device: str) -> Step:
    """Forward, or forward and backward with norms and positions trained, as S-SAM leaves them."""
    model, encode = encode_of(variant, size, ours, device)
    model.eval()
    for name, value in model.named_parameters():
        value.requires_grad_(train and ("norm" in name or "pos_embed" in name))
    image = images(batch, size, device)

    def step() -> Tensor:
        with torch.set_grad_enabled(train), precision(device):
            found = encode(image)
        if train:
            model.zero_grad()
            found.float().square().mean().backward()
        return found.detach()

    return step


def lora_step(variant: str, size: int, batch: int, ours: bool, device: str) -> Step:
    """A training step of SAM2LoRA with its own low-rank layers, or with peft's in the same places."""
    network, loss = network_of("sam2_lora", variant, size)
    if not ours:
        _with_peft(network)
    return step_of(network.to(device).train(), loss, images(batch, size, device), device)


def _with_peft(network: Any) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    layers = {name: part for name, part in network.sam.named_modules() if isinstance(part, LoRALinear)}
    for name, layer in layers.items():
        plain = nn.Linear(layer.weight.shape[1], layer.weight.shape[0], layer.bias is not None)
        plain.weight, plain.bias = layer.weight, layer.bias
        network.sam.set_submodule(name, plain)
    settings = next(iter(layers.values())).config
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=list(layers))
    inject_adapter_in_model(config, network.sam)
    for name, layer in layers.items():
        network.sam.get_submodule(name).lora_A["default"].weight.data.copy_(layer.lora_A[0])


def cases(sam: str, hiera: str, sizes: list[int]) -> list[Case]:
    """All rows of this file; of SAM2 transformers has the tiny variant at hand."""
    rows, other = [], "transformers, SDPA"
    for variant in (sam, hiera):
        if variant == "hiera_nano":
            continue
        for size in sizes:
            batch = max(1, 512 // size)
            rows.append(
                Case(f"encoder forward, {variant}, {size} px", partial(encoder, variant, size, 1, False), other)
            )
            name = f"encoder forward and backward, {variant}, {size} px x {batch}"
            rows.append(Case(name, partial(encoder, variant, size, batch, True), other, 1e-3, True))
    for size in sizes:
        batch = max(1, 512 // size)
        name = f"training step, sam2_lora {hiera}, {size} px x {batch}"
        rows.append(Case(name, partial(lora_step, hiera, size, batch), "peft's LoRA in the same layers", 1e-2, True))
    return rows
