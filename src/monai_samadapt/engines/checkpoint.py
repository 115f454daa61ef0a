"""The checkpoint a run resumes from, and whether it may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.transforms import DataSpec

CHECKPOINT = "checkpoint_last.pt"
IDS = {"embeddings": "label_embeddings"}
"""Arguments of a network whose id in the bundle has another name."""


def run_settings(network: SegmentationNetwork, data_spec: DataSpec) -> dict[str, Any]:
    """The ids that must stay the same when a run is resumed, with their values."""
    settings = {**network.settings, **data_spec.to_dict()}
    return {IDS.get(key, key): value for key, value in settings.items()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU.

    Raises:
        SamAdaptError: when it is no checkpoint of this package.
    """
    remedy = "set resume false to start anew"
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise SamAdaptError("resume", str(path), f"cannot be read ({reason})", remedy) from error
    if not isinstance(state, dict) or "settings" not in state:
        raise SamAdaptError("resume", str(path), "is no checkpoint of this version", remedy)
    return state


def check_checkpoint(
    state: dict[str, Any],
    settings: dict[str, Any],
    base_sha256: str | None,
    epoch_length: int,
    max_epochs: int,
) -> None:
    """Refuse to resume a run with other settings, base weights, number of steps, or beyond its end.

    Raises:
        SamAdaptError: naming the setting that differs.
    """
    for key, value in settings.items():
        was = state["settings"].get(key)
        if json.dumps(was) != json.dumps(value):  # as text, since the order of labels counts
            raise SamAdaptError(key, value, f"the run to resume has {was!r}", "keep it, or set resume false")
    if state["base_sha256"] != base_sha256:
        problem = "the run to resume began with other base weights"
        raise SamAdaptError("checkpoint", str(base_sha256)[:12], problem, "give those, or set resume false")
    if state["epoch_length"] != epoch_length:
        problem = f"the run to resume has {state['epoch_length']} steps an epoch"
        remedy = "keep data and batch_size, or set resume false"
        raise SamAdaptError("batch_size", f"{epoch_length} steps", problem, remedy)
    if state["epoch"] > max_epochs:
        problem = f"the run to resume has finished epoch {state['epoch']}"
        raise SamAdaptError("max_epochs", max_epochs, problem, "raise it, or set resume false")
