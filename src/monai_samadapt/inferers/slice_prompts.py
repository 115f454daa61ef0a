"""Prompts on the slices of a volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.prompts import NOWHERE, PADDING

PER_IMAGE = ("points", "point_labels", "boxes")
"""Keywords of the network that belong to an image."""


def is_given(value: Any) -> TypeGuard[Tensor]:
    """Whether a keyword of the network has a value."""
    return isinstance(value, Tensor)


def asked_labels(prompts: Mapping[str, Any]) -> Tensor | None:
    """Which labels of each volume have a prompt on some slice, (B, K) bool; None for prompts of whole volumes."""
    labels = prompts.get("point_labels")
    if not is_given(labels) or labels.ndim != 4:
        return None
    return (labels != PADDING).flatten(2).any(-1)


def for_slices(prompts: Mapping[str, Any], index: int, start: int, stop: int, by_slice: bool) -> dict[str, Any]:
    """The prompts on slices ``start`` to ``stop`` - 1 of volume ``index``; those of a whole volume are repeated."""
    found = dict(prompts)
    for name in PER_IMAGE:
        if is_given(value := prompts.get(name)):
            repeated = value[index : index + 1].expand(stop - start, *value.shape[1:])
            found[name] = value[index, :, start:stop].movedim(1, 0) if by_slice else repeated
    return found


def decode_slices(network: SegmentationNetwork, features: Any, asked: Tensor, prompts: Mapping[str, Any]) -> Tensor:
    """Segment slices, each label by its own prompts alone, as after an annotator's clicks.

    Labels are decoded one by one and without padding, so that the answer for one does not depend on the prompts of the
    others, nor on those of other slices.

    Args:
        network: takes prompts.
        features: of n slices.
        asked: (K,) bool, the labels with prompts in the volume; the others are segmented without any.
        prompts: ``points`` (n, K, M, 2) and ``point_labels`` (n, K, M) of all labels, padded at the end.

    Returns:
        Logits (n, C, S, S), `NOWHERE` for a label that is asked for on other slices only.
    """
    points, labels = prompts["points"], prompts["point_labels"]
    shape = (len(points), network.label_spec.num_channels, network.image_size, network.image_size)
    logits = points.new_zeros(shape) if asked.all() else network.decode(features)
    for label in asked.nonzero().flatten().tolist():
        channel = logits[:, label + int(network.label_spec.exclusive)]
        channel.fill_(NOWHERE)
        counts = (labels[:, label] != PADDING).sum(-1)
        for count in counts.unique().tolist():
            rows = (counts == count).nonzero().flatten()
            if count:
                own = {"points": points[rows, label, None, :count], "point_labels": labels[rows, label, None, :count]}
                label_ids = torch.tensor([label], device=rows.device)
                found = network.decode(features[rows], **own, label_ids=label_ids)
                channel[rows] = found[:, 0].to(channel.dtype)
    return logits
