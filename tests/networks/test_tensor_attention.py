"""Low-rank tensor attention: equal heads exactly, errors in closed form, a quarter of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.attention import FusedDecoderAttention
from monai_samadapt.networks.tensor_attention import decoder_attentions, truncate_attentions, truncated


def attention(rate: int = 2, seed: int = 0) -> FusedDecoderAttention:
    torch.manual_seed(seed)
    return FusedDecoderAttention(64, 8, rate)


def tokens(seed: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, count, 64, generator=generator) * 2 for count in (5, 9, 9))  # type: ignore[return-value]


def projections(module: FusedDecoderAttention) -> list[nn.Linear]:
    return [module.q_proj, module.k_proj, module.v_proj]


@torch.no_grad()
def test_equal_heads_are_reproduced_exactly() -> None:
    module = attention()
    for layer in projections(module):
        for value in (layer.weight, layer.bias):
            value.copy_(value[: value.shape[0] // 8].repeat(8, *[1] * (value.ndim - 1)))
    smaller, error = truncated(module)
    assert float(error) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(smaller(*tokens()), module(*tokens()), atol=1e-4)
    assert module(*tokens()).std(dim=1).mean() > 1e-2


@torch.no_grad()
def test_heads_that_are_alone_are_kept_and_give_the_error_of_the_rest() -> None:
    """Orthogonal heads: the two with the largest weights stay as they are; the others are the error."""
    module = attention()
    scales = torch.tensor([0.1, 3, 0.1, 0.1, 2, 0.1, 0.1, 0.1])
    for layer in projections(module):
        layer.bias.zero_()
        size = layer.out_features // 8
        layer.weight.zero_()
        for head, scale in enumerate(scales):
            layer.weight[head * size : (head + 1) * size, 8 * head : 8 * head + size] = torch.eye(size) * scale
    smaller, error = truncated(module)
    assert float(error) == pytest.approx((6 * 0.01 / (6 * 0.01 + 9 + 4)) ** 0.5, rel=1e-5)
    module.v_proj.weight.unflatten(0, (8, -1))[[0, 2, 3, 5, 6, 7]] = 0
    assert torch.allclose(smaller(*tokens()), module(*tokens()), atol=1e-4)


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@torch.no_grad()
def test_error_is_that_of_the_best_approximation(heads: int) -> None:
    """By Eckart and Young: the singular values beyond the kept ones, of the tensor unfolded along its heads."""
    module = attention()
    unfolded = torch.cat([layer.weight.reshape(8, -1) for layer in projections(module)], dim=1)
    singular = torch.linalg.svdvals(unfolded.double())
    smaller, error = truncated(module, heads)
    assert float(error) == pytest.approx(float(singular[heads:].norm() / singular.norm()), abs=1e-6)
    assert smaller.num_heads == heads and smaller.internal_dim // heads == module.internal_dim // 8


def test_weights_maps_and_projections_shrink_to_a_quarter() -> None:
    with torch.device("meta"):
        decoder = build_sam("vit_b", 256, None).mask_decoder
        before = decoder_attentions(decoder)
        assert truncate_attentions(decoder) == {}
    assert len(before) == 7
    total = 0
    for name, module in decoder_attentions(decoder).items():
        assert module.num_heads == 2 and before[name].num_heads == 8, name
        assert module.internal_dim * 4 == before[name].internal_dim
        assert module.q_proj.weight.numel() * 4 == before[name].q_proj.weight.numel()
        total += sum(value.numel() for value in module.parameters())
    assert total == 297_568
    assert sum(value.numel() for module in before.values() for value in module.parameters()) == 1_184_896


def test_errors_of_a_network_without_weights_are_numbers() -> None:
    errors = truncate_attentions(build_sam("vit_nano", 64, None).mask_decoder)
    assert set(errors.values()) == {0.0} and len(errors) == 7
