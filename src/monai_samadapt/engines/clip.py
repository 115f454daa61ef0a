"""Gradient clipping between the backward pass and the optimiser's step."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import SegmentationNetwork


class ClipGradients:
    """Scale the gradients of all trained parameters so that their joint norm is at most ``max_norm``.

    ``g <- g min(1, max_norm / |g|)`` (Pascanu et al., ICML 2013), after the gradients of mixed precision are unscaled.

    Args:
        network: whose trained parameters are clipped.
        max_norm: largest norm.

    Raises:
        SamAdaptError: for a norm that is not positive.
    """

    def __init__(self, network: SegmentationNetwork, max_norm: float = 1.0) -> None:
        if max_norm <= 0:
            raise SamAdaptError("max_norm", max_norm, "is not positive", "give e.g. 1.0")
        self.parameters = list(network.trainable_parameters().values())
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.clip)

    def clip(self, engine: Any) -> None:
        """Clip, where an update follows; without waiting for the device."""
        if not updates(engine):
            return
        scaler = getattr(engine, "scaler", None)
        if scaler is not None and scaler.is_enabled():
            scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm, error_if_nonfinite=False)


def updates(engine: Any) -> bool:
    """Whether a trainer updates the weights in this step: every ``accumulation_steps``-th, and an epoch's last."""
    state, count = engine.state, getattr(engine, "accumulation_steps", 1)
    place = (state.iteration - 1) % state.epoch_length + 1
    return bool(place % count == 0 or place == state.epoch_length)
