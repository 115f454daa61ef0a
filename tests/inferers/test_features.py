"""Features are encoded once for each image, and never kept for too long."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from monai_samadapt.inferers import FeatureCache, VolumeInferer
from monai_samadapt.networks import FullSam, PlainUNet, SSam
from monai_samadapt.prompts import MODES, draw_prompts

SIZE = 64


@pytest.fixture
def network() -> SSam:
    return SSam("vit_nano", SIZE, ["A", "B"], checkpoint="random").eval()


@pytest.fixture
def passes(network: SSam) -> list[int]:
    """The batch size of each pass of the encoder so far."""
    seen: list[int] = []
    network.sam.image_encoder.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    return seen


@pytest.fixture
def image() -> Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def prompts_of(mode: str) -> dict[str, Tensor]:
    masks = torch.zeros(1, 2, SIZE, SIZE, dtype=torch.bool)
    masks[0, 0, 8:30, 8:30], masks[0, 1, 40:60, 20:50] = True, True
    if mode == "none":
        return {}
    points, labels = draw_prompts(masks, MODES[mode], generator=torch.Generator().manual_seed(0))
    return {"points": points, "point_labels": labels, "label_ids": torch.arange(2)}


def test_five_prompt_modes_on_an_image_cost_one_pass(network: SSam, passes: list[int], image: Tensor) -> None:
    inferer, modes = VolumeInferer(), ("none", "1_point", "5_points", "box", "points_box")
    found = [inferer(image, network, **prompts_of(mode)) for mode in modes]
    assert passes == [1]
    for mode, logits in zip(modes, found, strict=True):
        with torch.no_grad():
            direct = network(image, **prompts_of(mode))
        labels = direct[:, 1:] if mode == "none" else direct
        torch.testing.assert_close(logits[:, 1:], labels, atol=1e-5, rtol=0)
        assert logits.shape == (1, 3, SIZE, SIZE) and not logits[:, 0].any()  # the background comes first
    assert all((one - found[0]).abs().max() > 1e-4 for one in found[1:])


def test_overlapping_labels_get_no_background(image: Tensor) -> None:
    network = SSam("vit_nano", SIZE, ["A", "B"], overlapping=True, checkpoint="random").eval()
    assert VolumeInferer()(image, network, **prompts_of("box")).shape == (1, 2, SIZE, SIZE)


def test_another_image_is_encoded_and_the_last_ones_are_remembered(
    network: SSam, passes: list[int], image: Tensor
) -> None:
    cache, other = FeatureCache(2), image + 1e-6
    with torch.no_grad():
        first = cache.get(network, image)
        assert cache.get(network, image.clone()) is first
        second = cache.get(network, other)
        assert second is not first and cache.get(network, image) is first and len(passes) == 2
        cache.get(network, image + 1)
        assert cache.get(network, other) is second and len(passes) == 3
        cache.get(network, image)
    assert len(passes) == 4


def test_an_image_changed_in_place_is_encoded_again(network: SSam, passes: list[int], image: Tensor) -> None:
    cache = FeatureCache()
    with torch.no_grad():
        before = cache.get(network, image)
        image.mul_(2)
        assert (cache.get(network, image) - before).abs().max() > 1e-3
    assert len(passes) == 2


def shift(network: SSam) -> None:
    with torch.no_grad():
        network.sam.image_encoder.pos_embed.add_(1.0)


def reload(network: SSam) -> None:
    other = SSam("vit_nano", SIZE, ["A", "B"], checkpoint="random", seed=5)
    network.load_state_dict(other.state_dict())


@pytest.mark.parametrize("change", [shift, reload])
def test_other_weights_are_seen(network: SSam, image: Tensor, change: Any) -> None:
    cache = FeatureCache()
    with torch.no_grad():
        before = cache.get(network, image)
        change(network)
        after = cache.get(network, image)
        assert (after - before).abs().max() > 1e-3
        assert torch.equal(after, network.encode(image))


def test_another_network_and_another_precision_are_seen(network: SSam, image: Tensor) -> None:
    cache = FeatureCache()
    with torch.no_grad():
        before = cache.get(network, image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not torch.equal(cache.get(network, image), before)
        other = SSam("vit_nano", SIZE, ["A", "B"], checkpoint="random", seed=5).eval()
        assert torch.equal(cache.get(other, image), other.encode(image))


def test_training_keeps_nothing_and_has_gradients(network: SSam, passes: list[int], image: Tensor) -> None:
    inferer = VolumeInferer()
    inferer(image, network)
    network.train()
    for _ in range(2):
        inferer(image, network, **prompts_of("box")).sum().backward()
    network.eval()
    inferer(image, network)
    assert len(passes) == 4


def test_a_network_without_prompts_segments_in_one_go(image: Tensor) -> None:
    network = PlainUNet(SIZE, ["A"]).eval()
    with torch.no_grad():
        assert torch.equal(VolumeInferer()(image, network), network(image))


def test_weights_that_a_fused_optimiser_moved_are_seen() -> None:
    """It changes them without counting, and `FullSam` has no merged weights that would be new."""
    network = FullSam("vit_nano", SIZE, ["A"], checkpoint="random").eval()
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    inferer, optimizer = VolumeInferer(), torch.optim.AdamW(network.parameters(), lr=0.01, fused=True)
    inferer(image, network)
    version = network.sam.image_encoder.pos_embed._version
    network.train()(image).square().mean().backward()
    optimizer.step()
    assert network.sam.image_encoder.pos_embed._version == version
    found = inferer(image, network.eval())
    with torch.no_grad():
        torch.testing.assert_close(found, network(image), atol=1e-5, rtol=0)
