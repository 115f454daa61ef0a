"""SAM2's prompt encoder and mask decoder for a batch of images with several prompts each, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from monai_samadapt.backbones.sam2_encoder import Sam2Features
from monai_samadapt.networks.decode import check_prompts

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

FIRST_OF_THREE = 1  # mask token of channel 0 with ``multimask_output=True``


def encode_prompts_sam2(
    sam: SAM2Base, points: Tensor | None, point_labels: Tensor | None, boxes: Tensor | None
) -> Tensor:
    """Embed points and boxes as ``SAM2ImagePredictor`` does: a box is two points labelled 2 and 3, before the others.

    Args:
        sam: gives the prompt encoder.
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
    if boxes is not None:
        corners = torch.tensor([2, 3], device=boxes.device)
        coordinates.append(boxes.float().unflatten(-1, (2, 2)))
        labels.append(corners.expand(batch, prompts, 2))
    if points is not None and point_labels is not None:
        coordinates.append(points.float())
        labels.append(point_labels)
    clicks = (torch.cat(coordinates, dim=2).flatten(0, 1), torch.cat(labels, dim=2).flatten(0, 1))
    with torch.autocast(clicks[0].device.type, enabled=False):
        sparse, _ = sam.sam_prompt_encoder(clicks, None, None)
    return sparse.unflatten(0, (batch, prompts))


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
    special = [decoder.iou_token.weight, decoder.mask_tokens.weight]
    if decoder.pred_obj_scores:
        special.insert(0, decoder.obj_score_token.weight)
    first = int(decoder.pred_obj_scores)
    tokens = torch.cat([torch.cat(special).expand(batch * prompts, -1, -1), sparse_prompts.flatten(0, 1)], dim=1)
    dense = sam.sam_prompt_encoder.no_mask_embed.weight[..., None, None]
    source = (features.embedding + dense).repeat_interleave(prompts, dim=0)
    with torch.autocast(source.device.type, enabled=False):
        position = sam.sam_prompt_encoder.get_dense_pe()
    hidden, source = decoder.transformer(source, position.expand(batch * prompts, -1, -1, -1), tokens)
    upscaled = _upscale(decoder.output_upscaling, source.transpose(1, 2).unflatten(2, (height, width)), features)
    weights = decoder.output_hypernetworks_mlps[mask_token](hidden[:, first + 1 + mask_token])
    logits = torch.einsum("nc,nchw->nhw", weights, upscaled)
    quality = decoder.iou_prediction_head(hidden[:, first])[:, mask_token]
    return logits.unflatten(0, (batch, prompts)), quality.unflatten(0, (batch, prompts))


def _upscale(layers: torch.nn.Sequential, source: Tensor, features: Sam2Features) -> Tensor:
    """Upscale (B * P, C, h, w) to (B * P, C/8, 4h, 4w), adding each image's finer features to all its prompts."""
    first, norm, act, second, last = layers
    fine4, fine8 = features.fine
    source = act(norm(_add(first(source), fine8)))
    out: Tensor = last(_add(second(source), fine4))
    return out


def _add(upscaled: Tensor, fine: Tensor) -> Tensor:
    """Add (B, c, h, w) to the (B * P, c, h, w) of its images' prompts."""
    return (upscaled.unflatten(0, (fine.shape[0], -1)) + fine.unsqueeze(1)).flatten(0, 1)
