"""SAM2 against the sam2 package: same weights, same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from torch import Tensor

from monai_samadapt.backbones import SAM2_VARIANTS, build_sam2
from monai_samadapt.backbones.sam2_encoder import encode_still
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks.decode_sam2 import decode_masks_sam2, encode_prompts_sam2, no_prompt

TOLERANCE = 1e-4


@pytest.fixture
def hydra_of_sam2() -> None:
    import sam2  # noqa: F401  (initialises Hydra's global state)

    GlobalHydra.instance().clear()
    initialize_config_module("sam2", version_base="1.2")


def upstream(variant: str, image_size: int, version: str = "2.1") -> Any:
    from sam2.build_sam import build_sam2 as build

    override = [f"++model.image_size={image_size}"]
    name = (
        f"configs/sam{version}/sam{version}_{variant}.yaml" if version == "2.1" else f"configs/sam2/sam2_{variant}.yaml"
    )
    return build(name, device="cpu", hydra_overrides_extra=override, apply_postprocessing=False)


def fill(model: Any) -> dict[str, Tensor]:
    """Give every weight, those that start at zero too, a value of a trained model's order."""
    generator = torch.Generator().manual_seed(0)
    state = {
        name: value + 0.02 * torch.randn(value.shape, generator=generator) for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return state


def as_upstream(model: Any, image: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """The embedding, finer features, first of three masks and its quality, as SAM2ImagePredictor computes them."""
    out = model.forward_image(image)
    _, features, _, _ = model._prepare_backbone_features(out)
    features[-1] = features[-1] + model.no_mem_embed
    sizes = [(image.shape[-1] // stride,) * 2 for stride in (4, 8, 16)]
    maps = [feature.permute(1, 2, 0).unflatten(2, size) for feature, size in zip(features, sizes, strict=True)]
    sparse, dense = model.sam_prompt_encoder(points=(points, labels), boxes=None, masks=None)
    masks, quality, _, _ = model.sam_mask_decoder(
        image_embeddings=maps[2],
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
        repeat_image=False,
        high_res_features=maps[:2],
    )
    return maps[2], maps[0], maps[1], masks[:, 0], quality[:, 0]


@pytest.mark.usefixtures("hydra_of_sam2")
@pytest.mark.parametrize(
    ("variant", "image_size", "version"),
    [("hiera_t", 512, "2.1"), ("hiera_t", 1024, "2.1"), ("hiera_t", 96, "2.0"), ("hiera_s", 64, "2.1")],
)
def test_equal_to_upstream(variant: str, image_size: int, version: str, tmp_path: Any) -> None:
    reference = upstream(variant, image_size, version)
    path = tmp_path / "weights.pt"
    torch.save({"model": fill(reference)}, path)
    ours = build_sam2(variant, image_size, str(path), version)
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(1))
    points, labels = torch.tensor([[[20.0, 30.0], [50.0, 7.0]]]), torch.tensor([[1, 0]])
    with torch.no_grad():
        expected = as_upstream(reference, image, points, labels)
        features = encode_still(ours, image)
        sparse = encode_prompts_sam2(ours, points[None], labels[None], None)
        logits, quality = decode_masks_sam2(ours, features, sparse)
    found = (features.embedding, *features.fine, logits[:, 0], quality[:, 0])
    for name, ours_value, value in zip(("embedding", "s0", "s1", "masks", "quality"), found, expected, strict=True):
        assert value.abs().max() > 1e-3, f"{name} is zero: nothing is compared"
        assert (ours_value - value).abs().max() < TOLERANCE, name


@pytest.mark.usefixtures("hydra_of_sam2")
def test_each_prompt_sees_its_own_image(tmp_path: Any) -> None:
    """Two images with two prompts each in one call equal four calls; a box is two corners; none is a padding point."""
    sam = build_sam2("hiera_nano", 64, "random", seed=3)
    fill(sam)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    boxes = torch.tensor([[[4.0, 6, 30, 40], [0, 0, 20, 20]], [[10, 10, 50, 60], [5, 5, 9, 9]]])
    with torch.no_grad():
        features = encode_still(sam, images)
        logits, quality = decode_masks_sam2(sam, features, encode_prompts_sam2(sam, None, None, boxes))
        for image in range(2):
            for prompt in range(2):
                corners = boxes[image, prompt].view(1, 2, 2)
                expected = as_upstream(sam, images[image : image + 1], corners, torch.tensor([[2, 3]]))
                assert (logits[image, prompt] - expected[3][0]).abs().max() < TOLERANCE
                assert (quality[image, prompt] - expected[4][0]).abs() < TOLERANCE
        empty, _ = decode_masks_sam2(
            sam, features, encode_prompts_sam2(sam, *no_prompt(2, 1, torch.device("cpu")), None)
        )
        expected = as_upstream(sam, images, torch.zeros(2, 1, 2), -torch.ones(2, 1))
    assert (empty[:, 0] - expected[3]).abs().max() < TOLERANCE


def test_all_variants_have_the_published_parameters() -> None:
    """Totals of methods page: tiny, small, base+, large; nano below 12 MB in float16."""
    expected = {"hiera_t": 38962498, "hiera_s": 46060354, "hiera_b+": 80850178, "hiera_l": 224446642}
    for name, variant in SAM2_VARIANTS.items():
        with torch.device("meta"):
            sam = build_sam2(name, 256, None)
        total = sum(value.numel() for value in sam.parameters())
        assert total == variant.parameters == expected.get(name, variant.parameters)
    assert SAM2_VARIANTS["hiera_nano"].parameters * 2 < 12e6


def test_hydra_is_left_alone() -> None:
    """It builds where Hydra has no state, or another application's, and leaves it as it is."""
    import sam2  # noqa: F401

    GlobalHydra.instance().clear()
    build_sam2("hiera_nano", 64, "random")
    assert not GlobalHydra.instance().is_initialized()
    initialize_config_module("hydra.conf", version_base="1.2")
    state = GlobalHydra.instance().hydra
    build_sam2("hiera_nano", 64, "random")
    assert GlobalHydra.instance().hydra is state


def test_checkpointing_gives_the_same_gradients() -> None:
    sam = build_sam2("hiera_nano", 64, "random")
    image = torch.randn(1, 3, 64, 64)
    gradients = []
    for recompute in (False, True):
        sam.zero_grad()
        sam.image_encoder.trunk.activation_checkpointing = recompute
        encode_still(sam, image).embedding.square().sum().backward()
        gradients.append(sam.image_encoder.trunk.patch_embed.proj.weight.grad.clone())
    assert gradients[0].abs().max() > 0
    assert torch.equal(*gradients)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("hiera_x", 64, "random"), "variant"),
        (("hiera_nano", 48, "random"), "image_size"),
        (("hiera_nano", 64, "random", "3.0"), "sam2_version"),
        (("hiera_nano", 64, "sam_vit_b"), "checkpoint"),
    ],
)
def test_refused(arguments: tuple[Any, ...], key: str) -> None:
    with pytest.raises(SamAdaptError) as caught:
        build_sam2(*arguments)
    assert caught.value.key == key


def test_weights_of_another_variant_or_version_are_refused(tmp_path: Any) -> None:
    path = tmp_path / "weights.pt"
    state = build_sam2("hiera_nano", 64, "random").state_dict()
    torch.save(state, path)
    with pytest.raises(SamAdaptError, match="set variant to hiera_nano"):
        build_sam2("hiera_t", 64, str(path))
    with pytest.raises(SamAdaptError, match=r"set sam2_version 2.1"):
        build_sam2("hiera_nano", 64, str(path), "2.0")
    torch.save({name: value for name, value in state.items() if name != "no_mem_embed"}, path)
    with pytest.raises(SamAdaptError, match=r"1 missing keys .first no_mem_embed"):
        build_sam2("hiera_nano", 64, str(path))


@pytest.mark.slow
def test_a_compiled_block_equals_the_eager_one() -> None:
    sam = build_sam2("hiera_nano", 64, "random")
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        eager = encode_still(sam, image).embedding
        sam.image_encoder.trunk.blocks[0].compile()
        assert (encode_still(sam, image).embedding - eager).abs().max() < TOLERANCE
