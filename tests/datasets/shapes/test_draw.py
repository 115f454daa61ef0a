"""Random fields and grids of the shapes."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.datasets.shapes.draw import Draw, grid, spline_weights


def _draw() -> Draw:
    return Draw(torch.Generator().manual_seed(0))


def test_splines_sum_to_a_constant_and_have_norm_one() -> None:
    weights = spline_weights(64, 8, "cpu")
    assert weights.shape == (64, 11)
    sums = weights.sum(1)
    assert torch.allclose(sums, sums[0].expand(64), atol=1e-6)
    assert weights.square().sum(1).mean() == pytest.approx(1, abs=1e-6)
    # at the middle of a cell the basis is (1, 23, 23, 1) / 48
    middle = spline_weights(8, 8, "cpu")[3, 3:7]
    assert torch.allclose(middle / middle.sum(), torch.tensor([1.0, 23, 23, 1]) / 48, atol=1e-6)


@pytest.mark.parametrize("cells", [(4, 4), (32, 32), (24, 6)])
def test_smooth_fields_have_unit_variance_and_the_asked_scale(cells: tuple[int, int]) -> None:
    field = _draw().smooth(64, 2, 64, cells)
    assert field.shape == (64, 2, 64, 64)
    assert field.mean().item() == pytest.approx(0, abs=0.06)
    assert field.var().item() == pytest.approx(1, abs=0.12)
    steps = [(field.diff(dim=axis)).square().mean().sqrt() / field.std() for axis in (-2, -1)]
    for step, count in zip(steps, cells, strict=True):
        assert step.item() == pytest.approx(1.18 * count / 64, rel=0.25)


def test_draws_keep_their_bounds() -> None:
    draw = _draw()
    values = draw.log_uniform(0.1, 10, 4000)
    assert values.min() >= 0.1 and values.max() <= 10 and values.log().mean().abs() < 0.1
    assert draw.chance(0.25, 4000).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert set(draw.sign(100).tolist()) == {-1.0, 1.0}
    assert set(draw.integers(2, 5, 100).tolist()) == {2, 3, 4}


def test_grid_has_pixel_centres() -> None:
    x, y = grid(4, torch.device("cpu"))
    assert x.flatten().tolist() == y.flatten().tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert x.shape == (1, 1, 1, 4) and y.shape == (1, 1, 4, 1)
