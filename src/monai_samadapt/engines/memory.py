"""A rough prediction of the memory a training step needs."""

from __future__ import annotations

import psutil
import torch

from monai_samadapt.backbones import sam_variant
from monai_samadapt.errors import SamAdaptError

FLOATS_PER_TOKEN = 30
"""Activations kept per token and channel of a block; ViT-B forward and backward was measured at 27 at 1024 pixels."""


def training_bytes(variant: str, image_size: int, batch: int, checkpointing: bool = False, half: bool = False) -> int:
    """Estimate the bytes of one training step: weights, the activations of every block, and the decoder's.

    With activation checkpointing one block's activations and every block's input are kept. Half precision halves the
    activations, not the weights.
    """
    sizes = sam_variant(variant)
    tokens = batch * (image_size // 16) ** 2
    block = tokens * sizes.embed_dim * FLOATS_PER_TOKEN
    kept = block + sizes.depth * tokens * sizes.embed_dim if checkpointing else sizes.depth * block
    return int(kept * (2 if half else 4) + 1.5 * sizes.parameters * 4)


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
