"""The label values of packed bundles: what a bundle writes, it reads again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_samadapt.labels import LabelSpec
from monai_samadapt.packing.labels import painted_labels
from monai_samadapt.transforms.restore import DropChanneld

CASES = [
    (["Liver", "Tumor"], ["Liver", "Tumor"]),
    ({"Liver": 6, "Tumor": [7, 8]}, ["Liver", "Tumor"]),
    ({"Disc": [1, 2, 255]}, {"Disc": [1, 2, 255]}),
    ({"Disc": [1, 2], "Cup": 2}, {"Disc": [1, 2], "Cup": 2}),
    ({"Disc": [3, 7], "Cup": 7}, {"Disc": [1, 2], "Cup": [2]}),
    ({"Whole": [1, 2, 4], "Core": [1, 4], "Enhancing": 4}, {"Whole": [1, 2, 3], "Core": [2, 3], "Enhancing": [3]}),
    ({"A": [1, 3], "B": [2, 3]}, {"A": [1, 3], "B": [2, 3]}),
]


@pytest.mark.parametrize(("labels", "expected"), CASES)
def test_values(labels: Any, expected: Any) -> None:
    assert painted_labels(labels, False) == expected


def test_channels_cannot_be_painted() -> None:
    assert painted_labels(["A", "B"], True) == ["A", "B"]


@pytest.mark.parametrize("labels", [labels for labels, _ in CASES[:-1]])
def test_a_result_that_comes_back_as_label_is_the_prediction(labels: Any) -> None:
    spec = LabelSpec.parse(labels)
    regions = torch.arange(len(spec.names) + 1)[None, :, None]  # the background, then each region once
    if spec.exclusive:
        pred = regions.to(torch.uint8)
    else:
        groups = [set(group) for group in spec.values]
        inside = [[int(inner <= outer) for inner in groups] for outer in groups]
        pred = torch.tensor([[0, *row] for row in inside], dtype=torch.uint8)[..., None]
    painted = DropChanneld()({"pred": pred})["pred"]
    assert torch.equal(LabelSpec.parse(painted_labels(labels, False)).encode(painted[None]), pred)
