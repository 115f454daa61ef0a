"""Prompts of pictures: each label is segmented by its own alone, and as without prompts where it has none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.inferers.clicked import segment_clicked
from monai_samadapt.networks import Sam2LoRA, SSam
from monai_samadapt.prompts import PADDING
from monai_samadapt.transforms.clicks import Clicks

SIZE, LABELS = 64, ["A", "B", "C"]
POINT, BOX = ([[20.0, 31.0]], [1]), ([[4.0, 6.0], [40.0, 50.0]], [2, 3])
OTHER = ([[33.0, 12.0]], [1])


@pytest.fixture(params=["s_sam", "sam2_lora", "overlapping"])
def network(request: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "sam2_lora":
        made: Any = Sam2LoRA("hiera_nano", SIZE, LABELS, checkpoint="random").eval()
    else:
        made = SSam("vit_nano", SIZE, LABELS, request.param == "overlapping", checkpoint="random").eval()
    decode = made.decode
    made.calls = []
    monkeypatch.setattr(made, "decode", lambda *args, **words: made.calls.append(words) or decode(*args, **words))
    return made


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def prompts(*given: dict[int, Any], longest: int = 2, gap: int = 0) -> dict[str, torch.Tensor]:
    """The keywords of a batch: label -> points and their labels, after ``gap`` times padding."""
    points, labels = torch.zeros(len(given), 3, longest, 2), torch.full((len(given), 3, longest), PADDING)
    for image, found in enumerate(given):
        for label, (places, kinds) in found.items():
            points[image, label, gap : gap + len(kinds)] = torch.tensor(places)
            labels[image, label, gap : gap + len(kinds)] = torch.tensor(kinds)
    return {"points": points, "point_labels": labels, "label_ids": torch.arange(3)}


def test_labels_without_prompts_come_out_as_if_there_were_none(network: Any, images: torch.Tensor) -> None:
    plain, first = VolumeInferer()(images[:1], network), int(network.label_spec.exclusive)
    network.calls.clear()
    logits = VolumeInferer()(images[:1], network, **prompts({1: BOX}))
    others = [channel for channel in range(logits.shape[1]) if channel != first + 1]
    assert torch.equal(logits[:, others], plain[:, others])
    assert (logits - plain)[:, first + 1].abs().max() > 1e-4
    assert [words["label_ids"].tolist() for words in network.calls if words] == [[1]]
    assert len(network.calls) == 2  # and all labels without prompts


@pytest.mark.parametrize(("longest", "gap"), [(2, 0), (9, 3)])
def test_a_label_is_segmented_by_its_own_prompts_alone(
    network: Any, images: torch.Tensor, longest: int, gap: int
) -> None:
    """As by clicks on it, whatever the other labels and the other image of the batch have."""
    given: list[dict[int, Any]] = [{0: POINT, 1: BOX, 2: OTHER}, {0: BOX}]
    logits = VolumeInferer()(images, network, **prompts(*given, longest=longest, gap=gap))
    first = int(network.label_spec.exclusive)
    # three labels of the first image in two calls, one of the second, and those without prompts
    assert sorted(str(words["label_ids"].tolist()) for words in network.calls if words) == ["[0, 2]", "[0]", "[1]"]
    assert len(network.calls) == 4 and not logits[:, :first].any()
    for image, found in enumerate(given):
        for label, (places, kinds) in found.items():
            clicks = Clicks(label, {0: (torch.tensor(places), torch.tensor(kinds))})
            with torch.no_grad():
                alone = segment_clicked(images[image : image + 1], network, clicks)
            torch.testing.assert_close(logits[image, first + label], alone[0, first + label], atol=1e-4, rtol=0)


def test_prompts_of_one_length_for_all_labels_take_one_call(network: Any, images: torch.Tensor) -> None:
    VolumeInferer()(images, network, **prompts({0: POINT, 1: OTHER, 2: POINT}, {0: OTHER, 1: POINT, 2: POINT}))
    assert len(network.calls) == 1
