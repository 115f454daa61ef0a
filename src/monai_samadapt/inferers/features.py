"""Features of the last images, so that several prompts on one image cost one pass of the encoder."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

import torch
from torch import Tensor, nn


class FeatureCache:
    """Remembers what a network's ``encode`` gave for the last batches of images.

    Only in evaluation mode and without gradients. It forgets when the network, one of its weights or the precision
    changes: tensors count their changes, so that loading and merging are seen. Fused optimisers do not count theirs,
    but a network counts how often it began to train.

    Attributes:
        passes: how often the encoder has run.

    Args:
        size: number of batches to remember.
    """

    def __init__(self, size: int = 1) -> None:
        self._kept: deque[tuple[Tensor, Any]] = deque(maxlen=size)
        self.passes = 0
        self._owner: Any = None
        self._state: Any = None

    def get(self, network: nn.Module, image: Tensor) -> Any:
        """Return ``network.encode(image)``, remembered if ``image`` (B, 3, S, S) equals one of the last, bit by bit."""
        if network.training or torch.is_grad_enabled():
            self._kept.clear()
            self.passes += 1
            return network.encode(image)  # type: ignore[operator]
        state = _state(network, image.device)
        if self._owner is None or self._owner() is not network or self._state != state:
            self._kept.clear()
            self._owner, self._state = weakref.ref(network), state
        for known, features in self._kept:
            if known.device == image.device and torch.equal(known, image):
                return features
        features = network.encode(image)  # type: ignore[operator]
        self.passes += 1
        self._kept.append((image.clone(), features))
        return features


def _state(network: nn.Module, device: torch.device) -> tuple[Any, ...]:
    """What the features depend on beside the image."""
    precision = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None
    weights = (*network.parameters(), *network.buffers())
    return precision, getattr(network, "trainings", 0), tuple((id(weight), weight._version) for weight in weights)
