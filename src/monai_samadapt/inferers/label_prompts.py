"""Prompts of pictures: each is about the label it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from monai_samadapt.inferers.slice_prompts import is_given
from monai_samadapt.labels import LabelSpec
from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.prompts import PADDING


def are_of_labels(prompts: Mapping[str, Any], label_spec: LabelSpec) -> bool:
    """Whether the network's keywords hold one prompt for each label, in their order, and no boxes of their own."""
    label_ids = prompts.get("label_ids")
    if not is_given(label_ids) or not is_given(prompts.get("point_labels")) or is_given(prompts.get("boxes")):
        return False
    return bool(label_ids.tolist() == list(range(label_spec.num_labels)))


def decode_labels(network: SegmentationNetwork, features: Any, prompts: Mapping[str, Any]) -> Tensor:
    """Segment images, each label by its own prompts alone, and as without prompts where it has none.

    Padding would be tokens that the network answers to. So labels with equally many points are decoded in one call,
    without any, and all labels without prompts in another, if there are some.

    Args:
        network: takes prompts.
        features: of n images.
        prompts: ``points`` (n, K, M, 2) and ``point_labels`` (n, K, M) of all labels, padded anywhere.

    Returns:
        Logits (n, C, S, S).
    """
    points, labels = _padding_last(prompts["points"], prompts["point_labels"])
    counts = (labels != PADDING).sum(-1)
    shape = (len(points), network.label_spec.num_channels, network.image_size, network.image_size)
    logits = points.new_zeros(shape) if counts.all() else network.decode(features)
    for own in counts.unique(dim=0):
        rows = (counts == own).all(-1).nonzero().flatten()
        for count in own[own > 0].unique().tolist():
            label_ids = (own == count).nonzero().flatten()
            place = (rows[:, None], label_ids)
            given = {"points": points[place][:, :, :count], "point_labels": labels[place][:, :, :count]}
            found = network.decode(features[rows], **given, label_ids=label_ids)
            logits[rows[:, None], label_ids + int(network.label_spec.exclusive)] = found.to(logits.dtype)
    return logits


def _padding_last(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Move padding behind the points, which keep their order."""
    order = (labels == PADDING).to(torch.uint8).argsort(dim=-1, stable=True)
    return points.take_along_dim(order[..., None], 2), labels.take_along_dim(order, 2)
