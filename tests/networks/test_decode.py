"""Prompts as tokens: equal to upstream, boxes given as such or as points."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.networks import BALRSam, SSam
from monai_samadapt.networks.decode import encode_prompts

POINTS = torch.tensor([[[[7.0, 40.0], [3.0, 2.0]]], [[[1.5, 2.5], [0.0, 0.0]]]])
LABELS = torch.tensor([[[1, 0]], [[0, -1]]])
BOXES = torch.tensor([[[3.0, 4.0, 50.0, 60.0]], [[9.0, 9.0, 20.0, 10.0]]])


def test_points_and_boxes_equal_upstream() -> None:
    sam = build_sam("vit_nano", 64, "random")
    flat = (POINTS.flatten(0, 1), LABELS.flatten(0, 1))
    for points, boxes in ((POINTS, None), (None, BOXES), (POINTS, BOXES)):
        labels = None if points is None else LABELS
        upstream, _ = sam.prompt_encoder(None if points is None else flat, None if boxes is None else boxes[:, 0], None)
        torch.testing.assert_close(encode_prompts(sam.prompt_encoder, points, labels, boxes)[:, 0], upstream)


def test_corners_among_points_are_the_corners_of_a_box() -> None:
    """A batch may mix a box with no prompt at all, which has nothing but padding."""
    sam = build_sam("vit_nano", 64, "random")
    corners = BOXES.unflatten(-1, (2, 2)) * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)
    tokens = encode_prompts(sam.prompt_encoder, corners, torch.tensor([[[2, 3]], [[-1, -1]]]), None)
    boxed, _ = sam.prompt_encoder(None, BOXES[:1, 0], None)
    padding = sam.prompt_encoder.not_a_point_embed.weight
    torch.testing.assert_close(tokens[0, 0], torch.cat([boxed[0], padding]))
    torch.testing.assert_close(tokens[1, 0], padding.expand(3, -1))


@pytest.mark.parametrize("make", [SSam, BALRSam])
def test_positions_of_the_image_are_exact_in_half_precision(make: Any) -> None:
    network = make("vit_nano", 64, ["A", "B"], checkpoint="random").eval()
    seen: list[torch.Tensor] = []
    network.sam.mask_decoder.transformer.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        network(torch.zeros(1, 3, 64, 64))
    exact = network.sam.prompt_encoder.get_dense_pe()
    torch.testing.assert_close(seen[0][:1].float(), exact, atol=2**-8, rtol=0)  # a bfloat16's own rounding
