from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_samadapt.datasets.procedural import make_fundus
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.fundus_augment import RandPhotographd, RandViewd, fundus_augmentation


def sample(size: int = 64) -> dict:
    label = torch.zeros(1, size, size, dtype=torch.uint8)
    label[:, size // 4 : size // 2, size // 3 - 1 : size // 2] = 3
    return {"image": MetaTensor(label.float().expand(3, -1, -1) / 3), "label": label}


def test_image_and_label_move_as_one():
    moved = 0
    for seed in range(30):
        item = sample()
        for number, step in enumerate(fundus_augmentation(["Disc"])[:3]):
            item = step.set_random_state(seed + 100 * number)(item)
        image, label = item["image"].as_tensor(), torch.as_tensor(item["label"])
        assert set(label.unique().tolist()) == {0, 3} and label.dtype == torch.uint8
        assert ((image[:1] > 0.5) != (label > 0)).float().mean() < 0.003
        moved += not torch.equal(label, sample()["label"])
    assert moved > 20


class Fixed:
    """Stands in for numpy's RandomState: the next draws are those given."""

    def __init__(self, *draws: object) -> None:
        self.draws = list(draws)

    def rand(self) -> float:
        return 0.0

    def uniform(self, low: float, high: float, size: object = None) -> object:
        return self.draws.pop(0)


STILL = (1.0, 1.0, np.zeros(2), 0.0, np.zeros((4, 2)))  # window, scale, its middle, angle, perspective


def view(*draws: object) -> dict:
    step = RandViewd(prob=1.0)
    step.R = Fixed(*draws)
    return step(sample())


def test_no_movement_leaves_every_pixel():
    out = view(*STILL)
    torch.testing.assert_close(out["image"].as_tensor(), sample()["image"].as_tensor(), atol=1e-5, rtol=0)
    assert torch.equal(out["label"], sample()["label"])


def test_scale_window_and_rotation_go_where_they_should():
    shrunk = view(1.0, 0.5, *STILL[2:])["label"]  # the box of rows 16-32, columns 20-32 about the middle 32
    assert torch.nonzero(shrunk[0]).aminmax(dim=0).min.tolist() == [24, 26]
    assert torch.nonzero(shrunk[0]).aminmax(dim=0).max.tolist() == [31, 31]
    window = view(0.5, 1.0, np.array([-0.25, -0.25]), *STILL[3:])  # middle = -0.25 × 0.5 × 64 = -8: around 24
    assert torch.nonzero(window["label"][0]).aminmax(dim=0).min.tolist() == [16, 24]
    assert torch.nonzero(window["label"][0]).aminmax(dim=0).max.tolist() == [47, 47]
    turned = view(1.0, 1.0, np.zeros(2), 90.0, np.zeros((4, 2)))["label"]  # x to y: clockwise on the screen
    assert torch.equal(turned[0], sample()["label"][0].rot90(-1))


def test_perspective_moves_each_corner_inwards():
    step = RandViewd(prob=1.0)
    step.R = Fixed(*STILL[:4], np.full((4, 2), 0.05))
    start, end = step.corners(np.array([100.0, 60.0]))
    assert start.tolist() == [[0, 0], [100, 0], [100, 60], [0, 60]]
    np.testing.assert_allclose(end, [[5, 3], [95, 3], [95, 57], [5, 57]])


def test_a_retina_is_never_shrunk_below_seven_tenths():
    areas = []
    for seed in range(200):
        step = RandViewd(prob=1.0).set_random_state(seed)
        (x, y), back = step.corners(np.array([1.0, 1.0]))[1].T, np.array([1, 2, 3, 0])
        areas.append(float((x * y[back] - y * x[back]).sum() / 2))  # Gauss's area formula
    assert 0.9**2 * 0.8**2 <= min(areas) < 0.7 and 1.2 < max(areas) <= 1 / 0.8**2


def test_a_photograph_changes_in_brightness_and_hue_as_much_as_said():
    colour = (0.6, 0.3, 0.1)
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    image = torch.tensor(colour)[:, None, None].expand(3, 9, 12).clone()
    image[:, :, 8:] = 0
    found = []
    for seed in range(40):
        step = RandPhotographd(prob=1.0).set_random_state(seed)
        out = step({"image": MetaTensor(image.clone())})["image"].as_tensor()
        assert (out[:, :, 9:] == 0).all()  # one pixel of blur
        found.append(colorsys.rgb_to_hsv(*out[:, 4, 4].tolist()))
    hues, saturations, values = np.array(found).T
    assert np.abs(hues - hue).max() <= 0.0201 and np.ptp(hues) > 0.03
    assert np.abs(values / value - 1).max() <= 0.1001 and np.ptp(values / value) > 0.15
    np.testing.assert_allclose(saturations, saturation, atol=1e-4)


def test_edges_are_blurred_by_one_pixel_and_half_of_them_sharpened():
    image = torch.zeros(3, 9, 12)
    image[:, :, 6:] = 0.5
    dark, bright = [], []
    for seed in range(40):
        step = RandPhotographd(prob=1.0).set_random_state(seed)
        row = step({"image": MetaTensor(image.clone())})["image"].as_tensor()[0, 4]
        dark.append(float(row[5] / row[9]))
        bright.append(float(row[6] / row[9]))
    most = np.exp(-0.5 / 0.4**2)  # the neighbour's weight, relative to the middle's
    assert 0.02 < max(dark) <= most / (1 + 2 * most) and min(dark) >= 0
    assert 12 <= sum(value > 1.01 for value in bright) <= 28 and max(bright) < 1.1


def test_the_same_seed_gives_the_same_samples_whatever_was_drawn_before(picture):
    rgb, label, _, view = make_fundus(0, (64, 72))
    item = {"image": picture(rgb, "i.png"), "label": picture(label, "l.png"), "mask": picture(view, "m.png")}
    spec = DataSpec("fundus", {"Disc": [1, 2], "Cup": 2}, image_size=64, nested=True)
    transforms = spec.training_transforms()
    runs = []
    for seed, before in ((4, 0), (4, 3), (5, 0)):
        for _ in range(before):
            transforms(item)
        transforms.set_random_state(seed)
        runs.append([transforms(item) for _ in range(6)])
    for first, second in zip(runs[0], runs[1], strict=True):
        torch.testing.assert_close(first["image"].as_tensor(), second["image"].as_tensor(), rtol=0, atol=0)
        assert torch.equal(first["label"], second["label"])
    assert not torch.equal(*(torch.stack([one["image"].as_tensor() for one in runs[index]]) for index in (0, 2)))
    plain = spec.training_transforms(augment=False)(item)["label"]
    assert sum(not torch.equal(sample["label"], plain) for sample in runs[0]) >= 3
    for drawn in runs[0] + runs[2]:
        assert drawn["label"].shape == (2, 64, 64)
        assert ((drawn["label"][1] > 0) <= (drawn["label"][0] > 0)).all()  # the cup stays in its disc
        assert (drawn["image"][:, 57:] == 0).all()  # 64 / 72 of 64 rows; the padding stays 0


@pytest.mark.parametrize(("names", "axes"), [(["Vessel"], [0, 1]), (["Left disc"], [0])])
def test_no_flip_to_the_side_where_a_label_has_one(names, axes):
    steps = fundus_augmentation(names)
    assert [step.flipper.spatial_axis for step in steps[:-2]] == axes
    assert [step.prob for step in steps] == [0.5] * len(steps)
