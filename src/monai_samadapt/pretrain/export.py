"""The trained model as a small file: the averaged weights in half precision."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from monai_samadapt.backbones import family_of
from monai_samadapt.files import atomic_path, sha256
from monai_samadapt.pretrain.state import RunState

LICENCE = "Apache-2.0"


def weights_file(variant: str) -> str:
    """``sam_vit_nano.safetensors`` or ``sam2.1_hiera_nano.safetensors``."""
    family = "sam" if family_of(variant) == "sam" else "sam2.1"
    return f"{family}_{variant}.safetensors"


def export(state: RunState, path: Path) -> str:
    """Write the averaged weights as float16 safetensors with upstream's keys.

    The metadata holds the licence, the recipe (all settings of the run, with the seed) and the steps taken. The dense
    position frequencies stay in float32, as they are multiplied by large numbers.

    Returns:
        The SHA-256 of the file.
    """
    keep = "positional_encoding_gaussian_matrix"
    tensors = {
        name: value.cpu().contiguous().clone() if name.endswith(keep) else value.cpu().half().contiguous()
        for name, value in state.average.items()
    }
    recipe = {**vars(state.config), "steps_taken": state.step, "seconds_taken": round(state.elapsed)}
    metadata = {
        "licence": LICENCE,
        "model": f"{state.config.variant}, {state.config.sizes[state.phase]} px",
        "training_data": "procedural images only, monai_samadapt.datasets.shapes",
        "recipe": json.dumps(recipe),
        "torch": torch.__version__,
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata)
    return sha256(path)
