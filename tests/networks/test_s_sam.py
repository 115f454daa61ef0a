"""S-SAM: parameter oracles, identity, one encoder call, labels, prompts, merging."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from segment_anything import sam_model_registry

from monai_samadapt.backbones import build_sam
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.losses import FocalDiceLoss
from monai_samadapt.networks import SSam
from monai_samadapt.networks.export import merged_sam_state, why_not_stock
from monai_samadapt.networks.label_embeddings import fixed_embeddings, label_embeddings, write_embeddings

SIZE = 64


def nano(labels: Any = ("Liver", "Tumor"), **options: Any) -> SSam:
    return SSam("vit_nano", SIZE, labels, **{"checkpoint": "random", **options})


def trained(network: SSam, amount: float = 0.05) -> SSam:
    """As after some training: every trained parameter moved."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in network.trainable_parameters().values():
            value.add_(torch.randn(value.shape, generator=generator) * amount)
    return network


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("variant", "size", "options", "total"),
    [
        ("vit_b", 256, {}, 440_064),
        ("vit_b", 512, {}, 1_029_888),
        ("vit_b", 1024, {}, 3_389_184),
        ("vit_b", 256, {"train_neck_norms": True}, 441_088),
        ("vit_b", 1024, {"train_position_embedding": False}, 440_064 - 196_608),
        ("vit_b", 256, {"embeddings": "learned"}, 440_064 + 512),
    ],
)
def test_trained_parameters(variant: str, size: int, options: dict[str, Any], total: int) -> None:
    with torch.device("meta"):
        network = SSam(variant, size, ["Liver"], **options)
    report = network.parameter_report()
    assert report.trainable == total
    assert sum(value.numel() for value in network.parameters() if value.requires_grad) == total
    if (size, options) == (256, {}):
        assert report.parts["singular values"] == 74_752 and report.parts["layer norms"] == 36_864
        assert report.parts["positions"] == 196_608 and report.parts["text affine layer"] == 131_840
        assert f"{report.percentage:.3f}" == "0.469" and "440,064" in str(report)


@pytest.mark.parametrize(("variant", "total"), [("vit_l", 197_632), ("vit_h", 328_704)])
def test_singular_values_of_larger_variants(variant: str, total: int) -> None:
    with torch.device("meta"):
        assert SSam(variant, 256, ["Liver"]).parameter_report().parts["singular values"] == total


def test_step_0_equals_sam_with_the_label_token(image: torch.Tensor) -> None:
    network, sam = nano().eval(), build_sam("vit_nano", SIZE, "random")
    with torch.no_grad():
        logits = network(image)
        embedding = sam.image_encoder(image)
        dense = sam.prompt_encoder.no_mask_embed.weight[..., None, None].expand(1, -1, SIZE // 16, SIZE // 16)
        for row, label in [(0, 0), (1, 0), (0, 1), (1, 1)]:
            sparse = network.label_tokens()[label][None, None]
            position = sam.prompt_encoder.get_dense_pe()
            low, _ = sam.mask_decoder(embedding[row : row + 1], position, sparse, dense, False)
            expected = torch.nn.functional.interpolate(low, (SIZE, SIZE), mode="bilinear", align_corners=False)
            assert torch.allclose(logits[row, label + 1], expected[0, 0], atol=1e-4)
    assert logits[:, 1:].std() > 1e-3


def test_exclusive_labels_have_a_zero_background_and_overlapping_ones_none(image: torch.Tensor) -> None:
    exclusive, overlapping = nano()(image), nano(overlapping=True)(image)
    assert exclusive.shape == (2, 3, SIZE, SIZE) and overlapping.shape == (2, 2, SIZE, SIZE)
    assert torch.equal(exclusive[:, 0], torch.zeros(2, SIZE, SIZE))
    assert torch.equal(exclusive[:, 1:], overlapping)
    below_half = (torch.sigmoid(overlapping) < 0.5).all(1)
    assert torch.equal(exclusive.argmax(1) == 0, below_half)


def test_many_labels_and_slices_cost_one_encoder_call(image: torch.Tensor) -> None:
    network, calls = nano([f"Label {index}" for index in range(8)]), []
    network.sam.image_encoder.register_forward_hook(lambda *args: calls.append(args[1][0].shape[0]))
    network(image)
    volume = torch.stack([image[0], image[1], image[0]], dim=-1)[None]
    network(volume)
    assert calls == [2, 3]


def test_a_volume_equals_its_slices(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    volume = torch.stack([image[0], image[1], image[0] * 0.5], dim=-1)[None].repeat(2, 1, 1, 1, 1)
    with torch.no_grad():
        logits = network(volume)
        assert logits.shape == (2, 3, SIZE, SIZE, 3)
        for index in range(3):
            assert torch.allclose(logits[1:, ..., index], network(volume[1:, ..., index]), atol=1e-5)


def test_label_ids_choose_labels(image: torch.Tensor) -> None:
    network = trained(nano(["A", "B", "C"])).eval()
    with torch.no_grad():
        chosen = network(image, label_ids=torch.tensor([2, 0]))
        assert torch.allclose(chosen, network(image)[:, [0, 3, 1]], atol=1e-5)


def test_prompts_have_a_channel_each(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    points, labels = torch.tensor([[[[10.0, 20.0]], [[40.0, 30.0]]]] * 2), torch.ones(2, 2, 1)
    boxes = torch.tensor([[[5.0, 5, 30, 40], [20, 10, 60, 60]]] * 2)
    with torch.no_grad():
        by_point, by_box = network(image, points, labels), network(image, boxes=boxes)
        both = network(image, points, labels, boxes, torch.tensor([0, 1]))
        sam = network.sam
        sparse, dense = sam.prompt_encoder((points[1], labels[1]), None, None)
        low, _ = sam.mask_decoder(
            sam.image_encoder(image)[1:], sam.prompt_encoder.get_dense_pe(), sparse, dense, multimask_output=False
        )
    assert by_point.shape == by_box.shape == both.shape == (2, 2, SIZE, SIZE)
    expected = torch.nn.functional.interpolate(low, (SIZE, SIZE), mode="bilinear", align_corners=False)
    assert torch.allclose(by_point[1], expected[:, 0], atol=1e-4)
    assert (by_point - by_box).abs().max() > 1e-4


def test_wrong_prompts_are_refused(image: torch.Tensor) -> None:
    network = nano()
    with pytest.raises(SamAdaptError, match="point_labels=None"):
        network(image, torch.zeros(2, 1, 1, 2))
    with pytest.raises(SamAdaptError, match="one label for each prompt"):
        network(image, boxes=torch.ones(2, 3, 4), label_ids=torch.tensor([0]))


def test_gradients_reach_exactly_the_listed_parameters(image: torch.Tensor) -> None:
    network = nano()
    network(image).square().mean().backward()
    reached = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert reached == set(network.trainable_parameters())
    assert {name.split(".")[1] for name in reached if name.startswith("sam.")} == {"image_encoder"}


def test_merging_changes_nothing_and_training_unmerges(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    with torch.no_grad():
        separate = network(image)
        network.merge()
        network.merge()
        merged = network(image)
        assert torch.allclose(merged, separate, atol=1e-4)
        assert torch.equal(network.train().eval()(image), separate)


def test_loading_into_a_merged_network_takes_effect(image: torch.Tensor) -> None:
    network, other = nano().eval(), trained(nano()).eval()
    network.merge()
    network.load_state_dict(other.state_dict())
    assert torch.equal(network(image), other(image))


def test_state_dict_restores_a_network_built_without_weights(image: torch.Tensor, tmp_path: Path) -> None:
    network = trained(nano()).eval()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    empty = nano(checkpoint=None).eval()
    assert not empty.weights_loaded and network.weights_loaded
    empty.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), strict=True)
    assert empty.weights_loaded
    assert torch.equal(empty(image), network(image))


def test_a_foreign_state_dict_leaves_weights_unloaded() -> None:
    empty = nano(checkpoint=None)
    empty.load_state_dict({f"module.{key}": value for key, value in nano().state_dict().items()}, strict=False)
    assert not empty.weights_loaded


def test_adapter_state_restores_on_a_fresh_base(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    fresh = nano().eval()
    fresh.load_adapter_state(network.adapter_state())
    assert torch.allclose(fresh(image), network(image), atol=1e-5)
    base = sum(value.numel() for name, value in network.state_dict().items())
    assert sum(value.numel() for value in network.adapter_state().values()) < 0.04 * base


def test_merged_state_is_a_stock_sam(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    plain = build_sam("vit_nano", SIZE, None)
    plain.load_state_dict(merged_sam_state(network), strict=True)
    with torch.no_grad():
        expected = network.sam.image_encoder(image)
        assert torch.allclose(plain.image_encoder(image), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("variant", "size", "reason"),
    [
        ("vit_nano", 256, "segment_anything has no builder of vit_nano"),
        ("vit_b", 256, "image_size 256: the positions were resized for it, and segment_anything builds vit_b for 1024"),
        ("vit_b", 1024, "None"),
    ],
)
def test_only_what_upstream_builds_is_stock(variant: str, size: int, reason: str) -> None:
    with torch.device("meta"):
        assert str(why_not_stock(SSam(variant, size, ["Liver"]))).startswith(reason)


@pytest.mark.slow
def test_merged_vit_b_loads_in_upstream_at_1024(tmp_path: Path) -> None:
    network = trained(SSam("vit_b", 1024, ["Liver"], checkpoint="random"), 0.01).eval()
    assert why_not_stock(network) is None
    torch.save(merged_sam_state(network), tmp_path / "merged.pth")
    upstream = sam_model_registry["vit_b"](str(tmp_path / "merged.pth"))
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.merge()
        embedding = upstream.image_encoder(image)
        assert torch.allclose(embedding, network.sam.image_encoder(image), atol=1e-4)
        dense = upstream.prompt_encoder(None, None, None)[1]
        low, _ = upstream.mask_decoder(
            embedding, upstream.prompt_encoder.get_dense_pe(), network.label_tokens()[None], dense, False
        )
        masks = upstream.postprocess_masks(low, (1024, 1024), (1024, 1024))
        assert torch.allclose(masks[:, 0], network(image)[:, 1], atol=1e-3)


def test_traced_equals_eager(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    with torch.no_grad():
        module = torch.jit.trace(network, image)
        other = torch.randn(3, 3, SIZE, SIZE)
        assert torch.allclose(module(other), network(other), atol=1e-4)


def test_deep_copy_and_bfloat16(image: torch.Tensor) -> None:
    network = trained(nano()).eval()
    twin = copy.deepcopy(network)
    twin.merge()
    assert not network.adapters.layers["image_encoder.neck.0"].merged
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert (network(image) - twin(image)).abs().max() < 0.1


def test_compiled_and_checkpointed_training_step(image: torch.Tensor) -> None:
    plain, recomputed = nano(), nano(activation_checkpointing=True)
    for network in (plain, recomputed):
        network(image).square().mean().backward()
    for name, value in plain.trainable_parameters().items():
        assert torch.equal(value.grad, recomputed.trainable_parameters()[name].grad), name


def test_fixed_embeddings_are_orthogonal_and_do_not_depend_on_the_number_of_labels() -> None:
    table = fixed_embeddings(5)
    assert torch.allclose(table @ table.T, 100 * torch.eye(5), atol=1e-3)
    assert torch.equal(table[:2], fixed_embeddings(2))


def test_embeddings_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    table = torch.randn(3, 512)
    write_embeddings(path, ["A", "B", "C"], table, "test")
    assert torch.equal(label_embeddings(str(path), ["C", "A"]), table[[2, 0]])
    network = nano(["C", "A"], embeddings=str(path))
    assert torch.equal(network.adapter_state()["label_embeddings"], table[[2, 0]])
    with pytest.raises(SamAdaptError, match="no embedding of 'D'"):
        label_embeddings(str(path), ["D"])
    with pytest.raises(SamAdaptError, match="no such file"):
        label_embeddings(str(tmp_path / "none"), ["A"])


def test_batch_norm_is_refused_for_one_label() -> None:
    with pytest.raises(SamAdaptError, match="single label"):
        nano(["A"], text_norm="batch")
    network = nano(["A", "B"], text_norm="batch").train()
    network(torch.randn(1, 3, SIZE, SIZE)).sum().backward()
    assert "text_affine.norm.running_mean" in network.adapter_state()


def test_a_few_steps_learn_two_squares() -> None:
    network = nano(["Left", "Right"])
    image = torch.zeros(1, 3, SIZE, SIZE)
    target = torch.zeros(1, 1, SIZE, SIZE)
    for label, column in ((1, 8), (2, 40)):
        image[..., 16:40, column : column + 16] = label
        target[..., 16:40, column : column + 16] = label
    loss, optimizer = FocalDiceLoss(["Left", "Right"]), torch.optim.AdamW(network.trainable_parameters().values(), 5e-3)
    for _ in range(120):
        optimizer.zero_grad()
        value = loss(network(image), target)
        value.backward()
        optimizer.step()
    found = network(image).argmax(1)
    for label in (1, 2):
        dice = 2 * ((found == label) & (target[:, 0] == label)).sum() / ((found == label).sum() + 24 * 16)
        assert dice > 0.6, (label, float(dice))


def test_label_spec_is_the_one_of_the_labels() -> None:
    assert nano({"Disc": [1, 2], "Cup": 2}).label_spec == LabelSpec.parse({"Disc": [1, 2], "Cup": 2})
    assert not nano({"Disc": [1, 2], "Cup": 2}).label_spec.exclusive
