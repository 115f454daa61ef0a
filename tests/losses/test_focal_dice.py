"""The focal + Dice loss against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from monai_samadapt.losses import FocalDiceLoss


def by_hand(logits: list[float], target: list[int], alpha: float = 0.75, gamma: float = 2.0) -> float:
    focal, overlap, predicted = 0.0, 0.0, 0.0
    for logit, truth in zip(logits, target, strict=True):
        p = 1 / (1 + math.exp(-logit))
        right = p if truth else 1 - p
        weight = alpha if truth else 1 - alpha
        focal += -weight * (1 - right) ** gamma * math.log(right) / len(logits)
        overlap += p * truth
        predicted += p
    return focal + 1 - (2 * overlap + 1) / (predicted + sum(target) + 1)


CASES = [([0.0, 0.0, 0.0, 0.0], [1, 0, 0, 1]), ([2.0, -1.0, 0.5, -3.0], [1, 0, 1, 0]), ([-4.0] * 4, [0] * 4)]


@pytest.mark.parametrize(("logits", "target"), CASES)
def test_values(logits: list[float], target: list[int]) -> None:
    expected = by_hand(logits, target)
    shaped = torch.tensor(logits).view(1, 1, 2, 2)
    truth = torch.tensor(target).view(1, 1, 2, 2)
    overlapping = FocalDiceLoss(["A"], overlapping=True)(shaped, truth)
    assert overlapping.item() == pytest.approx(expected, abs=1e-5)
    with_background = torch.cat([torch.zeros_like(shaped), shaped], dim=1)
    assert FocalDiceLoss(["A"])(with_background, truth).item() == pytest.approx(expected, abs=1e-5)


def test_two_exclusive_labels_are_the_mean_of_both() -> None:
    logits = torch.tensor([[[[1.0, -2.0]], [[0.5, 3.0]]]])
    target = torch.tensor([[[[1, 2]]]])
    expected = (by_hand([1.0, -2.0], [1, 0]) + by_hand([0.5, 3.0], [0, 1])) / 2
    with_background = torch.cat([torch.zeros(1, 1, 1, 2), logits], dim=1)
    assert FocalDiceLoss(["A", "B"])(with_background, target).item() == pytest.approx(expected, abs=1e-5)


def test_confident_mistakes_keep_their_gradient() -> None:
    logits = torch.full((1, 1, 2, 2), -30.0, requires_grad=True)
    FocalDiceLoss(["A"], overlapping=True)(logits, torch.ones(1, 1, 2, 2)).backward()
    assert logits.grad is not None and (logits.grad < -0.1).all()


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits, target = torch.randn(1, 2, 8, 8), torch.randint(0, 2, (1, 1, 8, 8))
    loss = FocalDiceLoss(["A"])
    assert loss(logits.bfloat16(), target).item() == pytest.approx(loss(logits.bfloat16().float(), target).item())
