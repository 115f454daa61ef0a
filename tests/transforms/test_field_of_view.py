from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import CacheDataset

from monai_samadapt.datasets.procedural import make_fundus
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.field_of_view import find_field_of_view
from monai_samadapt.transforms.pictures import PictureReader

SPEC = DataSpec("fundus", ["Vessel"], image_size=64)


def tensor(rgb: np.ndarray) -> torch.Tensor:
    """(H, W, 3) as the reader gives it: (3, W, H)."""
    return torch.from_numpy(rgb.transpose(2, 1, 0).astype(np.float32))


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def disc_on(border: float, inside: float, radius: float = 90, size: tuple[int, int] = (200, 240)) -> np.ndarray:
    """A photograph (H, W, 3) with an evenly lit round field of view."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    mask = np.hypot(rows - size[0] / 2, columns - size[1] / 2) < radius
    return np.where(mask[..., None], inside * np.array([1, 0.5, 0.2]), border)


@pytest.mark.parametrize("size", [(256, 288), (600, 500)])
def test_the_view_of_procedural_photographs_is_found(size):
    for seed in range(6):
        rgb, _, _, view = make_fundus(seed, size)
        assert overlap(find_field_of_view(tensor(rgb)).numpy().T, view > 0) > 0.98


def test_a_dark_photograph_has_the_view_of_a_bright_one():
    bright, dark = (find_field_of_view(tensor(disc_on(border, inside))) for border, inside in ((2, 220), (2, 30)))
    expected = disc_on(0, 1)[..., 0].T > 0
    assert overlap(bright.numpy(), expected) > 0.99 and overlap(dark.numpy(), expected) > 0.99


def test_a_shadow_at_the_edge_is_inside_and_a_mark_outside_is_not():
    rgb = disc_on(2, 200)
    rgb[90:110, 30:60] = 3  # a shadow from the edge inwards
    rgb[5:12, 5:40] = 255  # text in the corner
    found = find_field_of_view(tensor(rgb)).numpy().T
    assert overlap(found, disc_on(0, 1)[..., 0] > 0) > 0.98
    assert found[100, 45] and not found[8, 20]


@pytest.mark.parametrize("value", [0, 3, 250])
def test_a_photograph_without_a_dark_border_gives_the_whole_frame(value):
    assert find_field_of_view(torch.full((3, 50, 40), float(value))).all()
    rgb, _, _, _ = make_fundus(0, (400, 400))
    assert find_field_of_view(tensor(rgb[120:280, 120:280])).all()


def test_the_view_of_a_file_or_the_found_one_blackens_the_image(picture):
    rgb, label, _, view = make_fundus(1, (64, 72))
    rgb = np.maximum(rgb, 9)
    item = {"image": picture(rgb, "i.png"), "label": picture((label > 0) * np.uint8(255), "l.png")}
    black = torch.tensor([-2.117904, -2.035714, -1.804444])  # 0 after normalising
    given = np.zeros_like(view)
    given[10:50, 20:60] = 1
    for mask in (given, None):
        named = item if mask is None else item | {"mask": picture(given * np.uint8(255), "m.png")}
        out = DataSpec("fundus", ["Disc"], image_size=72).evaluation_transforms()(named)
        found = out["mask"].numpy()[0].T > 0
        if mask is not None:
            np.testing.assert_array_equal(found, given)
        image = out["image"].as_tensor()[:, :64]
        outside = torch.from_numpy(~found)
        torch.testing.assert_close(image[:, outside], black[:, None].expand(3, outside.sum()), atol=1e-5, rtol=0)
        expected = (torch.from_numpy(rgb[..., 1]).float() - 116.28) / 57.12
        torch.testing.assert_close(image[1][~outside], expected[~outside], atol=1e-4, rtol=0)


def test_training_inference_and_evaluation_see_the_same_image(picture):
    rgb, _, vessels, view = make_fundus(2, (64, 72))
    item = {"image": picture(rgb, "i.png"), "label": picture(vessels, "l.png"), "mask": picture(view, "m.png")}
    for named in (item, {key: item[key] for key in ("image", "label")}):
        seen = SPEC.inference_transforms()({key: value for key, value in named.items() if key != "label"})
        evaluated, trained = SPEC.evaluation_transforms()(named), SPEC.training_transforms(augment=False)(named)
        for other in (evaluated, trained):
            torch.testing.assert_close(seen["image"].as_tensor(), other["image"].as_tensor(), rtol=0, atol=0)
        assert torch.equal(seen["mask"].as_tensor(), evaluated["mask"].as_tensor())
        assert set(trained) == {"image", "label"}


def test_a_cache_holds_fitted_samples_without_the_view_and_random_changes_leave_it_as_it_is(picture):
    rgb, _, vessels, _ = make_fundus(2, (64, 72))
    item = {"image": picture(rgb, "i.png"), "label": picture(vessels, "l.png")}
    dataset = CacheDataset([item], SPEC.training_transforms(), copy_cache=False, progress=False)
    cached = dataset._cache[0]
    assert {key: value.shape for key, value in cached.items()} == {"image": (3, 57, 64), "label": (1, 57, 64)}
    before = {key: torch.as_tensor(value).clone() for key, value in cached.items()}
    for _ in range(12):
        dataset[0]
    for key, value in before.items():
        assert torch.equal(torch.as_tensor(dataset._cache[0][key]), value)


def test_an_empty_mask_is_refused_in_one_line(picture):
    rgb, _, vessels, _ = make_fundus(2, (64, 72))
    mask = picture(np.zeros((64, 72), np.uint8), "empty.png")
    with pytest.raises(SamAdaptError, match=r"mask='.*empty.png': is empty; "):
        SPEC.check_item({"image": picture(rgb, "i.png"), "label": picture(vessels, "l.png"), "mask": mask})


def test_the_view_of_real_photographs(sample_data: Path):
    """CHASE_DB1: a circle of 919 pixels (892 of subject 08); DRISHTI-GS: cut at top and bottom, dark photographs."""
    for stem, diameter in (("01L", 919), ("08R", 892), ("09R", 919)):
        view = find_field_of_view(
            PictureReader().image(str(sample_data / "chase_db1" / f"Image_{stem}.jpg")).as_tensor()
        )
        assert [int(view.any(axis).sum()) for axis in (0, 1)] == pytest.approx([diameter] * 2, abs=5)
        assert view.float().sum() == pytest.approx(np.pi / 4 * diameter**2, rel=0.01)
    for number in ("002", "018", "031", "044"):
        file = sample_data / "drishti_gs_1024" / "images" / f"training_drishtiGS_{number}.jpg"
        view = find_field_of_view(PictureReader().image(str(file)).as_tensor())
        assert 0.70 < view.float().mean() < 0.88 and view.any(0).all()  # every row; the corners are outside
        assert not view[[0, 0, -1, -1], [0, -1, 0, -1]].any()
