"""What is measured in the steps of a training, without holding them up."""

from __future__ import annotations

import re
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor


@dataclass
class Steps:
    """Losses of the steps since they were last sent; they stay on the device until then."""

    places: list[tuple[str, int, int]] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def add(self, name: str, value: Tensor, step: int, milliseconds: int) -> None:
        """Remember one value, which is not read yet."""
        self.places.append((name, step, milliseconds))
        self.values.append(value.detach().float())

    def take(self) -> list[tuple[str, int, int, float]]:
        """Read all values at once: the only time the host waits for the device."""
        numbers = torch.stack(self.values).tolist() if self.values else []
        taken = [(*place, number) for place, number in zip(self.places, numbers, strict=True)]
        self.places, self.values = [], []
        return taken


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that CUDA's allocator had given out on ``device``, else the largest size of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would give a process that a larger one started the larger one's peak
        return int(re.findall(r"VmHWM:\s*(\d+)", status.read_text())[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
