"""Batches as the engines take them."""

from __future__ import annotations

import re
from typing import Any

import ignite.distributed as idist
import torch
from monai.engines.workflow import Workflow
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_samadapt.engines.exhausted import exhausted, is_exhausted
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.processes import grouped

LOST = re.compile("closed by peer|reset by peer|connection refused|timed out|timeout|broken pipe|NCCL", re.IGNORECASE)
"""What gloo and NCCL say when another process is gone."""


def prepare_batch(
    batch: dict[str, Any], device: str | torch.device | None = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """Take image and label to the device without their metadata, which would slow every operation of the network."""
    image, label = (
        convert_to_tensor(batch[key], track_meta=False).to(device, non_blocking=non_blocking)
        for key in ("image", "label")
    )
    return image, label


def keep_on_host(
    batch: dict[str, Any], device: str | torch.device | None = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor | None, tuple[()], dict[str, Tensor]]:
    """Leave a whole volume where it is: the inferer takes its slices to the device, a few at a time.

    Returns:
        Image, label, no arguments, and as the network's keywords the prompts of the batch, where it has any.
    """
    prompts = prompt_keywords(batch["points"], batch["point_labels"]) if "points" in batch else {}
    return batch["image"], batch.get("label"), (), prompts


def prompt_keywords(points: Tensor, point_labels: Tensor) -> dict[str, Tensor]:
    """The network's keywords for points (B, K, N, 2) and their labels: one prompt for each label, in order."""
    label_ids = torch.arange(points.shape[1], device=points.device)
    return {"points": points, "point_labels": point_labels, "label_ids": label_ids}


@exits_in_one_line
def execute(engine: Workflow) -> None:
    """Run an engine; what goes wrong on the way and can be named ends the run in one line.

    Raises:
        SamAdaptError: for a wrong file or setting, too little memory, or when another process of the run has ended.
    """
    if engine.state.epoch_length == 0:  # all cases are done, or others' to do
        return
    try:
        engine.run()
    except (RuntimeError, MemoryError) as error:
        if is_exhausted(error):
            raise exhausted(engine) from error
        if grouped() and LOST.search(str(error)):
            problem = "another process of the run has ended or does not answer"
            remedy = "read its message; resume true goes on after the last epoch saved"
            raise SamAdaptError("processes", idist.get_world_size(), problem, remedy) from error
        raise
