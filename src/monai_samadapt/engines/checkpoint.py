"""The checkpoint a run resumes from, and whether it may."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from monai_samadapt.engines.trained import same_setting
from monai_samadapt.errors import SamAdaptError, first_line
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.transforms import DataSpec

IDS = {"embeddings": "label_embeddings"}
"""Arguments of a network whose id in the bundle has another name."""


Best = tuple[float, int]
"""The best value of the metric and its epoch."""


class Checkpoint:
    """State of a training run to go on from: what is trained, and how far it is.

    Args:
        network, optimizer, scheduler: saved and restored, with the trainer's gradient scaler where it has one.
        data_spec: its settings must stay the same.
    """

    def __init__(
        self, network: SegmentationNetwork, optimizer: Optimizer, scheduler: LRScheduler, data_spec: DataSpec
    ) -> None:
        self.network, self.optimizer, self.scheduler, self.data_spec = network, optimizer, scheduler, data_spec

    def state(self, engine: Engine, best: Best, history: list[dict[str, float]]) -> dict[str, Any]:
        """What is saved after an epoch."""
        scaler = getattr(engine, "scaler", None)
        return {
            "network": self.network.adapter_state(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "epoch": engine.state.epoch,
            "epoch_length": engine.state.epoch_length,
            "world_size": idist.get_world_size(),
            "best": list(best),
            "history": history,
            "settings": run_settings(self.network, self.data_spec),
            "base_sha256": self.network.base_sha256,
        }

    def restore(self, engine: Engine, path: Path) -> tuple[Best, list[dict[str, float]]]:
        """Put everything back, and return the best epoch and the history so far.

        Raises:
            SamAdaptError: when the file or the settings do not fit.
        """
        state = read_checkpoint(path)
        length, last = engine.state.epoch_length, engine.state.max_epochs
        assert length is not None and last is not None
        settings = run_settings(self.network, self.data_spec) | {"learning_rate": self.scheduler.base_lrs[0]}
        state["settings"]["learning_rate"] = state["scheduler"]["base_lrs"][0]  # which the schedule goes on with
        check_checkpoint(state, settings, self.network.base_sha256, length, last)
        self.network.load_adapter_state(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if length == state["epoch_length"]:
            self.scheduler.load_state_dict(state["scheduler"])
        else:  # of another number of processes, and so of steps
            replay(self.scheduler, state["epoch"] * length)
        scaler = getattr(engine, "scaler", None)
        if scaler is not None and state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        engine.state.epoch = state["epoch"]
        engine.state.iteration = state["epoch"] * length
        value, epoch = state["best"]
        return (value, epoch), state["history"]


def run_settings(network: SegmentationNetwork, data_spec: DataSpec) -> dict[str, Any]:
    """The ids that must stay the same when a run is resumed, with their values."""
    settings = {**network.settings, **data_spec.to_dict()}
    return {IDS.get(key, key): value for key, value in settings.items()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU.

    Raises:
        SamAdaptError: when it is no checkpoint of this package.
    """
    remedy = "set resume False to start anew"
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise SamAdaptError("resume", str(path), f"cannot be read ({first_line(error)})", remedy) from error
    if not isinstance(state, dict) or "settings" not in state:
        raise SamAdaptError("resume", str(path), "is no checkpoint of this version", remedy)
    return state


def replay(scheduler: LRScheduler, steps: int) -> None:
    """Bring a new schedule to where it is after some steps."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(steps):
            scheduler.step()


def check_checkpoint(
    state: dict[str, Any],
    settings: dict[str, Any],
    base_sha256: str | None,
    epoch_length: int,
    max_epochs: int,
) -> None:
    """Refuse to resume a run with other settings, base weights, number of steps, or beyond its end.

    With another number of processes an epoch has another number of steps.

    Raises:
        SamAdaptError: naming the setting that differs.
    """
    for key, value in settings.items():
        was = state["settings"].get(key)
        if not same_setting(key, was, value):
            raise SamAdaptError(key, value, f"the run to resume has {was!r}", "keep it, or set resume False")
    if state["base_sha256"] != base_sha256:
        problem = "the run to resume began with other base weights"
        raise SamAdaptError("checkpoint", str(base_sha256)[:12], problem, "give those, or set resume False")
    same_processes = state.get("world_size", 1) == idist.get_world_size()
    if state["epoch_length"] != epoch_length and same_processes:
        problem = f"the run to resume has {state['epoch_length']} steps an epoch"
        remedy = "keep data and batch_size, or set resume False"
        raise SamAdaptError("batch_size", f"{epoch_length} steps", problem, remedy)
    if state["epoch"] > max_epochs:
        problem = f"the run to resume has finished epoch {state['epoch']}"
        raise SamAdaptError("max_epochs", max_epochs, problem, "raise it, or set resume False")
