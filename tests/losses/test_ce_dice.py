"""CE + Dice against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from monai_samadapt.losses import BCEDiceLoss, BoundaryLoss, CEDiceLoss


def by_hand(logits: torch.Tensor, target: torch.Tensor) -> float:
    """0.2 CE + 0.8 mean over labels of 1 - (2 sum p t + 1) / (sum p + sum t + 1), sums over the batch; in float64."""
    p = logits.double().exp() / logits.double().exp().sum(1, keepdim=True)
    entropy, count = 0.0, target.numel()
    for position, label in enumerate(target.flatten().tolist()):
        entropy -= math.log(p.movedim(1, -1).reshape(count, -1)[position, label]) / count
    dice = 0.0
    labels = logits.shape[1] - 1
    for label in range(1, labels + 1):
        truth = (target[:, 0] == label).double()
        overlap = (p[:, label] * truth).sum()
        dice += float(1 - (2 * overlap + 1) / (p[:, label].sum() + truth.sum() + 1)) / labels
    return 0.2 * entropy + 0.8 * dice


def test_value_by_pen() -> None:
    """Logits 0, two labels, three pixels, one of each class: CE = ln 3; each label: 1 - (2 / 3 + 1) / (1 + 1 + 1)."""
    loss = CEDiceLoss(["A", "B"])(torch.zeros(1, 3, 1, 3), torch.tensor([[[[0, 1, 2]]]]))
    assert loss.item() == pytest.approx(0.2 * math.log(3) + 0.8 * (1 - (5 / 3) / 3), abs=1e-6)


def test_several_exclusive_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, 5, generator=generator) * 2
    target = torch.randint(0, 4, (3, 1, 5, 5), generator=generator).to(torch.uint8)
    target[0] = 0
    expected = by_hand(logits, target)
    assert CEDiceLoss(["A", "B", "C"])(logits, target).item() == pytest.approx(expected, abs=1e-5)
    assert CEDiceLoss(["A", "B", "C"])(logits.bfloat16(), target).item() == pytest.approx(expected, abs=0.02)


def test_one_label_and_overlapping_labels_are_binary() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 2, 4, 4, generator=generator), torch.randint(0, 2, (2, 2, 4, 4))
    expected = BCEDiceLoss()(logits, target).item()
    assert CEDiceLoss(["A", "B"], overlapping=True)(logits, target).item() == pytest.approx(expected, abs=1e-6)
    one = torch.cat([torch.zeros(2, 1, 4, 4), logits[:, :1]], dim=1)
    expected = BCEDiceLoss()(logits[:, :1], target[:, :1]).item()
    assert CEDiceLoss(["A"])(one, target[:, :1]).item() == pytest.approx(expected, abs=1e-6)


def test_further_channels_are_boundaries_with_weight_one_half() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 5, 6, 6, generator=generator)
    target = torch.randint(0, 3, (1, 1, 6, 6), generator=generator)
    loss = CEDiceLoss(["A", "B"])
    expected = loss(logits[:, :3], target) + 0.5 * BoundaryLoss(["A", "B"])(logits[:, 3:], target)
    assert loss(logits, target).item() == pytest.approx(expected.item(), abs=1e-6)
