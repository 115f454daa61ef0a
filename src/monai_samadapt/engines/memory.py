"""A rough prediction of the memory a training step needs."""

from __future__ import annotations

import psutil
import torch

from monai_samadapt.backbones import variant_sizes
from monai_samadapt.backbones.variants import SamVariant
from monai_samadapt.errors import SamAdaptError

FLOATS_PER_TOKEN = 30
"""Activations kept per token and channel of a block; ViT-B forward and backward was measured at 27 at 1024 pixels."""


def training_bytes(variant: str, image_size: int, batch: int, checkpointing: bool = False, half: bool = False) -> int:
    """Estimate the bytes of one training step: weights, the activations of every block, and the decoder's.

    With activation checkpointing one block's activations and every block's input are kept. Half precision halves the
    activations, not the weights.
    """
    inputs = [batch * floats for floats in block_inputs(variant, image_size)]
    everything = FLOATS_PER_TOKEN * sum(inputs)
    kept = FLOATS_PER_TOKEN * max(inputs) + sum(inputs) if checkpointing else everything
    return int(kept * (2 if half else 4) + 1.5 * variant_sizes(variant).parameters * 4)


def block_inputs(variant: str, image_size: int) -> list[int]:
    """Floats in the input of each encoder block for one image: tokens times width.

    A stage of SAM2's Hiera has half the tokens along a side of the one before it, and twice the width.
    """
    sizes = variant_sizes(variant)
    if isinstance(sizes, SamVariant):
        return [(image_size // 16) ** 2 * sizes.embed_dim] * sizes.depth
    widths = [
        (count, (image_size // (4 << stage)) ** 2 * (sizes.embed_dim << stage))
        for stage, count in enumerate(sizes.stages)
    ]
    return [floats for count, floats in widths for _ in range(count)]


def available_bytes(device: str) -> int:
    """Free memory of the device."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def check_memory(variant: str, image_size: int, batch: int, checkpointing: bool, half: bool, device: str) -> None:
    """Refuse a setting that cannot fit, naming one that would.

    Raises:
        SamAdaptError: when the estimate is above the free memory.
    """
    free = available_bytes(device)
    need = training_bytes(variant, image_size, batch, checkpointing, half)
    if need <= free:
        return
    fitting = [size for size in range(1, batch) if training_bytes(variant, image_size, size, True, half) <= free]
    remedy = f"set activation_checkpointing true and batch_size {max(fitting)}" if fitting else "lower image_size"
    if training_bytes(variant, image_size, batch, True, half) <= free:
        remedy = "set activation_checkpointing true"
    problem = f"needs about {need / 2**30:.1f} GiB on {device}, {free / 2**30:.1f} are free"
    raise SamAdaptError("batch_size", batch, problem, remedy)
