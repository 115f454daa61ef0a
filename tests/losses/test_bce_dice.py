"""BCE + Dice against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from monai_samadapt.losses import BCEDiceLoss


def by_hand(logits: list[float], target: list[int]) -> float:
    p = [1 / (1 + math.exp(-logit)) for logit in logits]
    entropy = sum(-math.log(a if t else 1 - a) for a, t in zip(p, target, strict=True)) / len(p)
    overlap = sum(a * t for a, t in zip(p, target, strict=True))
    return entropy + 1 - (2 * overlap + 1) / (sum(p) + sum(target) + 1)


CASES = [([0.0, 0.0, 0.0, 0.0], [1, 0, 0, 1]), ([2.0, -1.0, 0.5, -3.0], [1, 0, 1, 0]), ([-4.0] * 4, [0] * 4)]


@pytest.mark.parametrize(("logits", "target"), CASES)
def test_values(logits: list[float], target: list[int]) -> None:
    found = BCEDiceLoss()(torch.tensor(logits).view(1, 1, 2, 2), torch.tensor(target).view(1, 1, 2, 2))
    assert found.item() == pytest.approx(by_hand(logits, target), abs=1e-5)


def test_value_by_pen() -> None:
    """Logits 0 on two of four pixels: BCE = ln 2, Dice loss = 1 - (2 * 1 + 1) / (2 + 2 + 1) = 0.4."""
    found = BCEDiceLoss()(torch.zeros(1, 1, 2, 2), torch.tensor([[[[1, 0], [0, 1]]]]))
    assert found.item() == pytest.approx(math.log(2) + 0.4, abs=1e-6)


def test_images_and_channels_have_a_dice_of_their_own() -> None:
    logits = torch.tensor([c[0] for c in CASES] + [CASES[0][0]]).view(2, 2, 2, 2)
    target = torch.tensor([c[1] for c in CASES] + [CASES[0][1]]).view(2, 2, 2, 2)
    expected = sum(by_hand(*case) for case in [*CASES, CASES[0]]) / 4
    assert BCEDiceLoss()(logits, target).item() == pytest.approx(expected, abs=1e-5)
