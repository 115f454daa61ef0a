"""Two sides of a comparison: their outputs checked, their steps timed in turn, their peaks taken apart."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

Step = Callable[[], Any]
BFLOAT16 = 0.05  # of the largest output: how far two sides in bfloat16, whose numbers have 8 bits, may be apart


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        name: what is compared.
        make: from the side (ours or the other) and the device to a step that returns what both must agree on; None
            where they need not.
        other: the other side, in words.
        tolerance: largest difference of the outputs in float32; in bfloat16 it is BFLOAT16 of the largest output.
        peak: whether to measure the peak memory.
        target: smallest ratio of the times, other to ours; None for none.
    """

    name: str
    make: Callable[[bool, str], Step]
    other: str
    tolerance: float = 1e-3
    peak: bool = False
    target: float | None = None


def precision(device: str) -> AbstractContextManager[Any]:
    """bfloat16 on CUDA, float32 on a CPU, for both sides."""
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


def timed(step: Step, device: str) -> float:
    """Seconds of a step; by events on CUDA."""
    if not device.startswith("cuda"):
        start = time.perf_counter()
        step()
        return time.perf_counter() - start
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    step()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1000


def difference(ours: Any, other: Any) -> float | None:
    """Largest difference of two outputs; None where there is nothing to compare."""
    if ours is None or other is None:
        return None
    return float((torch.as_tensor(ours).float() - torch.as_tensor(other).float()).abs().max())


def checked_difference(case: Case, device: str, ours: Any, other: Any) -> float | None:
    """Largest difference of the sides' outputs; raises where it is larger than the case allows."""
    apart = difference(ours, other)
    if apart is None:
        return None
    scale = float(torch.as_tensor(other).float().abs().max())
    allowed = max(case.tolerance, BFLOAT16 * scale) if device.startswith("cuda") else case.tolerance
    if apart > allowed:
        raise ValueError(f"{case.name}: outputs differ by {apart:.2e}, of {scale:.2e} at most")
    return apart


def resident(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (largest) of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def peak_of(case: Case, ours: bool, device: str, queue: Any) -> None:
    """In a process of its own: the memory of a step beyond what was there before."""
    torch.set_num_threads(1)
    step = case.make(ours, device)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    step()
    queue.put(resident("VmHWM") - before)


def allocated_by(step: Step) -> int:
    """The most a step that has run before allocates on CUDA beyond what was there, in bytes."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def measure_peak(case: Case, ours: bool, device: str) -> int:
    """The peak of one side in bytes."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=peak_of, args=(case, ours, device, queue))
    process.start()
    found: int = queue.get()
    process.join()
    return found


def measure(case: Case, device: str, repeats: int, peaks: bool = True) -> dict[str, Any]:
    """The row of a case: medians of repeats that alternate between the sides, their ratio, and the peaks."""
    ours, other = case.make(True, device), case.make(False, device)
    apart = checked_difference(case, device, ours(), other())
    times = [(timed(ours, device), timed(other, device)) for _ in range(repeats)]
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    row: dict[str, Any] = {
        "case": case.name,
        "against": case.other,
        "ours_s": round(mine, 4),
        "other_s": round(theirs, 4),
        "faster": round(theirs / mine, 2),
        "target": case.target,
        "difference": apart,
    }
    if case.peak and peaks:
        if device.startswith("cuda"):
            found = [allocated_by(ours), allocated_by(other)]
        else:
            del ours, other  # their memory is free while the processes run
            found = [measure_peak(case, side, device) for side in (True, False)]
        row |= {"ours_peak_mib": found[0] >> 20, "other_peak_mib": found[1] >> 20}
        row["peak_ratio"] = round(found[0] / found[1], 2)
    return row
