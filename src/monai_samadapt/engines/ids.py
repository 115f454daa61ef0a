"""A check of the ids a user set: MONAI takes any name, and what nothing reads would be ignored without a word."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError

MONAI = {"tracking", "tracking_uri", "experiment_name", "run_name", "save_execute_config", "is_not_rank0"}
"""Ids that MONAI and MONAI Label add for their own tracking."""


def check_ids(config: Mapping[str, Any] | None) -> None:
    """Refuse a top-level id that no file of the bundle declares and no entry refers to, and true or false as a word.

    Args:
        config: the merged configuration with its ``bundle_root``; None outside a bundle, where nothing is checked.

    Raises:
        SamAdaptError: naming the id and the one that is nearest to it.
    """
    declared = _declared(Path(str(config["bundle_root"])) / "configs") if config else set()
    if config is None or not declared:
        return
    read = {name for text in _texts(config) for name in re.findall(r"@(\w+)", text)}
    for key in config.keys() - declared - read - MONAI:
        near = difflib.get_close_matches(key, declared | read, n=1)
        remedy = f"did you mean {near[0]}?" if near else "leave it out"
        raise SamAdaptError(key, config[key], "this bundle has no such id", remedy)
    for key, value in config.items():
        if value in ("true", "false"):  # what --amp false gives; as text it counts as true
            raise SamAdaptError(key, value, "is a word to MONAI's command line", f"write {value.capitalize()}")


def _declared(folder: Path) -> set[str]:
    """The ids in the files of a bundle, overlays included."""
    files = [path for path in folder.glob("*.json") if path.name != "metadata.json"]
    return {key for path in files for key in json.loads(path.read_text(encoding="utf-8"))}


def _texts(value: Any) -> Iterator[str]:
    """All strings in a configuration."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
