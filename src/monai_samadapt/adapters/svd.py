"""Singular value tuning: the adapter of S-SAM (Paranjape et al., MICCAI 2024, arXiv 2408.06447)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_samadapt.adapters.base import AdapterConfig, AdapterLayer
from monai_samadapt.adapters.svd_factors import Factors


@dataclass(frozen=True)
class SVDConfig(AdapterConfig):
    """Singular value tuning of the target linears and convolutions."""


class SVDLayer(AdapterLayer):
    r"""A layer whose singular values are scaled and shifted.

    .. math:: W = U \Sigma V^T, \qquad W' = U \, \mathrm{diag}(\mathrm{ReLU}(A \odot \Sigma + B)) \, V^T

    ``A`` (ones at start) and ``B`` (zeros) have r = min(out, in) entries; U, Σ, V and the bias are frozen. W itself is
    not kept. The unmerged output is computed factor by factor, x V, scaled, times U^T, and W' is never built:
    the gradient is :math:`\partial L/\partial A_i = \sigma_i u_i^T (\partial L/\partial W') v_i` where
    :math:`A_i \sigma_i + B_i > 0`, else 0.
    """

    U: Tensor
    S: Tensor
    Vt: Tensor

    def __init__(self, shape: tuple[int, int], bias: Tensor | None, factors: Factors | None, like: Tensor):
        super().__init__()
        out, inner = shape
        rank = min(shape)
        u, s, vt = factors or (like.new_zeros(out, rank), like.new_zeros(rank), like.new_zeros(rank, inner))
        for name, value in (("U", u), ("S", s), ("Vt", vt)):
            self.register_buffer(name, value.to(like))
        self.A = nn.Parameter(like.new_ones(rank))
        self.B = nn.Parameter(like.new_zeros(rank))
        self.bias = bias

    @property
    def singular_values(self) -> Tensor:
        """ReLU(A Σ + B), shape (r,)."""
        return F.relu(self.A * self.S + self.B)

    def adapter_parameters(self) -> dict[str, nn.Parameter]:
        """A and B."""
        return {"A": self.A, "B": self.B}

    def dead_fraction(self) -> Tensor:
        """Share of the singular values at zero, whose gradient is zero too."""
        return (self.singular_values <= 0).float().mean()

    def compose_weight(self) -> Tensor:
        """W' of shape (out, in)."""
        return (self.U * self.singular_values) @ self.Vt


class SVDLinear(SVDLayer):
    """Singular value tuning of a linear layer (out, in)."""

    @classmethod
    def replace(cls, layer: nn.Linear, config: SVDConfig, factors: Factors | None = None) -> SVDLinear:
        """Take the place of ``layer``; without factors they are zero, to be filled by ``load_state_dict``."""
        return cls((layer.out_features, layer.in_features), layer.bias, factors, layer.weight.detach())

    def adapted_forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return F.linear(F.linear(x, self.Vt) * self.singular_values, self.U, self.bias)


class SVDConv2d(SVDLayer):
    """Singular value tuning of a convolution whose kernel is seen as a matrix (out, in * k * k)."""

    def __init__(self, layer: nn.Conv2d, factors: Factors | None) -> None:
        shape = (layer.out_channels, layer.weight[0].numel())
        super().__init__(shape, layer.bias, factors, layer.weight.detach())
        self.kernel_shape = tuple(layer.weight.shape)
        self.geometry: dict[str, Any] = {
            name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")
        }

    @classmethod
    def replace(cls, layer: nn.Conv2d, config: SVDConfig, factors: Factors | None = None) -> SVDConv2d:
        """Take the place of ``layer``, as :meth:`SVDLinear.replace`."""
        return cls(layer, factors)

    def compose_weight(self) -> Tensor:
        """W' as a kernel (out, in, k, k)."""
        return super().compose_weight().reshape(self.kernel_shape)

    def plain_forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve (B, in, H, W) with another kernel."""
        return F.conv2d(x, weight, self.bias, **self.geometry)

    def adapted_forward(self, x: Tensor) -> Tensor:
        """Convolve with the r right singular vectors, then mix them by a scaled 1 x 1 convolution."""
        kernels = self.Vt.reshape(-1, *self.kernel_shape[1:])
        mixing = (self.U * self.singular_values)[:, :, None, None]
        return F.conv2d(F.conv2d(x, kernels, **self.geometry), mixing, self.bias)


def dead_fraction(layers: dict[str, AdapterLayer]) -> float:
    """Share of all singular values of the SVD layers that the ReLU holds at zero."""
    values = [layer.singular_values for layer in layers.values() if isinstance(layer, SVDLayer)]
    return float((torch.cat(values) <= 0).float().mean()) if values else 0.0
