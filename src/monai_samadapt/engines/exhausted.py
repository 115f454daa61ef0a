"""A training that ran out of memory ends with the setting that fits."""

from __future__ import annotations

import copy
import re
from typing import Any

import torch

from monai_samadapt.engines.memory_advice import StepModel, advice, budget_bytes
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import SegmentationNetwork

FULL = re.compile("not enough memory|can't allocate memory|out of memory", re.IGNORECASE)
"""What torch says when there is no memory; on a CPU it has no error class of its own."""


def is_exhausted(error: BaseException) -> bool:
    """Whether memory was missing."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or FULL.search(str(error)) is not None


def exhausted(engine: Any) -> SamAdaptError:
    """The error of an engine whose step did not fit, with a remedy."""
    network = getattr(engine.network, "module", engine.network)
    device = str(next(network.parameters()).device)
    remedy = "lower slice_batch" if not hasattr(engine, "loss_function") else _training_advice(engine, network, device)
    problem = f"out of memory on {device}, {budget_bytes(device) / 2**30:.1f} GiB can be had; the last epoch is saved"
    return SamAdaptError("batch_size", _images(engine), problem, remedy)


def _training_advice(engine: Any, network: SegmentationNetwork, device: str) -> str:
    if network.family is None or not _images(engine):
        return "lower batch_size or add configs/low_memory.json"

    def make(checkpointing: bool) -> tuple[SegmentationNetwork, Any]:
        kind: Any = type(network)
        twin: SegmentationNetwork = kind(**network.settings, checkpoint=None)
        twin.set_execution(checkpointing, compile_blocks=False)
        return twin, copy.deepcopy(engine.loss_function).to("meta")

    model = StepModel(make, network.image_size, bool(getattr(engine, "amp", False)))
    checkpointing = bool(getattr(network.encoder, "activation_checkpointing", False))
    return advice(model, _images(engine), checkpointing, budget_bytes(device))


def _images(engine: Any) -> int:
    """Images of the step that failed; 0 where it had none yet."""
    output = engine.state.output
    return len(output["image"]) if isinstance(output, dict) and "image" in output else 0
