"""Procedural fundus images: parts in their places, colours, determinism."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_samadapt.datasets.procedural import make_fundus
from monai_samadapt.datasets.procedural.vessels import Vessel, draw_vessels
from monai_samadapt.errors import SamAdaptError


@pytest.mark.parametrize("seed", range(6))
def test_cup_lies_inside_the_disc_and_the_disc_in_the_field_of_view(seed: int) -> None:
    rgb, disc, vessels, fov = make_fundus(seed)
    assert rgb.shape == (256, 288, 3) and disc.shape == vessels.shape == fov.shape == (256, 288)
    assert all(array.dtype == np.uint8 for array in (rgb, disc, vessels, fov))
    cup, whole = disc == 2, disc > 0
    assert cup.any() and set(np.unique(disc)) == {0, 1, 2}
    assert (whole[ndimage.binary_dilation(cup)]).all()
    assert (fov[whole] == 1).all() and (fov[vessels > 0] == 1).all()
    assert ndimage.label(whole)[1] == 1 and ndimage.label(cup)[1] == 1
    assert 0.01 < whole.sum() / fov.sum() < 0.05
    assert 0.04 < vessels.sum() / fov.sum() < 0.2


@pytest.mark.parametrize("seed", range(6))
def test_disc_is_brighter_cup_brightest_and_vessels_darker(seed: int) -> None:
    rgb, disc, vessels, fov = make_fundus(seed)
    green = rgb[..., 1].astype(float)
    near = ndimage.binary_dilation(disc > 0, iterations=12) & (disc == 0)
    free = vessels == 0
    retina, rim, cup = (green[mask & free].mean() for mask in (near, disc == 1, disc == 2))
    assert retina + 10 < rim < cup - 5
    around = ndimage.binary_dilation(vessels > 0, iterations=3) & (fov > 0) & (disc == 0)
    assert green[around & (vessels > 0)].mean() < green[around & free].mean() - 8
    assert rgb[fov == 0].mean() < 30 and (rgb[..., 0] > rgb[..., 2])[fov > 0].mean() > 0.95


def test_seed_and_size_decide_the_image() -> None:
    first, second, other = make_fundus(3, (96, 128)), make_fundus(3, (96, 128)), make_fundus(4, (96, 128))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[1], other[1])
    assert first[0].shape == (96, 128, 3)


def test_vessel_of_known_width_covers_its_area() -> None:
    line = Vessel(np.array([[10.0, 20.0], [50.0, 20.0]]), np.array([4.0, 4.0]))
    cover = draw_vessels([line], (40, 64))
    column = cover[:, 30]
    assert column.sum() == pytest.approx(4, abs=0.3)
    assert (column * np.arange(40)).sum() / column.sum() == pytest.approx(20, abs=0.2)
    assert cover[:, 60].sum() == 0


@pytest.mark.parametrize("size", [(256,), (16, 300)])
def test_no_image_size_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(SamAdaptError, match="size="):
        make_fundus(0, size)
