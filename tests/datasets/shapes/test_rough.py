"""Rough and joined outlines on an unbent grid: closed forms of areas and borders."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw, grid
from monai_samadapt.datasets.shapes.outlines import Outline
from monai_samadapt.datasets.shapes.rough import PIECES, SPIKES, joined, rod, serrated, spiked
from monai_samadapt.datasets.shapes.scene import Canvas

SIZE, COUNT = 192, 24


def _canvas() -> Canvas:
    canvas = Canvas(Draw(torch.Generator().manual_seed(0)), COUNT, SIZE)
    x, y = grid(SIZE, torch.device("cpu"))
    canvas.x, canvas.y = x.expand(COUNT, 1, SIZE, SIZE), y.expand(COUNT, 1, SIZE, SIZE)
    return canvas


def _drawn(outline: Outline, radius: float) -> tuple[Tensor, Draw]:
    """Areas (B,) relative to the square of the radius, and the draws that decided them, to be repeated."""
    canvas = _canvas()
    state = canvas.draw.generator.get_state()
    distance = outline(canvas, torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), radius))
    canvas.draw.generator.set_state(state)
    return (distance[:, 0] < 0).float().mean((-2, -1)) * 4 / radius**2, canvas.draw


def test_rods_have_the_area_of_their_length_and_mean_width() -> None:
    """∫ 2w (1 + tu) du over -l … l is 4 l w whatever the taper t."""
    area, draw = _drawn(rod, 0.5)
    draw.uniform(0, 1, COUNT, 1)  # the angle
    length, width = (draw.uniform(*bounds, COUNT, 1)[:, 0] for bounds in ((0.9, 1.8), (0.05, 0.3)))
    assert torch.allclose(area, 4 * length * width, rtol=0.03, atol=0.005)


def test_serrated_outlines_have_the_area_of_their_waves() -> None:
    """∫ r² / 2 dθ is π (1 + a² / 2 + b² / 2) for waves of two orders, squeezed, of radius .85."""
    area, draw = _drawn(serrated, 0.7)
    draw.uniform(0, 1, COUNT, 1)  # the angle
    aspect, order = draw.uniform(0.5, 1, COUNT, 1)[:, 0], draw.integers(6, 19, COUNT, 1)
    draw.uniform(0, 1, 2, COUNT, 1)  # the phases
    low, high = (draw.uniform(*bounds, COUNT, 1)[:, 0] for bounds in ((0, 0.25), (0.04, 0.2)))
    expected = 0.85**2 * aspect * math.pi * (1 + low.square() / 2 + high.square() / 2)
    assert torch.allclose(area, expected, rtol=0.02)
    assert order.unique().numel() > 8


def test_spikes_end_at_their_length() -> None:
    """At the tip of a spike the distance is 0 where no other spike lies over it, and never above."""
    canvas, centre, radius = _canvas(), torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), 0.5)
    state = canvas.draw.generator.get_state()
    angle, aspect = canvas.draw.uniform(0, 2 * math.pi, COUNT, 1), canvas.draw.uniform(0.6, 1, COUNT, 1)
    body, count = canvas.draw.uniform(0.2, 0.6, COUNT, 1), canvas.draw.integers(1, SPIKES + 1, COUNT, 1)
    tips = []
    for _ in range(SPIKES):
        turn, length = canvas.draw.uniform(0, 2 * math.pi, COUNT, 1), canvas.draw.uniform(0.6, 1.1, COUNT, 1)
        canvas.draw.uniform(0, 1, COUNT, 1)  # the width
        tips.append((length * torch.cos(turn), length * torch.sin(turn) * aspect))
    u, v = (torch.cat(part, 1) for part in zip(*tips, strict=True))
    canvas.x = (0.5 * (u * torch.cos(angle) - v * torch.sin(angle)))[:, None, None]
    canvas.y = (0.5 * (u * torch.sin(angle) + v * torch.cos(angle)))[:, None, None]
    canvas.draw.generator.set_state(state)
    distance = spiked(canvas, centre, radius)[:, 0, 0]
    used = torch.arange(SPIKES) < count
    assert distance[used].max() < 1e-5
    assert (distance[used].abs() < 1e-5).float().mean() > 0.7
    assert (distance[~used] > 1e-3).float().mean() > 0.6  # where no spike was drawn
    canvas.x = canvas.y = torch.zeros(COUNT, 1, 1, 1)
    canvas.draw.generator.set_state(state)
    middle = spiked(canvas, centre, radius)[:, 0, 0]
    assert torch.allclose(middle, -0.5 * body, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_joined_outlines_are_the_union_the_shared_part_or_the_rest_of_two(seed: int) -> None:
    canvas, centre, radius = _canvas(), torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), 0.5)
    draw = canvas.draw
    state = draw.generator.manual_seed(seed).get_state()
    masks = joined(canvas, centre, radius)[:, 0] < 0
    draw.generator.set_state(state)
    turn, away = draw.uniform(0, 2 * math.pi, COUNT, 1), 0.5 * draw.uniform(0.3, 0.9, COUNT, 1)
    shifted = torch.stack([away * torch.cos(turn), away * torch.sin(turn)], -1)
    one, two = draw.integers(0, len(PIECES), 2).tolist()
    first = PIECES[one](canvas, centre, radius)[:, 0] < 0
    second = PIECES[two](canvas, shifted, radius * draw.uniform(0.4, 0.9, COUNT, 1))[:, 0] < 0
    kind = draw.integers(0, 3, COUNT, 1)[:, 0]
    assert kind.unique().tolist() == [0, 1, 2]
    for mask, a, b, which in zip(masks, first, second, kind.tolist(), strict=True):
        assert torch.equal(mask, (a | b, a & b, a & ~b)[which])
