"""A training step reaches the whole model and repeats for a seed."""

from __future__ import annotations

import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.pretrain.rounds import training_loss
from monai_samadapt.pretrain.scenes import Scenes


def _scenes() -> Scenes:
    masks = torch.zeros(2, 3, 64, 64, dtype=torch.bool)
    masks[0, 0, 5:30, 7:40] = True
    masks[0, 2, 40:44, 40:60] = True
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return Scenes(images, masks, masks.flatten(2).any(2))


def test_training_loss_reaches_every_parameter_and_repeats_for_a_seed() -> None:
    sam = build_sam("vit_nano", 64, "random")
    loss, figures = training_loss(sam, _scenes(), 16, 2, torch.Generator().manual_seed(0))
    again, _ = training_loss(sam, _scenes(), 16, 2, torch.Generator().manual_seed(0))
    assert loss.item() == again.item()
    assert all(0 <= value <= 1 for value in figures.values())
    loss.backward()
    still = {name for name, value in sam.named_parameters() if value.grad is None or not value.grad.abs().sum()}
    # of the masks 1 to 3 only those that were the best of some click are trained
    assert {name.split(".layers")[0] for name in still} < {"mask_decoder.output_hypernetworks_mlps." + k for k in "123"}
