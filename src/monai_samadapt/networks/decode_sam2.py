"""SAM2's prompt encoder and mask decoder for a batch of images with several prompts each, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from monai_samadapt.backbones.sam2_encoder import Sam2Features
from monai_samadapt.networks.decode import (
    check_prompts,
    dense_positions,
    encode_prompts,
    for_each_prompt,
    output_tokens,
    upscale,
)
from monai_samadapt.prompts import BOTTOM_RIGHT, TOP_LEFT

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

FIRST_OF_THREE = 1  # mask token of channel 0 with ``multimask_output=True``


def encode_prompts_sam2(
    sam: SAM2Base, points: Tensor | None, point_labels: Tensor | None, boxes: Tensor | None
) -> Tensor:
    """Embed points and boxes as ``SAM2ImagePredictor`` does: a box is two points before the others, padding the last.

    Arguments, result (B, P, T, C) and errors are those of :func:`monai_samadapt.networks.decode.encode_prompts`.
    """
    batch, prompts = check_prompts(points, point_labels, boxes)
    if boxes is not None:
        corners = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], device=boxes.device).expand(batch, prompts, 2)
        places = boxes.float().unflatten(-1, (2, 2))
        points = places if points is None else torch.cat([places, points.float()], dim=2)
        point_labels = corners if point_labels is None else torch.cat([corners, point_labels.long()], dim=2)
    return encode_prompts(sam.sam_prompt_encoder, points, point_labels, None)


def no_prompt(batch: int, prompts: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What SAM2 itself takes where nothing is given: one padding point, labelled -1, for each prompt."""
    return torch.zeros(batch, prompts, 1, 2, device=device), -torch.ones(batch, prompts, 1, device=device)


def decode_masks_sam2(
    sam: SAM2Base, features: Sam2Features, sparse_prompts: Tensor, mask_token: int = FIRST_OF_THREE
) -> tuple[Tensor, Tensor]:
    """Decode one mask for each image and prompt, each with its own image's features.

    This is upstream's ``MaskDecoder.predict_masks`` with images and prompts in one batch, and only the wanted mask
    token upscaled.

    Args:
        sam: gives the mask decoder, the dense position encoding and the no-mask embedding.
        features: of B images.
        sparse_prompts: (B, P, T, C).
        mask_token: 0 is the token of the single mask, 1 to 3 those of ``multimask_output=True``.

    Returns:
        low_res_logits (B, P, 4 h, 4 w) and the predicted IoU (B, P).
    """
    decoder, (batch, prompts) = sam.sam_mask_decoder, sparse_prompts.shape[:2]
    height, width = features.embedding.shape[-2:]
    own, first = output_tokens(decoder)
    tokens = torch.cat([own.expand(batch * prompts, -1, -1), sparse_prompts.flatten(0, 1)], dim=1)
    dense = sam.sam_prompt_encoder.no_mask_embed.weight[..., None, None]
    source = for_each_prompt(features.embedding + dense, prompts)
    position = dense_positions(sam.sam_prompt_encoder)
    hidden, source = decoder.transformer(source, position.expand(batch * prompts, -1, -1, -1), tokens)
    source = source.transpose(1, 2).unflatten(2, (height, width))
    upscaled = upscale(decoder.output_upscaling, source, features.fine)
    weights = decoder.output_hypernetworks_mlps[mask_token](hidden[:, first + 1 + mask_token])
    logits = torch.einsum("nc,nchw->nhw", weights, upscaled)
    quality = decoder.iou_prediction_head(hidden[:, first])[:, mask_token]
    return logits.unflatten(0, (batch, prompts)), quality.unflatten(0, (batch, prompts))
