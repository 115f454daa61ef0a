"""The files of a training run, and networks made again from them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from monai_samadapt.engines.trained import check_unstored
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.files import atomic_path
from monai_samadapt.networks import METHODS, SegmentationNetwork
from monai_samadapt.reports.manifest import versions
from monai_samadapt.run_files import ADAPTER, CHECKPOINT, DESCRIPTION, HISTORY, MODEL
from monai_samadapt.transforms import DataSpec


def write_adapter(
    output_dir: Path, network: SegmentationNetwork, data_spec: DataSpec, run: dict[str, Any] | None = None
) -> None:
    """Write ``adapter.safetensors`` (all trained parameters) and ``adapter.json`` (what it takes to use them)."""
    description = {
        "method": network.method,
        "network": network.settings,
        "base": network.base_record,
        "labels": list(network.label_spec.names),
        "preprocessing": data_spec.to_dict(),
        "parameters": network.parameter_report().parts,
        "run": run or {},
        "versions": versions(),
    }
    with atomic_path(output_dir / ADAPTER) as temporary:
        save_file({name: value.contiguous() for name, value in network.adapter_state().items()}, temporary)
    with atomic_path(output_dir / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n")


def write_model(output_dir: Path, network: SegmentationNetwork) -> None:
    """Write ``model.pt``, the network's full state dict, which loads strictly into the bundle's ``network_def``."""
    with atomic_path(output_dir / MODEL) as temporary:
        torch.save({name: value.detach().cpu() for name, value in network.state_dict().items()}, temporary)


def write_history(output_dir: Path, rows: list[dict[str, float]]) -> None:
    """Write ``history.csv``, one line an epoch."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(output_dir / HISTORY) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_description(output_dir: Path) -> dict[str, Any]:
    """Read ``adapter.json``.

    Raises:
        SamAdaptError: when the folder holds none, or one of an unknown method.
    """
    path = output_dir / DESCRIPTION
    if not path.is_file():
        raise SamAdaptError(
            "output_dir", str(output_dir), f"holds no {DESCRIPTION}", "give the folder of a training run"
        )
    description: dict[str, Any] = json.loads(path.read_text())
    if description.get("method") not in METHODS:
        raise SamAdaptError("method", description.get("method"), "unknown", f"known are {', '.join(METHODS)}")
    return description


def network_from_adapter(output_dir: Path, checkpoint: str | None = None) -> SegmentationNetwork:
    """Build a network from base weights and an adapter file.

    Args:
        output_dir: folder of ``adapter.safetensors`` and ``adapter.json``.
        checkpoint: where the base weights are here; by default what the run used.

    Raises:
        SamAdaptError: when the base weights are not those the adapter was trained on.
    """
    description = read_description(output_dir)
    base = description["base"]
    if base is None:
        method = description["method"]
        raise SamAdaptError("output_dir", str(output_dir), f"{method} has no base weights", f"use its {MODEL} as it is")
    source = checkpoint or base["checkpoint"]
    network = METHODS[description["method"]].rebuild(description["network"], source)
    if network.base_sha256 != base["sha256"]:
        problem = f"has SHA-256 {str(network.base_sha256)[:12]}…, the adapter was trained on {base['sha256'][:12]}…"
        raise SamAdaptError("checkpoint", source, problem, "give the base weights of the training run")
    network.load_adapter_state(load_file(output_dir / ADAPTER))
    return network.eval()


@exits_in_one_line
def load_model(network: SegmentationNetwork, model_file: str) -> None:
    """Load as `load_weights`; ends the run in one line when they do not fit."""
    load_weights(network, model_file)


def load_weights(network: SegmentationNetwork, model_file: str) -> None:
    """Load ``model.pt`` strictly, and go to evaluation mode once: MONAI's engines else switch it for every case.

    Raises:
        SamAdaptError: when the file is missing, unreadable, or of another network, or a setting is not as trained.
    """
    path = Path(model_file)
    if not path.is_file():
        raise SamAdaptError("model_file", model_file, "no such file", "train first, or give the model.pt of a run")
    _check_kind(network, path)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        remedy = "use the variant, image_size and labels it was trained with (see adapter.json beside it)"
        raise SamAdaptError("model_file", model_file, f"does not fit the network ({reason})", remedy) from error
    check_unstored(network, path.with_name(DESCRIPTION))
    network.eval()


def _check_kind(network: SegmentationNetwork, path: Path) -> None:
    """Refuse another file of a run, and the weights of another method, by name."""
    if path.name in (ADAPTER, CHECKPOINT):
        remedy = f"give the {MODEL} of that folder, or let samadapt pack make one of the adapter"
        raise SamAdaptError("model_file", str(path), f"is no {MODEL}", remedy)
    description = path.with_name(DESCRIPTION)
    method = json.loads(description.read_text()).get("method") if description.is_file() else network.method
    if method != network.method:
        problem = f"was trained by {method}, this is {network.method}"
        raise SamAdaptError("model_file", str(path), problem, f"run the bundle {method}")
