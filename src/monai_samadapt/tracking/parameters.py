"""What a run is known by in a table of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import monai_samadapt
from monai_samadapt.datasets.fingerprint import Sections, data_fingerprint
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.reports.jsonfile import json_value
from monai_samadapt.transforms import DataSpec

LONGEST = 6000
"""Characters of a parameter that MLflow takes."""


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
