"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from monai_samadapt.pretrain.losses import dice_loss, focal_loss, mask_iou, prompt_loss

TARGET = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
CERTAIN = 30.0


def test_focal_loss_at_even_odds() -> None:
    # p = .5: each pixel costs alpha_t * .25 * log 2; one object pixel at .25, three of background at .75
    expected = (0.25 + 3 * 0.75) / 4 * 0.25 * math.log(2)
    assert focal_loss(torch.zeros(2, 2), TARGET, alpha=0.25).item() == pytest.approx(expected, rel=1e-6)


def test_focal_loss_with_gamma_0_and_even_alpha_is_half_the_cross_entropy() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, TARGET)
    assert focal_loss(logits, TARGET, alpha=0.5, gamma=0).item() == pytest.approx(entropy.item() / 2, rel=1e-6)


def test_dice_loss() -> None:
    # p = .5 on four pixels, one object pixel: 1 - (2 * .5 + 1) / (2 + 1 + 1)
    assert dice_loss(torch.zeros(2, 2), TARGET).item() == pytest.approx(0.5)
    assert dice_loss((TARGET - 0.5) * CERTAIN, TARGET).item() == pytest.approx(0, abs=1e-5)


def test_mask_iou() -> None:
    logits = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    assert mask_iou(logits, TARGET).item() == 0.5
    assert mask_iou(-torch.ones(2, 2), torch.zeros(2, 2)).item() == 1


def test_prompt_loss_takes_the_best_of_three_for_a_single_click_only() -> None:
    right, wrong = (TARGET - 0.5) * CERTAIN, (0.5 - TARGET) * CERTAIN
    logits = torch.stack([right, wrong, wrong, right])[None, None].expand(1, 2, -1, -1, -1)
    quality = torch.tensor([1.0, 0.5, 0.0, 1.0]).expand(1, 2, -1)
    loss = prompt_loss(logits, quality, TARGET.expand(1, 2, 2, 2), torch.tensor([[True, False]]))
    # masks 0 and 3 are right (IoU 1), 1 and 2 wrong (IoU 0): only the quality of mask 1 is off, by .5, of four masks
    torch.testing.assert_close(loss, torch.tensor([[0.25 / 4, 0.0]]), atol=1e-4, rtol=0)


def test_prompt_loss_trains_only_the_best_of_three() -> None:
    logits = torch.randn(1, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    prompt_loss(logits, torch.zeros(1, 1, 4), target, torch.tensor([[True]])).sum().backward()
    assert logits.grad is not None
    moved = logits.grad.abs().sum((-2, -1))[0, 0] > 0
    assert moved[0] and moved[1:].sum() == 1
