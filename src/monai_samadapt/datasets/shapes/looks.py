"""How the layers of a scene look: by which cue an object differs from what it lies on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw
from monai_samadapt.datasets.shapes.scene import LAYERS, Scene

Style = dict[str, Tensor]


@dataclass(frozen=True)
class Cues:
    """The main cue of each layer (B, L), one of four: by brightness, texture, shading or outline."""

    bright: Tensor
    textured: Tensor
    shaded: Tensor
    outlined: Tensor


@dataclass(frozen=True)
class Looks:
    """Appearance of the background (B,) and of the layers (B, L).

    Attributes:
        base, base_texture: brightness and texture amplitude of the background.
        level: brightness.
        hue: shift of the colour.
        texture: amplitude of the texture.
        kind: which of the image's textures, an index.
        slope: (B, L, 2) rise of brightness along x and y.
        rim, rim_width: brightness added at the outline, and how far it reaches.
        softness: width of the edge. Both widths are in half image sides.
    """

    base: Tensor
    base_texture: Tensor
    level: Tensor
    hue: Tensor
    texture: Tensor
    kind: Tensor
    slope: Tensor
    rim: Tensor
    rim_width: Tensor
    softness: Tensor


def draw_looks(draw: Draw, scene: Scene, style: Style) -> Looks:
    """Draw the looks of a batch. Each object has one main cue and a little of the others."""
    count, cues = len(scene.distance), _cues(draw, style)
    base_texture = 0.09 * style["texture"] * draw.log_uniform(0.15, 1.3, count)
    base = draw.uniform(0.2, 1, count) * 0.8 / style["contrast"].sqrt()
    strength = _strength(draw, cues, base_texture, style)
    texture, kind = _textures(draw, cues, base_texture, style)
    slope, rim = _relief(draw, cues)
    layers = {
        "level": _levels(draw, scene, base, strength),
        "hue": 0.6 * draw.normal(count, LAYERS) * strength.clamp(min=0.08),
        "texture": texture,
        "kind": kind,
        "slope": slope,
        "rim": rim,
        "rim_width": draw.log_uniform(0.015, 0.06, count, LAYERS),
        "softness": draw.log_uniform(0.008, 0.09, count, 1) * draw.uniform(0.8, 1.3, count, LAYERS),
    }
    return Looks(base, base_texture, **{name: _share(value, scene.alike) for name, value in layers.items()})


def _share(value: Tensor, alike: Tensor) -> Tensor:
    """Give all layers of an image that is ``alike`` the value of the first."""
    return torch.where(alike.view(-1, *[1] * (value.ndim - 1)), value[:, :1].expand_as(value), value)


def _cues(draw: Draw, style: Style) -> Cues:
    chosen = draw.uniform(0, 1, len(style["shading"]), LAYERS)
    shaded = chosen < style["shading"][:, None]
    textured = ~shaded & (chosen > 0.82)
    outlined = ~shaded & (chosen > 0.68) & (chosen <= 0.82)
    return Cues(~(shaded | textured | outlined), textured, shaded, outlined)


def _strength(draw: Draw, cues: Cues, base_texture: Tensor, style: Style) -> Tensor:
    """Difference in brightness from what lies below; larger where the texture would drown it."""
    shape = cues.bright.shape
    difference = (draw.log_uniform(0.08, 0.5, *shape) * style["contrast"][:, None]).clamp(max=0.6)
    difference = difference + base_texture[:, None] * draw.uniform(0.3, 1.5, *shape)
    return torch.where(cues.bright, difference, draw.uniform(0, 0.05, *shape))


def _levels(draw: Draw, scene: Scene, base: Tensor, strength: Tensor) -> Tensor:
    """Levels that differ by ``strength`` from the parent's, turned inwards where they would leave 0 … 1.

    Three quarters of an image's objects are all brighter, or all darker, than what they lie on.
    """
    trend = draw.sign(len(strength), 1) * torch.where(draw.chance(0.75, *strength.shape), 1.0, -1.0)
    levels = base[:, None].repeat(1, LAYERS + 1)  # the background is last, where index -1 points
    for layer in range(LAYERS):
        below = levels.gather(1, scene.parent[:, layer : layer + 1] % (LAYERS + 1))[:, 0]
        step = trend[:, layer] * strength[:, layer]
        inward = (below + step < 0.03) | (below + step > 0.97)
        levels[:, layer] = below + torch.where(inward, -step, step)
    return levels[:, :LAYERS]


def _textures(draw: Draw, cues: Cues, base_texture: Tensor, style: Style) -> tuple[Tensor, Tensor]:
    """Amplitude and kind; objects shown by texture get another kind and a larger amplitude than the background."""
    shape = cues.textured.shape
    amplitude = 0.09 * style["texture"][:, None] * draw.log_uniform(0.15, 1.3, *shape)
    as_background = base_texture[:, None].expand(shape)
    plain = torch.where(draw.chance(0.4, *shape), as_background, amplitude)
    kind = torch.where(cues.textured | draw.chance(0.35, *shape), draw.integers(1, 3, *shape), 0)
    return torch.where(cues.textured, amplitude + 0.1, plain), kind


def _relief(draw: Draw, cues: Cues) -> tuple[Tensor, Tensor]:
    """Slope (B, L, 2) and rim (B, L); a shaded object is lit from the image's light and dark at its outline."""
    shape = cues.shaded.shape
    size = torch.where(cues.shaded, draw.uniform(0.12, 0.35, *shape), draw.uniform(0, 0.06, *shape))
    turn = draw.uniform(0, 2 * math.pi, shape[0], 1) + 0.3 * draw.normal(*shape)
    slope = torch.stack([torch.cos(turn), torch.sin(turn)], -1) * size[..., None]
    faint = draw.uniform(0, 0.12, *shape) * draw.chance(0.3, *shape)
    rim = torch.where(cues.outlined, draw.uniform(0.12, 0.4, *shape), faint) * draw.sign(*shape)
    return slope, torch.where(cues.shaded, -draw.uniform(0.05, 0.3, *shape), rim)
