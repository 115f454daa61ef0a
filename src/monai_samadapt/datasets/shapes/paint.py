"""Paint a scene: textures, and layer after layer its brightness and hue."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw, grid
from monai_samadapt.datasets.shapes.looks import Looks, draw_looks
from monai_samadapt.datasets.shapes.scene import LAYERS, Scene

_BANK = 8
_COARSEST = 6


def textures(draw: Draw, count: int, size: int, grain: Tensor) -> Tensor:
    """Three textures per image (B, 3, S, S) with mean near 0 and standard deviation near 1.

    They are picked from a bank of band-limited fields, from coarse to fine, some stretched along the rows; images with
    more ``grain`` (B,) take finer ones. Some are bent: ridges 1.6 (0.8 - |n|) or patches 1.1 tanh(3 n).
    """
    ratio = (size / 2 / _COARSEST) ** (1 / (_BANK - 1))
    bank = []
    for index in range(_BANK):
        rows = round(_COARSEST * ratio**index)
        stretch = 2 ** int(draw.integers(0, 3, 1)) if draw.chance(0.4, 1) else 1
        bank.append(draw.smooth(count, 1, size, (rows, max(3, rows // stretch))))
    wanted = grain[:, None] * (_BANK - 1) + 2.2 * draw.normal(count, 3)
    picked = wanted.round().long().clamp(0, _BANK - 1)
    fields = torch.cat(bank, 1)[torch.arange(count, device=draw.device)[:, None], picked]
    bend = draw.uniform(0, 1, count, 3, 1, 1)
    fields = torch.where(bend < 0.2, 1.6 * (0.8 - fields.abs()), fields)
    return torch.where(bend > 0.75, 1.1 * torch.tanh(3 * fields), fields)


def paint(draw: Draw, scene: Scene, distance: Tensor, style: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Paint all layers over the background.

    Args:
        draw: source of randomness.
        scene: the layers' order and relations.
        distance: their distances at full size (B, L, S, S).
        style: attributes per image.

    Returns:
        brightness and hue (B, S, S), brightness about 0 … 1, hue around 0.
    """
    count, size = len(distance), distance.shape[-1]
    looks = draw_looks(draw, scene, style)
    fields = textures(draw, count, size, style["grain"])
    drift = draw.smooth(count, 1, size, (3, 3))[:, 0] * draw.uniform(0, 0.08, count, 1, 1)
    layers = (style["layers"] * draw.uniform(0, 1, count))[:, None, None]
    drift = drift + layers * draw.smooth(count, 1, size, (10, 1))[:, 0]
    value = looks.base[:, None, None] + drift + looks.base_texture[:, None, None] * fields[:, 0]
    hue = 0.25 * drift
    for layer in range(LAYERS):
        gap = distance[:, layer]
        cover = (0.5 - gap / looks.softness[:, layer, None, None]).clamp(0, 1)
        value = torch.lerp(value, drift + _surface(looks, layer, fields, scene.centre[:, layer]), cover)
        if scene.wall[:, layer].any():
            value = value + _wall(scene, layer, gap, looks.softness[:, layer, None, None], fields[:, -1])
        width = looks.rim_width[:, layer, None, None]
        value = value + looks.rim[:, layer, None, None] * (1 - gap.abs() / width).clamp(min=0)
        hue = torch.lerp(hue, looks.hue[:, layer, None, None].expand_as(hue), cover)
    return value, hue


def _wall(scene: Scene, layer: int, gap: Tensor, softness: Tensor, texture: Tensor) -> Tensor:
    """Brightness (B, S, S) that the wall of one layer adds, between its outline and ``wall`` inside of it."""
    depth = scene.wall[:, layer, None, None]
    inner = (0.5 - (gap + depth) / softness).clamp(0, 1)
    tone, grain = (part[:, layer, None, None] for part in (scene.wall_tone, scene.wall_grain))
    return tone * (1 + grain * texture) * ((0.5 - gap / softness).clamp(0, 1) - inner)


def _surface(looks: Looks, layer: int, fields: Tensor, centre: Tensor) -> Tensor:
    """Brightness (B, S, S) of one layer: level, texture and slope."""
    x, y = (axis[:, 0] for axis in grid(fields.shape[-1], fields.device))
    texture = fields[torch.arange(len(fields), device=fields.device), looks.kind[:, layer]]
    slope_x, slope_y = looks.slope[:, layer].T[..., None, None]
    rise = slope_x * (x - centre[:, 0, None, None]) + slope_y * (y - centre[:, 1, None, None])
    return looks.level[:, layer, None, None] + looks.texture[:, layer, None, None] * texture + rise
