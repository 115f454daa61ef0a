"""Prompts from source pixels to the network's, exactly; prompts drawn from the truth; wrong prompts in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Flipd, Rotate90d, SpatialCropd

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.pictures import PictureReader, Uprightd
from monai_samadapt.transforms.prompts import to_network

ROWS, COLUMNS, SIZE = 49, 63, 96
SPEC = DataSpec("image2d", ["Rim", "Cup"], image_size=SIZE)


def corners(points: list[list[float]]) -> list[list[float]]:
    """Where pixel centres of a 49 × 63 picture fall when its longer side becomes 96."""
    return [[(x + 0.5) * 96 / 63 - 0.5, (y + 0.5) * 75 / 49 - 0.5] for x, y in points]  # 49 · 96 / 63 = 74.7 → 75


@pytest.fixture
def item(picture: Callable[..., str]) -> dict[str, Any]:
    """Rim at the right, cup one pixel wide, in a picture with a field of view of the upper half."""
    label, mask = np.zeros((ROWS, COLUMNS), np.uint8), np.zeros((ROWS, COLUMNS), np.uint8)
    label[8:20, 40:60], label[5:35, 3], mask[:30] = 1, 2, 255
    pixels = np.random.default_rng(0).integers(1, 255, (ROWS, COLUMNS, 3), np.uint8)
    paths = {"image": picture(pixels, "a.png"), "label": picture(label, "label.png"), "mask": picture(mask, "mask.png")}
    return {**paths}


def test_points_and_boxes_of_a_file_arrive_exactly(item: dict[str, Any]) -> None:
    prompts = {"Cup": {"points": [[3, 5], [62, 48]], "point_labels": [1, 0], "box": [0, 5, 7, 34]}}
    done = SPEC.inference_transforms()({"image": item["image"], "prompts": prompts})
    assert done["image"].shape == (3, SIZE, SIZE) and "prompts" not in done and done["prompt_source"] == "file"
    expected = torch.tensor(corners([[3, 5], [62, 48], [0, 5], [7, 34]]))
    torch.testing.assert_close(done["points"][1], expected, atol=1e-4, rtol=0)
    assert done["point_labels"].tolist() == [[-1] * 4, [1, 0, 2, 3]] and not done["points"][0].any()
    assert done["points"].dtype == torch.float32 and done["point_labels"].dtype == torch.int64


def test_a_marked_pixel_is_found_where_its_point_goes(picture: Callable[..., str]) -> None:
    """Independent of any affine: the brightest pixel of the network's image."""
    pixels = np.zeros((ROWS, COLUMNS), np.uint8)
    pixels[11, 47] = 255
    data = {"image": picture(pixels), "prompts": {"Rim": {"points": [[47, 11]], "point_labels": [1]}}}
    done = DataSpec("image2d", ["Rim"], image_size=5 * COLUMNS).inference_transforms()(data)
    row, column = np.unravel_index(int(done["image"][0].argmax()), done["image"].shape[1:])
    assert done["points"][0, 0].tolist() == pytest.approx([column, row], abs=1e-3)


TURNS = [
    Flipd("image", spatial_axis=0),
    Flipd("image", spatial_axis=1),
    Rotate90d("image", k=1),
    SpatialCropd("image", roi_start=(9, 12), roi_end=(45, 60)),
    Compose(
        [
            Rotate90d("image", k=3),
            Flipd("image", spatial_axis=0),
            SpatialCropd("image", roi_start=(4, 3), roi_end=(48, 48)),
        ]
    ),
    CropForegroundd("image", source_key="image", allow_smaller=True),
]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("upright_first", [True, False])
def test_points_follow_flips_turns_and_crops(picture: Callable[..., str], turn: Any, upright_first: bool) -> None:
    pixels = np.zeros((ROWS, COLUMNS), np.uint8)
    pixels[21, 17] = 200
    image = PictureReader().image(picture(pixels))
    steps = [Uprightd(["image"]), turn] if upright_first else [turn, Uprightd(["image"])]
    done = Compose(steps)({"image": image})["image"]
    row, column = np.unravel_index(int(done[0].argmax()), done.shape[1:])
    assert done[0, row, column] == 200
    points, labels = to_network(torch.tensor([[[17.0, 21.0]]]), torch.tensor([[1]]), done)
    assert points[0, 0].tolist() == pytest.approx([column, row], abs=1e-4) and labels.tolist() == [[1]]


def test_what_is_cut_off_is_no_point_and_a_box_ends_at_the_border(picture: Callable[..., str]) -> None:
    image = PictureReader().image(picture(np.zeros((ROWS, COLUMNS), np.uint8)))
    crop = SpatialCropd("image", roi_start=(10, 8), roi_end=(30, 20))
    done = Compose([crop, Uprightd(["image"])])({"image": image})["image"]
    given = torch.tensor([[[12.0, 9.0], [9.0, 9.0], [5.0, 9.0], [62.0, 18.0]]])
    points, labels = to_network(given, torch.tensor([[1, 0, 2, 3]]), done)
    assert labels.tolist() == [[1, -1, 2, 3]]
    assert points.tolist() == [[[2, 1], [0, 0], [0, 1], [19, 10]]]


def test_uprighting_can_be_undone() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.arange(12.0).reshape(1, 3, 4), affine=affine)
    step = Uprightd(["image"])
    done = step({"image": image})
    assert done["image"].shape == (1, 4, 3) and done["image"].affine[:2, :2].tolist() == [[0, 2], [3, 0]]
    back = step.inverse(done)["image"]
    assert torch.equal(back.as_tensor(), image.as_tensor()) and torch.equal(back.affine, affine)


def draw(item: Mapping[str, Any], mode: str, seed: int = 0) -> dict[str, Any]:
    result: dict[str, Any] = SPEC.evaluation_transforms(seed)({**item, "prompt_mode": mode})
    return result


def source_of(points: torch.Tensor) -> torch.Tensor:
    """The inverse of `corners`."""
    return (points + 0.5) * torch.tensor([63 / 96, 49 / 75]) - 0.5


def test_drawn_points_lie_on_their_label_in_the_source(item: dict[str, Any]) -> None:
    done = draw(item, "5_points_1_negative")
    assert done["prompt_source"] == "5_points_1_negative (ground truth)"
    assert done["point_labels"].tolist() == [[1] * 5 + [0]] * 2
    pixels = source_of(done["points"])
    assert torch.allclose(pixels, pixels.round(), atol=1e-4)
    label = done["label"][0].as_tensor()  # (W, H)
    x, y = pixels.round().long().unbind(-1)
    assert (label[x[0, :5], y[0, :5]] == 1).all() and (label[x[1, :5], y[1, :5]] == 2).all()
    assert label[x[0, 5], y[0, 5]] != 1 and label[x[1, 5], y[1, 5]] != 2


def test_negative_points_lie_in_the_field_of_view(item: dict[str, Any]) -> None:
    rows = [source_of(draw(item, "5_points_1_negative", seed)["points"])[:, 5, 1].max() for seed in range(30)]
    assert 20 < max(rows) < 29.5


def test_a_box_holds_the_label(item: dict[str, Any]) -> None:
    done = draw(item, "box")
    expected = torch.tensor([corners([[40, 8], [59, 19]]), corners([[3, 5], [3, 34]])])
    torch.testing.assert_close(done["points"], expected, atol=1e-4, rtol=0)


def test_draws_depend_on_seed_name_and_mode_alone(item: dict[str, Any], picture: Callable[..., str]) -> None:
    first = draw(item, "5_points")["points"]
    draw(item, "2_points")
    torch.manual_seed(7)
    assert torch.equal(first, draw(item, "5_points")["points"])
    assert not torch.equal(first, draw(item, "5_points", seed=1)["points"])
    pixels = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    elsewhere, other = picture(pixels, "folder/a.png"), picture(pixels, "b.png")
    assert torch.equal(first, draw({**item, "image": elsewhere}, "5_points")["points"])
    assert not torch.equal(first, draw({**item, "image": other}, "5_points")["points"])
    assert not torch.equal(first[:, :2], draw(item, "2_points")["points"])


def test_evaluation_takes_file_prompts_only_when_asked(item: dict[str, Any]) -> None:
    given = {**item, "prompts": {"Rim": {"points": [[45, 10]], "point_labels": [1]}}}
    for data in (given, {**given, "prompt_mode": "none"}):
        done = SPEC.evaluation_transforms()(data)
        assert not {"points", "point_labels", "prompt_source", "prompts", "prompt_mode"} & set(done)
    done = draw(given, "file")
    torch.testing.assert_close(done["points"][0, 0], torch.tensor(corners([[45, 10]])[0]), atol=1e-4, rtol=0)
    with pytest.raises(SamAdaptError, match=r"a\.png.*has none"):
        draw(item, "file")


POINT = {"points": [[5, 5]], "point_labels": [1]}
WRONG = [
    ({"Rim": {"points": [[63, 5]], "point_labels": [1]}}, r"point \(63, 5\) of 'Rim' lies outside its 63 x 49 pixels"),
    ({"Rim": {"points": [[5, -0.6]], "point_labels": [1]}}, "lies outside"),
    ({"Rim": {"box": [5, 5, 20, 60]}}, "lies outside"),
    ({"Rim": {"box": [5, 5, 5, 20]}}, r"box \[5, 5, 5, 20\] of 'Rim' has no area"),
    ({"Rim": {"box": [9, 5, 8, 20]}}, "has no area"),
    ({"Rim": {"box": [1, 2, 3]}}, "has no area"),
    ({"Rim": {"points": [[5, 5]]}}, r"'Rim' has 1 points and point_labels \[\]"),
    ({"Rim": {"points": [[5, 5]], "point_labels": [1, 0]}}, "has 1 points"),
    ({"Rim": {"points": [[5, 5]], "point_labels": [2]}}, "has 1 points"),
    ({"Rim": {"points": [5, 5], "point_labels": [1, 1]}}, r"are no list of \[x, y\]"),
    ({"Rim": {"points": [[5, float("nan")]], "point_labels": [1]}}, r"are no list of \[x, y\]"),
    ({"Disc": POINT}, r"name 'Disc'; give labels of \['Rim', 'Cup'\]"),
    ({"Rim": {**POINT, "boxes": [[1, 1, 5, 5]]}}, "have an entry 'boxes'"),
    ({"Rim": [[5, 5]]}, "are not listed by label"),
    ([POINT], "are not listed by label"),
]


@pytest.mark.parametrize(("prompts", "problem"), WRONG)
def test_wrong_prompts_are_refused_in_one_line_that_names_the_file(
    item: dict[str, Any], prompts: Any, problem: str
) -> None:
    given = {"image": item["image"], "prompts": prompts}
    for take in (SPEC.inference_transforms(), SPEC.check_item):
        with pytest.raises(SamAdaptError, match=problem) as caught:
            take(dict(given))
        assert item["image"] in str(caught.value) and "\n" not in str(caught.value)
