"""A bottleneck in parallel to a transformer's MLP (as AdaptFormer, Chen et al., NeurIPS 2022, arXiv 2205.13535)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from segment_anything.modeling.common import MLPBlock
from torch import Tensor, nn

from monai_samadapt.adapters.base import AdapterConfig, AdapterLayer
from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class BottleneckConfig(AdapterConfig):
    """A bottleneck in parallel to each of the target MLPs.

    Attributes:
        width: hidden units of the bottleneck.
        scale: factor of its output.

    Raises:
        SamAdaptError: for a width below 1.
    """

    width: int = 64
    scale: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise SamAdaptError("width", self.width, "below 1", "give a positive width, e.g. 64")


class BottleneckMLP(AdapterLayer):
    r"""SAM's MLP with a bottleneck beside it, on the same normalised tokens.

    .. math:: y = W_2\,\mathrm{GELU}(W_1 x) + s\,U\,\mathrm{GELU}(D x)

    (biases left out). The MLP's ``lin1`` and ``lin2`` keep their names and stay frozen; U starts at zero. Both branches
    have the same activation, so the merged layer is one MLP whose hidden layer holds both, exactly.
    """

    merged_output: Tensor | None

    def __init__(self, mlp: MLPBlock, config: BottleneckConfig) -> None:
        super().__init__()
        self.lin1, self.lin2, self.scale = mlp.lin1, mlp.lin2, config.scale
        like, channels = mlp.lin1.weight, mlp.lin1.in_features
        self.down = nn.Linear(channels, config.width, device=like.device, dtype=like.dtype)
        self.up = nn.Linear(config.width, channels, device=like.device, dtype=like.dtype)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.register_buffer("merged_output", None, persistent=False)

    @classmethod
    def replace(cls, mlp: MLPBlock, config: BottleneckConfig) -> BottleneckMLP:
        """Take the place of ``mlp``.

        Raises:
            SamAdaptError: when its activation is no GELU, with which the bottleneck could not be merged.
        """
        if not isinstance(mlp.act, nn.GELU):
            raise SamAdaptError("targets", type(mlp.act).__name__, "is no GELU", "name the MLPs of SAM's image encoder")
        return cls(mlp, config)

    def adapter_parameters(self) -> dict[str, nn.Parameter]:
        """Weight and bias of the two linears of the bottleneck."""
        return {
            f"{name}.{key}": value
            for name, linear in (("down", self.down), ("up", self.up))
            for key, value in linear.named_parameters()
        }

    def compose_weight(self) -> Tensor:
        """The merged MLP's first weight, (hidden + width, C)."""
        return torch.cat([self.lin1.weight, self.down.weight])

    def compose_output(self) -> Tensor:
        """The merged MLP's second weight, (C, hidden + width)."""
        return torch.cat([self.lin2.weight, self.scale * self.up.weight], dim=1)

    def plain_forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """The merged MLP."""
        assert self.merged_output is not None
        hidden = F.gelu(F.linear(x, weight, torch.cat([self.lin1.bias, self.down.bias])))
        return F.linear(hidden, self.merged_output, self.lin2.bias + self.scale * self.up.bias)

    def adapted_forward(self, x: Tensor) -> Tensor:
        """Map tokens (..., C) to (..., C)."""
        return self.lin2(F.gelu(self.lin1(x))) + self.scale * self.up(F.gelu(self.down(x)))

    def merge(self) -> None:
        """Compute with one wider MLP from now on; nothing happens when that is so already."""
        if not self.merged:
            super().merge()
            with torch.no_grad():
                self.merged_output = self.compose_output()

    def unmerge(self) -> None:
        """Go back to two branches; nothing happens when that is so already."""
        super().unmerge()
        self.merged_output = None
