"""Settings that have to be as in the training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
        if key in trained and not same_setting(key, trained[key], value):
            raise SamAdaptError(key, value, f"the model was trained with {trained[key]!r}", f"pass --{key} as trained")


def same_setting(key: str, was: Any, now: Any) -> bool:
    """Whether two values of a setting are the same as JSON, in which the order of labels counts.

    Several labels by name are the same as with the values 1, 2, …; one alone is not, as its files may hold 255.
    """
    if key == "labels":
        was, now = _with_values(was), _with_values(now)
    return json.dumps(was) == json.dumps(now)


def _with_values(labels: Any) -> Any:
    if not isinstance(labels, Sequence) or len(labels) < 2:
        return labels
    return {name: value for value, name in enumerate(labels, 1)}
