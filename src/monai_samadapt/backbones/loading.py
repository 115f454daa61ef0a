"""Strict loading of SAM weights, with positions resized to the image size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from monai_samadapt.backbones.variants import variant_of
from monai_samadapt.errors import SamAdaptError, first_line


def read_state(path: Path, mapped: bool = False) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` or PyTorch file, on the CPU in float32.

    Args:
        path: of the file.
        mapped: leave the values in the file until they are used: to look at names and shapes only.

    Raises:
        SamAdaptError: when the file cannot be read or holds no state dict.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _load(path, mapped)
    except Exception as error:
        problem = f"cannot be read as weights ({first_line(error)})"
        raise SamAdaptError("checkpoint", str(path), problem, "give a .pth, .pt or .safetensors state dict") from error
    state = state.get("model", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise SamAdaptError("checkpoint", str(path), "holds no flat state dict", "give SAM's own weights file")
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def _load(path: Path, mapped: bool) -> Any:
    """PyTorch can map the files it writes since version 1.6, which are zip archives."""
    return torch.load(path, "cpu", weights_only=True, mmap=mapped and is_zipfile(path))


def load_sam_state(sam: nn.Module, state: dict[str, Tensor], variant: str, source: object) -> None:
    """Load a SAM state dict strictly into ``sam``, which may be on the meta device.

    The only keys that may differ in shape are the absolute position embedding (resized bicubically) and the relative
    positions (resized linearly, as SAM itself does at run time); no key may be missing or left over.

    Raises:
        SamAdaptError: for weights of another variant, missing, unexpected or misshapen keys.
    """
    expected = sam.state_dict()
    fitted = {key: _fit(key, value, expected[key].shape) if key in expected else value for key, value in state.items()}
    load_strictly(sam, fitted, variant, source)


def load_strictly(model: nn.Module, state: dict[str, Tensor], variant: str, source: object) -> None:
    """Load a state dict of SAM or SAM2 whose keys and shapes must be those of ``model``.

    Raises:
        SamAdaptError: for weights of another variant, missing, unexpected or misshapen keys.
    """
    if (found := variant_of(state)) not in (None, variant):
        remedy = f"set variant to {found} or give the weights of {variant}"
        raise SamAdaptError("checkpoint", str(source), f"holds {found}, not {variant}", remedy)
    expected = model.state_dict()
    wrong = sorted(key for key in state if key in expected and state[key].shape != expected[key].shape)
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra or wrong:
        parts = [("missing", missing), ("unexpected", extra), ("misshapen", wrong)]
        problem = ", ".join(f"{len(keys)} {name} keys (first {keys[0]})" for name, keys in parts if keys)
        raise SamAdaptError("checkpoint", str(source), problem, f"give the weights of {variant}")
    model.load_state_dict(state, strict=True, assign=True)


def _fit(key: str, value: Tensor, shape: torch.Size) -> Tensor:
    if value.shape == shape:
        return value
    if key == "image_encoder.pos_embed" and value.shape[-1] == shape[-1]:
        grid = F.interpolate(value.permute(0, 3, 1, 2), tuple(shape[1:3]), mode="bicubic", align_corners=False)
        return grid.permute(0, 2, 3, 1).contiguous()
    if key.endswith(("rel_pos_h", "rel_pos_w")) and value.shape[-1] == shape[-1]:
        return F.interpolate(value.T[None], shape[0], mode="linear")[0].T.contiguous()
    return value


def state_sha256(module: nn.Module) -> str:
    """Hash a module's state: SHA-256 over the sorted keys and the bytes of their tensors."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
