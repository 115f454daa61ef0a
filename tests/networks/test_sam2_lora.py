"""SAM2LoRA: the parameter table, identity, gradients, merging, prompts and labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from monai_samadapt.backbones import build_sam2
from monai_samadapt.backbones.sam2_encoder import encode_still
from monai_samadapt.engines.checks import check_base
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import Sam2LoRA
from monai_samadapt.networks.decode import upsample
from monai_samadapt.networks.decode_sam2 import decode_masks_sam2, encode_prompts_sam2, no_prompt

SIZE = 64
# encoder and encoder + decoder parameters for r = 1, and the largest rank below 5 % (methods page)
TABLE = {
    "hiera_t": (18144, 29920, 65),
    "hiera_s": (24288, 36064, 63),
    "hiera_b+": (42224, 54000, 74),
    "hiera_l": (108432, 120208, 93),
}


def network(labels: Any = ("Disc",), **settings: Any) -> Sam2LoRA:
    return Sam2LoRA("hiera_nano", SIZE, list(labels), checkpoint="random", **settings).eval()


def images(count: int = 1) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def shake(net: Sam2LoRA) -> None:
    """Make every adapter do something."""
    with torch.no_grad():
        for value in net.adapters.parameters().values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(value.numel())))


@pytest.mark.parametrize(("variant", "expected"), TABLE.items())
def test_parameter_table(variant: str, expected: tuple[int, int, int]) -> None:
    encoder, both, largest = expected
    with torch.device("meta"):
        report = Sam2LoRA(variant, 1024, ["Vessel"], rank=1).parameter_report()
        below = Sam2LoRA(variant, 1024, ["Vessel"], rank=largest).parameter_report()
        above = Sam2LoRA(variant, 1024, ["Vessel"], rank=largest + 1).parameter_report()
    assert report.parts == {"encoder LoRA": encoder, "decoder LoRA": both - encoder}
    assert below.percentage < 5 <= above.percentage


def test_default_is_rank_64_on_large() -> None:
    with torch.device("meta"):
        large = Sam2LoRA("hiera_l", 1024, ["Vessel"])
        small = Sam2LoRA("hiera_s", 1024, ["Vessel"])
        nano = Sam2LoRA("hiera_nano", 256, ["Vessel"])
    assert large.parameter_report().trainable == 7_693_312
    assert round(large.parameter_report().percentage, 2) == 3.43
    assert (large.settings["rank"], large.settings["alpha"]) == (64, 128.0)
    assert small.settings["rank"] == 63
    assert nano.settings["rank"] == 26
    assert nano.parameter_report().percentage < 5 < 27 * 11120 / 59515.54


def test_step_0_is_sam2() -> None:
    net, sam = network(), build_sam2("hiera_nano", SIZE, "random")
    with torch.no_grad():
        sparse = encode_prompts_sam2(sam, *no_prompt(2, 1, torch.device("cpu")), None)
        expected = upsample(decode_masks_sam2(sam, encode_still(sam, images(2)), sparse)[0], SIZE)
        found = net(images(2))
    assert expected.std() > 1e-3
    assert (found[:, 1:] - expected).abs().max() < 1e-5
    assert torch.equal(found[:, 0], torch.zeros(2, SIZE, SIZE))


def test_gradients_reach_exactly_the_adapters() -> None:
    net = network(["Disc", "Cup"]).train()
    shake(net)
    logits, quality = net(images(), with_quality=True)
    (logits.square().mean() + quality.sum()).backward()
    reached = {name for name, value in net.named_parameters() if value.grad is not None and value.grad.abs().max() > 0}
    assert reached == set(net.trainable_parameters())
    decoder = [name for name in reached if name.startswith("sam.sam_mask_decoder.transformer.")]
    assert len(decoder) == 2 * 28


@pytest.mark.parametrize("labels", [["Disc"], ["Disc", "Cup"]])
def test_merged_equals_unmerged(labels: list[str]) -> None:
    net = network(labels)
    before = net(images())
    shake(net)
    unmerged = net(images())
    net.merge()
    merged = net(images())
    assert (unmerged - before).abs().max() > 1e-3
    assert (merged - unmerged).abs().max() < 1e-4
    net.unmerge()
    assert torch.equal(net(images()), unmerged)


def test_a_label_has_one_mask_whatever_its_neighbours() -> None:
    net = network(["Disc", "Cup"], overlapping=True)
    both = net(images())
    assert both.shape[1] == 2
    assert (both[:, 0] - both[:, 1]).abs().max() > 1e-3
    for index in range(2):
        alone = net(images(), label_ids=torch.tensor([index]))
        assert (alone[:, 0] - both[:, index]).abs().max() < 1e-5


def test_padding_is_no_prompt() -> None:
    """A label whose only point is padding is decoded as without prompts; a point changes its own label only."""
    net = network(["Disc", "Cup"], overlapping=True)
    ids = torch.arange(2)
    points, labels = torch.zeros(1, 2, 1, 2), -torch.ones(1, 2, 1)
    without = net(images())
    assert (net(images(), points, labels, label_ids=ids) - without).abs().max() < 1e-5
    points[0, 1, 0], labels[0, 1, 0] = torch.tensor([20.0, 31.0]), 1
    changed = net(images(), points, labels, label_ids=ids)
    assert (changed[:, 0] - without[:, 0]).abs().max() < 1e-5
    assert (changed[:, 1] - without[:, 1]).abs().max() > 1e-3


def test_five_prompts_cost_one_encoder_pass() -> None:
    net, calls = network(), []
    net.sam.image_encoder.trunk.register_forward_hook(lambda *_: calls.append(1))
    boxes = torch.tensor([[[8.0, 8, 40, 40]] * 5])
    assert net(images(), boxes=boxes).shape == (1, 5, SIZE, SIZE)
    features = net.encode(images())
    for _ in range(5):
        net.decode(features, boxes=boxes)
    assert len(calls) == 2


def test_adapter_state_restores_exactly() -> None:
    net, again = network(["Disc", "Cup"], seed=1), network(["Disc", "Cup"], seed=1)
    shake(net)
    with torch.no_grad():
        assert net.label_tokens is not None
        net.label_tokens.add_(1)
    again.load_adapter_state(net.adapter_state())
    assert torch.equal(again(images()), net(images()))


def test_half_precision_and_trace() -> None:
    net = network(["Disc", "Cup"])
    expected = net(images())
    with torch.autocast("cpu", torch.bfloat16):
        half = net(images())
    assert half.dtype == torch.float32
    assert (half - expected).abs().max() < 0.05 * expected.abs().max()
    traced = torch.jit.trace(net, images(), check_trace=False)
    other = images(2)[1:]
    assert (traced(other) - net(other)).abs().max() < 1e-5


def test_volume_is_folded() -> None:
    net = network()
    volume = images(3).movedim(0, -1)[None]
    with torch.no_grad():
        assert (net(volume) - net(images(3)).movedim(0, -1)[None]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"rank": 0}, "rank"), ({"encoder_layers": ["neck"]}, "encoder_layers"), ({"dropout": 1.0}, "dropout")],
)
def test_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(SamAdaptError) as caught:
        network(**settings)
    assert caught.value.key == key


def test_more_layers_can_be_adapted() -> None:
    with torch.device("meta"):
        net = Sam2LoRA(
            "hiera_t",
            1024,
            ["Vessel"],
            rank=4,
            encoder_layers=["qkv", "proj", "mlp"],
            decoder_layers=["attention", "mlp"],
        )
    assert len(net.adapters.layers) == 12 * 4 + 28 + 4


def test_a_version_given_as_a_number_is_the_same() -> None:
    """As ``--sam2_version 2.0`` arrives from a command line."""
    assert Sam2LoRA("hiera_nano", 64, ["A"], sam2_version=2.0).settings["sam2_version"] == "2.0"  # type: ignore[arg-type]
    check_base("sam2.1_hiera_nano", "hiera_nano", 2.1)  # type: ignore[arg-type]
