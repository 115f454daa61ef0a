"""Kinds of pictures: how strong each cue, noise and effect is, drawn per image."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw


@dataclass(frozen=True)
class Style:
    """One kind of picture.

    Attributes:
        share: relative frequency.
        colour: 0 grey, 1 red to yellow (fundus, endoscopy), 2 white to purple (stained tissue), 3 any two colours.
        contrast: scale of the difference in brightness between objects.
        texture: scale of the texture's amplitude.
        grain: 0 coarse to 1 fine texture.
        shading: probability that an object shows by its shading like a bump.
        gaussian, rician, speckle: largest standard deviation of each noise.
        circle, sector, frame: probability of each field of view.
        layers: amplitude of horizontal layers.
        depth: largest loss of brightness from top to bottom.
        shadow: probability of a shadow or brightening below an object.
        glints: probability of specular highlights.
    """

    share: float
    colour: float
    texture: float
    grain: float
    contrast: float = 1.0
    shading: float = 0.1
    gaussian: float = 0.04
    rician: float = 0.0
    speckle: float = 0.0
    circle: float = 0.0
    sector: float = 0.0
    frame: float = 0.1
    layers: float = 0.03
    depth: float = 0.1
    shadow: float = 0.0
    glints: float = 0.0


STYLES = {
    "any_grey": Style(2, 0, 1.0, 0.5, gaussian=0.1),
    "any_colour": Style(2, 3, 1.0, 0.5, gaussian=0.06, shading=0.2),
    "tomography": Style(2, 0, 0.5, 0.3, gaussian=0.08, rician=0.08, circle=0.1),
    "ultrasound": Style(2.5, 0, 0.6, 0.7, 2.0, speckle=0.4, sector=0.3, frame=0.4, layers=0.12, depth=0.6, shadow=0.5),
    "endoscopy": Style(2, 1, 0.7, 0.3, shading=0.4, circle=0.2, frame=0.4, depth=0.3, glints=0.6),
    "fundus": Style(1, 1, 0.5, 0.3, circle=0.8, frame=0.0),
    "stained": Style(1.5, 2, 1.7, 0.9, shading=0.0, frame=0.0),
}


def draw_styles(draw: Draw, count: int) -> dict[str, Tensor]:
    """Draw a style for each image; each attribute is a tensor (B,)."""
    names = [field.name for field in fields(Style)]
    table = torch.tensor([[getattr(style, name) for name in names] for style in STYLES.values()], device=draw.device)
    index = torch.multinomial(table[:, 0], count, replacement=True, generator=draw.generator)
    return dict(zip(names, table[index].unbind(1), strict=True))
