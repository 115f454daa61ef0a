"""Several processes that do one job: joining them, dividing the work, agreeing on errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import ignite.distributed as idist
import torch
import torch.distributed as dist

from monai_samadapt.errors import SamAdaptError, exits_in_one_line

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

BACKENDS = ("nccl", "gloo")
LAUNCHER = "torchrun --nproc_per_node N -m monai.bundle run …"
RANK_STRIDE = 1_000_003
"""Between the seeds of two processes; larger than any number of epochs, so that no two draw the same."""


def grouped() -> bool:
    """Whether this process is one of several that exchange gradients and figures."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def launched() -> tuple[int, int]:
    """Number of this process and of all, as ``torchrun`` started them; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def default_device() -> str:
    """The CUDA device of this process among those of its machine, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"


@exits_in_one_line
def join_processes(backend: str, device: str, timeout_minutes: float = 60.0) -> None:
    """Meet the other processes that ``torchrun`` has started, on one machine or several.

    Must come first: ignite's first look at the group is a step all take together.

    Args:
        backend: ``nccl`` between CUDA devices, ``gloo`` between CPUs.
        device: this process's.
        timeout_minutes: how long to wait for another process in one exchange.

    Raises:
        SamAdaptError: without ``torchrun``, or when backend and device do not fit.
    """
    if not dist.is_initialized():
        if "RANK" not in os.environ:
            raise SamAdaptError("processes", 1, "a multi_gpu configuration needs several", f"start it by {LAUNCHER}")
        cuda = str(device).startswith("cuda")
        if backend not in BACKENDS or (backend == "nccl" and not cuda):
            raise SamAdaptError("backend", backend, f"is not for device {device}", "give nccl on CUDA, gloo on a CPU")
        if cuda:
            check_local(device)
            torch.cuda.set_device(device)
        dist.init_process_group(backend, timeout=timedelta(minutes=timeout_minutes))
    idist.sync()


def check_local(device: str) -> None:
    """Refuse more processes on a machine than it has devices."""
    count = torch.cuda.device_count()
    if (torch.device(device).index or 0) >= count:
        raise SamAdaptError("device", device, f"this machine has {count}", f"give --nproc_per_node {count}")


def leave_processes() -> None:
    """Wait for the others and leave."""
    if dist.is_initialized():
        dist.barrier()
        idist.finalize()  # ignite forgets the group too


def check_alone() -> None:
    """Refuse processes that would train the same run without knowing of each other.

    Raises:
        SamAdaptError: when ``torchrun`` has started several and they were not joined.
    """
    if launched()[1] > 1 and not dist.is_initialized():
        remedy = "add configs/multi_gpu_train.json, or multi_gpu_evaluate.json, to config_file"
        raise SamAdaptError("processes", launched()[1], "would write to one output_dir", remedy)


def share(items: Sequence[T], rank: int, world: int, fill: bool = False) -> list[T]:
    """Every ``world``-th item from ``rank`` on; with ``fill`` all shares are equally long, the first items repeated."""
    count = -(-len(items) // world) if fill else len(range(rank, len(items), world))
    return [items[(rank + place * world) % len(items)] for place in range(count)]


def agreed(function: Callable[P, R]) -> Callable[P, R]:
    """Make a check that every process runs end all of them when it fails in one; the first of those tells why."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if not grouped():
            return function(*args, **kwargs)
        found: list[Any] = []
        error: BaseException | None = None
        try:
            found.append(function(*args, **kwargs))
        except BaseException as raised:
            error = raised
        failed = [False] * dist.get_world_size()
        dist.all_gather_object(failed, error is not None)
        if error is not None and failed.index(True) == dist.get_rank():
            raise error
        if any(failed):
            raise SystemExit(1)
        result: R = found[0]
        return result

    return wrapper


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """The mean of a scalar over all processes; itself where there is one."""
    if not grouped():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def all_items(dataset: Any) -> list[dict[str, Any]]:
    """The items of a data set, those of other processes included."""
    return getattr(dataset, "all_data", getattr(dataset, "data", []))
