"""Prompts on the slices of a volume: each label is segmented on its slices by its own prompts alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.inferers.clicked import segment_clicked
from monai_samadapt.networks import Sam2LoRA, SSam
from monai_samadapt.prompts import NOWHERE, PADDING
from monai_samadapt.transforms.clicks import Clicks

SIZE, DEPTH = 64, 5
POINT, BOX = ([[20.0, 31.0]], [1]), ([[4.0, 6.0], [40.0, 50.0]], [2, 3])
# of two volumes: label -> slice -> points and their labels; the third label has none
GIVEN: list[dict[int, dict[int, Any]]] = [{0: {1: POINT, 3: BOX}, 1: {3: POINT}}, {0: {2: BOX}}]


@pytest.fixture(params=["s_sam", "sam2_lora", "overlapping"])
def network(request: Any) -> Any:
    if request.param == "sam2_lora":
        return Sam2LoRA("hiera_nano", SIZE, ["A", "B", "C"], checkpoint="random").eval()
    overlapping = request.param == "overlapping"
    return SSam("vit_nano", SIZE, ["A", "B", "C"], overlapping, checkpoint="random").eval()


@pytest.fixture
def volumes() -> torch.Tensor:
    return torch.randn(2, 3, SIZE, SIZE, DEPTH, generator=torch.Generator().manual_seed(0))


def prompts(longest: int) -> dict[str, torch.Tensor]:
    points, labels = torch.zeros(2, 3, DEPTH, longest, 2), torch.full((2, 3, DEPTH, longest), PADDING)
    for volume, given in enumerate(GIVEN):
        for label, slices in given.items():
            for number, (places, kinds) in slices.items():
                points[volume, label, number, : len(kinds)] = torch.tensor(places)
                labels[volume, label, number, : len(kinds)] = torch.tensor(kinds)
    return {"points": points, "point_labels": labels, "label_ids": torch.arange(3)}


@pytest.mark.parametrize(("slice_batch", "longest"), [(2, 2), (8, 2), (8, 7)])
def test_a_label_with_prompts_is_segmented_as_by_clicks_and_nowhere_else(
    network: Any, volumes: torch.Tensor, slice_batch: int, longest: int
) -> None:
    inferer = VolumeInferer(slice_batch)
    logits, plain = inferer(volumes, network, **prompts(longest)), inferer(volumes, network)
    first = int(network.label_spec.exclusive)
    assert logits.shape == (2, 3 + first, SIZE, SIZE, DEPTH) and not logits[:, :first].any()
    for volume, given in enumerate(GIVEN):
        for label, slices in given.items():
            tensors = {number: (torch.tensor(place), torch.tensor(kind)) for number, (place, kind) in slices.items()}
            with torch.no_grad():
                clicked = segment_clicked(volumes[volume : volume + 1], network, Clicks(label, tensors))
            found = logits[volume, first + label]
            torch.testing.assert_close(found, clicked[0, first + label], atol=1e-4, rtol=0)
            silent = [number for number in range(DEPTH) if number not in slices]
            assert (found[..., silent] == NOWHERE).all()
        for label in {0, 1, 2} - set(given):
            torch.testing.assert_close(logits[volume, first + label], plain[volume, first + label], atol=1e-4, rtol=0)
    assert (logits[0, first, ..., 3] - plain[0, first, ..., 3]).abs().max() > 1e-4


def test_prompts_of_a_whole_volume_count_on_every_slice(network: Any, volumes: torch.Tensor) -> None:
    points, labels = torch.tensor([20.0, 31.0]).expand(2, 3, 1, 2), torch.ones(2, 3, 1, dtype=torch.int64)
    once = {"points": points, "point_labels": labels, "label_ids": torch.arange(3)}
    each = {
        "points": points[:, :, None].expand(-1, -1, DEPTH, -1, -1),
        "point_labels": labels[:, :, None].expand(-1, -1, DEPTH, -1),
        "label_ids": torch.arange(3),
    }
    inferer = VolumeInferer(2)
    torch.testing.assert_close(inferer(volumes, network, **once), inferer(volumes, network, **each), atol=1e-4, rtol=0)
