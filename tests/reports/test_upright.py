"""Source grids turned upright, against MONAI's Orientation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from monai_samadapt.reports.upright import upright, upright_spacing

OBLIQUE = np.array([[0.1, 0.0, -4.9, 7.0], [-0.8, 0.05, 0.1, 3.0], [0.05, 1.3, 0.2, 2.0], [0, 0, 0, 1]])
LPS = np.diag([-0.7, -0.9, 3.0, 1.0])


@pytest.mark.parametrize("affine", [np.eye(4), LPS, OBLIQUE])
def test_volumes_agree_with_monai(affine):
    volume = np.random.default_rng(0).normal(size=(2, 4, 5, 6))
    orient = Orientation("PLS", labels=(("L", "R"), ("P", "A"), ("I", "S")))
    reference = orient(MetaTensor(torch.from_numpy(volume), affine=torch.from_numpy(affine)))
    np.testing.assert_array_equal(upright(volume, affine), reference.numpy())
    np.testing.assert_allclose(upright_spacing(affine), reference.pixdim.numpy(), atol=1e-9)


def test_rows_go_to_posterior_columns_to_the_left_slices_up():
    # In RAS the first voxel is at the right, posterior, inferior end: lower row, first column, first slice.
    volume = np.zeros((1, 4, 5, 6))
    volume[0, 0, 0, 0] = 1
    assert upright(volume, np.eye(4))[0, 4, 3, 0] == 1
    assert upright(volume, LPS)[0, 0, 0, 0] == 1


def test_a_picture_is_transposed():
    picture = np.zeros((3, 7, 4))  # width 7, height 4
    picture[:, 6, 0] = 1  # the upper right corner
    assert upright(picture, None).shape == (3, 4, 7)
    assert upright(picture, np.eye(4))[0, 0, 6] == 1
