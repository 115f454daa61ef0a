"""Full fine-tuning: what is trained, its count, step 0, and the merged checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monai_samadapt.backbones import build_sam, build_sam2
from monai_samadapt.backbones.sam2_encoder import encode_still
from monai_samadapt.networks import FullSam, FullSam2, SegmentationNetwork
from monai_samadapt.networks.decode import decode_masks, upsample
from monai_samadapt.networks.decode_sam2 import decode_masks_sam2, encode_prompts_sam2, no_prompt
from monai_samadapt.networks.export import merged_sam_state

SIZE = 64
LABELS = {"Disc": [1, 2], "Cup": 2}


def full_sam(**settings: Any) -> FullSam:
    return FullSam("vit_nano", SIZE, LABELS, checkpoint="random", **settings)


def full_sam2(**settings: Any) -> FullSam2:
    return FullSam2("hiera_nano", SIZE, LABELS, checkpoint="random", **settings)


def images() -> Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def reached(network: nn.Module) -> set[str]:
    """The names of the parameters that have a gradient."""
    return {name for name, value in network.named_parameters() if value.grad is not None}


def all_but(network: SegmentationNetwork, *unused: str) -> set[str]:
    """All parameters but those whose name begins with one of these."""
    return {name for name, _ in network.named_parameters() if not name.startswith(unused)}


def test_every_parameter_of_sam_that_the_masks_depend_on_is_trained() -> None:
    network = full_sam().train()
    for value in network.parameters():
        value.requires_grad_(True)  # what a gradient reaches when nothing is frozen
    network(images()).square().mean().backward()
    decoder, prompts = "sam.mask_decoder.", "sam.prompt_encoder."
    unused = [f"{decoder}output_hypernetworks_mlps.{token}" for token in (1, 2, 3)] + [f"{decoder}iou_prediction_head"]
    unused += [prompts + name for name in ("point_embeddings", "not_a_point_embed", "mask_downscaling")]
    assert reached(network) == set(network.trainable_parameters()) == all_but(network, *unused)


def test_every_parameter_of_sam2_that_masks_and_quality_depend_on_is_trained() -> None:
    network = full_sam2().train()
    for value in network.parameters():
        value.requires_grad_(True)
    points, labels = torch.rand(2, 2, 1, 2) * SIZE, torch.ones(2, 2, 1)
    logits, quality = network(images(), points, labels, label_ids=torch.arange(2), with_quality=True)
    (logits.square().mean() + quality.sum()).backward()
    decoder, prompts = "sam.sam_mask_decoder.", "sam.sam_prompt_encoder."
    unused = [f"{decoder}output_hypernetworks_mlps.{token}" for token in (0, 2, 3)] + [f"{decoder}pred_obj_score_head"]
    unused += [prompts + "mask_downscaling", "sam.memory_", "sam.maskmem_", "sam.no_mem_pos_enc", "sam.no_obj_"]
    unused += ["sam.mask_downsample", "sam.obj_ptr"]
    assert reached(network) == set(network.trainable_parameters()) == all_but(network, *unused)


@pytest.mark.parametrize("network", [full_sam(), full_sam2()], ids=lambda network: network.method)
def test_only_the_listed_parameters_have_a_gradient_and_are_counted(network: SegmentationNetwork) -> None:
    network.train()(images()).square().mean().backward()
    listed = network.trainable_parameters()
    assert {name for name, value in network.named_parameters() if value.requires_grad} == set(listed)
    assert reached(network) <= set(listed)
    report = network.parameter_report()
    assert report.trainable == sum(value.numel() for value in network.parameters() if value.requires_grad)
    assert report.parts["label tokens"] == 2 * (
        network.sam.mask_decoder.transformer_dim if network.family == "sam" else network.sam.hidden_dim
    )


def test_counts_of_the_published_sizes() -> None:
    with torch.device("meta"):
        sam = FullSam("vit_b", 1024, ["Disc"]).parameter_report()
        sam2 = FullSam2("hiera_l", 1024, ["Disc"]).parameter_report()
    # SAM's ViT-B with its neck; the decoder without its quality head and three of four hypernetworks; one token
    assert sam.parts == {"image encoder": 89_670_912, "mask decoder": 3_506_560, "label tokens": 256}
    assert (sam.base, sam2.base) == (93_735_472, 224_446_642)
    assert (sam2.parts["image encoder"], sam2.trainable) == (212_703_536, 216_368_916)


def test_step_0_is_sam_with_the_label_tokens() -> None:
    network, sam = full_sam().eval(), build_sam("vit_nano", SIZE, "random")
    with torch.no_grad():
        sparse = network.tokens[None, :, None].expand(2, -1, -1, -1)
        expected = upsample(decode_masks(sam, sam.image_encoder(images()), sparse), SIZE)
        assert expected.std() > 1e-3
        assert (network(images()) - expected).abs().max() < 1e-5


def test_step_0_is_sam2_where_there_is_one_label() -> None:
    network, sam = (
        FullSam2("hiera_nano", SIZE, ["Disc"], checkpoint="random").eval(),
        build_sam2("hiera_nano", SIZE, "random"),
    )
    with torch.no_grad():
        sparse = encode_prompts_sam2(sam, *no_prompt(2, 1, torch.device("cpu")), None)
        expected = upsample(decode_masks_sam2(sam, encode_still(sam, images()), sparse)[0], SIZE)
        assert (network(images())[:, 1:] - expected).abs().max() < 1e-5


def test_trained_weights_come_back_from_the_adapter_state_and_as_a_checkpoint() -> None:
    network = full_sam()
    with torch.no_grad():
        for value in network.trainable_parameters().values():
            value.add_(0.01)
    again = FullSam.rebuild(network.settings, "random")
    again.load_adapter_state(network.adapter_state())
    assert torch.equal(again.eval()(images()), network.eval()(images()))
    stock = build_sam("vit_nano", SIZE, "random")
    stock.load_state_dict(merged_sam_state(network), strict=True)
    assert torch.equal(stock.image_encoder(images()), network.sam.image_encoder(images()))
