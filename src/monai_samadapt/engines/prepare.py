"""Batches as the engines take them."""

from __future__ import annotations

from typing import Any

import torch
from monai.utils import convert_to_tensor
from torch import Tensor


def prepare_batch(
    batch: dict[str, Any], device: str | torch.device | None = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """Take image and label to the device without their metadata, which would slow every operation of the network."""
    image, label = (
        convert_to_tensor(batch[key], track_meta=False).to(device, non_blocking=non_blocking)
        for key in ("image", "label")
    )
    return image, label


def keep_on_host(
    batch: dict[str, Any], device: str | torch.device | None = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor | None, tuple[()], dict[str, Tensor]]:
    """Leave a whole volume where it is: the inferer takes its slices to the device, a few at a time.

    Returns:
        Image, label, no arguments, and as the network's keywords the prompts of the batch, where it has any.
    """
    prompts = prompt_keywords(batch["points"], batch["point_labels"]) if "points" in batch else {}
    return batch["image"], batch.get("label"), (), prompts


def prompt_keywords(points: Tensor, point_labels: Tensor) -> dict[str, Tensor]:
    """The network's keywords for points (B, K[, D], N, 2) and their labels: one prompt for each label, in order."""
    label_ids = torch.arange(points.shape[1], device=points.device)
    return {"points": points, "point_labels": point_labels, "label_ids": label_ids}
