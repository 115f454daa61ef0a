"""What pretraining needs of a promptable model, the same for SAM and SAM2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.backbones.loading import read_state
from monai_samadapt.backbones.registry import REGISTRY
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.backbones.sam2_encoder import encode_still

UNUSED = ("memory_", "maskmem", "mask_downsample", "obj_ptr", "no_obj", "no_mem_pos", "sam_mask_decoder.pred_obj")
"""Parts of SAM2 that stills never reach: they keep their initial values."""


@dataclass
class Features:
    """An encoded image.

    Attributes:
        embedding: (B, C, h, w).
        fine: of SAM2, (B, C/8, 4h, 4w) and (B, C/4, 2h, 2w); None for SAM.
    """

    embedding: Tensor
    fine: tuple[Tensor, Tensor] | None = None


def prompt_encoder(model: nn.Module) -> Any:
    """The prompt encoder of SAM or SAM2."""
    return model.sam_prompt_encoder if hasattr(model, "sam_prompt_encoder") else model.prompt_encoder


def mask_decoder(model: nn.Module) -> Any:
    """The mask decoder of SAM or SAM2."""
    return model.sam_mask_decoder if hasattr(model, "sam_mask_decoder") else model.mask_decoder


def encode(model: Any, images: Tensor) -> Features:
    """Encode normalised images (B, 3, S, S)."""
    if hasattr(model, "sam_mask_decoder"):
        still = encode_still(model, images)
        return Features(still.embedding, still.fine)
    return Features(model.image_encoder(images))


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Freeze what stills never reach and return the other parameters."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and not name.startswith(UNUSED))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@torch.no_grad()
def take_decoder(model: nn.Module, source: str) -> list[str]:
    """Take over the weights of another model's prompt encoder and mask decoder where name and shape agree.

    SAM and SAM2 have the same names below these two, but for SAM2's tokens and finer features.

    Args:
        model: SAM or SAM2.
        source: registry name or path.

    Returns:
        The names taken over.
    """
    path = resolve_checkpoint(source, *_kind(source)).path
    assert path is not None
    state = {key.removeprefix("sam_"): value for key, value in read_state(path).items() if "image_encoder" not in key}
    own = {key.removeprefix("sam_"): value for key, value in model.state_dict().items() if "image_encoder" not in key}
    taken = [key for key in own if key in state and state[key].shape == own[key].shape]
    for key in taken:
        own[key].copy_(state[key])
    return taken


def _kind(source: str) -> tuple[str, str]:
    """Family and variant of a registry name; a path needs none."""
    entry = REGISTRY.get(source)
    return ("sam", "") if entry is None else (entry.family, entry.variant)
