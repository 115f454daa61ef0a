"""Families that lie as anatomy does: layers across the image, and pairs on both sides of the body's middle."""

from __future__ import annotations

import copy
import math

import torch

from monai_samadapt.datasets.shapes.outlines import Outline
from monai_samadapt.datasets.shapes.scene import OBJECTS, Canvas, Scene, hide, make_scene


def strata(canvas: Canvas) -> Scene:
    """Up to OBJECTS layers across the image that follow each other, some with a gap: retina, skin, wall of a vessel.

    A layer lies between two levels of y' + c x'², where x', y' are turned by up to 15 degrees, in a quarter of images
    by a right angle more: the boxes of steeper layers would be the whole image for all of them.
    """
    draw, count = canvas.draw, canvas.count
    turn = draw.uniform(-0.26, 0.26, count, 1) + math.pi / 2 * draw.chance(0.25, count, 1)
    middle = torch.zeros(count, 1, 2, device=draw.device)
    x, y = canvas.local(middle, torch.ones_like(turn), turn, torch.ones_like(turn))
    bend = draw.uniform(-0.3, 0.3, count, 1)
    height = (
        y
        + bend[..., None, None] * x * x
        + draw.uniform(0, 0.2, count, 1, 1, 1) * draw.smooth(count, 1, canvas.size, (2, 4))
    )
    thickness = draw.log_uniform(0.05, 0.5, count, OBJECTS)
    gap = draw.uniform(0, 0.2, count, OBJECTS) * draw.chance(0.25, count, OBJECTS)
    start = draw.uniform(-0.9, 0.2, count, 1)
    lower = start + (thickness + gap).cumsum(1) - thickness
    upper = lower + thickness
    distance = torch.maximum(lower[..., None, None] - height, height - upper[..., None, None])
    level = (lower + upper) / 2
    centre = torch.stack([-torch.sin(turn) * level, torch.cos(turn) * level], -1)
    return make_scene(hide(distance, draw.chance(0.8, count, OBJECTS)), centre)


def paired(canvas: Canvas, outline: Outline) -> Scene:
    """Up to three pairs of one kind on both sides of an upright axis: lungs, kidneys, hips, ventricles.

    The centres and radii of a pair are mirrored. In half of the calls its outlines are too and all look alike; in
    half of the others they look alike.
    """
    draw, count, pairs = canvas.draw, canvas.count, OBJECTS // 2
    axis = draw.uniform(-0.15, 0.15, count, 1, 1, 1)
    radius = draw.log_uniform(0.1, 0.6, count, pairs).sort(dim=1, descending=True).values
    centre = torch.stack([radius * draw.uniform(0.6, 1.3, count, pairs), draw.uniform(-0.7, 0.7, count, pairs)], -1)
    active = torch.arange(pairs, device=draw.device) < draw.integers(1, pairs + 1, count, 1)
    right, left = copy.copy(canvas), copy.copy(canvas)
    right.x, left.x = canvas.x - axis, axis - canvas.x
    mirrored = bool(draw.chance(0.5, 1))
    state = draw.generator.get_state()
    sides = [outline(right, centre, radius)]
    if mirrored:
        draw.generator.set_state(state)
    sides.append(outline(left, centre, radius))
    distance = torch.stack(sides, 2).flatten(1, 2)
    flipped = centre * torch.tensor([-1.0, 1.0], device=draw.device)
    centres = torch.stack([centre, flipped], 2).flatten(1, 2)
    centres = centres + torch.stack([axis[:, 0, 0], torch.zeros_like(axis[:, 0, 0])], -1)
    alike = mirrored or bool(draw.chance(0.5, 1))
    return make_scene(hide(distance, active.repeat_interleave(2, 1)), centres, alike=alike)
