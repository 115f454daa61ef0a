"""The morphological gradient of small masks by hand, and the boundary loss on it."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.losses import BCEDiceLoss, BoundaryLoss
from monai_samadapt.losses.boundary import morphological_gradient


def test_both_sides_of_an_edge_are_boundary() -> None:
    mask = torch.tensor([[0, 0, 0, 1, 1, 1]] * 3)[None, None]
    assert morphological_gradient(mask)[0, 0].tolist() == [[0, 0, 1, 1, 0, 0]] * 3


def test_a_pixel_and_its_eight_neighbours() -> None:
    mask = torch.zeros(1, 1, 5, 5)
    mask[0, 0, 2, 2] = 1
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 1
    assert torch.equal(morphological_gradient(mask)[0, 0], expected)


def test_the_edge_of_the_image_is_no_boundary() -> None:
    assert not morphological_gradient(torch.ones(1, 2, 4, 4)).any()


def test_loss_is_that_of_the_labels_boundaries() -> None:
    target = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    target[:, :, :4, :3] = 1
    target[:, :, 4:, 5:] = 2
    masks = torch.cat([target == 1, target == 2], dim=1)
    logits = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    overlapping = BoundaryLoss(["A", "B"], overlapping=True)
    expected = BCEDiceLoss()(logits, morphological_gradient(masks)).item()
    assert BoundaryLoss(["A", "B"])(logits, target).item() == pytest.approx(expected, abs=1e-6)
    assert overlapping(logits, masks.to(torch.uint8)).item() == pytest.approx(expected, abs=1e-6)
    perfect = 40 * morphological_gradient(masks) - 20
    assert BoundaryLoss(["A", "B"])(perfect, target).item() < 1e-4
