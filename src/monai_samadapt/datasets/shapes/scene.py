"""What a scene is: layers of shapes as implicit functions, on a warped grid."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw, grid

OBJECTS = 6
LAYERS = OBJECTS + 1
FAR = 9.0


@dataclass(frozen=True)
class Scene:
    """Shapes of B images in painting order; layer 0 is a backdrop without a mask, the others are objects.

    Attributes:
        distance: (B, L, g, g), negative inside, about the distance to the border in half image sides; FAR if absent.
        centre: (B, L, 2) x, y of a point of each shape.
        parent: (B, L) the layer that a shape lies on, -1 for the background.
        opaque: (B, L) whether a shape hides what is below it.
        alike: (B,) whether all layers look the same.
        wall: (B, L) thickness of a wall inside a shape's outline, in half image sides; 0 for none.
        wall_tone: (B, L) brightness that a wall adds.
        wall_grain: (B, L) amplitude of the texture that this brightness is multiplied by, around 1.
    """

    distance: Tensor
    centre: Tensor
    parent: Tensor
    opaque: Tensor
    alike: Tensor
    wall: Tensor
    wall_tone: Tensor
    wall_grain: Tensor

    @classmethod
    def join(cls, scenes: list[Scene]) -> Scene:
        """Concatenate scenes along the batch."""
        return cls(*(torch.cat([getattr(scene, field.name) for scene in scenes]) for field in fields(cls)))

    def reorder(self, order: Tensor) -> Scene:
        """Take images by index."""
        return Scene(*(getattr(self, field.name)[order] for field in fields(self)))


def make_scene(
    objects: Tensor,
    centre: Tensor,
    parent: Tensor | None = None,
    backdrop: Tensor | None = None,
    opaque: bool = True,
    alike: bool = False,
) -> Scene:
    """Build a scene of OBJECTS shapes (B, M, g, g) with centres (B, M, 2), and perhaps a backdrop (B, 1, g, g)."""
    count, device = len(objects), objects.device
    below = torch.full_like(objects[:, :1], FAR) if backdrop is None else backdrop
    none = torch.full((count, OBJECTS), -1, device=device)
    return Scene(
        torch.cat([below, objects], 1),
        torch.cat([torch.zeros_like(centre[:, :1]), centre], 1),
        torch.cat([none[:, :1], none if parent is None else parent], 1),
        torch.full((count, LAYERS), opaque, device=device),
        torch.full((count,), alike, device=device),
        *torch.zeros(3, count, LAYERS, device=device),
    )


class Canvas:
    """A grid whose coordinates are bent by a smooth field, so that every outline on it is irregular.

    Attributes:
        x, y: (B, 1, g, g) coordinates, about -1 to 1.
    """

    def __init__(self, draw: Draw, count: int, size: int) -> None:
        self.draw, self.count, self.size = draw, count, size
        x, y = grid(size, draw.device)
        coarse, fine = (draw.smooth(count, 2, size, (cells, cells)) for cells in (3, 9))
        bend = draw.uniform(0, 0.09, count, 1, 1, 1) * coarse + draw.uniform(0, 0.018, count, 1, 1, 1) * fine
        self.x, self.y = x + bend[:, :1], y + bend[:, 1:]

    def local(self, centre: Tensor, radius: Tensor, angle: Tensor, aspect: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates (B, K, g, g) relative to a centre (B, K, 2), turned by ``angle``, in units of the half axes.

        The half axes are ``radius`` and ``radius * aspect``, all (B, K).
        """
        x, y = self.x - centre[..., 0, None, None], self.y - centre[..., 1, None, None]
        across, along = (torch.cos(angle) / radius)[..., None, None], (torch.sin(angle) / radius)[..., None, None]
        ratio = aspect[..., None, None]
        return x * across + y * along, (y * across - x * along) / ratio


@dataclass(frozen=True)
class Placement:
    """Where K shapes of an image are: centre (B, K, 2), radius (B, K), large first; absent ones have active False."""

    centre: Tensor
    radius: Tensor
    active: Tensor


def place(draw: Draw, count: int, shapes: int, low: float, high: float) -> Placement:
    """Spread ``shapes`` places with log-uniform radii; each takes the freest of four random centres."""
    radius = draw.log_uniform(low, high, count, shapes).sort(dim=1, descending=True).values
    active = torch.arange(shapes, device=draw.device) < draw.integers(1, shapes + 1, count, 1)
    candidates = draw.uniform(-0.85, 0.85, count, shapes, 4, 2) * (1.1 - 0.6 * radius)[..., None, None]
    chosen = [candidates[:, 0, 0]]
    for index in range(1, shapes):
        taken = torch.stack(chosen, 1)[:, None]  # (B, 1, index, 2)
        gap = (
            (candidates[:, index, :, None] - taken).norm(dim=-1)
            - radius[:, None, :index]
            - radius[:, index, None, None]
        )
        best = gap.min(-1).values.argmax(1)
        chosen.append(candidates[torch.arange(count, device=draw.device), index, best])
    return Placement(torch.stack(chosen, 1), radius, active)


def hide(distance: Tensor, active: Tensor) -> Tensor:
    """Move inactive shapes out of sight."""
    return distance.masked_fill(~active[..., None, None], FAR)
