"""Reading a study from a JSON file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_samadapt.compare.study import DataSet, Study
from monai_samadapt.errors import SamAdaptError

KEYS = ("sets", "methods", "mode", "folds", "seed", "ids")
SET_KEYS = ("dataset_dir", "datalist", "overlay", "ids")


def read_study(path: Path) -> Study:
    """Read a study from JSON: ``{"sets": {NAME: {"dataset_dir", "datalist", "overlay", "ids"}}, "methods": {NAME:
    {ids}}, "mode", "folds", "seed", "ids"}``; folders are relative to the file.

    Raises:
        SamAdaptError: when it cannot be read or has other keys.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SamAdaptError("study", str(path), f"cannot be read ({error})", "give a JSON file") from error
    _check_keys(content, KEYS, path)
    if not isinstance(content.get("sets"), dict):
        raise SamAdaptError("study", str(path), "has no sets", 'give "sets": {NAME: {"dataset_dir": …}}')
    sets = {}
    for name, data in content.pop("sets").items():
        _check_keys(data, SET_KEYS, path)
        if "dataset_dir" not in data:
            raise SamAdaptError("study", str(path), f"the set {name} has no dataset_dir", "give its folder")
        sets[name] = _placed(DataSet(**data), path.resolve().parent)
    methods = content.pop("methods", {})
    for key, kind, example in (("folds", int, 3), ("seed", int, 0), ("ids", dict, '{"max_epochs": 50}')):
        if not isinstance(content.get(key, kind()), kind):
            raise SamAdaptError(key, content[key], f"is of the wrong type in {path}", f"give e.g. {example}")
    return Study(sets, {name: {} for name in methods} if isinstance(methods, list) else methods, **content)


def _placed(data: DataSet, folder: Path) -> DataSet:
    """A data set whose paths were relative to ``folder``."""
    overlay = str(folder / data.overlay) if data.overlay.endswith(".json") else data.overlay
    return replace(data, dataset_dir=str(folder / data.dataset_dir), overlay=overlay)


def _check_keys(found: Any, known: tuple[str, ...], path: Path) -> None:
    wrong = found if not isinstance(found, dict) else next((key for key in found if key not in known), None)
    if wrong is not None:
        raise SamAdaptError("study", wrong, f"is not known in {path}", f"use {', '.join(known)}")
