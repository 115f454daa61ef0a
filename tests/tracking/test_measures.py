"""Losses that are read at once, and the peak of memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from monai_samadapt.tracking import MLflowTracking
from monai_samadapt.tracking.measures import Steps, peak_memory


def test_values_are_read_at_once_and_once_only() -> None:
    steps = Steps()
    loss = torch.tensor(0.5, requires_grad=True)
    steps.add("loss", loss, 1, 100)
    steps.add("term", torch.tensor(0.25, dtype=torch.bfloat16), 1, 100)
    steps.add("loss", loss * 3, 2, 200)
    assert not any(value.requires_grad for value in steps.values)  # the graph of a step is freed
    assert steps.take() == [("loss", 1, 100, 0.5), ("term", 1, 100, 0.25), ("loss", 2, 200, 1.5)]
    assert steps.take() == []


def test_peak_of_the_process_stays_when_memory_is_freed() -> None:
    before = psutil.Process().memory_info().rss
    block = np.ones(300_000_000, np.uint8)
    held = psutil.Process().memory_info().rss
    assert held > before + 250_000_000
    del block
    assert 0.99 * held < peak_memory(torch.device("cpu")) < 64 * 2**30


def test_no_loss_is_read_before_its_batch_is_full() -> None:
    """A tensor without data can be remembered, but not read."""
    tracking: Any = MLflowTracking(every=3)
    tracking.run = SimpleNamespace(losses=lambda engine: {"loss": torch.zeros((), device="meta")})
    tracking.log = SimpleNamespace(metrics=lambda *arguments: None)
    for step in (1, 2):
        tracking.finish_step(SimpleNamespace(state=SimpleNamespace(iteration=step)))
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        tracking.finish_step(SimpleNamespace(state=SimpleNamespace(iteration=3)))
