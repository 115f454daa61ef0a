"""Frozen first blocks: what is trained after them, and their tokens computed once for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from monai.data import CacheDataset
from monai.transforms import Compose, RandScaleIntensityd
from torch import Tensor

from monai_samadapt.engines import prefix
from monai_samadapt.engines.prefix import KEY, FixedCopies, PrefixCache
from monai_samadapt.engines.prepare import prepare_batch
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import METHODS, SegmentationNetwork

LABELS = ["Liver", "Tumor"]
METHOD_VARIANTS = {"s_sam": "vit_nano", "balr_sam": "vit_nano", "sam2_lora": "hiera_nano"}
BLOCK = 4  # of eight; of hiera_nano's levels two end before it


def build(method: str, block: int) -> SegmentationNetwork:
    network: SegmentationNetwork = METHODS[method](
        METHOD_VARIANTS[method], 64, LABELS, checkpoint="random", adapt_from_block=block
    )
    return network


def batch_of(count: int) -> dict[str, Tensor]:
    image = torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    return {"image": image, "label": torch.zeros(count, 1, 64, 64), KEY: torch.arange(count)}


@pytest.mark.parametrize("method", list(METHOD_VARIANTS))
def test_only_blocks_from_the_given_one_on_are_trained(method: str) -> None:
    network, whole = build(method, BLOCK), build(method, 0)
    if method == "sam2_lora":
        network.label_tokens = whole.label_tokens  # drawn after A, of which there are fewer
    blocks = [name.split("blocks.")[1].split(".")[0] for name in network.trainable_parameters() if "blocks." in name]
    assert set(map(int, blocks)) == {4, 5, 6, 7}
    assert not any("pos_embed" in name for name in network.trainable_parameters())
    logits, before = network.eval()(batch_of(1)["image"]), whole.eval()(batch_of(1)["image"])
    torch.testing.assert_close(logits, before, atol=1e-4, rtol=0)  # nothing is trained yet
    network.train()(batch_of(1)["image"]).square().mean().backward()
    reached = {name for name, value in network.named_parameters() if value.grad is not None}
    assert reached == set(network.trainable_parameters()) - network.unreached_parameters()
    assert network.settings["adapt_from_block"] == BLOCK


def test_trained_parameters_halve_with_half_of_the_blocks() -> None:
    parts = [build("s_sam", block).parameter_report().parts for block in (0, BLOCK)]
    # 160 channels: qkv 160, proj 160, lin1 160, lin2 160 singular values, two numbers each, in a block; neck 2 x 128
    assert [part["singular values"] for part in parts] == [8 * 4 * 320 + 512, 4 * 4 * 320 + 512]
    assert [part["layer norms"] for part in parts] == [8 * 4 * 160, 4 * 4 * 160]
    assert "positions" not in parts[1]


@pytest.mark.parametrize("method", list(METHOD_VARIANTS))
def test_given_tokens_change_neither_result_nor_gradients(method: str) -> None:
    network = build(method, BLOCK)
    network.eval()
    cache, batch = PrefixCache(network, prepare_batch), batch_of(3)
    found = []
    for given in (False, True, True):
        network.zero_grad()
        image = cache(batch, "cpu")[0] if given else batch["image"]
        logits = network(image)
        logits.square().mean().backward()
        gradients = [value.grad for value in network.trainable_parameters().values() if value.grad is not None]
        found.append((logits.detach(), [value.clone() for value in gradients]))
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[2], found[1], atol=0, rtol=0)
    assert sorted(cache.kept) == [0, 1, 2]
    other = network(torch.zeros(3, 3, 64, 64))  # the tokens were for one call
    assert float((other.detach() - found[0][0]).abs().max()) > 1e-3


def test_each_sample_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("s_sam", BLOCK)
    cache, computed = PrefixCache(network, prepare_batch), []
    whole = type(network.encoder).prefix
    monkeypatch.setattr(network.encoder, "prefix", lambda x: computed.append(len(x)) or whole(network.encoder, x))
    batch = batch_of(4)
    for places in ([0, 1], [1, 2], [3, 0], [2, 3]):
        cache({key: value[places] for key, value in batch.items()}, "cpu")
    assert computed == [2, 1, 1]


def test_without_free_memory_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("s_sam", BLOCK)
    cache, batch = PrefixCache(network, prepare_batch), batch_of(2)
    monkeypatch.setattr(prefix, "FREE", 1.1)
    tokens = cache.tokens([0, 1], batch["image"])
    assert cache.kept == {}
    torch.testing.assert_close(tokens, network.encoder.prefix(batch["image"]), atol=1e-6, rtol=0)


def test_copies_are_the_same_in_every_epoch_and_differ_from_each_other() -> None:
    data = [{"image": torch.full((1, 2, 2), float(value))} for value in (1, 2, 3)]
    transform = Compose([RandScaleIntensityd("image", factors=0.5, prob=1.0)])
    copies = FixedCopies(CacheDataset(data, transform, progress=False), copies=2, seed=5)
    first, second = ([copies[index] for index in range(len(copies))] for _ in range(2))
    assert [item[KEY] for item in first] == [0, 1, 2, 3, 4, 5]
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one["image"], two["image"], atol=0, rtol=0)
    factors = [float(item["image"].mean()) / (index % 3 + 1) for index, item in enumerate(first)]
    assert len({round(factor, 6) for factor in factors}) == 6
    assert all(0.5 <= factor <= 1.5 for factor in factors)
    assert len(copies.data) == 3


def test_samples_of_a_volume_have_numbers_of_their_own() -> None:
    class Volumes:
        data: tuple[int, ...] = (0, 1)
        transform = Compose([])

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> list[Mapping[str, int]]:
            return [{"image": index}, {"image": index}, {"image": index}]

    copies: Any = FixedCopies(Volumes(), copies=2, seed=0)
    assert [sample[KEY] for index in range(4) for sample in copies[index]] == list(range(12))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SamAdaptError, match="adapt_from_block=8: vit_nano has blocks 0 to 7; give 0"):
        build("s_sam", 8)
    with pytest.raises(SystemExit, match="prefix_copies=1: no block is frozen that could be computed once"):
        prefix.with_prefix(build("s_sam", 0), prepare_batch, 1)
