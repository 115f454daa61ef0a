"""Clicks are answered on their slices, for their label, from features that are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.inferers.clicked import features_of
from monai_samadapt.networks import BALRSam, Sam2LoRA, SSam
from monai_samadapt.prompts import NOWHERE
from monai_samadapt.transforms.clicks import CLICKS, Clicks

SIZE = 64


def clicked(image: torch.Tensor, clicks: Clicks) -> MetaTensor:
    return MetaTensor(image, meta={CLICKS: clicks})


def one(place: tuple[float, float], label: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([place]), torch.tensor([label])


@pytest.fixture(params=["s_sam", "sam2_lora"])
def network(request: Any) -> Any:
    if request.param == "s_sam":
        return SSam("vit_nano", SIZE, ["A", "B"], checkpoint="random").eval()
    return Sam2LoRA("hiera_nano", SIZE, ["A", "B"], checkpoint="random").eval()


def test_only_the_clicked_slice_and_label_are_segmented(network: Any) -> None:
    volume = torch.randn(1, 3, SIZE, SIZE, 4, generator=torch.Generator().manual_seed(0))
    clicks = Clicks(1, {2: one((20.0, 31.0))})
    logits = VolumeInferer()(clicked(volume, clicks), network)
    assert logits.shape == (1, 3, SIZE, SIZE, 4)
    assert not logits[:, 0].any()
    assert (logits[:, 1] == NOWHERE).all()
    assert (logits[:, 2, ..., [0, 1, 3]] == NOWHERE).all()
    prompts = {"points": torch.tensor([[[[20.0, 31.0]]]]), "point_labels": torch.ones(1, 1, 1)}
    with torch.no_grad():
        direct = network(volume[..., 2], **prompts, label_ids=torch.tensor([1]))
    torch.testing.assert_close(logits[:, 2, ..., 2], direct[:, 0], atol=1e-4, rtol=0)


def test_the_second_click_does_not_run_the_encoder_whatever_inferer_answers(network: Any) -> None:
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    first = VolumeInferer()(clicked(image, Clicks(0, {0: one((20.0, 31.0))})), network)
    assert features_of(network).passes == 1
    both = (torch.tensor([[20.0, 31.0], [50.0, 8.0]]), torch.tensor([1, 0]))
    second = VolumeInferer()(clicked(image.clone(), Clicks(0, {0: both})), network)
    assert features_of(network).passes == 1
    assert (second - first).abs().max() > 1e-4
    VolumeInferer()(clicked(image + 1, Clicks(0, {0: both})), network)
    assert features_of(network).passes == 2


def test_other_weights_are_seen(network: Any) -> None:
    image = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    asked = clicked(image, Clicks(0, {0: one((20.0, 31.0))}))
    VolumeInferer()(asked, network)
    network.load_state_dict(network.state_dict())
    VolumeInferer()(asked, network)
    assert features_of(network).passes == 2


def test_a_network_without_prompts_refuses_clicks() -> None:
    network = BALRSam("vit_nano", SIZE, ["A"], checkpoint="random").eval()
    with pytest.raises(SamAdaptError, match="foreground='BALRSam': takes no prompts"):
        VolumeInferer()(clicked(torch.zeros(1, 3, SIZE, SIZE), Clicks(0, {0: one((1.0, 1.0))})), network)
