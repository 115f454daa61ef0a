"""Prompts lie where they must: in the object, around it, or in the error region."""

from __future__ import annotations

import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.networks.decode import embed_points
from monai_samadapt.pretrain.prompts import central_points, correction_clicks, jitter_boxes, random_points


def _rectangle(rows: slice, columns: slice, size: int = 32) -> torch.Tensor:
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def _at(masks: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    index = (points[..., 1] * masks.shape[-1] + points[..., 0]).long()
    return masks.flatten(-2).gather(-1, index[..., None])[..., 0]


def test_random_points_lie_in_the_object_and_reach_all_of_it() -> None:
    mask = _rectangle(slice(3, 5), slice(20, 22))
    points = random_points(mask.expand(200, -1, -1), torch.Generator().manual_seed(0))
    assert {tuple(point) for point in points.int().tolist()} == {(20, 3), (21, 3), (20, 4), (21, 4)}


def test_central_point_of_a_rectangle_is_its_middle() -> None:
    masks = torch.stack([_rectangle(slice(4, 17), slice(10, 23)), _rectangle(slice(0, 1), slice(0, 1))])
    points = central_points(masks, blur=3)
    assert (points[0] - torch.tensor([16.0, 10.0])).abs().max() <= 1
    assert points[1].tolist() == [0, 0]


def test_most_boxes_stay_tight_and_half_of_the_others_grow() -> None:
    boxes = torch.tensor([10.0, 20.0, 49.0, 30.0]).expand(2000, 4)
    moved = jitter_boxes(boxes, 0.1, 64, torch.Generator().manual_seed(0))
    assert moved.min() >= 0 and moved.max() <= 63
    assert (moved[:, :2] <= moved[:, 2:]).all()
    tight = (moved == boxes).all(1)
    assert abs(tight.float().mean().item() - 3 / 4) < 0.03
    size = (moved - boxes)[~tight].square().mean(0).sqrt()  # the noise is 0 on average before it is turned outwards
    torch.testing.assert_close(size, torch.tensor([4.0, 1.1, 4.0, 1.1]), rtol=0.1, atol=0)
    encloses = ((moved[:, :2] <= boxes[:, :2]) & (moved[:, 2:] >= boxes[:, 2:])).all(1)
    assert abs(encloses.float().mean().item() - (3 / 4 + 1 / 8 + 1 / 8 / 16)) < 0.02


def test_correction_clicks_lie_in_the_error_region_with_the_true_label() -> None:
    target = _rectangle(slice(4, 20), slice(4, 20)).expand(300, -1, -1)
    found = _rectangle(slice(4, 12), slice(4, 28)).expand(300, -1, -1)
    points, labels = correction_clicks(found.float() - 0.5, target, 4, torch.Generator().manual_seed(0))
    cells = (points - 1.5) / 4
    assert torch.equal(cells, cells.round())
    assert _at(target ^ found, cells).all()
    assert torch.equal(_at(target, cells).long(), labels)
    assert {0, 1} == set(labels.tolist())


def test_correction_click_without_an_error_lies_in_the_object() -> None:
    target = _rectangle(slice(4, 20), slice(4, 20))[None]
    points, labels = correction_clicks(target.float() - 0.5, target, 1, torch.Generator().manual_seed(0))
    assert _at(target, points).all() and labels.tolist() == [1]


def test_embedded_clicks_equal_upstream() -> None:
    encoder = build_sam("vit_nano", 64, "random").prompt_encoder
    points, boxes = torch.tensor([[[7.0, 40.0]], [[1.5, 2.5]]]), torch.tensor([[3.0, 4, 50, 60], [9, 9, 20, 10]])
    clicked, _ = encoder((points, torch.tensor([[1], [0]])), None, None)
    boxed, _ = encoder(None, boxes, None)
    padded = torch.cat([points, torch.zeros_like(points)], dim=1)
    coordinates = torch.stack([padded, boxes.unflatten(1, (2, 2))])
    labels = torch.tensor([[[1, -1], [0, -1]], [[2, 3], [2, 3]]])
    torch.testing.assert_close(embed_points(encoder, coordinates, labels), torch.stack([clicked, boxed]))
