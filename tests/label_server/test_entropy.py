"""The entropy of predictions against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from monai_samadapt.label_server.entropy import mean_entropy


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0], 1.0), ([100.0], 0.0), ([-100.0], 0.0), ([logit(0.25)], 0.8112781245), ([0.0, 100.0], 0.5)],
)
def test_sigmoid(values: list[float], expected: float) -> None:
    labels = torch.tensor(values)[:, None, None].expand(-1, 3, 4)
    assert mean_entropy(labels, "sigmoid", exclusive=False) == pytest.approx(expected, abs=1e-6)
    with_background = torch.cat([torch.zeros(1, 3, 4), labels])  # its constant logit counts for nothing
    assert mean_entropy(with_background, "sigmoid", exclusive=True) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [((1 / 3, 1 / 3, 1 / 3), 1.0), ((0.5, 0.25, 0.25), 1.5 * math.log(2) / math.log(3)), ((1.0, 1e-30, 1e-30), 0.0)],
)
def test_softmax(probabilities: Any, expected: float) -> None:
    logits = torch.tensor(probabilities).log()[:, None].expand(-1, 5)
    assert mean_entropy(logits, "softmax", exclusive=True) == pytest.approx(expected, abs=1e-6)
