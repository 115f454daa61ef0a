"""Losses that are read at once, and the peak of memory."""

from __future__ import annotations

import mmap
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monai_samadapt.tracking import MLflowTracking
from monai_samadapt.tracking.measures import Steps


def test_values_are_read_at_once_and_once_only() -> None:
    steps = Steps()
    loss = torch.tensor(0.5, requires_grad=True)
    steps.add("loss", loss, 1, 100)
    steps.add("term", torch.tensor(0.25, dtype=torch.bfloat16), 1, 100)
    steps.add("loss", loss * 3, 2, 200)
    assert not any(value.requires_grad for value in steps.values)  # the graph of a step is freed
    assert steps.take() == [("loss", 1, 100, 0.5), ("term", 1, 100, 0.25), ("loss", 2, 200, 1.5)]
    assert steps.take() == []


MEMORY = """
import mmap, torch
from monai_samadapt.tracking.measures import peak_memory
before = peak_memory(torch.device("cpu"))
block = mmap.mmap(-1, 400_000_000)
block.write(b"1" * len(block))
block.close()
assert peak_memory(torch.device("cpu")) < 2_000_000_000
print(peak_memory(torch.device("cpu")) - before)
"""


def test_peak_is_the_process_s_own_and_stays_when_memory_is_freed() -> None:
    """In a process of its own, which has no freed memory to use again, started by one that once was larger."""
    larger = mmap.mmap(-1, 2_000_000_000)
    larger.write(b"1" * len(larger))
    larger.close()
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 300_000_000 < int(done.stdout) < 1_000_000_000


def test_no_loss_is_read_before_its_batch_is_full() -> None:
    """A tensor without data can be remembered, but not read."""
    tracking: Any = MLflowTracking(every=3)
    tracking.log = SimpleNamespace(metrics=lambda *arguments: None)
    output = {"loss": torch.zeros((), device="meta")}
    for step in (1, 2):
        tracking.finish_step(SimpleNamespace(state=SimpleNamespace(iteration=step, output=output)))
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        tracking.finish_step(SimpleNamespace(state=SimpleNamespace(iteration=3, output=output)))
