"""The manifest of a run: what ran, on what, from which data and weights."""

from __future__ import annotations

import ast
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import monai_samadapt
from monai_samadapt.passwords import without_password
from monai_samadapt.reports.jsonfile import json_value, write_json

CONFIG_OPTIONS = ("--config_file", "--config-file")

PACKAGES = (
    "torch",
    "torchvision",
    "monai",
    "pytorch-ignite",
    "segment-anything",
    "sam2",
    "numpy",
    "scipy",
    "safetensors",
    "nibabel",
    "itk",
    "pillow",
    "mlflow",
    "monailabel",
)


def versions() -> dict[str, str]:
    """Return the version of this package and of those it builds on, as far as they are installed."""
    found = {package: _version(package) for package in PACKAGES}
    return {"monai_samadapt": monai_samadapt.__version__} | {name: value for name, value in found.items() if value}


def write_manifest(
    path: str | os.PathLike[str],
    started: datetime,
    device: torch.device | str = "cpu",
    configs: Sequence[str | os.PathLike[str]] | None = None,
    datalist: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    network: torch.nn.Module | None = None,
    **fields: Any,
) -> None:
    """Write the manifest as JSON, completely or not at all.

    Args:
        path: the JSON file.
        started: when the run began, with a time zone; it ends now.
        device: where the network ran.
        configs: the configuration files, copied with their SHA-256; by default those of the command line.
        datalist: the items of each section, of which the counts and a SHA-256 are kept.
        network: counted: all and trainable parameters.
        **fields: what else belongs to the run, as ``seed``, ``base_weights_sha256``, ``prompts``.
    """
    ended = datetime.now(timezone.utc)
    manifest = {
        "started": started,
        "ended": ended,
        "seconds": round((ended - started).total_seconds(), 3),
        "command": without_password(shlex.join(sys.argv)),
        "folder": os.getcwd(),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": describe_device(device),
        "configs": [_config(Path(config)) for config in (config_files(sys.argv) if configs is None else configs)],
    }
    if datalist is not None:
        manifest["datalist"] = describe_datalist(datalist)
    if network is not None:
        manifest["parameters"] = count_parameters(network)
    write_json(manifest | fields, path)


def config_files(command: Sequence[str]) -> list[str]:
    """The existing files that a command line of ``monai.bundle run`` has as ``--config_file``, one or a list."""
    words = [part for word in command for part in (word.split("=", 1) if word.startswith(CONFIG_OPTIONS) else [word])]
    values = [value for option, value in pairwise(words) if option in CONFIG_OPTIONS]
    return [name for value in values for name in _names(value) if Path(name).is_file()]


def _names(value: str) -> list[str]:
    """The paths of an argument: one path, or a list as Python writes it."""
    if not value.startswith("["):
        return [value]
    try:
        return [str(name) for name in ast.literal_eval(value)]
    except (SyntaxError, ValueError):
        return []


def describe_device(device: torch.device | str) -> dict[str, Any]:
    """Return the kind, name, memory in GiB and number of cores of a device."""
    kind = torch.device(device).type
    described: dict[str, Any] = {"type": kind, "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    if kind == "cuda":
        properties = torch.cuda.get_device_properties(device)
        memory = round(properties.total_memory / 2**30, 1)
        described |= {"name": properties.name, "memory_gib": memory, "cuda": torch.version.cuda}
    return described


def describe_datalist(datalist: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the number of items of each section and the SHA-256 of the whole list as canonical JSON."""
    text = json.dumps(json_value(datalist), sort_keys=True, separators=(",", ":"))
    counts = {section: len(items) for section, items in datalist.items()}
    return {"items": counts, "sha256": sha256(text.encode()).hexdigest()}


def count_parameters(network: torch.nn.Module) -> dict[str, Any]:
    """Return the number of all and of trainable parameters, and the share of the latter in percent."""
    total = sum(parameter.numel() for parameter in network.parameters())
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "trainable_percent": 100 * trainable / total if total else 0.0}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _config(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    text = without_password(raw.decode("utf-8", errors="replace"))
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = text
    return {"path": str(path), "sha256": sha256(raw).hexdigest(), "content": content}
