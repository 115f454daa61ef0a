from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.restore import DropChanneld, RestoreSegmentationd, decide


def test_decide_is_argmax_or_the_sign():
    logits = torch.randn(5, 8, 9, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(decide(logits.split(1), exclusive=True), logits.argmax(0, keepdim=True).to(torch.uint8))
    assert torch.equal(decide(logits.split(1), exclusive=False), (logits > 0).to(torch.uint8))
    tie = torch.zeros(3, 1, 1)
    assert decide(tie.split(1), exclusive=True).tolist() == [[[0]]]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_probabilities_on_the_source_grid(nifti, activation):
    spec = DataSpec("ct", ["A", "B"], image_size=8, window=(0, 1))
    pre = spec.inference_transforms()
    item = pre({"image": nifti(np.zeros((4, 2, 3), np.int16))})
    values = torch.tensor([0.0, 1.0, -2.0])
    item["pred"] = values[:, None, None, None].expand(3, 8, 8, 3)
    out = spec.postprocessing(pre, probabilities=True, activation=activation)(item)
    expected = values[1:].sigmoid() if activation == "sigmoid" else values.softmax(0)[1:]
    assert out["prob"].shape == (2, 4, 2, 3) and out["prob"].dtype == torch.float32
    torch.testing.assert_close(out["prob"].as_tensor(), expected[:, None, None, None].expand(2, 4, 2, 3))
    assert out["pred"].dtype == torch.uint8 and (out["pred"] == 1).all()


def test_logits_are_interpolated_before_the_decision(picture):
    spec = DataSpec("image2d", ["A"], image_size=2)
    pre = spec.inference_transforms()
    item = pre({"image": picture(np.zeros((8, 8), np.uint8))})
    item["pred"] = torch.tensor([[-3.0, 1.0]] * 2).expand(1, 2, 2)
    item["pred"] = torch.cat([torch.zeros(1, 2, 2), item["pred"]])
    pred = spec.postprocessing(pre)(item)["pred"]  # linear between column centres 1.5 and 5.5: zero at 4.5
    assert pred[0, :, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]  # (W, H): the first axis is the column


def test_maps_for_monai_label():
    drop = DropChanneld()
    exclusive = MetaTensor(torch.randint(0, 3, (1, 5, 4), dtype=torch.uint8))
    assert torch.equal(drop({"pred": exclusive})["pred"].as_tensor(), exclusive.as_tensor()[0])
    disc_cup = MetaTensor(torch.tensor([[[1, 1, 0]], [[0, 1, 0]]], dtype=torch.uint8))
    assert drop({"pred": disc_cup})["pred"].tolist() == [[1, 2, 0]]
    volume = MetaTensor(torch.stack([torch.ones(3, 4, 5), torch.eye(4, 5).expand(3, 4, 5)]).to(torch.uint8))
    assert torch.equal(drop({"pred": volume})["pred"].as_tensor(), volume.as_tensor().sum(0))
    assert drop({"pred": volume})["pred"].dtype == torch.uint8
    assert drop({"pred": volume[:1]})["pred"].shape == (3, 4, 5)


def test_wrong_activation_is_refused():
    pre = DataSpec("image2d", ["A"]).inference_transforms()
    with pytest.raises(SamAdaptError, match="activation='relu': is unknown"):
        DataSpec("image2d", ["A"]).postprocessing(pre, activation="relu")
    with pytest.raises(SamAdaptError, match="for exclusive labels"):
        DataSpec("image2d", ["A", "B"], overlapping=True).postprocessing(pre, activation="softmax")


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_probabilities_are_those_of_torch_and_leave_the_decision(nifti, activation):
    spec = DataSpec("ct", ["A", "B", "C"], image_size=16, window=(0, 1))
    transforms = spec.inference_transforms()
    item = transforms({"image": nifti(np.zeros((16, 16, 3), np.int16), np.eye(4))})
    logits = 20 * torch.randn(4, *item["image"].shape[1:], generator=torch.Generator().manual_seed(0))
    plain = spec.postprocessing(transforms)({**item, "pred": logits.clone()})
    both = spec.postprocessing(transforms, probabilities=True, activation=activation)({**item, "pred": logits.clone()})
    assert torch.equal(both["pred"], plain["pred"]) and plain["pred"].unique().numel() == 4
    values = logits.softmax(0) if activation == "softmax" else logits.sigmoid()
    restored = RestoreSegmentationd(transforms, True, False, "sigmoid")
    expected = torch.cat(list(restored._on_source_grid(values[1:], item["image"])))
    torch.testing.assert_close(both["prob"].as_tensor(), expected, atol=1e-6, rtol=0)
