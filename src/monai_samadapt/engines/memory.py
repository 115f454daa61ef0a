"""Whether the training step of a bundle fits into the memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from monai.bundle import ConfigParser
from torch import nn

from monai_samadapt.engines.memory_advice import StepModel, advice, budget_bytes
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import SegmentationNetwork

GIB = 2**30


class BundleStep:
    """The training step that a bundle's configuration describes.

    Attributes:
        images: in one step; of volumes several slices each.
        checkpointing: id ``activation_checkpointing``.
        half: whether it computes in bfloat16.
        device: id of that name.
        model: its memory.

    Args:
        config: the merged training configuration; no weights are read.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._parser = ConfigParser({**config, "checkpoint": None})
        get = self._parser.get_parsed_content
        spec, counts = get("data_spec"), (int(get("batch_size")), int(get("samples_per_volume")))
        items = int(spec.items_per_batch(*counts))
        self.images = items * int(spec.slices_per_volume(*counts)) if spec.volumes else items
        self.checkpointing, self.device = bool(get("activation_checkpointing")), str(get("device"))
        self.half = bool(get("amp")) and self.device.startswith("cuda")
        self.model = StepModel(partial(_build, self._parser), spec.image_size, self.half)


def _build(parser: ConfigParser, checkpointing: bool) -> tuple[SegmentationNetwork, nn.Module]:
    parser["activation_checkpointing"] = checkpointing
    parser.parse(True)
    return parser.get_parsed_content("network_def"), parser.get_parsed_content("loss")


def check_memory(config: Mapping[str, Any] | None) -> None:
    """Refuse a step that does not fit, naming what does.

    Args:
        config: the merged training configuration. Nothing is checked outside a bundle (None), or when network or loss
            are objects already.

    Raises:
        SamAdaptError: when the step, traced without data, needs more than can be had.
    """
    if config is None or not all(isinstance(config.get(key), dict) for key in ("network_def", "loss")):
        return
    step = BundleStep(config)
    need, budget = step.model.traced(step.images, step.checkpointing).total, budget_bytes(step.device)
    if need > budget:
        problem = f"needs about {need / GIB:.1f} GiB on {step.device}, {budget / GIB:.1f} can be had"
        remedy = advice(step.model, step.images, step.checkpointing, budget)
        raise SamAdaptError("batch_size", step.images, problem, remedy)
