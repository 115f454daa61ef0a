"""Painting of layers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.crowds import glands, walled
from monai_samadapt.datasets.shapes.draw import Draw, grid
from monai_samadapt.datasets.shapes.paint import paint
from monai_samadapt.datasets.shapes.scene import FAR, LAYERS, OBJECTS, Canvas, make_scene
from monai_samadapt.datasets.shapes.styles import draw_styles

SIZE, COUNT = 96, 8


def _added(grain: float) -> tuple[Tensor, Tensor, Tensor]:
    """What a wall of .3 in a disc of radius .6 adds to each image, the disc's distance and each image's tone."""
    x, y = grid(SIZE, torch.device("cpu"))
    disc = (torch.hypot(x, y) - 0.6).expand(COUNT, 1, SIZE, SIZE)
    objects = torch.cat([disc, torch.full((COUNT, OBJECTS - 1, SIZE, SIZE), FAR)], 1)
    plain = make_scene(objects, torch.zeros(COUNT, OBJECTS, 2))
    wall, tone, grains = torch.zeros(3, COUNT, LAYERS)
    wall[:, 1], tone[:, 1], grains[:, 1] = 0.3, torch.linspace(-0.4, 0.4, COUNT), grain
    style = draw_styles(Draw(torch.Generator().manual_seed(0)), COUNT)
    values = [
        paint(Draw(torch.Generator().manual_seed(1)), scene, scene.distance, style)[0]
        for scene in (plain, replace(plain, wall=wall, wall_tone=tone, wall_grain=grains))
    ]
    return values[1] - values[0], disc[:, 0], tone


def test_a_wall_adds_its_tone_inside_the_outline_and_nowhere_else() -> None:
    """Softness, at most .117, blurs the wall's two borders by half of that."""
    added, gap, tone = _added(0)
    middle = (gap < -0.06) & (gap > -0.24)
    assert middle[0].sum() > 500
    expected = tone[:, 1, None, None].expand_as(added)
    assert torch.allclose(added[middle], expected[middle], atol=1e-5)
    assert added[(gap > 0.06) | (gap < -0.36)].abs().max() < 1e-6


def test_the_grain_of_a_wall_is_a_texture_in_proportion_to_its_tone() -> None:
    (plain, gap, tone), (half, *_), (whole, *_) = (_added(grain) for grain in (0, 0.3, 0.6))
    middle = (gap < -0.06) & (gap > -0.24)
    assert torch.allclose(whole - plain, 2 * (half - plain), atol=1e-5)
    spread = torch.stack([part[where].std() for part, where in zip(whole, middle, strict=True)])
    ratio = spread / tone[:, 1].abs()
    assert 0.3 < ratio.mean() < 0.9  # .6 times a texture of standard deviation 1


def test_glands_share_a_wall_that_leaves_a_lumen_and_is_mostly_dark() -> None:
    scene = glands(Canvas(Draw(torch.Generator().manual_seed(0)), 128, SIZE))
    for part in (scene.wall, scene.wall_tone, scene.wall_grain):
        assert torch.equal(part, part[:, :1].expand_as(part))
    depth = -scene.distance.flatten(2).amin(2)[:, 1:]
    assert (scene.wall[:, 1:] < depth)[depth > 0].float().mean() > 0.9
    assert 0.75 < (scene.wall_tone[:, 0] < 0).float().mean() < 0.95


def test_walls_are_inside_the_shapes_of_their_family_and_leave_a_lumen() -> None:
    scene = walled(Canvas(Draw(torch.Generator().manual_seed(0)), 64, SIZE))
    assert not scene.wall[:, 0].any() and (scene.wall[:, 1:] >= 0.1 * 0.12).all()
    depth = -scene.distance.flatten(2).amin(2)[:, 1:]  # of the deepest point, about the smaller half axis
    present = depth > 0
    assert (scene.wall[:, 1:] < depth)[present].float().mean() > 0.9
    tones = scene.wall_tone[:, 1:]
    assert tones.abs().min() >= 0.1 and tones.abs().max() <= 0.5
    alike = (tones.sign() == tones.sign().sum(1, keepdim=True).sign()).float().mean()
    assert alike > 0.8  # most walls of an image are all darker, or all brighter
