"""What a run is known by in a table of runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import monai_samadapt
from monai_samadapt.datasets.split import PATH_KEYS
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.reports.jsonfile import json_value
from monai_samadapt.transforms import DataSpec

LONGEST = 6000
"""Characters of a parameter that MLflow takes."""

Sections = Mapping[str, Sequence[Mapping[str, Any]]]


def run_parameters(
    network: SegmentationNetwork, data_spec: DataSpec, data: Sections, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Method, settings, counts, base weights and data of a run as text.

    Args:
        network, data_spec: their settings are taken over under their names.
        data: items of each section.
        settings: further ids and values.
    """
    report, base = network.parameter_report(), network.base_record or {}
    values = {
        "method": network.method,
        **network.settings,
        **data_spec.to_dict(),
        **settings,
        "trainable": report.trainable,
        "trainable_percent": round(report.percentage, 6),
        "base": base.get("checkpoint"),
        "base_sha256": base.get("sha256"),
        "data_sha256": data_fingerprint(data),
        **{f"{section}_items": len(items) for section, items in data.items()},
        "version": monai_samadapt.__version__,
    }
    return {key: parameter_text(value) for key, value in values.items()}


def parameter_text(value: Any) -> str:
    """A text as it is, anything else as JSON, cut to what MLflow takes."""
    return (value if isinstance(value, str) else json.dumps(json_value(value)))[:LONGEST]


def data_fingerprint(data: Sections) -> str:
    """SHA-256 over the items of each section, with the size of each of their files.

    Paths count below the folder that holds them all, so that a data set has the same fingerprint wherever it lies. The
    size of a folder (a DICOM series) is that of its files together.
    """
    paths = [str(item[key]) for items in data.values() for item in items for key in PATH_KEYS if key in item]
    root = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]) if paths else ""
    described = {section: [_described(item, root) for item in items] for section, items in data.items()}
    text = json.dumps(json_value(described), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _described(item: Mapping[str, Any], root: str) -> dict[str, Any]:
    files = {key: Path(os.path.abspath(item[key])) for key in PATH_KEYS if key in item}
    return {**item, **{key: [path.relative_to(root).as_posix(), _size(path)] for key, path in files.items()}}


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
