from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor

from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.normalise import NormaliseForSAMd, neighbours_of

# (0 - 123.675) / 58.395 and (255 - 123.675) / 58.395, and so on
BLACK = torch.tensor([-2.117904, -2.035714, -1.804444])
WHITE = torch.tensor([2.248908, 2.428571, 2.640000])


def test_sam_statistics():
    image = MetaTensor(torch.tensor([0.0, 1.0]).expand(1, 1, 2))
    out = NormaliseForSAMd()({"image": image})["image"]
    torch.testing.assert_close(out[:, 0, 0].as_tensor(), BLACK, atol=1e-5, rtol=0)
    torch.testing.assert_close(out[:, 0, 1].as_tensor(), WHITE, atol=1e-5, rtol=0)
    rgb = MetaTensor(torch.tensor([123.675, 116.28, 103.53]).reshape(3, 1, 1) / 255)
    assert NormaliseForSAMd()({"image": rgb})["image"].abs().max() < 1e-6


def test_neighbours_repeat_at_the_ends():
    volume = torch.arange(4.0).expand(1, 2, 2, 4)
    channels = neighbours_of(volume, torch.arange(4))[:, 0, 0]
    assert channels.tolist() == [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 3]]


def test_window_padding_and_neighbours_of_a_volume(nifti):
    hu = np.array([-2000, -160, 40, 240, 3000], np.int16)
    array = np.zeros((4, 2, 5), np.int16) + hu  # 4 columns, 2 rows, 5 slices
    path = nifti(array)
    for neighbours in (False, True):
        spec = DataSpec("ct", ["A"], image_size=4, window=[-160, 240], neighbours=neighbours)
        image = spec.inference_transforms()({"image": path})["image"].as_tensor()
        assert image.shape == (3, 4, 4, 5)
        assert (image[:, 2:] == 0).all() and (image[:, :2] != 0).all()
        level = (image[:, 0, 0] - BLACK[:, None]) / (WHITE - BLACK)[:, None]
        same = [[0, 0, 0.5, 1, 1]] * 3
        expected = [[0, 0, 0, 0.5, 1], [0, 0, 0.5, 1, 1], [0, 0.5, 1, 1, 1]] if neighbours else same
        torch.testing.assert_close(level, torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_small_wide_picture_fills_the_width_and_keeps_its_asymmetry(picture):
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[:10, 40:] = (255, 0, 0)  # red at the upper right
    image = DataSpec("image2d", ["A"], image_size=100).inference_transforms()({"image": picture(pixels)})["image"]
    assert image.shape == (3, 100, 100)
    assert (image[:, 60:] == 0).all()  # 50 × 30 becomes 100 × 60
    red = image[0, :60] > 0
    assert red[:20, 80:].all() and red.sum() == 20 * 20
    torch.testing.assert_close(image[:, 5, 95].as_tensor(), torch.stack([WHITE[0], *BLACK[1:]]), atol=1e-5, rtol=0)
