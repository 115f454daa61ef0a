"""Prompts of oblique and turned volumes lie on what they mark, whether drawn or given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_samadapt.datasets.procedural import make_ct
from monai_samadapt.datasets.procedural.files import write_ct
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec

SHAPE, SPACING, SIZE = (44, 36, 10), (5.5, 5.5, 9.0), 44
SPEC = DataSpec("ct", ["Liver", "Spleen"], image_size=SIZE, window=(-160, 240))
"""The longer side stays what it is: a voxel of the source is a pixel of the input."""


@pytest.fixture(params=["RAS", "LPS", "SAL"])
def item(request: Any, tmp_path: Path) -> dict[str, Any]:
    """An oblique volume of air; liver on three slices and spleen on two, as bright as 200 and 100 HU."""
    _, _, affine = make_ct(3, SHAPE, SPACING, axcodes=request.param, oblique_degrees=17.0)
    upright = np.full(SHAPE, -1000, np.int16)  # along R, A, S
    upright[5:19, 8:17, 4:7], upright[7, 8, 5] = 200, -1000
    upright[30:41, 20:34, 6:8] = 100
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(request.param)
    )
    hu = nib.orientations.apply_orientation(upright, turn)
    label = (hu == 200) + 2 * (hu == 100)
    write_ct(tmp_path / "a.nii.gz", hu, affine)
    write_ct(tmp_path / "label.nii.gz", label.astype(np.uint8), affine)
    return {"image": str(tmp_path / "a.nii.gz"), "label": str(tmp_path / "label.nii.gz")}


def seen(done: dict[Any, Any]) -> torch.Tensor:
    """What the network sees at each voxel: 0 background, 1 liver, 2 spleen, as (S, S, D)."""
    level = done["image"].as_tensor()[0]
    return torch.where(level > 1.3, 1, torch.where(level > 0.4, 2, 0)) * (level != 0)


@pytest.mark.parametrize("mode", ["1_point", "5_points_1_negative", "box", "points_box"])
def test_drawn_prompts_lie_on_their_label_and_only_on_its_slices(item: dict[str, Any], mode: str) -> None:
    done = SPEC.evaluation_transforms(seed=1)({**item, "prompt_mode": mode})
    classes, points, labels = seen(done), done["points"], done["point_labels"]
    depth = classes.shape[-1]
    assert points.shape[:2] == (2, depth) and labels.shape == points.shape[:-1]
    shown = torch.stack([(classes == label).flatten(0, 1).any(0) for label in (1, 2)])
    assert shown.sum(1).tolist() == [3, 2] and torch.equal((labels >= 0).any(-1), shown)
    expected = {"1_point": 1, "5_points_1_negative": 6, "box": 2, "points_box": 7}[mode]
    assert ((labels >= 0).sum(-1)[shown] == expected).all()
    for index, number in shown.nonzero().tolist():
        mask = classes[..., number] == index + 1
        for (column, row), label in zip(points[index, number].tolist(), labels[index, number].tolist(), strict=True):
            if label in (0, 1):
                assert column == round(column) and row == round(row) and mask[int(row), int(column)] == label
        corners = points[index, number][labels[index, number] >= 2]
        if len(corners):
            rows, columns = mask.nonzero(as_tuple=True)
            tight = [[columns.min(), rows.min()], [columns.max(), rows.max()]]
            assert corners.tolist() == [[float(value) for value in corner] for corner in tight]


def voxels(path: str, value: int) -> Any:
    """Voxels of the source (N, 3) with a value."""
    return np.argwhere(np.asarray(nib.load(path).dataobj) == value)  # type: ignore[attr-defined]


def test_a_box_and_points_of_a_file_lie_on_the_slices_they_reach(item: dict[str, Any]) -> None:
    liver, spleen = (voxels(item["label"], value) for value in (1, 2))
    box = [int(value) for value in (*liver.min(0), *liver.max(0))]
    point = [int(value) for value in spleen[3]]
    prompts = {"Liver": {"box": box}, "Spleen": {"points": [point], "point_labels": [1]}}
    done = SPEC.inference_transforms()({"image": item["image"], "prompts": prompts})
    classes, labels = seen(done), done["point_labels"]
    assert (labels[0] >= 0).sum(-1).tolist() == [2 if (classes[..., z] == 1).any() else 0 for z in range(10)]
    rows, columns, slices = (classes == 1).nonzero(as_tuple=True)
    corners = [[float(columns.min()), float(rows.min())], [float(columns.max()), float(rows.max())]]
    for number in slices.unique().tolist():
        assert done["points"][0, number].tolist() == corners and labels[0, number].tolist() == [2, 3]
    ((number, _),) = (labels[1] == 1).nonzero().tolist()
    column, row = done["points"][1, number, 0].tolist()
    assert classes[int(row), int(column), number] == 2 and done["prompt_source"] == "file"


def test_a_slice_with_negative_points_alone_is_asked_nothing(item: dict[str, Any]) -> None:
    point = [int(value) for value in voxels(item["label"], 2)[0]]
    prompts = {"Spleen": {"points": [point, [0, 0, 0]], "point_labels": [1, 0]}}
    labels = SPEC.inference_transforms()({"image": item["image"], "prompts": prompts})["point_labels"]
    assert (labels[1] >= 0).any(-1).sum() == 1 and (labels[0] < 0).all()


def test_negative_points_lie_in_the_field_of_view(item: dict[str, Any], tmp_path: Path) -> None:
    source: Any = nib.load(item["label"])
    body = np.asarray(source.dataobj) > 0
    view = np.logical_or.reduce([np.roll(body, step, axis) for axis in range(3) for step in (-1, 0, 1)])
    nib.save(nib.Nifti1Image(view.astype(np.uint8), source.affine), tmp_path / "mask.nii.gz")
    given = {**item, "mask": str(tmp_path / "mask.nii.gz"), "prompt_mode": "5_points_1_negative"}
    done = SPEC.evaluation_transforms(seed=1)(given)
    seen_of = DataSpec("ct", ["A"], image_size=SIZE, window=(0, 1)).inference_transforms()
    inside = seen_of({"image": str(tmp_path / "mask.nii.gz")})["image"].as_tensor()[0] > 0
    marked = (done["point_labels"] == 0).nonzero().tolist()
    assert len(marked) == 5
    for label, number, place in marked:
        column, row = done["points"][label, number, place].tolist()
        assert inside[int(row), int(column), number]


def test_points_and_boxes_at_the_border_are_on_the_last_slices(item: dict[str, Any]) -> None:
    size = nib.load(item["image"]).shape  # type: ignore[attr-defined]
    low, high = [-0.5] * 3, [side - 0.5 for side in size]
    prompts = {"Liver": {"box": [*low, *high]}, "Spleen": {"points": [low, high], "point_labels": [1, 1]}}
    SPEC.check_item({"image": item["image"], "prompts": prompts})
    labels = SPEC.inference_transforms()({"image": item["image"], "prompts": prompts})["point_labels"]
    assert (labels[0, :, 0] == 2).all()
    assert (labels[1] == 1).any(-1).nonzero().flatten().tolist() == [0, 9]


def test_they_follow_a_resampled_plane(item: dict[str, Any]) -> None:
    """At twice the size the centre of pixel x goes to 2 x + .5."""
    spec = DataSpec("ct", ["Liver", "Spleen"], image_size=2 * SIZE, window=(-160, 240))
    done, once = (data.evaluation_transforms(seed=1)({**item, "prompt_mode": "points_box"}) for data in (spec, SPEC))
    assert torch.equal(done["point_labels"], once["point_labels"])
    used = once["point_labels"] >= 0
    torch.testing.assert_close(done["points"][used], 2 * once["points"][used] + 0.5, atol=1e-3, rtol=0)


WRONG = [
    ({"Liver": {"points": [[5, 5, 5]], "point_labels": [0]}}, "'Liver' has background points alone"),
    ({"Liver": {"box": [[1, 1, 1, 5, 5, 5], [2, 2, 2, 6, 6, 6]]}}, "has two boxes of one label on a slice"),
    ([1], r"are not listed by label; give e.g. \{\"Liver\""),
    ({"Liver": {"points": [[5, 5]], "point_labels": [1]}}, r"are no list of \[x, y, z\]; give e.g. \{\"Liver\""),
    ({"Liver": {"points": [[5, 5, 900]], "point_labels": [1]}}, r"point \(5, 5, 900\) of 'Liver' lies outside its"),
    ({"Liver": {"box": [1, 1, 5, 5]}}, r"has no area; give \[x0, y0, z0, x1, y1, z1\]"),
    ({"Liver": {"box": [1, 1, 5, 3, 3, 2]}}, "has no area"),
    ({"Liver": {"box": [[1, 1, 2, 5, 5, 4], [4, 1, 2, 2, 5, 4]]}}, r"box \[4, 1, 2, 2, 5, 4\] of 'Liver' has no area"),
]


@pytest.mark.parametrize(("prompts", "problem"), WRONG)
def test_wrong_prompts_end_in_one_line_before_the_run(item: dict[str, Any], prompts: Any, problem: str) -> None:
    for take in (SPEC.inference_transforms(), SPEC.check_item):
        with pytest.raises(SamAdaptError, match=problem) as caught:
            take({"image": item["image"], "prompts": prompts})
        assert item["image"] in str(caught.value) and "\n" not in str(caught.value)
