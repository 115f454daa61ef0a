"""Families of many alike: shapes with walls, fields of cells, and crowded glands, which are both."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.outlines import blob
from monai_samadapt.datasets.shapes.scene import FAR, OBJECTS, Canvas, Scene, hide, make_scene, place

TABLE = 8  # cells along a side at most


def walled(canvas: Canvas) -> Scene:
    """A crowd of shapes whose wall is darker or brighter than what it encloses, as of glands, vessels and cysts."""
    draw, shape = canvas.draw, (canvas.count, OBJECTS)
    spots = place(draw, canvas.count, OBJECTS, 0.1, 0.55)
    scene = make_scene(hide(blob(canvas, spots.centre, spots.radius), spots.active), spots.centre)
    scene.wall[:, 1:] = spots.radius * draw.uniform(0.12, 0.45, *shape)
    same = draw.sign(canvas.count, 1) * torch.where(draw.chance(0.9, *shape), 1.0, -1.0)
    scene.wall_tone[:, 1:] = same * draw.log_uniform(0.1, 0.5, *shape)
    return scene


def cells(canvas: Canvas) -> Scene:
    """A field of many similar small shapes on a disturbed lattice, OBJECTS of which have masks."""
    return _lattice(canvas, canvas.draw.integers(2, TABLE + 1, canvas.count, 1, 1, 1), 0.2, 0.39)


def glands(canvas: Canvas) -> Scene:
    """A field of crowded glands: a pale inside in a wall, mostly darker, of dots as of the nuclei in stained tissue."""
    draw, count = canvas.draw, canvas.count
    side = draw.integers(2, TABLE + 1, count, 1, 1, 1)
    scene = _lattice(canvas, side, 0.28, 0.47)
    scene.wall[:] = 0.76 / side[:, 0, 0] * draw.uniform(0.15, 0.5, count, 1)
    scene.wall_tone[:] = draw.log_uniform(0.08, 0.4, count, 1) * torch.where(draw.chance(0.85, count, 1), -1.0, 1.0)
    scene.wall_grain[:] = draw.uniform(0, 0.9, count, 1)
    return scene


def _lattice(canvas: Canvas, side: Tensor, low: float, high: float) -> Scene:
    """Fill a lattice of ``side`` (B, 1, 1, 1) by ``side`` cells with shapes of radius ``low`` to ``high`` of a cell."""
    draw, count = canvas.draw, canvas.count
    place_x, place_y = (((axis + 1) / 2 * side).clamp(min=0) for axis in (canvas.x, canvas.y))
    column, row = (torch.minimum(axis.long(), side - 1) for axis in (place_x, place_y))
    index = (row * TABLE + column).flatten(1)  # (B, g g), the lattice cell of a pixel

    def of_cell(least: float, most: float) -> Tensor:
        return draw.uniform(least, most, count, TABLE * TABLE).gather(1, index).view_as(place_x)

    u, v = place_x - column - 0.5 - of_cell(-0.1, 0.1), place_y - row - 0.5 - of_cell(-0.1, 0.1)
    radius, shear = of_cell(low, high), of_cell(-0.3, 0.3)
    distance = (torch.hypot(u + shear * v, v - shear * u) - radius) * 2 / side
    everything = distance + (of_cell(0, 1) < 0.15) * FAR
    used = torch.arange(TABLE * TABLE, device=draw.device)
    inside = (used // TABLE < side[:, 0, 0]) & (used % TABLE < side[:, 0, 0])
    chosen = (draw.uniform(0, 1, count, TABLE * TABLE) + inside).topk(OBJECTS, dim=1).indices
    own = index[:, None] == chosen[..., None]
    objects = torch.where(own.view(count, OBJECTS, *place_x.shape[2:]), everything, FAR)
    centre = (torch.stack([chosen % TABLE, chosen // TABLE], -1) + 0.5) * 2 / side[:, 0] - 1
    return make_scene(objects, centre, backdrop=everything, alike=True)
