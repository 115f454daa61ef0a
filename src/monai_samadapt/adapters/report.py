"""How many parameters are trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class ParameterReport:
    """Counts of trained parameters.

    Attributes:
        parts: trained parameters by part of the method.
        base: parameters of the unchanged base model at its published image size.
    """

    parts: dict[str, int]
    base: int

    @property
    def trainable(self) -> int:
        """Number of trained parameters."""
        return sum(self.parts.values())

    @property
    def percentage(self) -> float:
        """Trained parameters per hundred of the base."""
        return 100 * self.trainable / self.base

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {count:,}" for name, count in self.parts.items())
        return f"trains {self.trainable:,} parameters, {self.percentage:.3f} % of {self.base:,} ({parts})"


def count(parameters: Iterable[nn.Parameter]) -> int:
    """Number of elements."""
    return sum(parameter.numel() for parameter in parameters)


def freeze_except(model: nn.Module, trainable: Mapping[str, nn.Parameter]) -> None:
    """Let gradients reach exactly the given parameters of ``model``."""
    chosen = {id(parameter) for parameter in trainable.values()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
