"""The loss of the batches of all processes together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from monai_samadapt.processes import grouped


class GatheredLoss(nn.Module):
    r"""A loss over the batches of all W processes, for losses that sum over the batch before they divide.

    Their mean over processes is not that of one large batch. Each process therefore computes the loss L of all logits
    z, of which its own z_r carry gradients. Distributed training takes the mean of the gradients, so that those of this
    process must be :math:`W \, \partial L / \partial z_r`; the value stays L. With one process it is the loss itself.

    Args:
        loss: takes logits (B, C, …), or a tuple with them, and a target (B, C', …). Without a ``pooled`` that
            is true, it is a mean over images, which needs no more than the mean over processes.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, prediction: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        """The scalar loss; every process must come with the same shapes."""
        if not grouped() or not getattr(self.loss, "pooled", False):
            value: Tensor = self.loss(prediction, target)
            return value
        world = dist.get_world_size()
        together = tuple(map(gathered, prediction)) if isinstance(prediction, tuple) else gathered(prediction)
        value = self.loss(together, gathered(target))
        return world * value - (world - 1) * value.detach()

    @property
    def terms(self) -> dict[str, Any]:
        """Those of the loss."""
        return getattr(self.loss, "terms", {})


def gathered(own: Tensor) -> Tensor:
    """The tensors (B, …) of all W processes as one (W B, …); gradients flow to this process's own."""
    sent = own.detach().contiguous()
    parts = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, sent)
    parts[dist.get_rank()] = own
    return torch.cat(parts)
