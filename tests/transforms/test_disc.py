from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from monai_samadapt.datasets.procedural import make_fundus
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.disc import find_disc, window
from monai_samadapt.transforms.field_of_view import find_field_of_view
from monai_samadapt.transforms.pictures import PictureReader

NOISE = np.random.default_rng(0).integers(10, 256, (40, 60, 3), dtype=np.uint8)  # 40 rows, 60 columns


def disc_error(image: torch.Tensor, disc: np.ndarray) -> float:
    """Distance of the found disc from the true centre, in radii of the disc; ``disc`` is (H, W)."""
    rows, columns = np.nonzero(disc)
    x, y = find_disc(image, find_field_of_view(image))
    return float(np.hypot(x - columns.mean() - 0.5, y - rows.mean() - 0.5) / np.sqrt(disc.sum() / np.pi))


def test_the_disc_of_procedural_photographs_is_found():
    for seed in range(10):
        rgb, label, _, _ = make_fundus(seed)
        assert disc_error(torch.from_numpy(rgb.transpose(2, 1, 0).astype(np.float32)), label > 0) < 0.9


def test_a_disc_is_found_beside_brighter_background():
    """Light grows to the right by more than the disc is brighter than its surroundings."""
    rows, columns = np.mgrid[:200, :200].astype(np.float32)
    grey = 60 + 0.5 * columns + 25 * (np.hypot(rows - 80, columns - 60) < 14)
    inside = np.hypot(rows - 100, columns - 100) < 95
    x, y = find_disc(torch.from_numpy((grey * inside).T.copy()).expand(3, -1, -1), torch.from_numpy(inside.T.copy()))
    assert np.hypot(x - 60.5, y - 80.5) < 3


def test_the_disc_of_real_photographs_is_found(sample_data: Path):
    reader = PictureReader()
    for image in sorted((sample_data / "drishti_gs_1024" / "images").iterdir())[::3]:
        label = reader.label(str(image.parents[1] / "labels" / f"{image.stem}.png"))
        assert disc_error(reader.image(str(image)).as_tensor(), label.numpy()[0].T > 0) < 0.6, image.name


@pytest.mark.parametrize(
    ("centre", "side", "expected"),
    [
        ((30.0, 20.0), 10, (slice(25, 35), slice(15, 25))),
        ((1.0, 39.0), 10, (slice(0, 10), slice(30, 40))),  # moved inside
        ((30.0, 20.0), 50, (slice(5, 55), slice(0, 40))),  # cut at the rows there are
        ((30.4, 20.6), 11, (slice(25, 36), slice(15, 26))),
    ],
)
def test_window_around_a_point(centre, side, expected):
    assert window(centre, side, (60, 40)) == expected


def item_of(picture, **more) -> dict:
    """A photograph of noise whose whole frame is in view, with a label of noise."""
    full = picture(np.full((40, 60), 255, np.uint8), "m.png")
    label = (NOISE[..., 0] > 128).astype(np.uint8)
    return {"image": picture(NOISE, "i.png"), "label": picture(label, "l.png"), "mask": full} | more


@pytest.mark.parametrize("crop", [20, 1 / 3])  # a third of the 60 columns in view
def test_the_crop_is_the_window_and_its_inverse_puts_it_back_pixel_by_pixel(picture, crop):
    spec = DataSpec("fundus", ["A"], image_size=20, crop=crop)
    item = item_of(picture, centre=[41, 12])
    rows, columns = slice(2, 22), slice(31, 51)
    trained = spec.training_transforms(augment=False)(item)
    expected = (torch.from_numpy(NOISE[rows, columns]).permute(2, 0, 1).float() - 116.28) / 57.12
    torch.testing.assert_close(trained["image"][1].as_tensor(), expected[1], atol=1e-5, rtol=0)
    np.testing.assert_array_equal(trained["label"][0], NOISE[rows, columns, 0] > 128)

    transforms = spec.evaluation_transforms()
    out = transforms(item)
    assert out["label"].shape == (1, 60, 40)  # the ground truth stays on the source grid
    place = out["image"].affine.numpy()[:2] @ [3, 5, 0, 1]  # row 3, column 5 of the crop, as x and y of the source
    np.testing.assert_allclose(place, [5 + 31, 3 + 2])
    out["pred"] = torch.stack([torch.zeros(20, 20), trained["label"][0] * 6.0 - 3.0])
    restored = spec.postprocessing(transforms, probabilities=True)(out)
    truth = np.zeros((40, 60))
    truth[rows, columns] = NOISE[rows, columns, 0] > 128
    np.testing.assert_array_equal(restored["pred"].numpy()[0].T, truth)
    prob = restored["prob"].numpy()[0].T
    np.testing.assert_allclose(prob[rows, columns], np.where(truth[rows, columns], 0.952574, 0.047426), atol=1e-5)
    assert np.count_nonzero(prob) == 20 * 20  # 0 around the crop
    assert restored["fov"].numpy().all()  # what lies outside the crop still counts in the metrics


def test_the_crop_follows_the_image_and_never_the_label(picture):
    rgb, label, _, view = make_fundus(3, (120, 130))
    spec = DataSpec("fundus", {"Disc": [1, 2]}, image_size=48, crop=48)
    image, mask = picture(rgb, "i.png"), picture(view, "m.png")
    elsewhere = np.zeros_like(label)
    elsewhere[:9, :9] = 1
    seen = []
    for name, values in (("a.png", label), ("b.png", elsewhere)):
        item = {"image": image, "label": picture(values, name), "mask": mask}
        seen.append(spec.training_transforms(augment=False)(item))
    torch.testing.assert_close(seen[0]["image"].as_tensor(), seen[1]["image"].as_tensor(), rtol=0, atol=0)
    assert seen[0]["label"].sum() == (label > 0).sum() and seen[1]["label"].sum() == 0


def test_a_crop_larger_than_the_picture_is_the_picture(picture):
    item = item_of(picture, centre=[0, 0])
    whole = DataSpec("fundus", ["A"], image_size=60).inference_transforms()(item)["image"]
    large = DataSpec("fundus", ["A"], image_size=60, crop=999).inference_transforms()(item)["image"]
    torch.testing.assert_close(large.as_tensor(), whole.as_tensor(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("centre", "problem"),
    [
        ("disc", "is no point"),
        ([1, 2, 3], "is no point"),
        (["a", 2], "is no point"),
        ([61, 5], "lies outside .*i.png of 60 by 40"),
        ([5, -1], "lies outside"),
        ([float("nan"), 5], "lies outside"),
    ],
)
def test_a_centre_that_is_no_point_of_the_image_is_refused_before_a_run(picture, centre, problem):
    with pytest.raises(SamAdaptError, match=f"centre=.*{problem}"):
        DataSpec("fundus", ["A"], image_size=20, crop=20).check_item(item_of(picture, centre=centre))
