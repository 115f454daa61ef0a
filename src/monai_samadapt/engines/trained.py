"""Settings that have to be as in the training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.transforms import DataSpec


def check_settings(spec: DataSpec, description: Path) -> None:
    """Refuse settings of the data that differ from those the model beside ``description`` was trained with."""
    _check_same(spec.to_dict(), description, "preprocessing")


def check_unstored(network: SegmentationNetwork, description: Path) -> None:
    """Refuse settings of the network that differ from the training's, and that loading its weights does not show."""
    _check_same({key: network.settings[key] for key in network.unstored}, description, "network")


def _check_same(settings: Mapping[str, Any], description: Path, part: str) -> None:
    trained = json.loads(description.read_text())[part] if description.is_file() else {}
    for key, value in settings.items():
        # compared as text, since the order of labels counts
        if key in trained and json.dumps(trained[key]) != json.dumps(value):
            raise SamAdaptError(key, value, f"the model was trained with {trained[key]!r}", f"pass --{key} as trained")
