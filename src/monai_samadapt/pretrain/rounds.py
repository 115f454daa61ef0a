"""One training step of a promptable model: first prompts, then correction clicks, on images encoded once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_samadapt.networks.decode import embed_points
from monai_samadapt.pretrain.decoding import decode_all, embed_mask_prompts
from monai_samadapt.pretrain.losses import mask_iou, prompt_loss
from monai_samadapt.pretrain.promptable import Features, encode, prompt_encoder
from monai_samadapt.pretrain.prompts import correction_clicks
from monai_samadapt.pretrain.samples import normalise
from monai_samadapt.pretrain.scenes import Prompts, Scenes, first_prompts

KEEP_MASK = 0.7  # share of corrections that see the previous answer as a mask prompt


def training_loss(
    sam: nn.Module, scenes: Scenes, prompts: int, corrections: int, generator: torch.Generator, amp: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the mean loss of all prompts of all rounds and some figures to log.

    Half of the clicks and a third of the boxes go on to ``corrections`` rounds of one more click each, with the
    previous logits as mask prompt in most of them.

    Args:
        sam: the model.
        scenes: images and objects.
        prompts: prompts an image in the first round, a multiple of 8.
        corrections: further rounds.
        generator: gives the random numbers.
        amp: run encoder and decoder in bfloat16.

    Returns:
        Loss (), and the mean IoU by one click (best of three masks), by box and after the last correction.
    """
    images = normalise(scenes.images)
    with _precision(images, amp):
        features = encode(sam, images)
    cells = 4 * features.embedding.shape[-1]
    current = first_prompts(scenes, prompts, cells, generator)
    clicks = torch.arange(prompts, device=images.device) < prompts // 4
    logits, quality = _decode(sam, features, current, None, amp)
    ambiguous = clicks.expand(len(images), -1)
    losses = [prompt_loss(logits, quality, current.target, ambiguous)]
    weights = [current.weight]
    figures = _figures(logits.detach(), current, prompts // 4)
    kept = _corrected(prompts, generator)
    answer = _answer(logits.detach(), quality.detach(), clicks)[:, kept]
    current = current.columns(kept)
    for _ in range(corrections):
        target = current.target > 0.5
        points, labels = correction_clicks(answer, target, images.shape[-1] // cells, generator)
        current = current.with_click(points, labels)
        used = torch.rand(labels.shape, generator=generator, device=images.device) < KEEP_MASK
        dense = embed_mask_prompts(sam, answer, used)
        logits, quality = _decode(sam, features, current, dense, amp)
        unambiguous = torch.zeros_like(used)
        losses.append(prompt_loss(logits, quality, current.target, unambiguous))
        weights.append(current.weight)
        answer = logits[:, :, 0].detach()
    figures["corrected_iou"] = _mean(mask_iou(answer, current.target), current.weight)
    return _mean(torch.cat(losses, dim=1), torch.cat(weights, dim=1)), figures


def _precision(like: Tensor, amp: bool) -> torch.autocast:
    return torch.autocast(like.device.type, torch.bfloat16, enabled=amp)


def _decode(
    sam: nn.Module, features: Features, prompts: Prompts, dense: Tensor | None, amp: bool
) -> tuple[Tensor, Tensor]:
    """Decode all masks; positions are embedded and losses computed in float32."""
    sparse = embed_points(prompt_encoder(sam), prompts.coordinates, prompts.labels)
    with _precision(sparse, amp):
        logits, quality = decode_all(sam, features, sparse, dense)
    return logits.float(), quality.float()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)


def _answer(logits: Tensor, quality: Tensor, clicks: Tensor) -> Tensor:
    """Of a single click's three masks take the one with the highest predicted quality; mask 0 of a box."""
    best = torch.where(clicks, quality[..., 1:].argmax(-1) + 1, 0)
    return logits.gather(2, best[..., None, None, None].expand(-1, -1, 1, *logits.shape[-2:]))[:, :, 0]


def _corrected(prompts: int, generator: torch.Generator) -> Tensor:
    """Choose half of the clicks and a third of the boxes, those of all objects being in random order."""
    clicks, boxes = prompts // 4, prompts - prompts // 4
    kept = torch.randperm(clicks, generator=generator, device=generator.device)[: clicks // 2]
    return torch.cat([kept, torch.randperm(boxes, generator=generator, device=generator.device)[: boxes // 3] + clicks])


def _figures(logits: Tensor, prompts: Prompts, clicks: int) -> dict[str, Tensor]:
    iou = mask_iou(logits, prompts.target.unsqueeze(2))
    return {
        "point_iou": _mean(iou[:, :clicks, 1:].amax(-1), prompts.weight[:, :clicks]),
        "box_iou": _mean(iou[:, clicks:, 0], prompts.weight[:, clicks:]),
    }
