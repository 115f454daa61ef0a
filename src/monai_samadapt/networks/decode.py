"""SAM's prompt encoder and mask decoder for a batch of images with several prompts each, in one call."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from segment_anything.modeling import PromptEncoder, Sam
from torch import Tensor, nn

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.prompts import BOTTOM_RIGHT, PADDING, TOP_LEFT


def encode_prompts(
    encoder: PromptEncoder, points: Tensor | None, point_labels: Tensor | None, boxes: Tensor | None
) -> Tensor:
    """Embed points and boxes as SAM does: points, then the corners of the box or, without one, a padding point.

    Args:
        encoder: the prompt encoder.
        points: (B, P, N, 2) as (column, row) in input pixels.
        point_labels: (B, P, N): 1 positive, 0 negative, -1 padding, 2 and 3 the corners of a box.
        boxes: (B, P, 4) as x0 y0 x1 y1 in input pixels.

    Returns:
        sparse_prompts (B, P, T, C).

    Raises:
        SamAdaptError: for points without labels, or points and boxes for different numbers of prompts.
    """
    batch, prompts = check_prompts(points, point_labels, boxes)
    coordinates, labels = [], []
    if points is not None and point_labels is not None:
        coordinates.append(points.float())
        labels.append(point_labels.long())
    if boxes is not None:
        coordinates.append(boxes.float().unflatten(-1, (2, 2)))
        labels.append(torch.tensor([TOP_LEFT, BOTTOM_RIGHT], device=boxes.device).expand(batch, prompts, 2))
    else:
        coordinates.append(torch.zeros_like(coordinates[0][:, :, :1]))
        labels.append(torch.full_like(labels[0][:, :, :1], PADDING))
    return embed_points(encoder, torch.cat(coordinates, dim=2), torch.cat(labels, dim=2))


def embed_points(encoder: PromptEncoder, coordinates: Tensor, labels: Tensor) -> Tensor:
    """Embed points and corners of boxes as SAM's prompt encoder does, mixed freely, without waiting for the device.

    Args:
        encoder: gives the frequencies and the embedding of each label.
        coordinates: (B, P, T, 2) as (column, row) in input pixels.
        labels: (B, P, T) as int64: 1 positive, 0 negative, 2 and 3 the corners of a box, -1 padding.

    Returns:
        sparse_prompts (B, P, T, C).
    """
    table = torch.cat([encoder.not_a_point_embed.weight, *(item.weight for item in encoder.point_embeddings)])
    with torch.autocast(coordinates.device.type, enabled=False):
        position = encoder.pe_layer.forward_with_coords((coordinates + 0.5).flatten(0, 1), encoder.input_image_size)
    position = position.reshape(*labels.shape, -1) * (labels != PADDING)[..., None]
    return position + table[labels + 1]


def check_prompts(points: Tensor | None, point_labels: Tensor | None, boxes: Tensor | None) -> tuple[int, int]:
    """Number of images and of prompts for each.

    Raises:
        SamAdaptError: for points without labels, or points and boxes for different numbers of prompts.
    """
    if points is not None and (point_labels is None or point_labels.shape != points.shape[:-1]):
        found = None if point_labels is None else tuple(point_labels.shape)
        problem = f"does not label points of shape {tuple(points.shape)}"
        raise SamAdaptError("point_labels", found, problem, "give 1, 0 or -1 for each point")
    if points is not None and boxes is not None and points.shape[:2] != boxes.shape[:2]:
        problem = f"points are for {tuple(points.shape[:2])} (images, prompts)"
        raise SamAdaptError("boxes", tuple(boxes.shape[:2]), problem, "give one box and one set of points a prompt")
    given = boxes if points is None else points
    assert given is not None
    return given.shape[0], given.shape[1]


def check_label_ids(label_ids: Tensor, prompts: int) -> None:
    """Refuse another number of label ids than of prompts.

    Raises:
        SamAdaptError: naming the ids.
    """
    if label_ids.shape[0] != prompts:
        problem = f"there are {prompts} prompts"
        raise SamAdaptError("label_ids", label_ids.tolist(), problem, "name one label for each prompt")


def output_tokens(decoder: Any) -> tuple[Tensor, int]:
    """The tokens (T, C) of SAM's or SAM2's mask decoder and the place of the IoU token; the mask tokens follow it."""
    tokens = [decoder.iou_token.weight, decoder.mask_tokens.weight]
    if getattr(decoder, "pred_obj_scores", False):
        return torch.cat([decoder.obj_score_token.weight, *tokens]), 1
    return torch.cat(tokens), 0


def attention_names(transformer: Any) -> list[str]:
    """Names of the seven attentions in the two-way transformer of SAM's or SAM2's mask decoder."""
    kinds = ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token")
    names = [f"layers.{index}.{kind}" for index in range(len(transformer.layers)) for kind in kinds]
    return [*names, "final_attn_token_to_image"]


def upscale(layers: nn.Sequential, source: Tensor, fine: tuple[Tensor, Tensor] | None) -> Tensor:
    """Upscale the decoded image tokens fourfold.

    Args:
        layers: ``output_upscaling`` of SAM's or SAM2's mask decoder.
        source: (B * P, C, h, w).
        fine: added in the two steps to all P prompts of an image: (B, C/8, 4h, 4w) and (B, C/4, 2h, 2w).

    Returns:
        (B * P, C/8, 4h, 4w).
    """
    if fine is None:
        plain: Tensor = layers(source)
        return plain
    first, norm, activation, second, last = layers
    out: Tensor = last(_add(second(activation(norm(_add(first(source), fine[1])))), fine[0]))
    return out


def _add(upscaled: Tensor, fine: Tensor) -> Tensor:
    """Add (B, c, h, w) to the (B * P, c, h, w) of its images' prompts."""
    return (upscaled.unflatten(0, (fine.shape[0], -1)) + fine.unsqueeze(1)).flatten(0, 1)


def dense_positions(encoder: Any) -> Tensor:
    """SAM's positions of the embedding's cells (1, C, h, w): sines of large angles, in float32 under autocast too."""
    with torch.autocast(encoder.no_mask_embed.weight.device.type, enabled=False):
        positions: Tensor = encoder.get_dense_pe()
    return positions


def decode_masks(sam: Sam, image_embedding: Tensor, sparse_prompts: Tensor, mask_token: int = 0) -> Tensor:
    """Decode one mask for each image and prompt from one encoded image.

    This is upstream's ``MaskDecoder.predict_masks`` with images and prompts in one batch, and only the wanted mask
    token upscaled.

    Args:
        sam: gives the mask decoder, the dense position encoding and the no-mask embedding.
        image_embedding: (B, C, h, w).
        sparse_prompts: (B, P, T, C).
        mask_token: 0 is the token of the single mask (``multimask_output=False``).

    Returns:
        low_res_logits (B, P, 4 h, 4 w).
    """
    decoder, batch, prompts = sam.mask_decoder, sparse_prompts.shape[0], sparse_prompts.shape[1]
    height, width = image_embedding.shape[-2:]
    own, first = output_tokens(decoder)
    tokens = torch.cat([own.expand(batch * prompts, -1, -1), sparse_prompts.flatten(0, 1)], dim=1)
    dense = sam.prompt_encoder.no_mask_embed.weight[..., None, None]
    source = for_each_prompt(image_embedding + dense, prompts)
    position = dense_positions(sam.prompt_encoder).to(source.dtype)
    hidden, source = decoder.transformer(source, position.expand(batch * prompts, -1, -1, -1), tokens)
    upscaled = decoder.output_upscaling(source.transpose(1, 2).unflatten(2, (height, width)))
    weights = decoder.output_hypernetworks_mlps[mask_token](hidden[:, first + 1 + mask_token])
    logits = torch.einsum("nc,nchw->nhw", weights, upscaled)
    return logits.unflatten(0, (batch, prompts))


def for_each_prompt(embedding: Tensor, prompts: int) -> Tensor:
    """Repeat each of B embeddings (B, C, h, w) for its P prompts, (B P, C, h, w).

    By ``expand``: a trace keeps the count of ``repeat_interleave`` as a tensor of the device it was made on.
    """
    return embedding.unsqueeze(1).expand(-1, prompts, -1, -1, -1).flatten(0, 1)


def upsample(low_res_logits: Tensor, size: int) -> Tensor:
    """Bring logits (B, C, h, w) to (B, C, size, size), bilinearly as SAM does, in float32."""
    return F.interpolate(low_res_logits.float(), (size, size), mode="bilinear", align_corners=False)
