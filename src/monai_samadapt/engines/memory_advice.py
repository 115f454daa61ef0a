"""The setting of batch and checkpointing that fits into a memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import psutil
import torch
from torch import nn

from monai_samadapt.engines.memory_trace import StepMemory, step_memory
from monai_samadapt.networks import SegmentationNetwork

Maker = Callable[[bool], tuple[SegmentationNetwork, nn.Module]]
"""From ``activation_checkpointing`` to a network and its loss."""


class StepModel:
    """The memory of a training step as a function of batch and checkpointing.

    What a step keeps grows by the same amount with each image, so that it is known for any batch from those of 1 and 2.

    Args:
        make: see `Maker`; called on the meta device.
        size: side S of the images in pixels.
        half: bfloat16 by autocast.
    """

    def __init__(self, make: Maker, size: int, half: bool) -> None:
        self.make, self.size, self.half = make, size, half
        self.traced: Callable[[int, bool], StepMemory] = lru_cache(maxsize=None)(self._trace)

    def _trace(self, batch: int, checkpointing: bool) -> StepMemory:
        return step_memory(lambda: self.make(checkpointing), self.size, batch, self.half)

    def total(self, batch: int, checkpointing: bool) -> int:
        """Bytes of a step with its weights."""
        one, two = (self.traced(count, checkpointing) for count in (1, 2))
        return one.total + (batch - 1) * (two.peak - one.peak)

    def fitting(self, batch: int, checkpointing: bool, budget: int) -> tuple[int, bool] | None:
        """The largest batch up to ``batch`` that fits, without checkpointing if it can be; None when nothing does."""
        choices = [False, True] if not checkpointing else [True]
        for choice in choices:
            if self.total(batch, choice) <= budget:
                return batch, choice
        each = self.total(2, True) - self.total(1, True)
        largest = 1 + (budget - self.total(1, True)) // max(each, 1)
        return (min(batch, largest), True) if largest >= 1 else None


def advice(model: StepModel, batch: int, checkpointing: bool, budget: int) -> str:
    """What to set so that a step fits into ``budget`` bytes, with the same number of images to an update."""
    found = model.fitting(batch, checkpointing, budget)
    if found is None:
        return "lower image_size, take a smaller variant, or set adapt_from_block to a later block"
    size, recompute = found
    if found == (batch, checkpointing):
        return "close what else uses the memory"
    changes = ["activation_checkpointing True"] if recompute and not checkpointing else []
    if size < batch:
        changes += [f"batch_size {size}", f"accumulation_steps {-(-batch // size)}"]
    return f"set {', '.join(changes)} (needs {model.total(*found) / 2**30:.1f} GiB)"


def budget_bytes(device: str) -> int:
    """What this process could have of the device's memory: what is free, and what it has itself."""
    if str(device).startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device))
    return int(psutil.virtual_memory().available + psutil.Process().memory_info().rss)
