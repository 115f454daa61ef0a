"""What a device does to a picture: light, shadow, blur, noise, colours, field of view."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw, grid

# colour of brightness 0, its spread, colour of brightness 1, its spread, bend of the curve between them, its spread
_PALETTES = (
    ((0, 0, 0), (0, 0, 0), (1, 1, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)),
    ((0.12, 0.02, 0.02), (0.1, 0.05, 0.05), (1.0, 0.8, 0.6), (0.1, 0.12, 0.25), (-0.6, 0.2, 0.4), (0.2, 0.25, 0.4)),
    ((0.3, 0.1, 0.45), (0.15, 0.1, 0.15), (0.95, 0.85, 0.95), (0.1, 0.12, 0.1), (-0.4, 0.2, -0.1), (0.3, 0.3, 0.3)),
    ((0.15, 0.15, 0.15), (0.2, 0.2, 0.2), (0.75, 0.75, 0.75), (0.25, 0.25, 0.25), (0, 0, 0), (0.8, 0.8, 0.8)),
)


def field_of_view(draw: Draw, count: int, size: int, style: dict[str, Tensor]) -> Tensor:
    """Draw fields of view (B, S, S) bool: none, a circle, a sector, or a frame with cut corners."""
    x, y = (axis[:, 0] for axis in grid(size, draw.device))
    circle, sector, frame = (style[name][:, None, None] for name in ("circle", "sector", "frame"))
    chosen = draw.uniform(0, 1, count, 1, 1)
    shift_x, shift_y = draw.uniform(-0.06, 0.06, count, 1, 1), draw.uniform(-0.06, 0.06, count, 1, 1)
    radius = torch.hypot(x - shift_x, y - shift_y)
    disc = radius < draw.uniform(0.85, 1.15, count, 1, 1)
    top, opening = draw.uniform(-1.9, -1.15, count, 1, 1), draw.uniform(0.4, 0.8, count, 1, 1)
    reach = torch.hypot(x, y - top)
    cone = (reach < 0.9 - top) & (reach > -0.95 - top) & (x.abs() < torch.tan(opening) * (y - top))
    left, right, up, down = draw.uniform(0.65, 1.2, 4, count, 1, 1)
    box = (x > -left) & (x < right) & (y > -up) & (y < down)
    box = box & (
        (x.abs() + y.abs()) < torch.where(draw.chance(0.5, count, 1, 1), draw.uniform(1.3, 1.8, count, 1, 1), 3.0)
    )
    inside = torch.where(chosen < circle, disc, torch.where(chosen < circle + sector, cone, box))
    return inside | (chosen > circle + sector + frame)


def light(draw: Draw, value: Tensor, style: dict[str, Tensor]) -> Tensor:
    """Uneven light, loss with depth, gamma, inversion of a quarter of grey images, gain of most dark ones, range."""
    count, size = len(value), value.shape[-1]
    _, y = grid(size, draw.device)
    bias = 1 + draw.uniform(0, 0.25, count, 1, 1) * draw.smooth(count, 1, size, (2, 2))[:, 0]
    loss = 1 - (style["depth"] * draw.uniform(0, 1, count))[:, None, None] * (y[:, 0] + 1) / 2
    value = (value * bias * loss).clamp(0.001, 1.1)
    value = value ** draw.log_uniform(0.6, 1.7, count, 1, 1)
    inverted = (draw.chance(0.25, count) & (style["colour"] == 0) & (style["speckle"] == 0))[:, None, None]
    value = torch.where(inverted, 1 - value, value)
    gain = (0.25 / value.mean((-2, -1), keepdim=True)).clamp(1, 2.5)
    value = torch.where(draw.chance(0.7, count, 1, 1), value * gain, value)
    low, high = draw.uniform(-0.05, 0.2, count, 1, 1), draw.uniform(0.7, 1.1, count, 1, 1)
    return low + (high - low) * value


def shadow(draw: Draw, value: Tensor, distance: Tensor, style: dict[str, Tensor]) -> Tensor:
    """Darken or brighten the columns below the first object, as ultrasound does."""
    count = len(value)
    cover = (0.5 - distance / 0.06).clamp(0, 1)
    below = (cover.cumsum(-2) / (0.15 * value.shape[-1])).clamp(max=1) * (1 - cover)
    strength = draw.uniform(-0.5, 0.3, count) * draw.chance(style["shadow"], count)
    return value * (1 + strength[:, None, None] * below)


def blur(draw: Draw, value: Tensor) -> Tensor:
    """Gaussian blur with a width from 0.3 to 1.2 % of the side, per image."""
    count, size = len(value), value.shape[-1]
    half = max(1, round(0.02 * size))
    sigma = draw.uniform(0.0, 0.012, count, 1).square() / 0.012 * size + 0.3
    steps = torch.arange(-half, half + 1, device=draw.device)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None, None]
    padded = F.pad(value[None], (half, half, half, half), mode="replicate")
    rows = F.conv2d(padded, kernel, groups=count)
    return F.conv2d(rows, kernel.transpose(2, 3), groups=count)[0]


def noise(draw: Draw, value: Tensor, style: dict[str, Tensor]) -> Tensor:
    """Additive Gaussian noise, Rician magnitude √((v + n₁)² + n₂²), and multiplicative correlated speckle."""
    count, size = len(value), value.shape[-1]
    amount = {name: (style[name] * draw.uniform(0, 1, count) ** 2)[:, None, None] for name in ("gaussian", "rician")}
    first, second = draw.normal(count, size, size), draw.normal(count, size, size)
    spread = draw.smooth(count, 1, size, (size // 2, size // 4))[:, 0]
    speckle = (style["speckle"] * draw.uniform(0.2, 1, count))[:, None, None]
    value = value * (1 + speckle * (0.5 * first + 0.7 * spread)).clamp(0.1, 2.5)
    value = value + amount["gaussian"] * first
    return torch.hypot(value + amount["rician"] * second, amount["rician"] * spread)


def glints(draw: Draw, value: Tensor, style: dict[str, Tensor]) -> Tensor:
    """Add specular highlights: the tips of a smooth random field."""
    count, size = len(value), value.shape[-1]
    field = draw.smooth(count, 1, size, (24, 24))[:, 0]
    present = draw.chance(style["glints"], count)[:, None, None]
    return value + present * ((field - draw.uniform(1.9, 2.8, count, 1, 1)) * 2.5).clamp(0, 0.8)


def colours(draw: Draw, value: Tensor, hue: Tensor, style: dict[str, Tensor]) -> Tensor:
    """Turn brightness and hue (B, S, S) into RGB (B, 3, S, S): each channel is quadratic in the brightness."""
    count = len(value)
    index = style["colour"].long()
    palette = torch.tensor(_PALETTES, device=draw.device)[index]  # (B, 6, 3)
    middle, spread = palette[:, 0::2], palette[:, 1::2]
    first, last, curve = (middle + spread * draw.uniform(-1, 1, count, 3, 3))[..., None, None].unbind(1)
    turn = draw.uniform(0, 2 * math.pi, count, 1) + torch.tensor([0, 1, 2], device=draw.device) * 2 * math.pi / 3
    direction = (torch.cos(turn) * (index > 0)[:, None])[..., None, None]
    level = value.unsqueeze(1).clamp(0, 1)
    rgb = first + (last - first) * level * (1 + curve * (level - 1)) + direction * hue.unsqueeze(1)
    return rgb.clamp(0, 1)


def close_view(draw: Draw, rgb: Tensor, inside: Tensor) -> Tensor:
    """Fill what is outside the field of view with near black, rarely white."""
    white = draw.chance(0.06, len(rgb), 1, 1, 1)
    outside = (white + draw.uniform(-0.03, 0.06, len(rgb), 1, 1, 1)).clamp(0, 1)
    return torch.where(inside.unsqueeze(1), rgb, outside)
