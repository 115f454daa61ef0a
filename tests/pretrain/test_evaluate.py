"""What the zero-shot scores mean: clicks, simple shapes, and how real images come onto the model's grid."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt.backbones import build_sam
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.pretrain.evaluate import MODES, mean_scores, score
from monai_samadapt.pretrain.geometry import deepest_points, grown, next_clicks, simple_shapes
from monai_samadapt.pretrain.samples import procedural_samples, real_samples
from monai_samadapt.prompts import tight_boxes


def _rectangle(rows: slice, columns: slice, size: int = 64) -> torch.Tensor:
    mask = torch.zeros(1, size, size, dtype=torch.bool)
    mask[:, rows, columns] = True
    return mask


def test_deepest_point_is_the_middle_also_at_the_edge_of_the_image() -> None:
    assert deepest_points(_rectangle(slice(10, 21), slice(30, 41))).tolist() == [[35, 15]]
    assert deepest_points(_rectangle(slice(0, 11), slice(0, 11))).tolist() == [[5, 5]]


def test_next_click_goes_into_the_larger_error() -> None:
    truth = _rectangle(slice(10, 31), slice(10, 31))
    missing = _rectangle(slice(10, 31), slice(10, 16))
    point, label = next_clicks(missing, truth)
    assert label.tolist() == [1] and truth[0, int(point[0, 1]), int(point[0, 0])] and point[0, 0] > 16
    point, label = next_clicks(truth | _rectangle(slice(32, 63), slice(0, 63)), truth)
    assert label.tolist() == [0] and point[0, 1] > 31
    point, label = next_clicks(truth, truth)
    assert label.tolist() == [1] and point.tolist() == [[20, 20]]


def test_a_loose_box_has_a_tenth_more_on_every_side_within_the_image() -> None:
    boxes = torch.tensor([[10.0, 20.0, 29.0, 59.0], [0.0, 0.0, 63.0, 63.0]])
    torch.testing.assert_close(grown(boxes, 64), torch.tensor([[8.0, 16.0, 31.0, 63.0], [0.0, 0.0, 63.0, 63.0]]))


def test_simple_shapes() -> None:
    rectangle = _rectangle(slice(4, 44), slice(2, 62))
    filled, ellipse = simple_shapes(tight_boxes(rectangle), rectangle)
    assert filled.item() == 1 and ellipse.item() == pytest.approx(math.pi / 4, abs=0.01)
    axis = torch.arange(64) - 31.5
    disc = ((axis[:, None] ** 2 + axis**2) < 30**2)[None]
    filled, ellipse = simple_shapes(tight_boxes(disc), disc)
    assert filled.item() == pytest.approx(math.pi / 4, abs=0.01) and ellipse.item() > 0.98


def test_pieces_of_a_real_image_lie_where_the_image_shows_them(tmp_path: Path) -> None:
    label = np.zeros((60, 120), np.uint8)
    label[20:50, 10:30], label[10:40, 80:110], label[0:5, 0:5] = 255, 255, 255  # the last is too small
    image = np.repeat(np.where(label > 0, 255, 0).astype(np.uint8)[..., None], 3, 2)
    for folder, array in (("images", image), ("labels", label)):
        (tmp_path / folder).mkdir()
        Image.fromarray(array).save(tmp_path / folder / "a.png")
    (sample,) = real_samples(tmp_path, 64)
    assert sample.image.shape == (3, 64, 64) and sample.masks.shape == (2, 64, 64)
    assert not sample.image[:, 32:].any()  # padded after normalising
    bright = sample.image[0] > 0
    assert (bright & sample.masks.any(0)).sum() / sample.masks.any(0).sum() > 0.95
    boxes = tight_boxes(sample.masks) * 120 / 64
    assert (boxes - torch.tensor([[80.0, 10, 109, 39], [10, 20, 29, 49]])).abs().max() < 3


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SamAdaptError, match=r"^data="):
        next(real_samples(tmp_path, 64))


def test_scores_of_a_random_model_are_shares_and_repeat() -> None:
    sam = build_sam("vit_nano", 64, "random")
    samples = list(procedural_samples("star", 64, 3))
    means = mean_scores(sam, samples)
    assert means == mean_scores(sam, procedural_samples("star", 64, 3))
    assert means["objects"] == sum(len(sample.masks) for sample in samples)
    assert all(0 <= means[mode] <= 1 for mode in MODES)
    rows = score(sam, samples[0])
    assert (rows["point"] >= rows["point_predicted"]).all()
