"""Low-rank adaptation (Hu et al., ICLR 2022, arXiv 2106.09685) of linear layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_samadapt.adapters.base import AdapterConfig, AdapterLayer
from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class LoRAConfig(AdapterConfig):
    """Low-rank adaptation of the target linears.

    Attributes:
        rank: r.
        alpha: the change is scaled by alpha / r.
        dropout: probability of dropping an input of the change.
        init: of A: ``kaiming`` (uniform, slope √5) or ``gaussian`` (variance 1 / r); B is zero.
        parts: adapt only these equal parts of the output, of ``num_parts``: (0, 2) of 3 are q and v of a joint qkv.
        num_parts: number of equal parts of the output.

    Raises:
        SamAdaptError: for a rank below 1, a dropout outside [0, 1), an unknown init or a part out of range.
    """

    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.0
    init: str = "kaiming"
    parts: tuple[int, ...] = (0,)
    num_parts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise SamAdaptError("rank", self.rank, "below 1", "give a positive rank, e.g. 16")
        if not 0 <= self.dropout < 1:
            raise SamAdaptError("dropout", self.dropout, "outside [0, 1)", "give e.g. 0.1")
        if self.init not in ("kaiming", "gaussian"):
            raise SamAdaptError("init", self.init, "unknown", "choose kaiming or gaussian")
        if not self.parts or not set(self.parts) <= set(range(self.num_parts)):
            raise SamAdaptError("parts", self.parts, f"not within 0 … {self.num_parts - 1}", "give e.g. (0, 2) of 3")


class LoRALinear(AdapterLayer):
    r"""A linear layer with a low-rank change.

    .. math:: y = W x + b + \frac{\alpha}{r} B A x

    Each adapted part of the output has its own A (r, in) and B (part, r). The base's ``weight`` and ``bias`` keep their
    names and stay frozen.
    """

    def __init__(self, layer: nn.Linear, config: LoRAConfig) -> None:
        super().__init__()
        if layer.out_features % config.num_parts:
            problem = f"does not divide {layer.out_features}"
            raise SamAdaptError("num_parts", config.num_parts, problem, "give a divisor")
        self.weight, self.bias, self.config = layer.weight, layer.bias, config
        self.scale = config.alpha / config.rank
        height = layer.out_features // config.num_parts
        self.lora_A = nn.Parameter(layer.weight.new_empty(len(config.parts), config.rank, layer.in_features))
        self.lora_B = nn.Parameter(layer.weight.new_zeros(len(config.parts), height, config.rank))
        self.dropout = nn.Dropout(config.dropout)
        self.reset_parameters()

    @classmethod
    def replace(cls, layer: nn.Linear, config: LoRAConfig) -> LoRALinear:
        """Take the place of ``layer``."""
        return cls(layer, config)

    def reset_parameters(self) -> None:
        """Draw A and set B to zero, so that the layer equals its base."""
        with torch.no_grad():
            for matrix in self.lora_A:
                if self.config.init == "kaiming":
                    nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))
                else:
                    nn.init.normal_(matrix, std=self.config.rank**-0.5)
            self.lora_B.zero_()

    def adapter_parameters(self) -> dict[str, nn.Parameter]:
        """A (parts, r, in) and B (parts, out / num_parts, r)."""
        return {"lora_A": self.lora_A, "lora_B": self.lora_B}

    def _scaled_up(self) -> Tensor:
        """alpha / r times the B of all parts in one block matrix (out, parts * r)."""
        parts, height, rank = self.lora_B.shape
        blocks = self.lora_B.new_zeros(self.config.num_parts, height, parts, rank)
        for index, part in enumerate(self.config.parts):
            blocks[part, :, index] = self.lora_B[index] * self.scale
        return blocks.reshape(-1, parts * rank)

    def compose_weight(self) -> Tensor:
        """W + alpha / r B A, shape (out, in)."""
        return self.weight + self._scaled_up() @ self.lora_A.flatten(0, 1)

    def adapted_forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        change = F.linear(F.linear(self.dropout(x), self.lora_A.flatten(0, 1)), self._scaled_up())
        return self.plain_forward(x, self.weight) + change
