"""Segmenting where an annotator clicked, from features that are kept between the clicks."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.inferers.features import FeatureCache
from monai_samadapt.networks.base import SegmentationNetwork
from monai_samadapt.prompts import NOWHERE
from monai_samadapt.transforms.clicks import Clicks

KEPT_SLICES = 8

_CACHES: WeakKeyDictionary[nn.Module, FeatureCache] = WeakKeyDictionary()


def features_of(network: nn.Module) -> FeatureCache:
    """The features of the pictures and slices last clicked on.

    They belong to the network and not to an inferer: MONAI Label makes a new inferer for each request.
    """
    return _CACHES.setdefault(network, FeatureCache(KEPT_SLICES))


def segment_clicked(image: Tensor, network: Any, clicks: Clicks) -> Tensor:
    """Segment one label on the slices with clicks.

    Args:
        image: (1, 3, S, S) or (1, 3, S, S, D) on any device.
        network: takes prompts; computes on its own device.
        clicks: what was clicked.

    Returns:
        Logits (1, C, S, S[, D]) on the CPU: `NOWHERE` for other labels and on other slices, 0 for the background of
        exclusive labels.

    Raises:
        SamAdaptError: for a network that takes no prompts.
    """
    if not isinstance(network, SegmentationNetwork) or not network.promptable:
        remedy = "send no clicks, or serve a bundle of S-SAM or SAM2LoRA"
        raise SamAdaptError("foreground", type(network).__name__, "takes no prompts", remedy)
    spec, device = network.label_spec, next(network.parameters()).device
    volume = image if image.ndim == 5 else image[..., None]
    logits = torch.full((1, spec.num_channels, *volume.shape[2:]), NOWHERE)
    if spec.exclusive:
        logits[:, 0] = 0.0
    for number, (points, labels) in clicks.slices.items():
        features = features_of(network).get(network, volume[..., number].contiguous().to(device))
        prompts = {"points": points[None, None].to(device), "point_labels": labels[None, None].to(device)}
        found = network.decode(features, **prompts, label_ids=torch.tensor([clicks.label], device=device))
        logits[:, clicks.label + int(spec.exclusive), ..., number] = found[:, 0].float().cpu()
    return logits if image.ndim == 5 else logits[..., 0]
