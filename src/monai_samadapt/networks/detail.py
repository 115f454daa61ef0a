"""The complementary detail enhancement network (CDEN) of BALR-SAM (Liu et al., arXiv 2509.24204), in sizes of ours."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8


class DetailFeatures(NamedTuple):
    """What CDEN adds to SAM: to the image embedding, and to the two steps of the mask decoder's upscaling.

    Attributes:
        embedding: (B, C, S / 16, S / 16).
        eighth: (B, C / 4, S / 8, S / 8).
        quarter: (B, C / 8, S / 4, S / 4).
        boundary: (B, K, S / 4, S / 4) logits of the labels' boundaries; None without a boundary head or in evaluation.
    """

    embedding: Tensor
    eighth: Tensor
    quarter: Tensor
    boundary: Tensor | None


class DetailNetwork(nn.Module):
    """Depthwise-separable convolutions on the image, fused over three scales.

    With C = 256 it has a stem (3 to 64 channels, 1/2), stages to 128 (1/4), 256 (1/8) and 256 (1/16), the sum of all
    three scales at 1/16, and 1 x 1 projections to the decoder: 613,600 parameters. The projections start at zero, so
    that CDEN adds nothing at step 0. Every norm is a GroupNorm of 8 groups, whose statistics are those of one image:
    any batch size gives the same.

    Args:
        dim: C, channels of SAM's image embedding.
        boundaries: K, channels of the boundary head, a 1 x 1 convolution on the quarter map; 0 for none. It is used
            in training only.
    """

    def __init__(self, dim: int, boundaries: int = 0) -> None:
        super().__init__()
        stem, low = dim // 4, dim // 2
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.GroupNorm(GROUPS, stem), nn.GELU())
        self.stages = nn.ModuleList([detail_stage(stem, low), detail_stage(low, dim), detail_stage(dim, dim)])
        self.fuse_quarter = nn.Conv2d(low, dim, 1, bias=False)
        self.fuse_eighth = nn.Conv2d(dim, dim, 1, bias=False)
        depthwise = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.fusion = nn.Sequential(depthwise, nn.GroupNorm(GROUPS, dim), nn.GELU(), zero_conv(dim, dim))
        self.inject_quarter, self.inject_eighth = zero_conv(low, dim // 8), zero_conv(dim, dim // 4)
        self.boundary = nn.Conv2d(low, boundaries, 1) if boundaries else None

    def forward(self, image: Tensor) -> DetailFeatures:
        """Features of normalised images (B, 3, S, S)."""
        quarter = self.stages[0](self.stem(image))
        eighth = self.stages[1](quarter)
        sixteenth = self.stages[2](eighth)
        # The mean of a 1 x 1 convolution is the convolution of the mean, with fewer pixels.
        fused = sixteenth + self.fuse_quarter(F.avg_pool2d(quarter, 4)) + self.fuse_eighth(F.avg_pool2d(eighth, 2))
        boundary = self.boundary(quarter) if self.boundary is not None and self.training else None
        return DetailFeatures(self.fusion(fused), self.inject_eighth(eighth), self.inject_quarter(quarter), boundary)


class SeparableConv(nn.Module):
    """Depthwise 3 x 3, then pointwise convolution, each with GroupNorm and GELU; residual where the shape stays."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = channels == out and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
            nn.GroupNorm(GROUPS, channels),
            nn.GELU(),
            nn.Conv2d(channels, out, 1, bias=False),
            nn.GroupNorm(GROUPS, out),
            nn.GELU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, out, H / stride, W / stride)."""
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


def detail_stage(channels: int, out: int) -> nn.Sequential:
    """Three separable convolutions: the first halves the sides, the others are residual."""
    return nn.Sequential(SeparableConv(channels, out, 2), SeparableConv(out, out), SeparableConv(out, out))


def zero_conv(channels: int, out: int) -> nn.Conv2d:
    """A 1 x 1 convolution whose weight and bias are zero."""
    layer = nn.Conv2d(channels, out, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
