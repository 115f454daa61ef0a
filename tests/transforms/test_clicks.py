"""Clicks in voxels of the source reach the same place of the network's input, whatever the source's axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt.datasets.procedural import make_ct
from monai_samadapt.datasets.procedural.files import write_ct
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.clicks import CLICKS

SHAPE, SPACING = (44, 36, 10), (5.5, 7.0, 9.0)
VOXEL = (31, 12, 6)
CT = DataSpec("ct", ["Liver", "Spleen"], image_size=88, window=(-160, 240))


@pytest.fixture(params=["RAS", "LPS", "SAL"])
def volume(request: Any, tmp_path: Path) -> Any:
    """An oblique, anisotropic volume of air with one bright block around ``VOXEL``: its path."""
    _, _, affine = make_ct(3, SHAPE, SPACING, axcodes=request.param, oblique_degrees=17.0)
    shape = make_ct(3, SHAPE, SPACING, axcodes=request.param)[0].shape
    hu = np.full(shape, -1000, np.int16)
    place = tuple(min(index, side - 4) for index, side in zip(VOXEL, shape, strict=True))
    hu[tuple(slice(index - 1, index + 2) for index in place)] = 1000
    write_ct(tmp_path / "a.nii.gz", hu, affine)
    return tmp_path / "a.nii.gz", place, shape


def clicks_of(path: Path, spec: DataSpec = CT, **request: Any) -> tuple[Any, Any]:
    item = spec.inference_transforms()({"image": str(path), "image_path": str(path), **request})
    return item["image"], item["image"].meta[CLICKS]


def test_a_click_lies_on_what_was_clicked(volume: Any) -> None:
    path, place, _ = volume
    image, clicks = clicks_of(path, label="spleen", foreground=[list(place)])
    assert clicks.label == 1 and len(clicks.slices) == 1
    ((number, (points, labels)),) = clicks.slices.items()
    bright = torch.nonzero(image[0].as_tensor() > 0).float()  # row, column, slice
    assert labels.tolist() == [1]
    centre = bright.mean(0)
    assert number == round(float(centre[2]))
    assert points[0].tolist() == pytest.approx([float(centre[1]), float(centre[0])], abs=0.6)


def test_a_box_lies_around_what_it_bounds_on_each_of_its_slices(volume: Any) -> None:
    path, place, _ = volume
    roi = [bound for index in place for bound in (index + 1, index - 1)]  # the viewer's order may be turned round
    image, clicks = clicks_of(path, label="Liver", roi=roi)
    bright = torch.nonzero(image[0].as_tensor() > 0)
    assert list(clicks.slices) == sorted(set(bright[:, 2].tolist()))
    for points, labels in clicks.slices.values():
        assert labels.tolist() == [2, 3]
        low, high = bright.amin(0), bright.amax(0)
        expected = [low[1], low[0], high[1], high[0]]
        assert points.flatten().tolist() == pytest.approx([float(value) for value in expected], abs=1.5)


@pytest.mark.parametrize("neighbours", [False, True])
def test_only_clicked_slices_are_prepared_and_lie_where_they_belong(volume: Any, neighbours: bool) -> None:
    path, place, shape = volume
    spec = DataSpec("ct", ["Liver"], image_size=88, window=(-160, 240), neighbours=neighbours)
    image, clicks = clicks_of(path, spec, foreground=[list(place)])
    assert image.shape == (3, 88, 88, 3)
    ((number, _),) = clicks.slices.items()
    preprocessing = spec.inference_transforms()
    whole = preprocessing({"image": str(path)})["image"]
    where = next(index for index in range(whole.shape[-1]) if torch.equal(whole[..., index], image[..., number]))
    item = preprocessing({"image": str(path), "foreground": [list(place)]})
    logits = torch.zeros(2, 88, 88, 3)
    logits[1, ..., number] = 1.0
    item["pred"] = logits
    pred = spec.postprocessing(preprocessing)(item)["pred"]
    assert pred.shape == (1, *shape) and pred[(0, *place)] == 1
    axis = next(axis for axis, code in enumerate(nib.aff2axcodes(pred.affine.numpy())) if code in "IS")
    assert set(torch.nonzero(pred[0].as_tensor())[:, axis].tolist()) == {place[axis]}
    assert 0 < where < whole.shape[-1] - 1


def test_only_slices_with_an_object_are_asked_for(volume: Any) -> None:
    path, place, shape = volume
    corner = [[0, 0, 0], [side - 1 for side in shape]]
    _, clicks = clicks_of(path, label="Liver", foreground=[list(place)], background=corner)
    assert len(clicks.slices) == 1
    with pytest.raises(SamAdaptError, match="has no click on an object"):
        clicks_of(path, label="Liver", background=corner)


def test_pictures_have_columns_and_rows(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((50, 30, 3), np.uint8)).save(tmp_path / "a.png")
    spec = DataSpec("image2d", ["Disc"], image_size=100)
    _, clicks = clicks_of(tmp_path / "a.png", spec, foreground=[[10, 40, 0]], background=[[0, 0]], roi=[4, 6, 20, 31])
    points, labels = clicks.slices[0]
    assert labels.tolist() == [1, 0, 2, 3]
    expected = [[20.5, 80.5], [0.5, 0.5], [8.5, 12.5], [40.5, 62.5]]  # twice as large, pixel centres kept
    np.testing.assert_allclose(points, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"foreground": [[1, 2, 3]]}, "label=None: is no label to put the clicks to; give label, one of Liver, Spleen"),
        ({"label": "lung", "foreground": [[1, 2, 3]]}, "label='lung': is no label"),
        ({"label": "liver", "foreground": [[44, 0, 0]]}, "foreground=[44, 0, 0]: lies outside the image of 44 x 36"),
        ({"label": "liver", "foreground": [[1, 2]]}, "foreground=[1, 2]: is no voxel of an image with 3 axes"),
        ({"label": "liver", "background": {"a": 1}}, "is no list of voxels"),
        ({"label": "liver", "roi": [1, 2, 3, 4]}, "roi=[1, 2, 3, 4]: is no box"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(request_: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_ct(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.int16), np.diag([*SPACING, 1.0]))
    with pytest.raises(SamAdaptError) as caught:
        clicks_of(tmp_path / "a.nii.gz", **request_)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_request_without_clicks_is_left_alone(tmp_path: Path) -> None:
    write_ct(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.int16), np.diag([*SPACING, 1.0]))
    item = CT.inference_transforms()({"image": str(tmp_path / "a.nii.gz"), "foreground": [], "roi": []})
    assert CLICKS not in item["image"].meta
