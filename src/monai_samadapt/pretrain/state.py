"""The state of a pretraining run: model, optimizer, moving average; saved, restored and moved to larger images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.backbones import build_base, family_of
from monai_samadapt.backbones.loading import load_sam_state, load_strictly
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.pretrain.config import PretrainConfig
from monai_samadapt.pretrain.optimizer import Optimizer
from monai_samadapt.pretrain.promptable import take_decoder


class RunState:
    """What changes while training.

    Attributes:
        sam: the model at the current image size.
        optimizer: over its parameters.
        average: moving average of its state.
        step, elapsed: steps and seconds so far.
        phase: index into the configuration's sizes.
    """

    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.step, self.elapsed, self.phase = 0, 0.0, 0
        self.sam = build_base(config.variant, config.sizes[0], config.initial, config.seed).to(device).train()
        if config.decoder_from:
            take_decoder(self.sam, config.decoder_from)
        self.optimizer = Optimizer(self.sam, config)
        self.average = _copy(self.sam)

    def enter(self, phase: int) -> None:
        """Go on with larger images: positions are resized, their optimizer state starts anew."""
        if phase == self.phase:
            return
        moments, trained, average = self.optimizer.state_dict(), self.sam.state_dict(), self.average
        self.phase = phase
        self.sam = self._load(trained)
        self.average = _copy(self._load(average))
        self.optimizer = Optimizer(self.sam, self.config)
        self.optimizer.load_state_dict(moments)

    def _load(self, state: dict[str, Tensor]) -> nn.Module:
        variant = self.config.variant
        sam: nn.Module = build_base(variant, self.config.sizes[self.phase], None)
        copied = {name: value.detach().cpu().clone() for name, value in state.items()}
        load = load_sam_state if family_of(variant) == "sam" else load_strictly
        load(sam, copied, variant, "the last phase")
        return sam.to(self.device).train()

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average towards the weights; early on it follows faster."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        state = self.sam.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [state[name] for name in self.average], 1 - decay)

    def averaged(self) -> nn.Module:
        """A copy of the model with the averaged weights, ready to evaluate."""
        return self._load(self.average).eval()

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on; readable with ``weights_only=True``."""
        state: dict[str, Any] = {
            "config": dict(vars(self.config)),
            "step": self.step,
            "elapsed": self.elapsed,
            "phase": self.phase,
            "sam": self.sam.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Take up what :meth:`save` wrote.

        Raises:
            SamAdaptError: when the file is of another variant or other image sizes.
        """
        state = torch.load(path, self.device, weights_only=True)
        for key in ("variant", "sizes"):
            if state["config"][key] != getattr(self.config, key):
                problem = f"{path.name} was written with {state['config'][key]}"
                raise SamAdaptError(key, getattr(self.config, key), problem, "use another --output")
        self.step, self.elapsed, self.phase = state["step"], state["elapsed"], state["phase"]
        self.sam = self._load(state["sam"])
        self.average = state["average"]
        self.optimizer = Optimizer(self.sam, self.config)
        self.optimizer.load_state_dict(state["optimizer"])


def _copy(sam: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in sam.state_dict().items()}
