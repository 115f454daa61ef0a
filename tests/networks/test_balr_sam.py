"""BALR-SAM: parameter oracle, identity, ablations, no prompts, merging, state."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam

from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.sam import FUSED_CLASSES
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.losses import CEDiceLoss
from monai_samadapt.networks import METHODS, BALRSam
from monai_samadapt.networks.export import why_not_stock

SIZE = 64
SWITCHES = ("detail", "attention_lora", "feature_adapter", "tensor_attention", "train_decoder")
PARTS = {
    "attention LoRA": 2_621_440,
    "feature adapter": 5_285_888,
    "low-rank tensor attention": 297_568,
    "rest of the decoder": 2_873_444,
    "detail network": 613_600,
}


def nano(labels: Any = ("Liver",), **options: Any) -> BALRSam:
    return BALRSam("vit_nano", SIZE, labels, **{"checkpoint": "random", **options})


def trained(network: BALRSam, amount: float = 0.05) -> BALRSam:
    """As after some training: every trained parameter moved."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in network.trainable_parameters().values():
            value.add_(torch.randn(value.shape, generator=generator) * amount)
    return network


def upstream(sam: Sam) -> Sam:
    """The same weights in segment_anything's own classes."""
    plain = {fused: original for original, fused in FUSED_CLASSES.items()}
    for module in sam.modules():
        module.__class__ = plain.get(type(module), type(module))
    return sam


def unused(network: BALRSam) -> set[str]:
    """The decoder's parameters on which the masks do not depend."""
    heads = ["iou_prediction_head."] + [f"output_hypernetworks_mlps.{index}." for index in (1, 2, 3)]
    prefixes = tuple(f"sam.mask_decoder.{head}" for head in (heads if network.single else heads[:1]))
    return {name for name in network.trainable_parameters() if name.startswith(prefixes)}


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def test_trained_parameters_of_vit_h() -> None:
    with torch.device("meta"):
        network = BALRSam("vit_h", 512, ["Lesion"])
    report = network.parameter_report()
    assert report.parts == PARTS
    assert report.trainable == 11_691_940 and report.base == 641_090_608
    assert sum(value.numel() for value in network.parameters() if value.requires_grad) == 11_691_940
    assert f"{report.percentage:.3f}" == "1.824"
    assert sum(network.get_parameter(name).numel() for name in unused(network)) == 132_612 + 3 * 139_808


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({}, 589_824 + 1_189_632 + 297_568 + 2_873_444 + 613_600),
        ({"detail": False}, 589_824 + 1_189_632 + 297_568 + 2_873_444),
        ({"attention_lora": False}, 1_189_632 + 297_568 + 2_873_444 + 613_600),
        ({"rank": 4}, 589_824 // 4 + 1_189_632 + 297_568 + 2_873_444 + 613_600),
        ({"feature_adapter": False}, 589_824 + 297_568 + 2_873_444 + 613_600),
        ({"adapter_width": 32}, 589_824 + 12 * (2 * 768 * 32 + 32 + 768) + 297_568 + 2_873_444 + 613_600),
        ({"tensor_attention": False}, 589_824 + 1_189_632 + 4_058_340 + 613_600),
        ({"train_decoder": False}, 589_824 + 1_189_632 + 297_568 + 613_600),
        ({"boundary_head": True}, 589_824 + 1_189_632 + 297_568 + 2_873_444 + 613_600 + 129),
    ],
)
def test_trained_parameters_of_vit_b(options: dict[str, Any], total: int) -> None:
    with torch.device("meta"):
        network = BALRSam("vit_b", 512, ["Lesion"], **options)
    assert network.parameter_report().trainable == total
    assert sum(value.numel() for value in network.parameters() if value.requires_grad) == total


@pytest.mark.parametrize("size", [64, 80])
def test_step_0_without_truncation_equals_sam(size: int) -> None:
    """Adapters and detail network are there and add nothing; upstream has no prompt and its own attention."""
    image = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    network = BALRSam("vit_nano", size, ["Liver"], checkpoint="random", tensor_attention=False).eval()
    sam = upstream(build_sam("vit_nano", size, "random"))
    sparse, dense = sam.prompt_encoder(None, None, None)
    with torch.no_grad():
        logits = network(image)
        for row, embedding in enumerate(sam.image_encoder(image)):
            position = sam.prompt_encoder.get_dense_pe()
            low, _ = sam.mask_decoder(embedding[None], position, sparse[:, :0].new_zeros(1, 0, 128), dense, False)
            expected = F.interpolate(low, (size, size), mode="bilinear", align_corners=False)
            assert torch.allclose(logits[row, 1:], expected[0], atol=1e-4)
    assert torch.equal(logits[:, 0], torch.zeros(2, size, size)) and logits[:, 1].std() > 1e-3


def test_only_truncation_departs_from_sam_and_says_by_how_much(image: torch.Tensor) -> None:
    network, without = nano().eval(), nano(detail=False, attention_lora=False, feature_adapter=False).eval()
    with torch.no_grad():
        assert torch.allclose(network(image), without(image), atol=1e-5)
        assert (network(image) - nano(tensor_attention=False).eval()(image)).abs().max() > 1e-3
    assert len(network.truncation_errors) == 7 and all(0.1 < e < 1 for e in network.truncation_errors.values())
    name, error = next(iter(network.truncation_errors.items()))
    assert name == "transformer.layers.0.self_attn"
    assert f"layers.0.self_attn {error:.3f}" in network.start_report() and "26.299 %" in network.start_report()
    assert nano(checkpoint=None).truncation_errors == nano(tensor_attention=False).truncation_errors == {}
    assert "relative error" not in nano(tensor_attention=False).start_report()


@pytest.mark.parametrize("labels", [["A"], ["A", "B"]])
@pytest.mark.parametrize("options", [{}, *({switch: False} for switch in SWITCHES), {"boundary_head": True}])
def test_gradients_reach_exactly_the_listed_parameters(
    labels: list[str], options: dict[str, Any], image: torch.Tensor
) -> None:
    network = trained(nano(labels, **options)).train()
    network(image).square().mean().backward()
    reached = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert reached == network.trainable_parameters().keys() - unused(network)
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    assert frozen.isdisjoint(network.trainable_parameters())


def test_channels_and_activation(image: torch.Tensor) -> None:
    one, several, overlapping = nano(), nano(["A", "B"]), nano(["A", "B"], overlapping=True)
    single = nano(overlapping=True)
    outputs = [network(image) for network in (one, several, overlapping, single)]
    assert [output.shape[1] for output in outputs] == [2, 3, 2, 1]
    assert [network.activation for network in (one, several, overlapping)] == ["softmax", "softmax", "sigmoid"]
    assert torch.equal(outputs[0][:, 1:], outputs[3])
    assert torch.equal(outputs[0].argmax(1) == 1, outputs[3][:, 0] > 0)
    assert outputs[1][:, 0].std() > 1e-3  # a background of its own


def test_boundary_logits_follow_in_training_only(image: torch.Tensor) -> None:
    network = nano(["A", "B"], boundary_head=True)
    assert network.train()(image).shape[1] == 3 + 2
    assert network.eval()(image).shape[1] == 3
    with pytest.raises(SamAdaptError, match=r"boundary_head=True: .*; set detail True$"):
        nano(boundary_head=True, detail=False)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(SamAdaptError, match="nothing is trained"):
        nano(**dict.fromkeys(SWITCHES, False))


@pytest.mark.parametrize("prompt", [{"points": torch.zeros(2, 1, 1, 2)}, {"boxes": torch.zeros(2, 1, 4)}])
def test_prompts_are_refused_in_one_line(prompt: dict[str, torch.Tensor], image: torch.Tensor) -> None:
    with pytest.raises(SamAdaptError, match="BALR-SAM takes no prompts") as caught:
        nano()(image, **prompt)
    assert caught.value.key == next(iter(prompt)) and "\n" not in str(caught.value)


def test_label_ids_choose_labels(image: torch.Tensor) -> None:
    chosen, network = torch.tensor([2, 0]), trained(nano(["A", "B", "C"])).eval()
    assert torch.equal(network(image, label_ids=chosen), network(image)[:, [0, 3, 1]])
    independent = trained(nano(["A", "B", "C"], overlapping=True)).eval()
    assert torch.equal(independent(image, label_ids=chosen), independent(image)[:, [2, 0]])


def test_queries_and_values_of_every_block_are_adapted_with_alpha_equal_to_rank() -> None:
    layers = trained(nano(rank=4)).lora.layers
    assert len(layers) == 8
    for layer in layers.values():
        change = (layer.compose_weight() - layer.weight).unflatten(0, (3, -1))
        assert torch.allclose(change[1], torch.zeros_like(change[1]), atol=1e-6)
        for part, index in ((0, 0), (2, 1)):
            assert torch.allclose(change[part], layer.lora_B[index] @ layer.lora_A[index], atol=1e-6)
            assert change[part].abs().max() > 1e-3


def test_a_volume_equals_its_slices_and_an_image_alone_its_batch(image: torch.Tensor) -> None:
    network = trained(nano(["A", "B"])).train()
    with torch.no_grad():
        together = network(torch.stack([image[0], image[1], image[0] * 3], dim=-1)[None])
        for index, item in enumerate((image[:1], image[1:], image[:1] * 3)):
            assert torch.allclose(together[..., index], network(item), atol=1e-5)


def test_merging_changes_nothing_and_training_unmerges(image: torch.Tensor) -> None:
    network = trained(nano(["A", "B"])).eval()
    with torch.no_grad():
        separate = network(image)
        network.merge()
        network.merge()
        assert all(layer.merged for group in (network.lora, network.bottlenecks) for layer in group.layers.values())
        assert torch.allclose(network(image), separate, atol=1e-4)
        assert torch.equal(network.train().eval()(image), separate)


@pytest.mark.parametrize("labels", [["A"], ["A", "B"]])
def test_adapter_state_restores_on_a_fresh_base(labels: list[str], image: torch.Tensor) -> None:
    network = trained(nano(labels)).eval()
    fresh = METHODS["balr_sam"].rebuild(network.settings, "random").eval()
    before = (fresh(image) - network(image)).abs().max()
    fresh.load_adapter_state(network.adapter_state())
    assert before > 0.01 and torch.equal(fresh(image), network(image))
    assert network.adapter_state().keys() == network.trainable_parameters().keys()


def test_state_dict_restores_a_network_built_without_weights(image: torch.Tensor, tmp_path: Path) -> None:
    network = trained(nano(["A", "B"])).eval()
    network.merge()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    empty = nano(["A", "B"], checkpoint=None).eval()
    assert not empty.weights_loaded
    empty.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), strict=True)
    network.unmerge()
    assert empty.weights_loaded and torch.equal(empty(image), network(image))


def test_seed_gives_the_same_initial_values_and_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, third = nano(), nano(), nano(seed=1)
    assert torch.equal(torch.rand(3), expected)
    states = [network.adapter_state() for network in (first, second, third)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    name = "sam.image_encoder.blocks.0.attn.qkv.lora_A"
    assert not torch.equal(states[0][name], states[2][name])


def test_traced_equals_eager(image: torch.Tensor) -> None:
    network = trained(nano(["A", "B"])).eval()
    with torch.no_grad():
        network.merge()
        module = torch.jit.trace(network, image)
        other = torch.randn(3, 3, SIZE, SIZE)
        assert torch.allclose(module(other), network(other), atol=1e-4)


def test_deep_copy_is_independent_and_bfloat16_is_near(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    twin = copy.deepcopy(network)
    twin.merge()
    assert not any(layer.merged for layer in network.lora.layers.values())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert (network(image) - twin(image)).abs().max() < 0.1


def test_recomputed_gradients_are_the_same(image: torch.Tensor) -> None:
    plain, recomputed, calls = trained(nano()), trained(nano(activation_checkpointing=True)), []
    for network in (plain, recomputed):
        network.sam.image_encoder.blocks[0].norm1.register_forward_hook(
            lambda *args, owner=network: calls.append(owner)
        )
        network(image).square().mean().backward()
    assert (calls.count(plain), calls.count(recomputed)) == (1, 2)
    for name in plain.trainable_parameters().keys() - unused(plain):
        assert torch.equal(plain.get_parameter(name).grad, recomputed.get_parameter(name).grad), name


def two_squares() -> tuple[torch.Tensor, torch.Tensor]:
    image, target = torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1, 1, SIZE, SIZE)
    for label, column in ((1, 8), (2, 40)):
        image[..., 16:40, column : column + 16] = label
        target[..., 16:40, column : column + 16] = label
    return image, target


def train(network: BALRSam, loss: CEDiceLoss, image: torch.Tensor, target: torch.Tensor, steps: int) -> list[float]:
    optimizer, values = torch.optim.AdamW(network.trainable_parameters().values(), 2e-3), []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(network.train()(image), target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


@pytest.mark.parametrize("options", [*({switch: False} for switch in SWITCHES), {"boundary_head": True}])
def test_every_ablation_trains(options: dict[str, Any]) -> None:
    values = train(nano(["Left", "Right"], **options), CEDiceLoss(["Left", "Right"]), *two_squares(), steps=12)
    assert values[-1] < 0.9 * values[0]


def test_a_few_steps_learn_two_squares() -> None:
    network, (image, target) = nano(["Left", "Right"]), two_squares()
    train(network, CEDiceLoss(["Left", "Right"]), image, target, steps=50)
    found = network.eval()(image).argmax(1)
    for label in (1, 2):
        dice = 2 * ((found == label) & (target[:, 0] == label)).sum() / ((found == label).sum() + 24 * 16)
        assert dice > 0.6, (label, float(dice))


def test_no_stock_checkpoint() -> None:
    with torch.device("meta"):
        reason = why_not_stock(BALRSam("vit_b", 1024, ["A"]))
    assert str(reason).startswith("balr_sam adds modules") and "\n" not in str(reason)
