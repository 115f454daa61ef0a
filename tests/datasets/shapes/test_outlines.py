"""Outlines on an unbent grid: areas and symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial import ConvexHull
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw, grid
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
from monai_samadapt.datasets.shapes.scene import Canvas, place
from monai_samadapt.datasets.shapes.trees import tree_distance, tree_segments

SIZE, COUNT = 96, 24


def _canvas(seed: int = 0) -> Canvas:
    canvas = Canvas(Draw(torch.Generator().manual_seed(seed)), COUNT, SIZE)
    x, y = grid(SIZE, torch.device("cpu"))
    canvas.x, canvas.y = x.expand(COUNT, 1, SIZE, SIZE), y.expand(COUNT, 1, SIZE, SIZE)
    return canvas


def _area(distance: Tensor) -> Tensor:
    """Area in units of the square of half a side."""
    return (distance < 0).float().mean((-2, -1)) * 4


def test_local_coordinates_are_turned_and_scaled() -> None:
    centre = torch.tensor([[[0.25, -0.5]]]).expand(COUNT, 1, 2)
    ones = torch.ones(COUNT, 1)
    u, v = _canvas().local(centre, 0.5 * ones, math.pi / 2 * ones, 0.5 * ones)
    column, row = 80, 20
    x, y = (column + 0.5) * 2 / SIZE - 1, (row + 0.5) * 2 / SIZE - 1
    assert u[0, 0, row, column].item() == pytest.approx((y + 0.5) / 0.5, abs=1e-5)
    assert v[0, 0, row, column].item() == pytest.approx(-(x - 0.25) / 0.25, abs=1e-5)


@pytest.mark.parametrize(
    ("outline", "smallest", "largest"),
    [
        (ellipse, 0.34, 4.0),
        (blob, 0.4, 4.2),
        (lobed, 0.2, 4.2),
        (polygon, 0.3, 5.2),
        (jagged, 0.15, 3.0),
        (bent, 0.2, 2.4),
        (islands, 0.1, 4.2),
        (star, 0.4, 2.4),
        (crescent, 0.4, 2.4),
    ],
)
def test_area_is_within_the_outline_s_bounds(outline, smallest: float, largest: float) -> None:  # type: ignore[no-untyped-def]
    """Areas for radius r lie between smallest r² and largest r² (a disc has π r²)."""
    centre, radius = torch.zeros(COUNT, 2, 2), torch.tensor([0.3, 0.45]).expand(COUNT, 2)
    relative = _area(outline(_canvas(), centre, radius)) / radius.square()
    assert relative.min() > smallest and relative.max() < largest
    assert relative.std() > 0.1


def _filled_share(outline: Outline) -> float:
    """Mean share of its convex hull that a shape covers."""
    distance = outline(_canvas(), torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), 0.6))[:, 0]
    points = [np.argwhere((shape < 0).numpy()) for shape in distance]
    return float(np.mean([len(inside) / ConvexHull(inside).volume for inside in points]))


def test_lobed_outlines_have_deep_bays() -> None:
    assert _filled_share(ellipse) > 1.0  # of pixel centres: a hull through them is smaller than the pixels
    assert _filled_share(blob) > 0.93
    assert _filled_share(lobed) < 0.88


def _drawn(outline: Outline) -> tuple[Tensor, Draw]:
    """Areas (B,) of shapes of radius .8, relative to its square, and the draws that decided them, to be repeated."""
    canvas = _canvas()
    state = canvas.draw.generator.get_state()
    area = _area(outline(canvas, torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), 0.8)))[:, 0] / 0.64
    canvas.draw.generator.set_state(state)
    canvas.draw.uniform(0, 1, COUNT, 1)  # the angle
    return area, canvas.draw


def test_jagged_outlines_have_the_area_of_their_polygons() -> None:
    """Half the sum of r₁ r₂ sin Δ, squeezed."""
    area, draw = _drawn(jagged)
    aspect, corners = draw.uniform(0.6, 1, COUNT, 1)[:, 0], draw.integers(5, 14, COUNT, 1)[:, 0]
    away = draw.uniform(0.2, 1, COUNT, 1, 13)[:, 0]
    for one, squeeze, number, radii in zip(area, aspect, corners, away, strict=True):
        edges = radii[:number] * radii[:number].roll(-1)
        expected = squeeze * edges.sum() * torch.sin(2 * math.pi / number) / 2
        assert one.item() == pytest.approx(expected.item(), rel=0.04)
    assert _filled_share(jagged) < 0.9 < _filled_share(polygon)


def test_bent_outlines_have_the_area_of_their_bands() -> None:
    """Arc length times width and two half discs, squeezed; less where the ends of a nearly closed arc overlap."""
    area, draw = _drawn(bent)
    aspect, width, half = (draw.uniform(*bounds, COUNT, 1)[:, 0] for bounds in ((0.6, 1), (0.1, 0.32), (0.7, 2.8)))
    expected = aspect * (2 * half * (1 - width) * 2 * width + math.pi * width.square())
    free = (1 - width) * torch.sin(math.pi - half) > width
    free |= half < math.pi / 2
    assert free.sum() > COUNT / 2
    assert torch.allclose(area[free], expected[free], rtol=0.03, atol=0.01)
    assert (area[~free] < expected[~free] * 1.03).all()


def test_islands_come_in_pieces_and_with_holes() -> None:
    inside = (islands(_canvas(), torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), 0.6))[:, 0] < 0).numpy()
    pieces = np.array([ndimage.label(shape)[1] for shape in inside])
    holes = np.array([(ndimage.binary_fill_holes(shape) & ~shape).any() for shape in inside])
    assert pieces.min() >= 1 and 0.05 < (pieces > 1).mean() < 0.7
    assert 0 < holes.mean() < 0.5
    assert _filled_share(islands) < 0.88


def test_half_of_the_ellipses_have_the_area_of_an_ellipse() -> None:
    canvas = _canvas()
    centre, radius = torch.zeros(COUNT, 4, 2), torch.full((COUNT, 4), 0.6)
    state = canvas.draw.generator.get_state()
    area = _area(ellipse(canvas, centre, radius))
    canvas.draw.generator.set_state(state)
    aspect = canvas.draw.uniform(0.35, 1, COUNT, 4)
    share = area / (math.pi * 0.36 * aspect)
    plain = (share - 1).abs() < 0.02
    assert 0.3 < plain.float().mean() < 0.7
    assert (share > 0.98).all() and (share < 4 / math.pi * 1.02).all()  # the others are boxier, up to a rectangle


def test_distance_is_about_the_distance_to_the_border() -> None:
    """Along the short axis of an ellipse it is exact: at the centre it is minus the short half axis."""
    canvas = _canvas()
    state = canvas.draw.generator.get_state()
    distance = ellipse(canvas, torch.zeros(COUNT, 1, 2), torch.full((COUNT, 1), 0.5))
    canvas.draw.generator.set_state(state)
    aspect = canvas.draw.uniform(0.35, 1, COUNT, 1)
    assert torch.allclose(distance.amin((-2, -1)), -0.5 * aspect, atol=0.03)


def test_places_are_sorted_and_freer_than_chance() -> None:
    spots = place(Draw(torch.Generator().manual_seed(0)), 64, 6, 0.08, 0.85)
    assert (spots.radius.diff(dim=1) <= 0).all()
    assert spots.active[:, 0].all() and (spots.active.int().diff(dim=1) <= 0).all()
    assert spots.active.sum(1).float().mean().item() == pytest.approx(3.5, abs=0.6)
    near, far = (
        (spots.centre[:, 0] - others).norm(dim=-1).mean()
        for others in (spots.centre[:, 1].roll(1, 0), spots.centre[:, 1])
    )
    assert far > near + 0.15


def test_trees_double_their_branches_and_taper() -> None:
    starts, ends, widths = tree_segments(Draw(torch.Generator().manual_seed(0)), 5, 3)
    assert starts.shape == ends.shape == (5, 21, 2) and widths.shape == (5, 21)
    assert torch.equal(starts[:, 1], ends[:, 0])
    assert torch.equal(starts[:, 3], ends[:, 2]) and torch.equal(starts[:, 4], ends[:, 2])
    assert (widths[:, 3:5] < widths[:, 2:3]).all()


def test_tree_distance_is_minus_the_width_on_a_branch() -> None:
    canvas = _canvas()
    state = canvas.draw.generator.get_state()
    distance = tree_distance(canvas)
    canvas.draw.generator.set_state(state)
    depth = int(canvas.draw.integers(3, 6, 1))
    starts, _, widths = tree_segments(canvas.draw, COUNT, depth)
    root = ((starts[:, 0] + 1) / 2 * SIZE).long().clamp(0, SIZE - 1)
    at_root = distance[torch.arange(COUNT), 0, root[:, 1], root[:, 0]]
    assert torch.allclose(at_root, -widths[:, 0], atol=1.5 / SIZE)
