"""Paint a scene: levels, textures, shading and outlines of its layers, as brightness and hue."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw, grid
from monai_samadapt.datasets.shapes.scene import LAYERS, Scene

_BANK = 8


def textures(draw: Draw, count: int, size: int, grain: Tensor) -> Tensor:
    """Three textures per image (B, 3, S, S) with mean near 0 and standard deviation near 1.

    They are picked from a bank of band-limited fields, from coarse to fine, some stretched along the rows; images with
    more ``grain`` (B,) take finer ones. Some are bent: ridges 1.6 (0.8 - |n|) or patches tanh(3 n).
    """
    finest = size // 2
    bank = []
    for index in range(_BANK):
        rows = max(3, round(finest * 2 ** (-(_BANK - 1 - index) * math.log2(finest / 6) / (_BANK - 1))))
        stretch = 2 ** int(draw.integers(0, 3, 1)) if draw.chance(0.4, 1) else 1
        field = draw.smooth(count, 1, size, (rows, max(3, rows // stretch)))
        bend = draw.uniform(0, 1, count, 1, 1, 1)
        field = torch.where(bend < 0.2, 1.6 * (0.8 - field.abs()), field)
        bank.append(torch.where(bend > 0.75, torch.tanh(3 * field) * 1.1, field))
    wanted = grain[:, None] * (_BANK - 1) + 2.2 * draw.normal(count, 3)
    index = wanted.round().long().clamp(0, _BANK - 1)
    fields = torch.cat(bank, 1)
    return fields[torch.arange(count, device=draw.device)[:, None], index]


class Looks:
    """How each layer (B, L) and the background of each image look.

    An object differs from what it lies on by one main cue (brightness, texture, shading or outline), by a little of the
    others, and in coloured images by hue.
    """

    def __init__(self, draw: Draw, scene: Scene, style: dict[str, Tensor]) -> None:
        count = len(scene.distance)
        shape = (count, LAYERS)
        cue = draw.uniform(0, 1, *shape)
        shaded = cue < style["shading"][:, None]
        textured, outlined = ~shaded & (cue > 0.82), ~shaded & (cue > 0.68) & (cue <= 0.82)
        bright = ~(shaded | textured | outlined)
        gain = style["texture"][:, None] * 0.09
        self.base_texture = gain[:, 0] * draw.log_uniform(0.15, 1.3, count)
        difference = (draw.log_uniform(0.08, 0.5, *shape) * style["contrast"][:, None]).clamp(max=0.6)
        strength = torch.where(bright, difference, draw.uniform(0, 0.05, *shape))
        strength = strength + bright * self.base_texture[:, None] * draw.uniform(0.3, 1.5, *shape)
        self.base = draw.uniform(0.2, 1, count) * 0.8 / style["contrast"].sqrt()
        self.level = self._levels(draw, scene, strength)
        amplitude = gain * draw.log_uniform(0.15, 1.3, *shape)
        similar = self.base_texture[:, None].expand(shape)
        self.texture = torch.where(
            textured, (amplitude + 0.1), torch.where(draw.chance(0.4, *shape), similar, amplitude)
        )
        other = draw.integers(1, 3, *shape)
        self.kind = torch.where(textured | draw.chance(0.35, *shape), other, 0)
        slope = torch.where(shaded, draw.uniform(0.12, 0.35, *shape), draw.uniform(0, 0.06, *shape))
        turn = draw.uniform(0, 2 * math.pi, count, 1) + 0.3 * draw.normal(*shape)
        self.slope = torch.stack([torch.cos(turn), torch.sin(turn)], -1) * slope[..., None]
        rim = torch.where(
            outlined, draw.uniform(0.12, 0.4, *shape), draw.uniform(0, 0.12, *shape) * draw.chance(0.3, *shape)
        )
        self.rim = torch.where(shaded, -draw.uniform(0.05, 0.3, *shape), rim * draw.sign(*shape))
        self.rim_width = draw.log_uniform(0.015, 0.06, *shape)
        self.hue = 0.6 * draw.normal(*shape) * strength.clamp(min=0.08)
        soft = draw.log_uniform(0.008, 0.09, count, 1)
        self.softness = soft * draw.uniform(0.8, 1.3, *shape)
        for name in ("level", "texture", "kind", "slope", "rim", "rim_width", "hue", "softness"):
            value = getattr(self, name)
            same = scene.alike.view(-1, *[1] * (value.ndim - 1))
            setattr(self, name, torch.where(same, value[:, :1].expand_as(value), value))

    def _levels(self, draw: Draw, scene: Scene, strength: Tensor) -> Tensor:
        """Levels that differ by ``strength`` from the parent's, turned inwards where they would leave 0 … 1."""
        trend = draw.sign(len(strength), 1) * torch.where(draw.chance(0.75, *strength.shape), 1.0, -1.0)
        levels = self.base[:, None].repeat(1, LAYERS + 1)  # the background is last, where index -1 points
        for layer in range(LAYERS):
            below = levels.gather(1, scene.parent[:, layer : layer + 1] % (LAYERS + 1))[:, 0]
            step = trend[:, layer] * strength[:, layer]
            inward = (below + step < 0.03) | (below + step > 0.97)
            levels[:, layer] = below + torch.where(inward, -step, step)
        return levels[:, :LAYERS]


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
    looks, images = Looks(draw, scene, style), torch.arange(count, device=draw.device)
    fields = textures(draw, count, size, style["grain"])
    x, y = (axis[:, 0] for axis in grid(size, draw.device))
    drift = draw.smooth(count, 1, size, (3, 3))[:, 0] * draw.uniform(0, 0.08, count, 1, 1)
    drift = (
        drift
        + draw.smooth(count, 1, size, (10, 1))[:, 0] * (style["layers"] * draw.uniform(0, 1, count))[:, None, None]
    )
    value = looks.base[:, None, None] + drift + looks.base_texture[:, None, None] * fields[:, 0]
    hue = 0.25 * drift
    for layer in range(LAYERS):
        gap = distance[:, layer]
        level, texture, rim, hue_level, soft, width = (
            part[:, layer, None, None]
            for part in (looks.level, looks.texture, looks.rim, looks.hue, looks.softness, looks.rim_width)
        )
        slope = looks.slope[:, layer, :, None, None]
        centre = scene.centre[:, layer, :, None, None]
        cover = (0.5 - gap / soft).clamp(0, 1)
        own = level + drift + texture * fields[images, looks.kind[:, layer]]
        own = own + slope[:, 0] * (x - centre[:, 0]) + slope[:, 1] * (y - centre[:, 1])
        value = torch.lerp(value, own, cover)
        value = value + rim * (1 - gap.abs() / width).clamp(min=0)
        hue = torch.lerp(hue, hue_level.expand_as(hue), cover)
    return value, hue
