"""Each term of the composite loss against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.losses import CompositeLoss

# two images of four pixels: logits, truth
FIRST = ([2.0, -1.0, 0.5, -3.0], [1, 1, 0, 0])
SECOND = ([-2.0, -0.5, 1.5, 4.0], [0, 0, 0, 1])


def parts(logits: list[float], truth: list[int]) -> tuple[float, float, float, float]:
    """Σ cross-entropy, Σ p t, Σ p, Σ t."""
    p = [1 / (1 + math.exp(-value)) for value in logits]
    entropy = sum(-math.log(q if t else 1 - q) for q, t in zip(p, truth, strict=True))
    return entropy, sum(q * t for q, t in zip(p, truth, strict=True)), sum(p), float(sum(truth))


def by_hand(logits: list[float], truth: list[int]) -> dict[str, float]:
    entropy, tp, predicted, true = parts(logits, truth)
    index = (tp + 1) / (tp + 0.3 * (predicted - tp) + 0.7 * (true - tp) + 1)
    found = [value > 0 for value in logits]
    both = sum(f and t for f, t in zip(found, truth, strict=True))
    either = sum(f or t for f, t in zip(found, truth, strict=True))
    return {
        "bce": entropy / len(logits),
        "dice": 1 - (2 * tp + 1) / (predicted + true + 1),
        "tversky": (1 - index) ** 0.75,
        "overlap": both / either,
    }


def shaped(*images: list[float] | list[int]) -> Tensor:
    return torch.tensor(images).view(len(images), 1, 2, 2)


def with_background(logits: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)


def found(loss: CompositeLoss) -> dict[str, float]:
    return {name: value.item() for name, value in loss.terms.items()}


def test_terms_of_one_image_and_their_sum() -> None:
    expected = by_hand(*FIRST)
    assert expected["overlap"] == pytest.approx(1 / 3)  # pixel 0 of pixels 0, 1, 2
    loss = CompositeLoss(["A"])
    value = loss((shaped(FIRST[0]), torch.tensor([[0.9]])), shaped(FIRST[1]))
    iou = 0.9 - 1 / 3
    terms = {"bce": expected["bce"], "dice": expected["dice"], "tversky": expected["tversky"], "iou": iou}
    assert found(loss) == pytest.approx(terms, abs=1e-6)
    total = expected["bce"] + expected["dice"] + expected["tversky"] + 0.1 * iou
    assert value.item() == pytest.approx(total, abs=1e-6)


def test_per_image_is_the_mean_over_images_and_pooled_that_of_all_their_pixels() -> None:
    logits, truth = shaped(FIRST[0], SECOND[0]), shaped(FIRST[1], SECOND[1])
    quality = torch.tensor([[0.9], [0.2]])
    one, two = by_hand(*FIRST), by_hand(*SECOND)
    loss = CompositeLoss(["A"])
    loss((logits, quality), truth)
    mean = {name: (one[name] + two[name]) / 2 for name in ("bce", "dice", "tversky")}
    mean["iou"] = (abs(0.9 - 1 / 3) + abs(0.2 - 1 / 2)) / 2
    assert found(loss) == pytest.approx(mean, abs=1e-6)
    pooled = CompositeLoss(["A"], pooled=True)
    pooled((logits, quality), truth)
    all_pixels = by_hand(FIRST[0] + SECOND[0], FIRST[1] + SECOND[1])
    expected = {name: all_pixels[name] for name in ("bce", "dice", "tversky")}
    assert all_pixels["overlap"] == pytest.approx(2 / 5)
    expected["iou"] = (abs(0.9 - 0.4) + abs(0.2 - 0.4)) / 2
    assert found(pooled) == pytest.approx(expected, abs=1e-6)
    assert abs(expected["tversky"] - mean["tversky"]) > 1e-3


def test_alpha_weighs_false_positives_and_beta_false_negatives() -> None:
    loss = CompositeLoss(["A"], gamma=1.0)
    loss(shaped([30.0, 30.0, -30.0, -30.0]), shaped([1, 0, 0, 0]))  # one false positive: 2 / 2.3
    assert loss.terms["tversky"].item() == pytest.approx(1 - 2 / 2.3, abs=1e-6)
    loss(shaped([30.0, -30.0, -30.0, -30.0]), shaped([1, 1, 0, 0]))  # one false negative: 2 / 2.7
    assert loss.terms["tversky"].item() == pytest.approx(1 - 2 / 2.7, abs=1e-6)


def test_weights_and_smoothing_are_arguments() -> None:
    arguments = {"bce": 2.0, "dice": 3.0, "tversky": 5.0, "iou": 7.0}
    loss = CompositeLoss(["A"], smooth=0.5, alpha=0.5, beta=0.5, gamma=2.0, **arguments)
    value = loss((shaped(FIRST[0]), torch.tensor([[0.5]])), shaped(FIRST[1]))
    _, tp, predicted, true = parts(*FIRST)
    dice = 1 - (2 * tp + 0.5) / (predicted + true + 0.5)
    index = (tp + 0.5) / (tp + 0.5 * (predicted - tp) + 0.5 * (true - tp) + 0.5)
    expected = 2 * by_hand(*FIRST)["bce"] + 3 * dice + 5 * (1 - index) ** 2 + 7 * (0.5 - 1 / 3)
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_two_labels_exclusive_prompted_and_overlapping_are_the_same_three_ways() -> None:
    logits = torch.cat([shaped(FIRST[0]), shaped(SECOND[0])], dim=1)
    exclusive = torch.tensor([[[[1, 1], [0, 2]]]])  # FIRST's truth as label 1, SECOND's as label 2
    one, two = by_hand(*FIRST), by_hand(*SECOND)
    expected = sum((one[name] + two[name]) / 2 for name in ("bce", "dice", "tversky"))
    loss = CompositeLoss(["A", "B"])
    assert loss(with_background(logits), exclusive).item() == pytest.approx(expected, abs=1e-6)
    assert loss(logits, exclusive).item() == pytest.approx(expected, abs=1e-6)
    channels = torch.cat([shaped(FIRST[1]), shaped(SECOND[1])], dim=1)
    overlapping = CompositeLoss(["A", "B"], overlapping=True)
    assert overlapping(logits, channels).item() == pytest.approx(expected, abs=1e-6)
    assert "iou" not in overlapping.terms
    loss((logits, torch.tensor([[1.0, 0.0]])), exclusive)
    assert loss.terms["iou"].item() == pytest.approx(((1 - 1 / 3) + 1 / 2) / 2, abs=1e-6)


def test_gradients_reach_logits_and_predicted_iou_but_not_through_the_true_iou() -> None:
    logits, quality = shaped(FIRST[0]).requires_grad_(), torch.tensor([[0.9]], requires_grad=True)
    CompositeLoss(["A"], bce=0, dice=0, tversky=0)((logits, quality), shaped(FIRST[1])).backward()
    assert quality.grad is not None and quality.grad.item() == pytest.approx(0.1)
    assert logits.grad is not None and not logits.grad.any()
    CompositeLoss(["A"])((logits, quality), shaped(FIRST[1])).backward()
    wanted = torch.tensor(FIRST[1]).view(1, 1, 2, 2) > 0
    assert (logits.grad[wanted] < 0).all() and (logits.grad[~wanted] > 0).all()
    assert all(not term.requires_grad for term in CompositeLoss(["A"]).terms.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    logits, truth = torch.randn(2, 1, 64, 64), torch.randint(0, 2, (2, 1, 64, 64))
    loss, quality = CompositeLoss(["A"]), torch.rand(2, 1)
    half = loss((logits.to(dtype), quality.to(dtype)), truth)
    assert half.dtype == torch.float32
    assert torch.equal(half, loss((logits.to(dtype).float(), quality.to(dtype).float()), truth))


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("truth", [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1]])
def test_extreme_logits_and_perfect_answers_have_finite_losses_and_gradients(size: float, truth: list[int]) -> None:
    logits = (shaped(truth).float() * 2 - 1).mul(size).requires_grad_()
    loss = CompositeLoss(["A"])
    value = loss(logits, shaped(truth))
    value.backward()
    assert torch.isfinite(value) and logits.grad is not None and torch.isfinite(logits.grad).all()
    if size > 0:
        assert value.item() < 1e-4


def test_an_empty_answer_to_an_empty_truth_has_iou_one() -> None:
    loss = CompositeLoss(["A"])
    loss((shaped([-1.0] * 4), torch.tensor([[0.75]])), shaped([0] * 4))
    assert loss.terms["iou"].item() == pytest.approx(0.25)


def test_other_numbers_of_channels_are_refused_in_one_line() -> None:
    loss = CompositeLoss(["A", "B", "C"])
    with pytest.raises(SamAdaptError, match="has 2 channels for 3 labels"):
        loss(torch.zeros(1, 2, 2, 2), torch.zeros(1, 1, 2, 2))
    with pytest.raises(SamAdaptError, match="predicted IoU"):
        loss((torch.zeros(1, 4, 2, 2), torch.zeros(1, 4)), torch.zeros(1, 1, 2, 2))
