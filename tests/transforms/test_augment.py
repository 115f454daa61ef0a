from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.augment import RandSaturationd, picture_augmentation, sided, volume_augmentation


def test_saturation_keeps_grey_and_scales_the_distance_from_it():
    image = MetaTensor(torch.tensor([1.0, 0.5, 0.0]).reshape(3, 1, 1))
    grey = 0.299 + 0.587 * 0.5
    saturate = RandSaturationd(strength=0.5, prob=1.0).set_random_state(0)
    out = saturate({"image": image})["image"].flatten()
    factors = (out - grey) / (image.flatten() - grey)
    assert torch.allclose(factors, factors[:1].expand(3), atol=1e-5) and 0.5 <= factors[0] <= 1.5 and factors[0] != 1
    flat = MetaTensor(torch.full((3, 2, 2), 0.3))
    torch.testing.assert_close(saturate({"image": flat})["image"].as_tensor(), flat.as_tensor())


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["Left Lung"], True), (["lung_right"], True), (["LeftAtrium"], True), (["Bright spot", "Cleft"], False)],
)
def test_names_with_a_side(names, expected):
    assert sided(names) is expected
    flips = [step for step in picture_augmentation(64, names) if type(step).__name__ == "RandFlipd"]
    assert len(flips) == (1 if expected else 2) and flips[0].flipper.spatial_axis == 0


def test_image_and_label_move_together_and_stay_moderate():
    label = torch.zeros(1, 64, 64)
    label[:, 20:44, 16:40] = 1
    areas, shifts = [], []
    for steps in (volume_augmentation(64)[:1], picture_augmentation(64, ["A"])[:3]):
        for seed in range(20):
            item = {"image": MetaTensor(label.clone()), "label": MetaTensor(label.clone())}
            for number, step in enumerate(steps):
                item = step.set_random_state(seed + 100 * number)(item)
            image, moved = item["image"].as_tensor(), item["label"].as_tensor()
            assert set(moved.unique().tolist()) <= {0.0, 1.0}
            assert ((image > 0.5) != (moved > 0.5)).float().mean() < 0.01
            areas.append(float(moved.sum() / label.sum()))
            shifts.append(float((image - label).abs().max()))
    assert min(areas) > 0.75 and max(areas) < 1.3 and np.mean([shift > 0 for shift in shifts]) > 0.4


def test_augmented_samples_differ_plain_ones_do_not(picture):
    rng = np.random.default_rng(0)
    item = {
        "image": picture(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)),
        "label": picture(np.eye(24, 32, dtype=np.uint8), "l.png"),
    }
    spec = DataSpec("image2d", ["A"], image_size=32)
    plain, random = spec.training_transforms(augment=False), spec.training_transforms().set_random_state(1)
    same = [plain(item)["image"].as_tensor() for _ in range(2)]
    torch.testing.assert_close(same[0], same[1], rtol=0, atol=0)
    drawn = torch.stack([random(item)["image"].as_tensor() for _ in range(8)])
    assert len(torch.unique(drawn, dim=0)) >= 6
    assert (drawn[:, :, 24:] == 0).all()  # the padding stays 0
