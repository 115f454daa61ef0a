"""The mask decoder of SAM and SAM2 with all four masks, their predicted quality and mask prompts, in one batch.

Equal to upstream's ``MaskDecoder.predict_masks`` for each image and prompt. What the prompts of an image share is
computed once: without mask prompts the first layer projects each image embedding a single time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.networks.decode import dense_positions, output_tokens, upscale
from monai_samadapt.pretrain.promptable import Features, mask_decoder, prompt_encoder


def embed_mask_prompts(model: nn.Module, logits: Tensor, used: Tensor) -> Tensor:
    """Embed previous answers as dense prompts.

    Args:
        model: gives the prompt encoder.
        logits: (B, P, 4h, 4w) the previous low-resolution logits.
        used: (B, P) bool; where False the prompt gets SAM's no-mask embedding instead.

    Returns:
        dense_prompts (B, P, C, h, w).
    """
    encoder = prompt_encoder(model)
    dense = encoder.mask_downscaling(logits.flatten(0, 1).unsqueeze(1)).unflatten(0, logits.shape[:2])
    absent = encoder.no_mask_embed.weight[0][:, None, None]
    return torch.where(used[:, :, None, None, None], dense, absent)


def decode_all(
    model: nn.Module, features: Features, sparse_prompts: Tensor, dense_prompts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Decode all masks for each image and prompt.

    Args:
        model: gives the mask decoder.
        features: of B images.
        sparse_prompts: (B, P, T, C).
        dense_prompts: (B, P, C, h, w), or None for SAM's no-mask embedding.

    Returns:
        low_res_logits (B, P, 4, 4h, 4w), mask 0 being the one of unambiguous prompts, and their quality (B, P, 4).
    """
    decoder, encoder, (batch, prompts) = mask_decoder(model), prompt_encoder(model), sparse_prompts.shape[:2]
    height, width = features.embedding.shape[-2:]
    if dense_prompts is None:
        dense_prompts = encoder.no_mask_embed.weight[0][:, None, None]
    source = (features.embedding.unsqueeze(1) + dense_prompts).flatten(-2).transpose(-1, -2)
    position = dense_positions(encoder)[0].flatten(-2).T
    own, first = output_tokens(decoder)
    tokens = torch.cat([own.expand(batch, prompts, -1, -1), sparse_prompts], dim=2)
    hidden, source = _two_way(decoder.transformer, source, position, tokens)
    source = source.expand(-1, prompts, -1, -1).flatten(0, 1).transpose(1, 2).unflatten(2, (height, width))
    upscaled = upscale(decoder.output_upscaling, source, features.fine)
    networks = decoder.output_hypernetworks_mlps
    weights = torch.stack([network(hidden[:, :, first + 1 + k]) for k, network in enumerate(networks)], dim=2)
    logits = weights.flatten(0, 1) @ upscaled.flatten(2)
    logits = logits.reshape(batch, prompts, -1, 4 * height, 4 * width)
    return logits, decoder.iou_prediction_head(hidden[:, :, first])


def _two_way(transformer: Any, keys: Tensor, position: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Run SAM's two-way transformer on image tokens (B, 1 or P, L, C) and prompt tokens (B, P, T, C)."""
    queries = tokens
    for layer in transformer.layers:
        queries, keys = _block(layer, queries, keys, tokens, position)
    attention = transformer.final_attn_token_to_image
    queries = queries + _attend(attention, queries + tokens, keys + position, keys)
    return transformer.norm_final_attn(queries), keys


def _block(layer: Any, queries: Tensor, keys: Tensor, tokens: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    if layer.skip_first_layer_pe:
        queries = _attend(layer.self_attn, queries, queries, queries)
    else:
        queries = queries + _attend(layer.self_attn, queries + tokens, queries + tokens, queries)
    queries = layer.norm1(queries)
    placed = keys + position
    queries = layer.norm2(queries + _attend(layer.cross_attn_token_to_image, queries + tokens, placed, keys))
    queries = layer.norm3(queries + layer.mlp(queries))
    keys = layer.norm4(keys + _attend(layer.cross_attn_image_to_token, placed, queries + tokens, queries))
    return queries, keys


def _attend(attention: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend from q (B, P, N, C) to k, v (B, P, M, C), where P is 1 for what all prompts share."""
    heads = attention.num_heads
    # (B, P, heads, N, C / heads)
    q = attention.q_proj(q).unflatten(-1, (heads, -1)).transpose(2, 3)
    k = attention.k_proj(k).unflatten(-1, (heads, -1)).transpose(2, 3)
    v = attention.v_proj(v).unflatten(-1, (heads, -1)).transpose(2, 3)
    weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1)
    return attention.out_proj((weights @ v).transpose(2, 3).flatten(3))
