"""The optimizer of pretraining: Muon for matrices, AdamW for everything else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.pretrain.config import PretrainConfig
from monai_samadapt.pretrain.promptable import trained


class Optimizer:
    """Muon (Jordan et al. 2024, as :class:`torch.optim.Muon`) on matrices and AdamW on the other parameters.

    Muon's step is the orthogonal matrix nearest to the momentum, scaled to the root mean square of AdamW's steps, so
    that one learning rate serves both. Kernels have AdamW's weight decay; vectors, embeddings and positions have none.

    Attributes:
        param_groups: of both, to set the learning rate.

    Args:
        sam: its trained parameters are optimised; those that stills never reach are frozen.
        config: learning rate and weight decay.
    """

    def __init__(self, sam: nn.Module, config: PretrainConfig) -> None:
        embeddings = {
            id(value) for part in sam.modules() if isinstance(part, nn.Embedding) for value in part.parameters()
        }
        embeddings |= {id(value) for name, value in sam.named_parameters() if "pos" in name}
        parameters = trained(sam)
        weights = [value for value in parameters if value.ndim > 1 and id(value) not in embeddings]
        rest = [value for value in parameters if value.ndim <= 1 or id(value) in embeddings]
        kernels = [value for value in weights if value.ndim > 2]
        groups = [{"params": kernels, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        matrices = [value for value in weights if value.ndim == 2]
        self._adamw = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))
        self._muon = torch.optim.Muon(
            matrices, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.param_groups = self._adamw.param_groups + self._muon.param_groups

    def step(self) -> None:
        """Update all parameters from their gradients."""
        self._adamw.step()
        self._muon.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"adamw": self._adamw.state_dict(), "muon": self._muon.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up states of the same model; a parameter that has another shape now (positions) starts anew."""
        for name, optimizer in (("adamw", self._adamw), ("muon", self._muon)):
            values = [value for group in optimizer.param_groups for value in group["params"]]
            optimizer.load_state_dict({**state[name], "state": _fitting(state[name]["state"], values)})


def _fitting(moments: dict[int, dict[str, Any]], values: list[Tensor]) -> dict[int, dict[str, Any]]:
    def fits(kept: dict[str, Any], shape: torch.Size) -> bool:
        return all(kept[name].shape == shape for name in ("exp_avg", "momentum_buffer") if name in kept)

    return {index: kept for index, kept in moments.items() if fits(kept, values[index].shape)}
