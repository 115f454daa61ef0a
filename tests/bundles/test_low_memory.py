"""A training with ``low_memory.json``: the same weights as with all activations kept, an update every eighth slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from monai_samadapt.networks import SSam

KEPT = {"batch_size": 1, "samples_per_volume": 1, "accumulation_steps": 8, "slice_batch": 1}


def test_low_memory_trains_to_the_weights_of_kept_activations(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path
) -> None:
    ids = {key: value for key, value in ct_training.items() if key != "samples_per_volume"} | {"max_epochs": 2}
    bundle.run("train+ct+low_memory", output_dir=str(tmp_path / "low"), **ids)
    bundle.run("train+ct", output_dir=str(tmp_path / "kept"), **{**ids, **KEPT})
    low, kept = (load(tmp_path / name) for name in ("low", "kept"))
    assert low.keys() == kept.keys()
    for name, value in low.items():
        torch.testing.assert_close(value, kept[name], atol=1e-6, rtol=1e-5)
    base = SSam("vit_nano", 64, ct_training["labels"], checkpoint=ct_training["checkpoint"]).state_dict()
    moved = [name for name, value in low.items() if name in base and not torch.equal(value, base[name])]
    assert any(name.endswith("qkv.A") for name in moved), moved


def load(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a run."""
    state: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)
    return state
