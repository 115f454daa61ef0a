"""Reading a study from a JSON file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_samadapt.compare.study import DataSet, Study
from monai_samadapt.errors import SamAdaptError

KEYS = ("sets", "methods", "mode", "folds", "seed", "ids")
TEXT = (str, "a text")
SET_TYPES = {"dataset_dir": TEXT, "datalist": TEXT, "overlay": TEXT, "ids": (dict, "a mapping")}


def read_study(path: Path) -> Study:
    """Read a study from JSON: ``{"sets": {NAME: {"dataset_dir", "datalist", "overlay", "ids"}}, "methods": {NAME:
    {ids}}, "mode", "folds", "seed", "ids"}``; folders are relative to the file.

    Raises:
        SamAdaptError: when it cannot be read or has other keys.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SamAdaptError("study", str(path), f"cannot be read ({error})", "give a JSON file") from error
    _check_keys(content, KEYS, path)
    if not isinstance(content.get("sets"), dict):
        raise SamAdaptError("study", str(path), "has no sets", 'give "sets": {NAME: {"dataset_dir": …}}')
    sets = {}
    for name, data in content.pop("sets").items():
        _check_keys(data, tuple(SET_TYPES), path)
        if "dataset_dir" not in data:
            raise SamAdaptError("study", str(path), f"the set {name} has no dataset_dir", "give its folder")
        for key, value in data.items():
            if (key, value) != ("datalist", None):
                _check_type(key, value, *SET_TYPES[key], path)
        sets[name] = _placed(DataSet(**data), path.resolve().parent)
    for key, kind, example in (("folds", int, 3), ("seed", int, 0), ("ids", dict, '{"max_epochs": 50}')):
        _check_type(key, content.get(key, kind()), kind, f"e.g. {example}", path)
    methods = content.pop("methods", {})
    methods = {name: {} for name in methods} if isinstance(methods, list) else methods
    _check_type("methods", methods, dict, '["s_sam"] or {"s_sam": {}}', path)
    for name, ids in methods.items():
        _check_type(name, ids, dict, "its ids, or {}", path)
    return Study(sets, methods, **content)


def _placed(data: DataSet, folder: Path) -> DataSet:
    """A data set whose paths were relative to ``folder``."""
    overlay = str(folder / data.overlay) if data.overlay.endswith(".json") else data.overlay
    datalist = data.datalist and str(folder / data.datalist)
    return replace(data, dataset_dir=str(folder / data.dataset_dir), datalist=datalist, overlay=overlay)


def _check_type(key: str, value: Any, kind: type, example: str, path: Path) -> None:
    if not isinstance(value, kind):
        raise SamAdaptError(key, value, f"is of the wrong type in {path}", f"give {example}")


def _check_keys(found: Any, known: tuple[str, ...], path: Path) -> None:
    wrong = found if not isinstance(found, dict) else next((key for key in found if key not in known), None)
    if wrong is not None:
        raise SamAdaptError("study", wrong, f"is not known in {path}", f"use {', '.join(known)}")
