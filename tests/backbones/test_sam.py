"""SAM as built here against upstream's modules: equal outputs, keys and weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam
from torch.utils._python_dispatch import TorchDispatchMode

from monai_samadapt.backbones import SAM_VARIANTS, build_sam
from monai_samadapt.backbones.loading import state_sha256
from monai_samadapt.backbones.sam import FUSED_CLASSES
from monai_samadapt.errors import SamAdaptError


def upstream(sam: Sam) -> Sam:
    """A copy that runs upstream's own forward."""
    plain = {fused: original for original, fused in FUSED_CLASSES.items()}
    twin = copy.deepcopy(sam)
    for module in twin.modules():
        module.__class__ = plain.get(type(module), type(module))
    return twin


def with_positions(variant: str, image_size: int) -> Sam:
    """A random SAM whose positions matter: SAM starts them at zero."""
    sam = build_sam(variant, image_size, "random")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in sam.image_encoder.named_parameters():
            if "pos" in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
    return sam


def largest_difference(sam: Sam, image_size: int, batch: int = 1) -> float:
    image = torch.randn(batch, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    twin = upstream(sam)
    points = (torch.tensor([[[image_size / 3, image_size / 2]]]), torch.ones(1, 1))
    with torch.no_grad():
        difference = 0.0
        embeddings = [model.image_encoder(image) for model in (sam, twin)]
        sparse, dense = sam.prompt_encoder(points, None, None)
        masks = [
            model.mask_decoder(embedding[:1], model.prompt_encoder.get_dense_pe(), sparse, dense, True)[0]
            for model, embedding in zip((sam, twin), embeddings, strict=True)
        ]
        for ours, theirs in (embeddings, masks):
            assert theirs.std() > 0.01
            difference = max(difference, float((ours - theirs).abs().max()))
    return difference


@pytest.mark.parametrize("image_size", [64, 160, 208, 224, 256, 512])  # 208: little padding fills the windows
def test_nano_equals_upstream(image_size: int) -> None:
    assert largest_difference(with_positions("vit_nano", image_size), image_size, batch=2) < 1e-4


def test_vit_b_equals_upstream_at_256() -> None:
    assert largest_difference(with_positions("vit_b", 256), 256) < 1e-4


@pytest.mark.slow
def test_vit_b_equals_upstream_at_1024() -> None:
    assert largest_difference(with_positions("vit_b", 1024), 1024) < 1e-4


class Started(TorchDispatchMode):
    """Counts operations that compute: on a GPU each is started by the CPU, which can take longer than the operation."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not operation.is_view
        return operation(*args, **(kwargs or {}))


def test_an_image_of_1024_px_starts_fewer_operations_than_upstream() -> None:
    sam = build_sam("vit_b", 1024, "random").to("meta")
    counts = []
    for model in (sam, upstream(sam)):
        with torch.no_grad(), Started() as started:
            model.image_encoder(torch.zeros(1, 3, 1024, 1024, device="meta"))
        counts.append(started.count)
    assert counts[0] < counts[1]


def test_gradients_equal_upstream() -> None:
    sam = with_positions("vit_nano", 160)
    twin = upstream(sam)
    image = torch.randn(1, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    for model in (sam, twin):
        model.image_encoder(image).square().sum().backward()
    for (name, ours), theirs in zip(sam.named_parameters(), twin.parameters(), strict=True):
        if ours.grad is not None:
            scale = theirs.grad.abs().max().clamp(min=1)
            assert ((ours.grad - theirs.grad).abs().max() / scale) < 1e-4, name


def test_activation_checkpointing_changes_no_gradient() -> None:
    sam = with_positions("vit_nano", 64)
    image = torch.randn(1, 3, 64, 64)
    gradients = []
    for recompute in (False, True):
        sam.image_encoder.activation_checkpointing = recompute
        sam.zero_grad()
        sam.image_encoder(image).sum().backward()
        gradients.append(sam.image_encoder.pos_embed.grad.clone())
    assert torch.equal(*gradients)


@pytest.mark.parametrize("variant", SAM_VARIANTS)
def test_parameter_counts(variant: str) -> None:
    sizes = SAM_VARIANTS[variant]
    with torch.device("meta"):
        sam = build_sam(variant, sizes.image_size, None)
    assert sum(value.numel() for value in sam.parameters()) == sizes.parameters


def test_upstream_checkpoint_loads_strictly_and_positions_are_resized(tmp_path: Path) -> None:
    torch.manual_seed(3)
    published = sam_model_registry["vit_b"]()
    with torch.no_grad():
        for name, value in published.image_encoder.named_parameters():
            if "pos" in name:
                value.normal_(std=0.2)
    torch.save(published.state_dict(), tmp_path / "sam_vit_b.pth")
    small = build_sam("vit_b", 256, str(tmp_path / "sam_vit_b.pth"))
    assert small.image_encoder.pos_embed.shape == (1, 16, 16, 768)
    assert small.image_encoder.blocks[2].attn.rel_pos_h.shape == (31, 64)
    same = small.image_encoder.blocks[0].attn.rel_pos_h
    assert torch.equal(same, published.image_encoder.blocks[0].attn.rel_pos_h)
    full = build_sam("vit_b", 1024, str(tmp_path / "sam_vit_b.pth"))
    assert state_sha256(full) == state_sha256(published)
    assert full.base_weights is not None and len(full.base_weights.sha256) == 64
    resized = torch.nn.functional.interpolate(
        published.image_encoder.pos_embed.permute(0, 3, 1, 2), (16, 16), mode="bicubic"
    )
    assert torch.allclose(small.image_encoder.pos_embed.permute(0, 3, 1, 2), resized, atol=1e-6)


def test_random_base_is_reproducible_and_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = build_sam("vit_nano", 64, "random", seed=7)
    assert torch.equal(torch.rand(3), expected)
    assert first.base_weights == build_sam("vit_nano", 64, "random", seed=7).base_weights
    assert first.base_weights != build_sam("vit_nano", 64, "random", seed=8).base_weights


def save_nano(path: Path, change: str = "") -> str:
    state = build_sam("vit_nano", 64, "random").state_dict()
    if change == "missing":
        del state["mask_decoder.iou_token.weight"]
    if change == "extra":
        state["adapter.weight"] = torch.zeros(1)
    if change == "shape":
        state["mask_decoder.iou_token.weight"] = torch.zeros(2, 128)
    torch.save(state, path / "nano.pt")
    return str(path / "nano.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("missing", "1 missing keys (first mask_decoder.iou_token.weight)"),
        ("extra", "1 unexpected keys (first adapter.weight)"),
        ("shape", "1 misshapen keys (first mask_decoder.iou_token.weight)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(SamAdaptError) as caught:
        build_sam("vit_nano", 64, save_nano(tmp_path, change))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_another_variant_are_named(tmp_path: Path) -> None:
    with pytest.raises(SamAdaptError, match="holds vit_nano, not vit_b; set variant to vit_nano"):
        build_sam("vit_b", 64, save_nano(tmp_path))


@pytest.mark.parametrize(
    ("variant", "size", "words"),
    [("vit_x", 256, "unknown SAM variant"), ("vit_b", 250, "multiple of 16"), ("vit_b", 16, "multiple of 16")],
)
def test_wrong_settings_are_refused(variant: str, size: int, words: str) -> None:
    with pytest.raises(SamAdaptError, match=words):
        build_sam(variant, size, "random")


def test_image_of_another_size_is_refused() -> None:
    with pytest.raises(SamAdaptError, match="built for 64 x 64"):
        build_sam("vit_nano", 64, "random").image_encoder(torch.zeros(1, 3, 96, 96))


def test_an_empty_file_is_no_weights(tmp_path: Path) -> None:
    """What a failed copy leaves; torch says nothing about it."""
    (tmp_path / "sam.pth").touch()
    with pytest.raises(SamAdaptError, match=r"checkpoint='.*sam.pth': cannot be read as weights \(EOFError\); give"):
        build_sam("vit_nano", 64, str(tmp_path / "sam.pth"))


@pytest.mark.slow
def test_compiled_blocks_equal_eager_ones() -> None:
    sam = with_positions("vit_nano", 64)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        eager = sam.image_encoder(image)
        for block in sam.image_encoder.blocks:
            block.compile()
        assert torch.allclose(sam.image_encoder(image), eager, atol=1e-4)
