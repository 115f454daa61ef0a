"""Random numbers, random fields and coordinate grids on one device."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


class Draw:
    """Random tensors of one seeded generator, on its device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.device = generator.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform in [low, high)."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform in the logarithm between two positive bounds."""
        return low * (high / low) ** self.uniform(0, 1, *shape)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def chance(self, probability: float | Tensor, *shape: int) -> Tensor:
        """True with ``probability``."""
        return self.uniform(0, 1, *shape) < probability

    def sign(self, *shape: int) -> Tensor:
        """-1 or 1."""
        return self.chance(0.5, *shape) * 2.0 - 1.0

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Integers from ``low`` to ``high`` - 1."""
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)

    def smooth(self, count: int, fields: int, size: int, cells: tuple[int, int]) -> Tensor:
        """Smooth random fields of mean 0 and variance about 1: cubic B-splines with normal coefficients.

        Args:
            count: batch size B.
            fields: fields for each, F.
            size: side S.
            cells: knots along rows and columns; more knots, finer structure.

        Returns:
            (B, F, S, S).
        """
        rows, columns = (spline_weights(size, knots, str(self.device)) for knots in cells)
        coefficients = self.normal(count, fields, rows.shape[1], columns.shape[1])
        return rows @ coefficients @ columns.T


@lru_cache(maxsize=256)
def spline_weights(size: int, cells: int, device: str) -> Tensor:
    """Matrix (size, cells + 3) of uniform cubic B-splines at ``size`` pixel centres, rows scaled to norm 1 on average.

    B₀ = (1 - t)³ / 6, B₁ = (3t³ - 6t² + 4) / 6, B₂ = (-3t³ + 3t² + 3t + 1) / 6, B₃ = t³ / 6 with t within a cell.
    """
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * cells / size
    cell = position.floor().clamp(max=cells - 1)
    t = position - cell
    basis = torch.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    weights = torch.zeros(size, cells + 3, dtype=torch.float64)
    weights.scatter_(1, (cell.long()[:, None] + torch.arange(4)), basis.T)
    return (weights / weights.square().sum(1).mean().sqrt()).float().to(device)


def grid(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates of pixel centres from -1 to 1: x (1, 1, 1, S) and y (1, 1, S, 1)."""
    axis = (torch.arange(size, device=device) + 0.5) * 2 / size - 1
    return axis.view(1, 1, 1, size), axis.view(1, 1, size, 1)
