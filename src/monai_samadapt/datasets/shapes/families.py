"""Families of scenes: which shapes an image holds and how they lie to each other.

Every family takes a canvas and returns a scene of OBJECTS shapes; see ``Scene`` for the sign of the distances.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.anatomy import paired, strata
from monai_samadapt.datasets.shapes.crowds import cells, glands, walled
from monai_samadapt.datasets.shapes.outlines import (
    Outline,
    bent,
    blob,
    crescent,
    ellipse,
    islands,
    jagged,
    lobed,
    polygon,
    star,
)
from monai_samadapt.datasets.shapes.rough import joined, rod, serrated, spiked
from monai_samadapt.datasets.shapes.scene import OBJECTS, Canvas, Scene, hide, make_scene, place
from monai_samadapt.datasets.shapes.trees import tree_distance


def scatter(canvas: Canvas, outline: Outline) -> Scene:
    """Up to OBJECTS shapes of one kind, small ones on top of large ones."""
    spots = place(canvas.draw, canvas.count, OBJECTS, 0.08, 0.85)
    distance = hide(outline(canvas, spots.centre, spots.radius), spots.active)
    return make_scene(distance, spots.centre)


def nested(canvas: Canvas) -> Scene:
    """Two shapes with up to two shapes in each other inside: disc and cup, lesion and core."""
    return _chains(canvas, chains=2, low=0.16, high=0.8, outline=blob if canvas.draw.chance(0.5, 1) else ellipse)


def gland_ring(canvas: Canvas) -> Scene:
    """Up to three rings around a lumen, side by side."""
    return _chains(canvas, chains=3, low=0.2, high=0.45, outline=blob)


def _chains(canvas: Canvas, chains: int, low: float, high: float, outline: Outline) -> Scene:
    """Place ``chains`` shapes and put shapes into each, one in the other."""
    draw, depth = canvas.draw, OBJECTS // chains
    spots = place(draw, canvas.count, chains, low, high)
    shape = spots.radius.shape
    centre, radius, active = [spots.centre], [spots.radius], [spots.active]
    for _ in range(1, depth):
        smaller = radius[-1] * draw.uniform(0.35, 0.75, *shape)
        away = draw.uniform(0, 0.35, *shape) * (radius[-1] - smaller)
        centre.append(centre[-1] + _polar(draw.uniform(0, 2 * math.pi, *shape), away))
        radius.append(smaller)
        active.append(active[-1] & draw.chance(0.8 if depth > 2 else 1.0, *shape))
    # the layers of a chain follow each other: (B, chains, depth) -> (B, M)
    centres, radii, present = (torch.stack(part, 2).flatten(1, 2) for part in (centre, radius, active))
    levels = list(outline(canvas, centres, radii).unflatten(1, (chains, depth)).unbind(2))
    for level in range(1, depth):
        levels[level] = torch.maximum(levels[level], levels[level - 1] + 0.02)
    layer = torch.arange(OBJECTS, device=draw.device)
    parent = torch.where(layer % depth == 0, -1, layer).expand(canvas.count, -1)
    return make_scene(hide(torch.stack(levels, 2).flatten(1, 2), present), centres, parent)


def _polar(angle: Tensor, length: Tensor) -> Tensor:
    return torch.stack([torch.cos(angle), torch.sin(angle)], -1) * length[..., None]


def parts(canvas: Canvas) -> Scene:
    """A whole made of four overlapping parts, and another object."""
    draw, count = canvas.draw, canvas.count
    middle, size = draw.uniform(-0.45, 0.45, count, 1, 2), draw.log_uniform(0.18, 0.5, count, 1)
    centre = middle + _polar(draw.uniform(0, 2 * math.pi, count, 4), size * draw.uniform(0.4, 1.1, count, 4))
    radius = size * draw.uniform(0.5, 1.1, count, 4)
    other = draw.uniform(-0.8, 0.8, count, 1, 2)
    centre, radius = torch.cat([centre, other], 1), torch.cat([radius, draw.log_uniform(0.1, 0.3, count, 1)], 1)
    active = torch.ones(count, 5, dtype=torch.bool, device=draw.device)
    active[:, 2:] = draw.chance(0.6, count, 3)
    pieces = hide(blob(canvas, centre, radius), active)
    whole = pieces[:, :4].amin(1, keepdim=True)
    parent = torch.tensor([-1, 1, 1, 1, 1, -1], device=draw.device).expand(count, -1)
    return make_scene(torch.cat([whole, pieces], 1), torch.cat([centre[:, :1], centre], 1), parent)


def organs(canvas: Canvas) -> Scene:
    """A body cut into touching regions: power diagram of random sites, some with a gap in between."""
    draw, count = canvas.draw, canvas.count
    middle, size = draw.uniform(-0.12, 0.12, count, 1, 2), draw.uniform(0.7, 1.3, count, 1)
    body = ellipse(canvas, middle, size)
    sites = OBJECTS + 1
    centre = middle + draw.uniform(-0.65, 0.65, count, sites, 2) * size[..., None].clamp(max=1)
    weight = draw.uniform(0, 0.25, count, sites)[..., None, None]
    power = (canvas.x - centre[..., 0, None, None]) ** 2 + (canvas.y - centre[..., 1, None, None]) ** 2 - weight
    near = power.topk(2, dim=1, largest=False).values
    rival = torch.where(power <= near[:, :1], near[:, 1:], near[:, :1])
    gap = (draw.uniform(0, 0.05, count, 1) * draw.chance(0.6, count, 1))[..., None, None]
    regions = torch.maximum((power - rival) / 1.2 + gap, body + 0.04)[:, 2:]
    parent = torch.tensor([-1, 1, 1, 1, 1, 1], device=draw.device).expand(count, -1)
    return make_scene(torch.cat([body, regions], 1), torch.cat([middle, centre[:, 2:]], 1), parent)


def tree(canvas: Canvas) -> Scene:
    """A branching tree over up to five discs; it hides nothing."""
    draw, count = canvas.draw, canvas.count
    spots = place(draw, count, OBJECTS - 1, 0.08, 0.5)
    discs = hide(ellipse(canvas, spots.centre, spots.radius), spots.active & draw.chance(0.6, count, OBJECTS - 1))
    scene = make_scene(torch.cat([discs, tree_distance(canvas)], 1), torch.cat([spots.centre, spots.centre[:, :1]], 1))
    scene.opaque[:, -1] = False
    return scene


FAMILIES: dict[str, Callable[[Canvas], Scene]] = {
    "ellipse": lambda canvas: scatter(canvas, ellipse),
    "polygon": lambda canvas: scatter(canvas, polygon),
    "blob": lambda canvas: scatter(canvas, blob),
    "lobed": lambda canvas: scatter(canvas, lobed),
    "jagged": lambda canvas: scatter(canvas, jagged),
    "bent": lambda canvas: scatter(canvas, bent),
    "islands": lambda canvas: scatter(canvas, islands),
    "spiked": lambda canvas: scatter(canvas, spiked),
    "serrated": lambda canvas: scatter(canvas, serrated),
    "rod": lambda canvas: scatter(canvas, rod),
    "joined": lambda canvas: scatter(canvas, joined),
    "strata": strata,
    "paired": lambda canvas: paired(canvas, lobed if canvas.draw.chance(0.5, 1) else blob),
    "walled": walled,
    "glands": glands,
    "nested": nested,
    "parts": parts,
    "organs": organs,
    "cells": cells,
    "tree": tree,
    "star": lambda canvas: scatter(canvas, star),
    "crescent": lambda canvas: scatter(canvas, crescent),
    "gland_ring": gland_ring,
}
HELD_OUT = ("star", "crescent", "gland_ring")
TRAINING = tuple(name for name in FAMILIES if name not in HELD_OUT)
