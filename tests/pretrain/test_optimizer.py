"""Pretraining's optimizer: Muon's step on matrices, AdamW's on the rest, and both across a change of the image size."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.pretrain.config import PretrainConfig
from monai_samadapt.pretrain.optimizer import Optimizer

CONFIG = PretrainConfig(steps=1, learning_rate=1e-2, weight_decay=0.0)


@pytest.fixture
def sam() -> torch.nn.Module:
    return build_sam("vit_nano", 32, "random")


def stepped(sam: torch.nn.Module, name: str, config: PretrainConfig = CONFIG) -> torch.Tensor:
    """By how much the first step moves a parameter."""
    optimizer, before = Optimizer(sam, config), sam.get_parameter(name).detach().clone()
    generator = torch.Generator().manual_seed(0)
    for value in sam.parameters():
        value.grad = torch.randn(value.shape, generator=generator)
    optimizer.step()
    return sam.get_parameter(name).detach() - before


def test_a_matrix_moves_by_a_scaled_orthogonal_matrix(sam: torch.nn.Module) -> None:
    moved = stepped(sam, "image_encoder.blocks.0.mlp.lin1.weight")  # (640, 160)
    scale = CONFIG.learning_rate * 0.2 * 640**0.5
    values = torch.linalg.svdvals(-moved / scale)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3  # Newton-Schulz of five rounds is not exact
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.2 * CONFIG.learning_rate, rel=0.15)


@pytest.mark.parametrize(
    "name", ["image_encoder.pos_embed", "image_encoder.neck.2.weight", "prompt_encoder.no_mask_embed.weight"]
)
def test_positions_kernels_and_embeddings_move_by_adamw(sam: torch.nn.Module, name: str) -> None:
    moved = stepped(sam, name)
    torch.testing.assert_close(moved.abs(), torch.full_like(moved, CONFIG.learning_rate), rtol=1e-3, atol=1e-6)


def test_weight_decay_leaves_embeddings_and_positions(sam: torch.nn.Module) -> None:
    decayed = {"image_encoder.neck.2.weight", "image_encoder.blocks.0.mlp.lin1.weight"}
    kept = {"image_encoder.pos_embed", "image_encoder.blocks.0.norm1.weight", "prompt_encoder.no_mask_embed.weight"}
    before = {name: sam.get_parameter(name).detach().clone() for name in decayed | kept}
    for value in sam.parameters():
        value.grad = torch.zeros_like(value)
    Optimizer(sam, PretrainConfig(steps=1, learning_rate=1e-2, weight_decay=0.5)).step()
    for name, value in before.items():
        expected = value * (1 - 1e-2 * 0.5) if name in decayed else value
        torch.testing.assert_close(sam.get_parameter(name).detach(), expected, rtol=1e-5, atol=1e-7)


def test_moments_go_on_at_another_image_size_but_for_positions(sam: torch.nn.Module) -> None:
    optimizer = Optimizer(sam, CONFIG)
    for value in sam.parameters():
        value.grad = torch.ones_like(value)
    optimizer.step()
    larger = build_sam("vit_nano", 64, "random")
    other = Optimizer(larger, CONFIG)
    other.load_state_dict(optimizer.state_dict())
    state = {**other._adamw.state, **other._muon.state}
    found = {name for name, value in larger.named_parameters() if value in state}
    missing = {name for name, value in larger.named_parameters() if value.requires_grad} - found
    assert missing and all("pos" in name for name in missing), missing
    kept = state[larger.get_parameter("image_encoder.neck.2.weight")]["exp_avg"]
    torch.testing.assert_close(kept, torch.full_like(kept, 0.1))
