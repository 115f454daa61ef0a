"""Prompts on the slices of a volume: each slice is segmented as a picture with its prompts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.inferers.clicked import NOWHERE
from monai_samadapt.networks import Sam2LoRA, SSam
from monai_samadapt.prompts import PADDING

SIZE, DEPTH = 64, 5


@pytest.fixture(params=["s_sam", "sam2_lora", "overlapping"])
def network(request: Any) -> Any:
    if request.param == "sam2_lora":
        return Sam2LoRA("hiera_nano", SIZE, ["A", "B", "C"], checkpoint="random").eval()
    overlapping = request.param == "overlapping"
    return SSam("vit_nano", SIZE, ["A", "B", "C"], overlapping, checkpoint="random").eval()


def prompts() -> dict[str, torch.Tensor]:
    """A on slices 1 and 3, B on 3 alone, C nowhere."""
    points, labels = torch.zeros(1, 3, DEPTH, 2, 2), torch.full((1, 3, DEPTH, 2), PADDING)
    points[0, 0, 1, 0], labels[0, 0, 1, 0] = torch.tensor([20.0, 31.0]), 1
    points[0, 0, 3], labels[0, 0, 3] = torch.tensor([[4.0, 6.0], [40.0, 50.0]]), torch.tensor([2, 3])
    points[0, 1, 3, 0], labels[0, 1, 3, 0] = torch.tensor([50.0, 9.0]), 1
    return {"points": points, "point_labels": labels, "label_ids": torch.arange(3)}


@pytest.mark.parametrize("slice_batch", [2, 8])
def test_each_slice_has_its_prompts_and_unprompted_slices_nothing(network: Any, slice_batch: int) -> None:
    volume = torch.randn(1, 3, SIZE, SIZE, DEPTH, generator=torch.Generator().manual_seed(0))
    given, inferer = prompts(), VolumeInferer(slice_batch)
    logits = inferer(volume, network, **given)
    first = int(network.label_spec.exclusive)
    assert logits.shape == (1, 3 + first, SIZE, SIZE, DEPTH) and not logits[:, :first].any()
    asked = [[1, 3], [3], range(DEPTH)]  # a label without any prompt is segmented by itself
    for number in range(DEPTH):
        own = {name: given[name][:, :, number] for name in ("points", "point_labels")}
        picture = inferer(volume[..., number], network, **own, label_ids=given["label_ids"])
        for label, slices in enumerate(asked):
            found = logits[:, first + label, ..., number]
            if number in slices:
                torch.testing.assert_close(found, picture[:, first + label], atol=1e-4, rtol=0)
            else:
                assert (found == NOWHERE).all()
    plain = inferer(volume, network)
    assert (logits[:, first, ..., 3] - plain[:, first, ..., 3]).abs().max() > 1e-4


def test_prompts_of_a_whole_volume_count_on_every_slice(network: Any) -> None:
    volume = torch.randn(1, 3, SIZE, SIZE, DEPTH, generator=torch.Generator().manual_seed(0))
    points, labels = torch.tensor([20.0, 31.0]).expand(1, 3, 1, 2), torch.ones(1, 3, 1, dtype=torch.int64)
    once = {"points": points, "point_labels": labels, "label_ids": torch.arange(3)}
    each = {
        "points": points[:, :, None].expand(-1, -1, DEPTH, -1, -1),
        "point_labels": labels[:, :, None].expand(-1, -1, DEPTH, -1),
        "label_ids": torch.arange(3),
    }
    inferer = VolumeInferer(2)
    torch.testing.assert_close(inferer(volume, network, **once), inferer(volume, network, **each), atol=1e-5, rtol=0)
