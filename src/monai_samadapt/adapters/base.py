"""The protocol every kind of adapter follows."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class AdapterConfig:
    """What to adapt.

    Attributes:
        targets: full names of the modules to replace, each of them; nothing is matched by substring.

    Raises:
        SamAdaptError: when no target is given or one is given twice.
    """

    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise SamAdaptError("targets", self.targets, "empty or with a module twice", "name each module once")


class AdapterLayer(nn.Module):
    """A linear or convolution layer with a frozen weight W and a small trainable change, W'.

    At step 0 W' = W. A merged layer computes with W' alone and keeps what is needed to go back, so that
    ``unmerge`` is exact. The merged weight is not part of the state dict.
    """

    bias: Tensor | None
    merged_weight: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("merged_weight", None, persistent=False)

    @abstractmethod
    def adapter_parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters, by their names in this layer."""

    @abstractmethod
    def compose_weight(self) -> Tensor:
        """W' in the shape of the replaced layer's weight."""

    @abstractmethod
    def adapted_forward(self, x: Tensor) -> Tensor:
        """The output while unmerged."""

    def plain_forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """The replaced layer's output with another weight."""
        return F.linear(x, weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply W' and the bias."""
        return self.adapted_forward(x) if self.merged_weight is None else self.plain_forward(x, self.merged_weight)

    @property
    def merged(self) -> bool:
        """Whether the layer computes with the merged weight."""
        return self.merged_weight is not None

    def merge(self) -> None:
        """Compute with W' from now on; nothing happens when that is so already."""
        if self.merged_weight is None:
            with torch.no_grad():
                self.merged_weight = self.compose_weight()

    def unmerge(self) -> None:
        """Go back to the frozen weight and the change; nothing happens when that is so already."""
        self.merged_weight = None
