"""Where the weights of a base model come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class LoadedBase:
    """Where the frozen weights of a network came from; written into ``adapter.json``.

    Attributes:
        variant, image_size: what was built.
        checkpoint: registry name, path, or ``random``.
        sha256: of the weights file; for a random base, of the initial state.
        seed: of a random base.
    """

    variant: str
    image_size: int
    checkpoint: str
    sha256: str
    seed: int | None = None


def zeros_on(model: nn.Module, device: torch.device) -> nn.Module:
    """Take a model off the meta device with all its state zero, for a later ``load_state_dict``."""
    model.to_empty(device=device)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    return model
